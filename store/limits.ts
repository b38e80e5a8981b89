/** Limits that settings and the options of a script share. */
export const LIMITS = {
  /** A year: longer waits are mistakes, and far from where timers and dates overflow. */
  maxSeconds: 31_536_000,
  maxAttempts: 1_000_000,
  maxBackoffMult: 1000,
  /** In both directions. */
  maxPriority: 1000,
} as const;
