/**
 * A scheduler with its store, a clock that the test moves and processes that are none, and what must hold whenever it
 * starts a job. What the rules are is computed here from all rows, in the plainest way.
 */
import assert from "node:assert/strict";
import { carryOut, planRename } from "../../fs/rename.ts";
import { type JobEnvironment } from "../../scheduler/command.ts";
import { Scheduler } from "../../scheduler/scheduler.ts";
import {
  type AttemptId,
  isDraft,
  type Job,
  type JobId,
  type ListedState,
  notBeforeMs,
} from "../../store/job.ts";
import { optionsOf } from "../../store/job_options.ts";
import { checkSettings } from "../../store/settings.ts";
import type { LeftAttempt } from "../../store/attempts.ts";
import { Store } from "../../store/store.ts";
import { StoreError } from "../../store/errors.ts";
import { FakeClock } from "./fake_clock.ts";
import { FakeRun } from "./fake_run.ts";
import { NO_LOG, NO_PROCESSES } from "./surroundings.ts";

const START_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
const CENTURY_MS = 100 * 365 * 24 * HOUR_MS;
const ENVIRONMENT: JobEnvironment = { cwd: "/", env: {}, openFiles: 64, setpriv: [] };

export class World {
  readonly clock = new FakeClock(START_MS);
  readonly #folder: string;
  store!: Store;
  #scheduler!: Scheduler;
  /** All that were started since the last crash. */
  #runs: FakeRun[] = [];
  /** Jobs whose last end was a success, whether they are still there or not. */
  readonly #completed = new Set<JobId>();
  /** The jobs that had these names when a job was handed in with `after`, by the job that waits. */
  readonly #waitsFor = new Map<JobId, JobId[]>();
  readonly #held = new Set<JobId>();
  /** Failures of the rules, found where nobody can throw. */
  readonly #broken: unknown[] = [];
  started = 0;
  /** True: the state file fails at times, of which the log is told. */
  mayFail = false;
  /** Around what only the test reads. */
  watching = (look: () => void) => look();
  #isRecovering = false;
  #starting: AttemptId | null = null;

  constructor(folder: string) {
    this.#folder = folder;
    Deno.mkdirSync(`${folder}/run`);
    this.#open();
  }

