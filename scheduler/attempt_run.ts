/**
 * One attempt from spawn to end: start the process, copy its output, stop it when its time is over or somebody says so,
 * and tell how it ended.
 *
 * The attempt ends when the shell does, not when its pipe closes: a grandchild may hold that for hours.
 */
import { LookupFailed } from "../ffi/users.ts";
import type { Claim, Ended, Outcome } from "../store/attempts.ts";
import type { Job } from "../store/job.ts";
import type { Settings } from "../store/settings.ts";
import { after } from "./alarm.ts";
import { commandLine, type JobEnvironment, spawnEnvironment } from "./command.ts";
import { ask, type Leftovers, type StopOptions } from "./leftovers.ts";
import type { OutputBatch } from "./output_batch.ts";
import { type AttemptProcesses, signal, signalGroup, startTicks } from "./processes.ts";
import type { Spawned, Spawner } from "./spawner.ts";

/** How long the pipe may take to close once no process of the attempt is left, in ms: only a stranger can hold it. */
const PIPE_CLOSE_MS = 1000;
/** How long what is left of an attempt may hold the pipe after it was told to end, before reading stops, in ms. */
const PIPE_LEFT_MS = 200;

/** Storing that takes longer than this in ms had to wait for the state file. */
const STALL_MS = 200;

/**
 * How long a process is tried to be made again while the system, or the limit of the user, has none to spare, and how long
 * apart, in ms.
 */
const SHORTAGE_MS = 60_000;
const SHORTAGE_RETRY_MS = 1000;

export type StopReason = "timeout" | "cancelled" | "lost";

/** An attempt that runs, as the scheduler sees it. */
export interface Run {
  readonly claim: Claim;
  /** Starts the process and resolves when the attempt has ended. */
  run(): Promise<RunEnd>;
  /** Stops the attempt: SIGTERM to its processes, after the grace SIGKILL. The first reason counts. */
  stop(reason: StopReason): void;
  /** Cuts the grace of a stop short. */
  kill(): void;
  /** Sends a signal to the process group of the attempt. */
  signal(name: NodeJS.Signals): "sent" | "gone" | "denied";
  /** After the end: stops what is left. As {@linkcode Leftovers.stop}. */
  stopLeft(options: StopOptions): Promise<boolean>;
}

export interface RunOptions {
  /** What the job runs with. Rejects with the reason when it cannot: its owner is nobody that the system knows. */
  readonly environment: (job: Job) => JobEnvironment | Promise<JobEnvironment>;
  readonly spawner: Spawner;
  readonly bootId: string;
  readonly leftovers: Leftovers;
  /** Whether a process that was started here is dead, though its end may not have been told yet. */
  readonly hasEnded: (pid: number) => boolean;
  readonly output: OutputBatch;
  /** Where scripts that need a file are put. */
  readonly runFolder: string;
  /** As they are when the attempt begins. */
  readonly settings: Settings;
  /** Asked when it is needed: the setting may change while the job runs. */
  readonly graceMs: () => number;
  /** It cannot be started just now, for this reason, and is tried again for a while. Called once. */
  readonly shortage: (reason: string) => void;
  /** The process is there. */
  readonly started: (pid: number, pidStart: number | null) => void;
}

/** How the attempt ended. */
export type RunEnd = Ended;

export class AttemptRun implements Run {
  readonly claim: Claim;
  readonly #options: RunOptions;
  /** Seconds; 0: it may run for ever. */
  readonly #timeoutSec: number;
  readonly #begunAt = performance.now();
  #processes: AttemptProcesses;
  #stopped: StopReason | null = null;
  /** Processes that have been sent SIGTERM. */
  readonly #asked = new Set<number>();
  /** Those that were told to end by their group are being found. */
  #asking: Promise<void> = Promise.resolve();
  #ended = false;
  #isKilled = false;
  /** What cancels the timers of this run. */
  readonly #timers: (() => void)[] = [];
  /** Whether a read of the pipe waits for something to come. */
  #isReading = false;
  /** When storing output last had to wait for the state file, by the monotonic clock. */
  #stalledUntil = -Infinity;

