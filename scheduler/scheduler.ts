/**
 * Starts jobs when they are ready and a slot is free, and records how they end.
 *
 * Driven by events: the store's changes, ends of attempts, and one alarm set to the next moment at which a waiting job
 * becomes ready. An attempt holds its slot until none of its processes is left. One process is spawned for each turn of
 * the event loop, since a spawn stops the thread for milliseconds and requests have to come in between.
 */
import { setImmediate } from "node:timers";
import type { LeftAttempt, Outcome } from "../store/attempts.ts";
import type { Change } from "../store/changes.ts";
import type { AttemptId, Job, JobId } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { after, Alarm } from "./alarm.ts";
import { AttemptRun, type RunOptions } from "./attempt_run.ts";
import { type JobEnvironment, unrunnable } from "./command.ts";
import { type ChildReaper, type Ending, Leftovers, type StopOptions } from "./leftovers.ts";
import { OutputBatch } from "./output_batch.ts";
import { decide } from "./policy.ts";
import { readBootId } from "./processes.ts";
import { Settling } from "./settling.ts";

/** Between two tries to change a state file that cannot be written, in ms. */
const STORE_RETRY_MS = 1000;

export interface SchedulerLog {
  started(job: Job, pid: number): void;
  ended(job: Job, outcome: Outcome): void;
  recovered(left: LeftAttempt): void;
  storeFailed(error: Error): void;
  /** Processes of a job may not be signalled. */
  outOfReach(job: string, pids: readonly number[]): void;
  /** The limit of open files allows only so many jobs at once. */
  tooFewDescriptors(limit: number): void;
}

export interface SchedulerOptions {
  readonly store: Store;
  readonly environment: JobEnvironment;
  readonly reaper: ChildReaper;
  /** A folder for scripts that need a file, mode 0700. */
  readonly runFolder: string;
  readonly log: SchedulerLog;
  /** How many jobs at once the limit of open files allows. */
  readonly maxByDescriptors: number;
  /** From 0 up to 1, for the jitter of backoffs. */
  readonly random?: () => number;
}