  #open(): void {
    this.store = new Store(`${this.#folder}/state.db`, this.clock.now);
    this.#scheduler = new Scheduler({
      store: this.store,
      environment: ENVIRONMENT,
      reaper: NO_PROCESSES,
      runFolder: `${this.#folder}/run`,
      maxByDescriptors: Infinity,
      random: () => 0.5,
      clock: this.clock,
      makeRun: (claim) => this.#start(claim),
      log: {
        ...NO_LOG,
        storeFailed: (error) => void (this.mayFail || this.#broken.push(error)),
      },
    });
    this.#scheduler.recover();
    this.#scheduler.start();
  }

  // What must hold when a job is started ------------------------------------------------------------------------

  #start(claim: FakeRun["claim"]): FakeRun {
    this.started++;
    this.#starting = claim.attempt;
    try {
      this.watching(() => this.#checkStart(claim.job));
    } catch (error) {
      this.#broken.push(error);
    }
    const run = new FakeRun(claim);
    this.#runs.push(run);
    return run;
  }

  get live(): FakeRun[] {
    return this.#runs.filter(({ isLive }) => isLive);
  }

  #isFull(queue: string | null): boolean {
    const limit = queue === null ? undefined : this.store.settings.current.queues[queue];
    const taken = [...this.live.map(({ claim }) => claim.job), ...this.#lookedFor()];
    const n = taken.filter((job) => job.queue === queue).length;
    return limit !== undefined && n >= limit.max_job_count;
  }

  #checkStart(job: Job): void {
    const { max_job_count, paused } = this.store.settings.current;
    assert.equal(paused, false, "paused");
    assert(this.live.length < max_job_count, `${this.live.length} of ${max_job_count} run`);
    assert(!this.#isFull(job.queue), `queue ${job.queue} is full`);
    assert(!this.#isBusy(job), `${job.name} runs already`);
    assert(!isDraft(job.name) && !this.#held.has(job.id), `${job.name} is not handed in`);
    // What was ready before the clock was set back stays ready.
    assert((notBeforeMs(job) ?? 0) <= this.clock.latest, `${job.name} starts early`);
    for (const on of this.#waitsFor.get(job.id) ?? []) {
      assert(this.#completed.has(on), `${job.name} does not wait for ${on}`);
    }
    const earlier = this.#jobs("pending").filter((other) =>
      other.phase === "ready" && !this.#isBusy(other) && !this.#isFull(other.queue) &&
      (other.priority > job.priority || (other.priority === job.priority && other.seq! < job.seq!))
    );
    assert.deepEqual(earlier.map(({ name }) => name), [], `${job.name} is not the first`);
  }

  /** Processes of the job, or of one that had its name, are there. */
  #isBusy(job: Job): boolean {
    if (this.live.some(({ claim }) => claim.job.id === job.id || claim.job.name === job.name)) {
      return true;
    }
    return this.#lookedFor().some(({ jobId, jobName }) => jobId === job.id || jobName === job.name);
  }

  /** Attempts of before a crash: the daemon is still looking for what they have left. */
  #lookedFor(): LeftAttempt[] {
    if (!this.#isRecovering) return [];
    return this.store.attempts.left().filter(({ id }) =>
      id !== this.#starting && !this.#runs.some(({ claim }) => claim.attempt === id)
    );
  }

  #jobs(state: ListedState): Job[] {
    return this.store.listing.names(state, 0, 1_000_000)
      .map(({ id }) => this.store.jobs.require(id));
  }

  /** What must hold at any time. */
  check(): void {
    if (this.#broken.length > 0) throw this.#broken[0];
    this.watching(() => this.#checkJobs());
  }

  #checkJobs(): void {
    const active = this.#jobs("active");
    for (const { id, name } of active) {
      const runs = this.#runs.filter((run) => run.isRunning && run.claim.job.id === id);
      // What has ended stays active until the state file takes that.
      const isUnrecorded = this.mayFail && this.#runs.some((run) => run.claim.job.id === id);
      if (runs.length === 0 && isUnrecorded) continue;
      assert.equal(runs.length, 1, `${name} is active with ${runs.length} runs`);
    }
    for (const state of ["complete", "failed"] as const) {
      for (const job of this.#jobs(state)) assert(job.finishedMs !== null && job.phase === null);
    }
  }

  // What may happen ----------------------------------------------------------------------------------------------

  #pick<T>(from: readonly T[], pick: number): T | undefined {
    return from[pick % from.length];
  }

  #job(state: ListedState, pick: number): Job | undefined {
    return this.#pick(this.#jobs(state), pick);
  }

  /** Writes a script, to a job in pending, or to a new one that may take the name of a finished one. */
  write(name: string, script: string): void {
    const { jobs, moves, queue } = this.store;
    const existing = jobs.byName(name);
    if (existing?.state === "active") return;
    const isPending = existing?.state === "pending";
    const job = isPending
      ? existing
      : moves.create({ name, mode: 0o644, uid: 0, gid: 0 }, existing);
    if (this.#held.has(job.id)) return;
    queue.hold(job);
    const mtime = { sec: Math.floor(this.clock.now() / 1000), nsec: 0 };
    try {
      jobs.putScript(job.id, new TextEncoder().encode(script), mtime, false);
    } finally {
      queue.release(job.id);
    }
  }

  /** A writer opens a job, or closes it again. */
  toggleWriter(pick: number): void {
    const { queue } = this.store;
    const job = this.#job("pending", pick);
    if (job === undefined) return;
    if (this.#held.delete(job.id)) queue.release(job.id);
    else if (queue.hold(job)) this.#held.add(job.id);
  }

  rename(from: ListedState, pick: number, to: ListedState, newName: string | null): void {
    const job = this.#job(from, pick);
    if (job === undefined) return;
    try {
      const request = { from, name: job.name, to, newName: newName ?? job.name, flags: 0 };
      const plan = planRename(this.store, request);
      if (plan === null || (plan.replaced && this.#held.has(plan.replaced.id))) return;
      carryOut(this.store, plan);
      // Who waited for the one that was replaced waits for the one that has its name now.
      for (const [waiting, ids] of this.#waitsFor) {
        const now = ids.map((id) => id === plan.replaced?.id ? job.id : id);
        if (plan.replaced?.state === "pending") this.#waitsFor.set(waiting, now);
      }
      if (to === "pending" && from !== "pending") this.#completed.delete(job.id);
    } catch (error) {
      if (
        error instanceof StoreError || !/EEXIST|EPERM|draft|cannot be moved/.test(String(error))
      ) {
        throw error;
      }
    }
  }

  remove(state: ListedState, pick: number): void {
    const job = this.#job(state, pick);
    if (job !== undefined && !this.#held.has(job.id)) this.store.moves.remove(job);
  }

  setPriority(pick: number, priority: number): void {
    const job = this.#job("pending", pick);
    if (job !== undefined) this.store.queue.setPriority(job, priority);
  }

  touch(pick: number, aheadMs: number): void {
    const job = this.#job("pending", pick);
    if (job === undefined) return;
    this.store.jobs.setStartAt(job.id, aheadMs > 0 ? this.clock.now() + aheadMs : null);
    this.store.moves.reschedule(job.id);
  }

  configure(change: Record<string, unknown>): void {
    this.store.settings.apply(checkSettings(change));
  }

  /** A shell ends. */
  end(pick: number, code: number, left: boolean): void {
    const run = this.#pick(this.#runs.filter(({ isRunning }) => isRunning), pick);
    if (run === undefined) return;
    const { id } = run.claim.job;
    const isActive = this.store.jobs.byId(id)?.state === "active";
    if (isActive && code === 0 && run.stopped === null) this.#completed.add(id);
    run.end({ kind: "exited", code }, left);
  }

  /** What a shell has left ends. */
  endLeft(pick: number): void {
    this.#pick(this.#runs.filter(({ hasLeft }) => hasLeft), pick)?.endLeft();
  }

  /** Remembers whom those that have just been handed in wait for. To be called when everything has settled. */
  noteWaiting(): void {
    for (const job of this.#jobs("pending")) {
      if (job.phase !== "blocked") continue;
      const names = optionsOf(job).after ?? [];
      const ids = names.flatMap((name) => this.store.jobs.byName(name)?.id ?? []);
      if (!this.#waitsFor.has(job.id)) this.#waitsFor.set(job.id, ids);
    }
    // Who has been handed in anew waits for others; who is gone, for nobody.
    for (const id of this.#waitsFor.keys()) {
      const job = this.store.jobs.byId(id);
      if (job?.phase !== "blocked" && job?.phase !== "ready" && job?.phase !== "waiting") {
        this.#waitsFor.delete(id);
      }
    }
  }

  /** The daemon is killed, and another one started. What ran is dead by the time it looks. */
  async crash(): Promise<void> {
    this.clock.forget();
    this.store.close();
    this.#runs = [];
    this.#held.clear();
    this.#isRecovering = true;
    this.#open();
    // Looking for processes takes real time.
    while (this.#scheduler.runningCount > this.live.length) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await this.clock.settle();
    }
    this.#isRecovering = false;
  }

  // The end ------------------------------------------------------------------------------------------------------

  /** With time and room for all, everything that may run runs and ends. */
  async drain(): Promise<void> {
    for (const id of this.#held) this.store.queue.release(id);
    this.#held.clear();
    this.configure({ paused: false, max_job_count: 3, queues: {}, max_attempts: 1 });
    await this.clock.advance(60_000);
    // What waits for a draft waits until that is handed in, or gone.
    for (const job of this.#jobs("pending")) {
      if (isDraft(job.name)) this.store.moves.remove(job);
    }
    // However often the clock was set back, and an alarm looks at it once an hour.
    this.clock.setBy(CENTURY_MS);
    for (let i = 0; this.#waiting().length + this.live.length > 0; i++) {
      assert(i < 1000, `starved: ${this.#waiting().map(({ name }) => name)}`);
      while (this.live.some(({ isRunning }) => isRunning)) {
        this.end(0, 0, false);
        await this.clock.settle();
      }
      this.endLeft(0);
      await this.clock.advance(HOUR_MS);
      this.check();
    }
    assert.deepEqual(this.#jobs("active"), []);
    const open = this.store.db.prepare(
      "SELECT count(*) AS n FROM attempt WHERE live = 1 OR outcome IS NULL",
    ).get();
    assert.deepEqual({ ...open }, { n: 0 }, "an attempt has not ended");
    for (const table of ["dependency", "dependency_end"]) {
      const rows = this.store.db.prepare(`SELECT count(*) AS n FROM ${table}`).get();
      assert.deepEqual({ ...rows }, { n: 0 }, table);
    }
  }

  #waiting(): Job[] {
    return this.#jobs("pending").filter(({ phase }) => phase !== "open");
  }

  async close(): Promise<void> {
    for (const run of this.live) {
      if (run.isRunning) run.end({ kind: "exited", code: 0 }, false);
      else run.endLeft();
    }
    const stopped = this.#scheduler.stop(0);
    await this.clock.advance(1000);
    await stopped;
    this.store.close();
  }
}
