/** Signals that end the daemon. */

const STOP = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** Those of SIGHUP, SIGINT and SIGTERM that whoever started this process (nohup, a script's `&`) has not ignored. */
export function stopSignals(): (keyof typeof STOP)[] {
  const status = Deno.readTextFileSync("/proc/self/status");
  const ignored = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  const names = Object.keys(STOP) as (keyof typeof STOP)[];
  return names.filter((name) => (ignored >> BigInt(STOP[name] - 1) & 1n) === 0n);
}