export class Scheduler {
  readonly #store: Store;
  readonly #options: SchedulerOptions;
  readonly #random: () => number;
  readonly #bootId = readBootId();
  readonly #leftovers: Leftovers;
  readonly #output: OutputBatch;
  readonly #settling = new Settling((jobs) => this.#submit(jobs));
  readonly #wake = new Alarm(() => this.#kick());
  /** Every attempt that holds a slot. Null for one that an earlier run of the daemon has left. */
  readonly #live = new Map<AttemptId, AttemptRun | null>();
  readonly #ending: Ending = { stop: false, kill: false };
  #unlisten = () => {};
  #kicked = false;
  #pumping = false;
  #started = false;
  #idle: (() => void)[] = [];
  #lastStoreError = "";
  #saidTooFew = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#random = options.random ?? Math.random;
    this.#leftovers = new Leftovers(options.reaper, this.#bootId);
    this.#output = new OutputBatch({
      store: (batch) => this.#store.attempts.captureOutput(batch),
      failed: (error) => this.#storeFailed(error),
    });
  }

  /** Deals with what the last run of the daemon has left: before the mount, so that what cannot be read refuses it. */
  recover(): void {
    const left = this.#store.attempts.left();
    for (const attempt of left) this.#recover(attempt);
    void this.#clearRunFolder(new Set(left.map(({ id }) => String(id))));
    this.#store.recoverOpenJobs();
  }

  /** Begins to start jobs. */
  start(): void {
    this.#unlisten = this.#store.changes.listen((change) => this.#changed(change));
    Deno.addSignalListener("SIGCHLD", this.#childEnded);
    this.#started = true;
    this.#kick();
  }

  /**
   * Starts nothing more; waits `drainSec` for what runs, then stops it, to be run again by the next daemon. Resolves
   * when no process is left.
   */
  async stop(drainSec: number): Promise<void> {
    this.#ending.stop = true;
    this.#settling.stop();
    this.#wake.clear();
    const cancelDrain = after(drainSec * 1000, () => {
      for (const run of this.#live.values()) run?.stop("lost");
    });
    if (this.#live.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    cancelDrain();
    this.#unlisten();
    this.#settling.stop();
    Deno.removeSignalListener("SIGCHLD", this.#childEnded);
  }

  /** Cuts the waiting of {@linkcode Scheduler.stop} short: kills what runs. */
  kill(): void {
    this.#ending.kill = true;
    this.#output.abandon();
    for (const run of this.#live.values()) {
      run?.stop("lost");
      run?.kill();
    }
  }

  readonly #childEnded = () => void this.#leftovers.reapOrphans();

  #changed(change: Change): void {
    switch (change.kind) {
      case "settle":
        return this.#settling.add(change.job, this.#store.settings.current.settle_ms);
      case "cancel":
        return this.#live.get(change.attempt)?.stop("cancelled");
      case "signal":
        return change.answer(this.#live.get(change.attempt)?.signal(change.signal) ?? "gone");
      case "queued":
      case "config":
        return this.#kick();
    }
  }

  #submit(jobs: JobId[]): void {
    void this.#persist(() => this.#store.moves.submit(jobs));
  }

  /** Looks for work in a turn of its own, once however often it is called. */
  #kick(): void {
    if (this.#kicked || this.#ending.stop || !this.#started) return;
    this.#kicked = true;
    setImmediate(() => {
      this.#kicked = false;
      void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      let next = this.#store.queue.wake();
      while (this.#startOne()) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        next = this.#store.queue.wake();
      }
      if (next !== null && !this.#ending.stop) this.#wake.set(next - this.#store.now());
    } catch (error) {
      this.#storeFailed(error);
      if (!this.#ending.stop) this.#wake.set(STORE_RETRY_MS);
    } finally {
      this.#pumping = false;
    }
  }

  get #hasSlot(): boolean {
    const { paused, max_job_count } = this.#store.settings.current;
    if (this.#ending.stop || paused || this.#live.size >= max_job_count) return false;
    if (this.#live.size < this.#options.maxByDescriptors) return true;
    if (!this.#saidTooFew) this.#options.log.tooFewDescriptors(this.#options.maxByDescriptors);
    this.#saidTooFew = true;
    return false;
  }

  /** Claims and starts the next job. False: there is none, or no slot. Does not await between claim and spawn. */
  #startOne(): boolean {
    if (!this.#hasSlot) return false;
    const job = this.#store.queue.next();
    if (job === undefined) return false;
    const reason = this.#store.moves.unfit(job) ?? unrunnable(this.#store.jobs.script(job.id));
    if (reason !== null) {
      this.#store.moves.reject(job, reason);
      return true;
    }
    const { max_output_bytes, timeout_sec } = this.#store.settings.current;
    const claim = this.#store.attempts.claim(job, this.#bootId, max_output_bytes);
    const run = new AttemptRun(claim, this.#runOptions(claim.attempt, job, timeout_sec));
    this.#live.set(claim.attempt, run);
    void this.#follow(run);
    return true;
  }

  #runOptions(attempt: AttemptId, job: Job, timeoutSec: number): RunOptions {
    return {
      environment: this.#options.environment,
      bootId: this.#bootId,
      leftovers: this.#leftovers,
      output: this.#output,
      runFolder: this.#options.runFolder,
      timeoutSec,
      graceMs: () => this.#store.settings.current.kill_grace_sec * 1000,
      started: (pid, pidStart) => {
        this.#options.log.started(job, pid);
        // Without this record a crash is still found by the token; a full disk is no reason to stop the job.
        try {
          this.#store.attempts.setProcess(attempt, pid, pidStart);
        } catch (error) {
          this.#storeFailed(error);
        }
      },
    };
  }

  async #follow(run: AttemptRun): Promise<void> {
    const { attempt, job, capture } = run.claim;
    const { outcome, left } = await run.run();
    this.#options.log.ended(job, outcome);
    await this.#persist(() =>
      this.#store.attempts.finish(capture, outcome, left, (now) => this.#decide(now, outcome))
    );
    if (left && await run.stopLeft(this.#stopOptions(attempt, job.name))) {
      await this.#persist(() => this.#store.attempts.gone(attempt, job.id));
    }
    this.#free(attempt);
  }

  /** Processes that may not be signalled hold the name of their job, but not a slot. */
  #stopOptions(attempt: AttemptId, job: string): StopOptions {
    return {
      graceMs: this.#store.settings.current.kill_grace_sec * 1000,
      ending: this.#ending,
      outOfReach: (pids) => {
        this.#options.log.outOfReach(job, pids);
        this.#free(attempt);
      },
    };
  }

  #decide(job: Job, outcome: Outcome) {
    return decide(job, {
      outcome,
      settings: this.#store.settings.current,
      nowMs: this.#store.now(),
      random: this.#random(),
    });
  }

  #free(attempt: AttemptId): void {
    this.#live.delete(attempt);
    this.#kick();
    if (this.#live.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** An attempt that the last daemon did not see the end of: lost. Its processes are stopped before the job runs again. */
  #recover(left: LeftAttempt): void {
    this.#store.attempts.lose(left, (job) => this.#decide(job, { kind: "lost" }));
    this.#options.log.recovered(left);
    this.#live.set(left.id, null);
    void this.#stopLeft(left);
  }

  /** Scripts of attempts that are over, whose daemon ended before it could remove them. */
  async #clearRunFolder(inUse: ReadonlySet<string>): Promise<void> {
    for await (const { name } of Deno.readDir(this.#options.runFolder)) {
      const isRunning = this.#live.has(Number(name) as AttemptId);
      if (!inUse.has(name) && !isRunning) {
        await Deno.remove(`${this.#options.runFolder}/${name}`).catch(() => {});
      }
    }
  }

  async #stopLeft(left: LeftAttempt): Promise<void> {
    const isGone = await this.#leftovers.stop(left, this.#stopOptions(left.id, left.jobName));
    await Deno.remove(`${this.#options.runFolder}/${left.id}`).catch(() => {});
    if (isGone) await this.#persist(() => this.#store.attempts.gone(left.id, left.jobId));
    this.#free(left.id);
  }

  /** Tries until the store takes it: what has happened must be recorded before anything can follow from it. */
  async #persist(change: () => void): Promise<void> {
    for (;;) {
      try {
        change();
        this.#lastStoreError = "";
        return;
      } catch (error) {
        this.#storeFailed(error);
        // Who is in a hurry to end leaves it to the next start, which finds the attempt lost.
        if (this.#ending.kill) return;
        await new Promise((resolve) => setTimeout(resolve, STORE_RETRY_MS));
      }
    }
  }

  /** One line for each kind of failure, not one for each try. */
  #storeFailed(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (error.message === this.#lastStoreError) return;
    this.#lastStoreError = error.message;
    this.#options.log.storeFailed(error);
  }
}
