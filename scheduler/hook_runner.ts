/**
 * Runs `on_complete` and `on_failed`: a command for each job that has ended for good, in that order, a few at a time. A
 * hook is forgotten when it starts, so it runs at most once; that it has failed is logged.
 */
import type { Hook } from "../store/hooks.ts";
import type { Store } from "../store/store.ts";
import { after } from "./alarm.ts";
import { commandLine, type JobEnvironment } from "./command.ts";
import type { Persistence } from "./persistence.ts";
import { signal, signalGroup } from "./processes.ts";
import { type Spawned, spawnHere } from "./spawner.ts";

/** More would take the place of jobs. */
const AT_ONCE = 4;
/** A hook tells somebody that a job has ended; what takes longer is a job itself. */
const TIMEOUT_MS = 60_000;
/** As much of what it prints is logged when it fails. */
const MAX_OUTPUT = 1000;

export interface HookRunnerOptions {
  readonly store: Store;
  readonly environment: JobEnvironment;
  readonly persistence: Persistence;
  /** A process was started, or has ended: for who looks after adopted ones. */
  readonly spawned: (pid: number) => void;
  readonly ended: (pid: number) => void;
  readonly failed: (hook: Hook, reason: string) => void;
}

export class HookRunner {
  readonly #options: HookRunnerOptions;
  readonly #running = new Map<number, Promise<void>>();
  #isStopped = true;

  constructor(options: HookRunnerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#isStopped = false;
    this.look();
  }

  /** Starts no more; what runs is told to end, and killed after the grace. Resolves when nothing runs. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true;
    for (const pid of this.#running.keys()) {
      signalGroup(pid, "SIGTERM");
      signalGroup(pid, "SIGCONT");
    }
    const cancel = after(graceMs, () => this.kill());
    await Promise.all(this.#running.values());
    cancel();
  }

  /** Cuts the grace of {@linkcode HookRunner.stop} short. Those that have not started are for the next daemon. */
  kill(): void {
    this.#isStopped = true;
    for (const pid of this.#running.keys()) signalGroup(pid, "SIGKILL");
  }

  /** There may be a hook to run. One is started at a time; its end starts the next. */
  look(): void {
    while (!this.#isStopped && this.#running.size < AT_ONCE && this.#startOne());
  }

  #startOne(): boolean {
    const { store, persistence } = this.#options;
    let hook: Hook | undefined;
    const worked = persistence.try(() => {
      hook = store.hooks.next();
      if (hook !== undefined) store.hooks.taken(hook.id);
    });
    if (!worked || hook === undefined) return false;
    const command = store.hooks.commandFor(hook.state);
    if (command !== null) this.#run(hook, command);
    return true;
  }

  #run(hook: Hook, command: string): void {
    let child: Spawned;
    try {
      child = this.#spawn(hook, command);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return this.#options.failed(hook, `cannot start: ${reason}`);
    }
    this.#options.spawned(child.pid);
    this.#running.set(
      child.pid,
      this.#follow(hook, child).finally(() => {
        this.#running.delete(child.pid);
        this.look();
      }),
    );
  }

  #spawn(hook: Hook, command: string): Spawned {
    const { environment } = this.#options;
    const script = new TextEncoder().encode(command);
    const line = commandLine(script, environment);
    // A command is at most a few kilobytes of text, which needs no file, unless it begins with "#!".
    if (line.file) throw new Error("a hook is a shell command, not a script with an interpreter");
    return spawnHere({
      program: line.program,
      args: line.args,
      env: {
        ...environment.env,
        QJ_JOB: hook.job,
        QJ_STATE: hook.state,
        QJ_EXIT_CODE: hook.exitCode === null ? "" : String(hook.exitCode),
        QJ_ATTEMPT: String(hook.attempt),
        QJ_LOG: `${environment.env["QJ_MOUNT"]}/jobs/${hook.job}/log`,
      },
    });
  }

  async #follow(hook: Hook, child: Spawned): Promise<void> {
    const reader = child.stdout.getReader();
    const output = tailOf(reader);
    let isLate = false;
    const cancelTimeout = after(TIMEOUT_MS, () => {
      isLate = true;
      signalGroup(child.pid, "SIGKILL");
    });
    const status = await child.status;
    cancelTimeout();
    this.#options.ended(child.pid);
    // What it leaves in the background goes with it, and lets go of the pipe.
    signal(-child.pid, "SIGKILL");
    const cancelRead = after(1000, () => void reader.cancel().catch(() => {}));
    const text = await output;
    cancelRead();
    if (status.success) return;
    const how = isLate
      ? `timed out after ${TIMEOUT_MS / 1000} s`
      : status.signal !== null
      ? `signal: ${status.signal}`
      : `exit status ${status.code}`;
    this.#options.failed(hook, text === "" ? how : `${how}: ${text}`);
  }
}

/** The end of what comes, without white space around it. */
async function tailOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  let tail = new Uint8Array(0);
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const joined = new Uint8Array([...tail, ...value.subarray(-MAX_OUTPUT)]);
      tail = joined.slice(-MAX_OUTPUT);
    }
  } catch {
    // The read was cancelled.
  }
  return new TextDecoder().decode(tail).trim();
}
