/** Time as the scheduler sees it: one object, so that a test can let years pass in a moment. */
import { setImmediate } from "node:timers";

export interface Clock {
  /** Milliseconds since some moment, by a clock that nobody can set. */
  ticks(): number;
  /** Calls `ring` once after so many ms, at most 24 days. Returns what cancels it. */
  after(delayMs: number, ring: () => void): () => void;
  /** Calls `ring` in a turn of its own of the event loop, as soon as requests have had theirs. */
  soon(ring: () => void): void;
}

export const SYSTEM_CLOCK: Clock = {
  ticks: () => performance.now(),
  after: (delayMs, ring) => {
    const timer = setTimeout(ring, delayMs);
    return () => clearTimeout(timer);
  },
  soon: (ring) => void setImmediate(ring),
};

/** Resolves after so many ms. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}

/** Resolves in the next turn. */
export function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve));
}
