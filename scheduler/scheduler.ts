/**
 * Starts jobs when they are ready and a slot is free, and records how they end.
 *
 * Driven by events: the store's changes, ends of attempts, and one alarm set to the next moment at which a waiting job
 * becomes ready. An attempt holds its slot until none of its processes is left. One process is spawned for each turn of
 * the event loop, since a spawn stops the thread for milliseconds and requests have to come in between.
 */
import type { LeftAttempt, Outcome } from "../store/attempts.ts";
import type { Change } from "../store/changes.ts";
import type { Hook } from "../store/hooks.ts";
import type { AttemptId, Job, JobId } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { after, Alarm } from "./alarm.ts";
import { AttemptRun, type Run, type RunOptions } from "./attempt_run.ts";
import { type Clock, nextTurn, SYSTEM_CLOCK } from "./clock.ts";
import { ClockJumps } from "./clock_jumps.ts";
import { type JobEnvironment, unrunnable } from "./command.ts";
import { HookRunner } from "./hook_runner.ts";
import { Janitor } from "./janitor.ts";
import { type ChildReaper, type Ending, Leftovers, type StopOptions } from "./leftovers.ts";
import { OutputBatch } from "./output_batch.ts";
import type { Owners } from "./owners.ts";
import { Persistence, STORE_RETRY_MS } from "./persistence.ts";
import { decide } from "./policy.ts";
import { readBootId } from "./processes.ts";
import { Settling } from "./settling.ts";
import { Slots, type SlotsInUse } from "./slots.ts";
import { type Spawner, spawnHere } from "./spawner.ts";

/** How soon after the end of a child dead orphans are reaped, in ms. */
const REAP_MS = 20;

export interface SchedulerLog {
  started(job: Job, pid: number): void;
  ended(job: Job, outcome: Outcome): void;
  recovered(left: LeftAttempt): void;
  /** What the store threw, where its health does not tell of it. */
  storeFailed(error: Error): void;
  /** The system has no process to spare for an attempt just now, for this reason; it is tried again for a while. */
  shortage(job: string, reason: string): void;
  /** Processes of a job may not be signalled. */
  outOfReach(job: string, pids: readonly number[]): void;
  /** The limit of open files allows only so many jobs at once. */
  tooFewDescriptors(limit: number): void;
  hookFailed(hook: Hook, reason: string): void;
  /** Finished jobs were deleted because of their age. */
  expired(count: number): void;
  /** The clock was set back by so many ms. */
  clockSetBack(ms: number): void;
}

export interface SchedulerOptions {
  readonly store: Store;
  /** Of hooks, and of jobs that run as the daemon's user. */
  readonly environment: JobEnvironment;
  /** Jobs run as their owners; undefined: as the daemon's user. */
  readonly owners?: Owners | undefined;
  /** Makes the processes of jobs; undefined: this thread. */
  readonly spawner?: Spawner | undefined;
  readonly reaper: ChildReaper;
  /** A folder for scripts that need a file, mode 0700. */
  readonly runFolder: string;
  readonly log: SchedulerLog;
  /** How many jobs at once the limit of open files allows. */
  readonly maxByDescriptors: number;
  /** From 0 up to 1, for the jitter of backoffs. */
  readonly random?: () => number;
  readonly clock?: Clock;
  /** Makes what runs a claimed job. */
  readonly makeRun?: (claim: Run["claim"], options: RunOptions) => Run;
}

export class Scheduler {
  readonly #store: Store;
  readonly #options: SchedulerOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #makeRun: NonNullable<SchedulerOptions["makeRun"]>;
  readonly #bootId = readBootId();
  readonly #leftovers: Leftovers;
  readonly #output: OutputBatch;
  readonly #settling: Settling;
  readonly #wake: Alarm;
  readonly #slots: Slots;
  readonly #persistence: Persistence;
  readonly #janitor: Janitor;
  readonly #hooks: HookRunner;
  readonly #jumps: ClockJumps;
  readonly #ending: Ending = { stop: false, kill: false };
  #unlisten = () => {};
  #kicked = false;
  #pumping = false;
  #started = false;
  #idle: (() => void)[] = [];
  #cancelDrain = () => {};

