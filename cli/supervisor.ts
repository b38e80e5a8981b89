/**
 * What a service manager is told: when qj is ready and when it ends, what it does, and, if it asks for that, that it is
 * alive. The last is told by the thread that answers the kernel: when that hangs, it is not told.
 */
import type { NotifySocket } from "../ffi/notify_socket.ts";

/** The status is told at most this often, in ms. */
const STATUS_MS = 1000;

export interface SupervisorOptions {
  readonly socket: NotifySocket | null;
  readonly env: (name: string) => string | undefined;
  readonly pid: number;
  /** One line: what the daemon does. */
  readonly status: () => string;
}

/** How often to send a sign of life, in ms, or null: nobody waits for one. sd_watchdog_enabled(3). */
export function watchdogMs(env: (name: string) => string | undefined, pid: number): number | null {
  const microseconds = Number(env("WATCHDOG_USEC") ?? 0);
  const forPid = env("WATCHDOG_PID");
  if (!(microseconds > 0) || (forPid !== undefined && Number(forPid) !== pid)) return null;
  return Math.max(1, Math.floor(microseconds / 2000));
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  #watchdog: ReturnType<typeof setInterval> | undefined;
  #later: ReturnType<typeof setTimeout> | undefined;
  #told = "";
  #toldAt = -Infinity;
  #isReady = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Mounted and serving. */
  ready(): void {
    const { socket, env, pid } = this.#options;
    if (socket === null) return;
    this.#isReady = true;
    socket.send("READY=1", `STATUS=${this.#status()}`);
    const everyMs = watchdogMs(env, pid);
    if (everyMs !== null) {
      this.#watchdog = setInterval(() => socket.send("WATCHDOG=1"), everyMs);
    }
  }

  #status(): string {
    this.#told = this.#options.status();
    this.#toldAt = performance.now();
    return this.#told;
  }

  /** Something has changed that the status may tell of. */
  changed(): void {
    if (this.#options.socket === null || !this.#isReady || this.#later !== undefined) return;
    const wait = this.#toldAt + STATUS_MS - performance.now();
    this.#later = setTimeout(() => {
      this.#later = undefined;
      const before = this.#told;
      const status = this.#status();
      if (status !== before) this.#options.socket?.send(`STATUS=${status}`);
    }, Math.max(0, wait));
  }

  /** The end has begun. The signs of life go on until {@linkcode Supervisor.close}: it may take a while. */
  stopping(): void {
    if (this.#options.socket === null) return;
    clearTimeout(this.#later);
    this.#isReady = false;
    this.#options.socket.send("STOPPING=1", `STATUS=stopping, ${this.#options.status()}`);
  }

  close(): void {
    clearInterval(this.#watchdog);
    clearTimeout(this.#later);
    this.#options.socket?.close();
  }
}