  constructor(claim: Claim, options: RunOptions) {
    this.claim = claim;
    this.#options = options;
    this.#timeoutSec = claim.options.timeoutSec ?? options.settings.timeout_sec;
    this.#processes = {
      token: claim.token,
      bootId: options.bootId,
      pid: null,
      pidStart: null,
      keepsChildren: claim.options.keepChildren ? 1 : 0,
    };
  }

  async run(): Promise<RunEnd> {
    const file = { path: null as string | null };
    try {
      let child: Spawned;
      try {
        child = await this.#spawnPatiently(file);
      } catch (error) {
        if (this.#stopped !== null) return this.#end(this.#stoppedOutcome(this.#stopped), false);
        const reason = error instanceof Error ? error.message : String(error);
        return this.#end({ kind: "error", reason: `cannot start: ${reason}` }, false);
      }
      this.#begun(child.pid);
      return await this.#follow(child);
    } finally {
      this.#ended = true;
      this.#cancelTimers();
      if (file.path !== null) await Deno.remove(file.path).catch(() => {});
    }
  }

  #end(outcome: Outcome, left: boolean): RunEnd {
    return { outcome, left, runMs: performance.now() - this.#begunAt };
  }

  #begun(pid: number): void {
    const { leftovers, started } = this.#options;
    const timeoutSec = this.#timeoutSec;
    leftovers.spawned(pid);
    this.#processes = { ...this.#processes, pid, pidStart: startTicks(pid) };
    started(pid, this.#processes.pidStart);
    if (timeoutSec > 0) this.#timers.push(after(timeoutSec * 1000, () => this.stop("timeout")));
    // Somebody has said so while there was no process yet.
    if (this.#stopped !== null) this.#terminate();
    if (this.#isKilled) this.#kill();
  }

  #cancelTimers(): void {
    for (const cancel of this.#timers.splice(0)) cancel();
  }

  /** A shortage of processes, memory or files is none of the job's doing, and mostly short. */
  async #spawnPatiently(file: { path: string | null }): Promise<Spawned> {
    const until = performance.now() + SHORTAGE_MS;
    for (let tries = 1;; tries++) {
      try {
        return await this.#spawn(file);
      } catch (error) {
        if (this.#stopped !== null || !isShortage(error) || performance.now() > until) throw error;
        if (tries === 1) this.#options.shortage(error.message);
      }
      await new Promise<void>((resolve) => this.#timers.push(after(SHORTAGE_RETRY_MS, resolve)));
    }
  }

  async #spawn(file: { path: string | null }): Promise<Spawned> {
    const { environment: environmentOf, spawner, settings: { wrapper } } = this.#options;
    const { job, token, script, options } = this.claim;
    const found = environmentOf(job);
    // What can be done at once is done in this turn: a process that is there can be told from others after a crash.
    const environment = found instanceof Promise ? await found : found;
    if (this.#stopped !== null) throw new Error("stopped before it was started");
    const line = commandLine(script, environment, { ...options, wrapper });
    if (line.file) {
      // A name that cannot be guessed, so that other jobs of the same sandbox do not find it; others see it, so not the token.
      file.path ??= writeScript(this.#options.runFolder, script, environment);
    }
    const spawned = spawner.spawn({
      program: line.program,
      args: line.file ? line.args(file.path!) : line.args,
      env: spawnEnvironment(environment, options.env, {
        QJ_JOB: job.name,
        QJ_ATTEMPT: String(job.attempts + 1),
        QJ_ATTEMPT_ID: token,
      }),
    });
    return spawned instanceof Promise ? await spawned : spawned;
  }

  async #follow(child: Spawned): Promise<RunEnd> {
    const reader = child.stdout.getReader();
    const copied = this.#copy(reader);
    const status = await child.status;
    this.#options.leftovers.ended(child.pid);
    this.#ended = true;
    this.#cancelTimers();
    const end = this.#end(this.#outcome(status), false);
    await this.#asking;
    const members = await this.#options.leftovers.of(this.#processes);
    const left = members.length > 0;
    ask(members, this.#asked);
    const isHeld = left || this.#processes.keepsChildren === 1;
    await this.#readRest(reader, copied, isHeld ? PIPE_LEFT_MS : PIPE_CLOSE_MS);
    await this.#options.output.flush();
    return { ...end, left };
  }

  async #copy(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        this.#isReading = true;
        const { value, done } = await reader.read();
        this.#isReading = false;
        if (done) return;
        const before = performance.now();
        await this.#options.output.add(this.claim.capture, value);
        const now = performance.now();
        if (now - before > STALL_MS) this.#stalledUntil = now;
      }
    } catch {
      // The read was cancelled.
    }
  }

  /**
   * Reads what is in the pipe to its end, or for as long as `patienceMs` says: who goes on printing after the end is not
   * listened to for ever. The time in which nothing can be stored does not count.
   */
  async #readRest(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    copied: Promise<void>,
    patienceMs: number,
  ): Promise<void> {
    const ended = copied.then(() => true);
    for (;;) {
      const [cancel, late] = deadline(patienceMs);
      const isAtEnd = await Promise.race([ended, late]);
      cancel();
      if (isAtEnd) return;
      const hadItsTime = performance.now() - this.#stalledUntil >= patienceMs;
      if (this.#isReading && hadItsTime) await reader.cancel().catch(() => {});
    }
  }

  #outcome(status: Deno.CommandStatus): Outcome {
    if (this.#stopped !== null) return this.#stoppedOutcome(this.#stopped);
    if (status.signal !== null) return { kind: "signaled", signal: status.signal };
    return { kind: "exited", code: status.code };
  }

  #stoppedOutcome(reason: StopReason): Outcome {
    return reason === "timeout" ? { kind: "timeout", seconds: this.#timeoutSec } : { kind: reason };
  }

  stop(reason: StopReason): void {
    if (this.#ended || this.#stopped !== null) return;
    // A daemon that was held up hears of its timer first. Who cancels means the job, however far it is.
    if (reason !== "cancelled" && this.#hasEnded()) return;
    this.#stopped = reason;
    this.#terminate();
  }

  #hasEnded(): boolean {
    const { pid } = this.#processes;
    return pid !== null && this.#options.hasEnded(pid);
  }

  #terminate(): void {
    const { pid } = this.#processes;
    if (pid === null) return;
    signalGroup(pid, "SIGTERM");
    signalGroup(pid, "SIGCONT"); // so that what has stopped hears it
    this.#asked.add(pid);
    this.#asking = this.#askOthers();
    this.#timers.push(after(this.#options.graceMs(), () => this.#kill()));
  }

  async #askOthers(): Promise<void> {
    const members = await this.#options.leftovers.allOf(this.#processes);
    for (const { pid, inGroup } of members) if (inGroup) this.#asked.add(pid);
    ask(members, this.#asked);
  }

  signal(name: NodeJS.Signals): "sent" | "gone" | "denied" {
    const { pid } = this.#processes;
    return this.#ended || pid === null ? "gone" : signalGroup(pid, name);
  }

  kill(): void {
    this.#isKilled = true;
    if (!this.#ended) this.#kill();
  }

  #kill(): void {
    const { pid } = this.#processes;
    if (pid === null) return;
    signalGroup(pid, "SIGKILL");
    void this.#killOthers();
  }

  /** Those that have left the group; what they make meanwhile is found when the shell has ended. */
  async #killOthers(): Promise<void> {
    const members = await this.#options.leftovers.allOf(this.#processes);
    for (const { pid, inGroup } of members) if (!inGroup) signal(pid, "SIGKILL");
  }

  stopLeft(options: StopOptions): Promise<boolean> {
    return this.#options.leftovers.stop(this.#processes, { ...options, asked: this.#asked });
  }
}

/** A file for nobody but who runs it. */
function writeScript(folder: string, script: Uint8Array, { user }: JobEnvironment): string {
  const path = `${folder}/${crypto.randomUUID()}`;
  Deno.writeFileSync(path, script, { mode: 0o500, createNew: true });
  if (user !== undefined) Deno.chownSync(path, user.uid, user.gid);
  return path;
}

/** EAGAIN, ENOMEM, ENFILE or EMFILE, for which Deno has no code; or the job's owner cannot be looked up just now. */
function isShortage(error: unknown): error is Error {
  if (error instanceof LookupFailed) return true;
  return error instanceof Error && /os error (1[12]|2[34])\b/.test(error.message);
}

/** What cancels it, and a promise of false after so many ms. */
function deadline(ms: number): [() => void, Promise<false>] {
  let cancel = () => {};
  const late = new Promise<false>((resolve) => cancel = after(ms, () => resolve(false)));
  return [cancel, late];
}