  constructor(options: SchedulerOptions) {
    const { store, log, clock = SYSTEM_CLOCK, random = Math.random } = options;
    this.#options = options;
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
    this.#makeRun = options.makeRun ?? ((claim, run) => new AttemptRun(claim, run));
    this.#persistence = new Persistence(clock, store.db.health, {
      failed: (error) => log.storeFailed(error),
      ending: this.#ending,
    });
    this.#leftovers = new Leftovers(options.reaper, this.#bootId);
    this.#output = new OutputBatch({
      store: (batch) => store.attempts.captureOutput(batch),
      failed: (error) => this.#persistence.failed(error),
    });
    this.#settling = new Settling((jobs) => this.#submit(jobs), clock);
    this.#wake = new Alarm(() => this.#kick(), clock);
    this.#slots = new Slots(store.settings, options.maxByDescriptors, log);
    this.#jumps = new ClockJumps(store.now, clock);
    this.#janitor = new Janitor({
      retention: store.retention,
      clock,
      persistence: this.#persistence,
      now: store.now,
      expired: (count) => log.expired(count),
    });
    this.#hooks = new HookRunner({
      store,
      environment: options.environment,
      persistence: this.#persistence,
      spawned: (pid) => this.#leftovers.spawned(pid),
      ended: (pid) => this.#leftovers.ended(pid),
      failed: (hook, reason) => log.hookFailed(hook, reason),
    });
  }

  /** Deals with what the last run of the daemon has left: before the mount, so that what cannot be read refuses it. */
  recover(): void {
    const left = this.#store.attempts.left();
    for (const attempt of left) this.#recover(attempt);
    this.#clearRunFolder();
    this.#store.recoverOpenJobs();
    const { backoff_max_sec } = this.#store.settings.current;
    this.#store.queue.limitBackoffs(backoff_max_sec * 1000);
  }

  /** Begins to start jobs. */
  start(): void {
    this.#unlisten = this.#store.changes.listen((change) => this.#changed(change));
    Deno.addSignalListener("SIGCHLD", this.#childEnded);
    this.#started = true;
    this.#janitor.start();
    this.#hooks.start();
    this.#kick();
  }

  /** Which slots are in use. */
  get slots(): SlotsInUse {
    return this.#slots;
  }

  /** Attempts that hold a slot. */
  get runningCount(): number {
    return this.#slots.count;
  }

  /**
   * Starts nothing more; waits `drainSec` for what runs, then stops it, to be run again by the next daemon. Resolves
   * when no process is left.
   */
  async stop(drainSec: number): Promise<void> {
    this.#ending.stop = true;
    this.#settling.stop();
    this.#wake.clear();
    this.#janitor.stop();
    this.#cancelDrain = after(drainSec * 1000, () => this.#stopRuns(), this.#clock);
    if (this.#slots.count > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#cancelDrain();
    await this.#hooks.stop(this.#graceMs);
    this.#unlisten();
    this.#settling.stop();
    Deno.removeSignalListener("SIGCHLD", this.#childEnded);
    this.#reaping.clear();
  }

  #stopRuns(): void {
    for (const run of this.#slots.runs()) run.stop("lost");
  }

  /** Cuts the waiting of {@linkcode Scheduler.stop} short: kills what runs. */
  kill(): void {
    this.#ending.kill = true;
    this.#cancelDrain();
    this.#output.abandon();
    this.#hooks.kill();
    this.#stopRuns();
    for (const run of this.#slots.runs()) run.kill();
  }

  /** Not for each at once: who has many children can have many end, and each time all are looked through. */
  readonly #reaping = new Alarm(() => void this.#leftovers.reapOrphans());
  readonly #childEnded = () => {
    if (!this.#reaping.isSet) this.#reaping.set(REAP_MS);
  };

  #changed(change: Change): void {
    switch (change.kind) {
      case "settle":
        return this.#settling.add(change.job, this.#store.settings.current.settle_ms);
      case "cancel":
        return this.#slots.run(change.attempt)?.stop("cancelled");
      case "signal":
        return change.answer(this.#slots.run(change.attempt)?.signal(change.signal) ?? "gone");
      case "queued":
        return this.#kick();
      case "config":
        this.#janitor.look();
        return this.#kick();
      case "over":
        this.#janitor.noteEnd();
        return this.#kick();
      case "garbage":
        return this.#janitor.look();
      case "hook":
        return this.#hooks.look();
    }
  }

  #submit(jobs: JobId[]): void {
    void this.#persistence.make(() => this.#store.moves.submit(jobs));
  }

  /** Looks for work in a turn of its own, once however often it is called. */
  #kick(): void {
    if (this.#kicked || this.#ending.stop || !this.#started) return;
    this.#kicked = true;
    this.#clock.soon(() => {
      this.#kicked = false;
      void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      this.#followClock();
      let next = await this.#wakeDue();
      while (this.#tellSome() || this.#startOne()) {
        await nextTurn(this.#clock);
        next = await this.#wakeDue();
      }
      if (next !== null && !this.#ending.stop) this.#wake.set(next - this.#store.now());
    } catch (error) {
      this.#persistence.failed(error);
      if (!this.#ending.stop) this.#wake.set(STORE_RETRY_MS);
    } finally {
      this.#pumping = false;
    }
  }

  /** Makes all ready that is due: before any of it starts, so that the most urgent one is the first. */
  async #wakeDue(): Promise<number | null> {
    for (;;) {
      const next = this.#store.queue.wake();
      if (next === null || next > this.#store.now() || this.#ending.stop) return next;
      await nextTurn(this.#clock);
    }
  }

  /** A clock that was set back would make waits longer by as much. One that was set forward only ends them early. */
  #followClock(): void {
    const jump = this.#jumps.look();
    if (jump >= 0) return;
    this.#store.queue.shiftWaits(jump);
    this.#jumps.followed();
    this.#options.log.clockSetBack(-jump);
  }

  /** Tells some of those who wait for a job that has come to its end. False: there is nobody to tell. */
  #tellSome(): boolean {
    return !this.#ending.stop && this.#store.moves.tellDependents();
  }

  /** Claims and starts the next job. False: there is none, or no slot. Does not await between claim and spawn. */
  #startOne(): boolean {
    if (this.#ending.stop || !this.#slots.hasFree) return false;
    const { queue, moves, jobs, attempts, settings: { current: settings } } = this.#store;
    const job = queue.next(this.#slots.fullQueues);
    if (job === undefined) return false;
    if (!moves.admit(job)) return true;
    const reason = this.#options.owners?.refuse(job) ?? unrunnable(jobs.script(job.id), job);
    if (reason !== null) {
      moves.reject(job, reason);
      return true;
    }
    const claim = attempts.claim(job, this.#bootId, settings.max_output_bytes);
    const run = this.#makeRun(claim, this.#runOptions(claim.attempt, job));
    this.#slots.take(claim.attempt, job.queue, run);
    void this.#follow(run);
    return true;
  }

  get #graceMs(): number {
    return this.#store.settings.current.kill_grace_sec * 1000;
  }

  #runOptions(attempt: AttemptId, job: Job): RunOptions {
    const { owners, environment, spawner = { spawn: spawnHere } } = this.#options;
    return {
      environment: (job) => owners?.environment(job) ?? environment,
      spawner,
      bootId: this.#bootId,
      leftovers: this.#leftovers,
      hasEnded: (pid) => this.#options.reaper.hasEnded(pid),
      output: this.#output,
      runFolder: this.#options.runFolder,
      settings: this.#store.settings.current,
      graceMs: () => this.#graceMs,
      shortage: (reason) => this.#options.log.shortage(job.name, reason),
      started: (pid, pidStart) => {
        this.#options.log.started(job, pid);
        // Without this record a crash is still found by the token; a full disk is no reason to stop the job.
        this.#persistence.try(() => this.#store.attempts.setProcess(attempt, pid, pidStart));
      },
    };
  }

  async #follow(run: Run): Promise<void> {
    const { attempt, job, capture } = run.claim;
    const ended = await run.run();
    this.#options.log.ended(job, ended.outcome);
    await this.#persistence.make(() =>
      this.#store.attempts.finish(capture, ended, (now) => this.#decide(now, ended.outcome))
    );
    if (ended.left && await run.stopLeft(this.#stopOptions(attempt, job.name))) {
      await this.#persistence.make(() => this.#store.attempts.gone(attempt, job.id));
    }
    this.#free(attempt);
  }

  /** Processes that may not be signalled hold the name of their job, but not a slot. */
  #stopOptions(attempt: AttemptId, job: string): StopOptions {
    return {
      graceMs: this.#graceMs,
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
    this.#slots.free(attempt);
    // For those who look, too: what was left of it may have been all that others waited for.
    this.#store.changes.emit({ kind: "queued" });
    this.#kick();
    if (this.#slots.count > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** An attempt that the last daemon did not see the end of: lost. Its processes are stopped before the job runs again. */
  #recover(left: LeftAttempt): void {
    this.#store.attempts.lose(left, (job) => this.#decide(job, { kind: "lost" }));
    this.#options.log.recovered(left);
    this.#slots.take(left.id, left.queue, null);
    void this.#stopLeft(left);
  }

  /** Scripts of attempts whose daemon ended before it could remove them. Who still runs one has it open. */
  #clearRunFolder(): void {
    const { runFolder } = this.#options;
    for (const { name } of Deno.readDirSync(runFolder)) Deno.removeSync(`${runFolder}/${name}`);
  }

  async #stopLeft(left: LeftAttempt): Promise<void> {
    const isGone = await this.#leftovers.stop(left, this.#stopOptions(left.id, left.jobName));
    if (isGone) {
      await this.#persistence.make(() => this.#store.attempts.gone(left.id, left.jobId));
    }
    this.#free(left.id);
  }
}
