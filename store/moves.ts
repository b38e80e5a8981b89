/**
 * The moves of a job between its states, as a user asks for them: rename, removal, retry, cancel. Each is one
 * transaction, told to the listeners after its commit. The moves that running makes are in `attempts.ts`.
 */
import { type Admission, UNFINISHED } from "./admission.ts";
import type { Changes } from "./changes.ts";
import type { Database } from "./database.ts";
import type { Dependencies } from "./dependencies.ts";
import type { Directories } from "./directories.ts";
import { StoreError } from "./errors.ts";
import type { EventFields, Events } from "./events.ts";
import type { Hooks } from "./hooks.ts";
import {
  type AttemptId,
  isDraft,
  type Job,
  type JobId,
  MOVES,
  type State,
  timestamp,
} from "./job.ts";
import { type Jobs, type NewJob, SWEPT_BYTES } from "./jobs.ts";
import type { Output } from "./output.ts";
import type { Queue } from "./queue.ts";

/** What a move sets besides the state. What is undefined stays. */
interface MoveFields {
  readonly attempts?: number;
  readonly lost?: number;
  readonly retryAtMs?: number | null;
  /** True: the job is submitted anew and gets a new place in the queue. */
  readonly resubmitted?: boolean;
  /** True: a user has moved it; that needs no hook to be told. */
  readonly byUser?: boolean;
  /** Why the attempt failed, or why there was none; null: it has succeeded. */
  readonly error?: string | null;
}

/** How many who waited for a job are told of its end at once. */
const TOLD_AT_ONCE = 100;
const encoder = new TextEncoder();

/** True for a file that was never submitted, such as an editor's: no event has told of it. */
function isUnheardOf({ state, seq, logSize, error }: Job): boolean {
  // A finished job that was moved back as a draft has no place either, but a log, or a reason why it has none.
  return state === "pending" && seq === null && logSize === 0 && error === null;
}

export class Moves {
  readonly #db: Database;
  readonly #jobs: Jobs;
  readonly #directories: Directories;
  readonly #queue: Queue;
  readonly #dependencies: Dependencies;
  readonly #admission: Admission;
  readonly #output: Output;
  readonly #changes: Changes;
  readonly #events: Events;
  readonly #hooks: Hooks;
  readonly #now: () => number;
  readonly #move;
  readonly #rename;
  readonly #liveAttempt;
  readonly #delete;

  constructor(
    db: Database,
    jobs: Jobs,
    directories: Directories,
    queue: Queue,
    dependencies: Dependencies,
    admission: Admission,
    output: Output,
    changes: Changes,
    events: Events,
    hooks: Hooks,
    now: () => number,
  ) {
    this.#db = db;
    this.#jobs = jobs;
    this.#directories = directories;
    this.#queue = queue;
    this.#dependencies = dependencies;
    this.#admission = admission;
    this.#output = output;
    this.#changes = changes;
    this.#events = events;
    this.#hooks = hooks;
    this.#now = now;
    this.#move = db.prepare(
      `UPDATE job SET state = :to, phase = :phase, wake_at_ms = NULL, start_at_ms = NULL,
         retry_at_ms = :retry, seq = :seq, attempts = :attempts, lost = :lost,
         finished_ms = :finished, error = :error,
         mtime_s = CASE WHEN :to = 'pending' THEN :s ELSE mtime_s END,
         mtime_ns = CASE WHEN :to = 'pending' THEN :ns ELSE mtime_ns END,
         log_mtime_s = CASE WHEN :to = 'removed' THEN log_mtime_s ELSE :s END,
         log_mtime_ns = CASE WHEN :to = 'removed' THEN log_mtime_ns ELSE :ns END,
         ctime_s = :s, ctime_ns = :ns
       WHERE id = :id AND state = :from`,
    );
    this.#rename = db.prepare(
      "UPDATE job SET name = :name, ctime_s = :s, ctime_ns = :ns WHERE id = :id",
    );
    this.#liveAttempt = db.prepare("SELECT id FROM attempt WHERE live = 1 AND job_id = ?");
    this.#delete = db.prepare("DELETE FROM job WHERE id = ?");
  }

  /** One legal move. Throws "stale" when the job is not in the state that `job` says, "forbidden" for an illegal one. */
  move(job: Job, to: State, fields: MoveFields = {}): void {
    if (!MOVES[job.state].includes(to)) {
      throw new StoreError("forbidden", `a job cannot go from ${job.state} to ${to}`);
    }
    this.#db.transaction(() => {
      const nowMs = this.#now();
      const { sec, nsec } = timestamp(nowMs);
      const error = fields.error === undefined ? job.error : fields.error;
      const finished = to === "complete" || to === "failed";
      const changes = this.#move.run({
        id: job.id,
        from: job.state,
        to,
        phase: to === "pending" ? "open" : null,
        retry: fields.retryAtMs ?? null,
        seq: fields.resubmitted ? null : job.seq,
        attempts: fields.attempts ?? job.attempts,
        lost: fields.lost ?? job.lost,
        finished: finished ? Math.floor(nowMs) : null,
        error,
        s: sec,
        ns: nsec,
      });
      if (changes !== 1) {
        throw new StoreError("stale", `job ${job.id} has left ${job.state}`);
      }
      this.#directories.moved(job.state, to);
      if (to === "complete") this.#events.record("completed", job);
      if (to === "failed") this.#events.record("failed", job, { reason: error });
      if (job.state === "pending" && to !== "active") this.#dependencies.clear(job.id);
      this.#dependencies.moved(job, to);
      if (finished) this.#finished(job, to, fields);
      if (to === "pending") this.#enter(this.#jobs.require(job.id), !fields.resubmitted);
    });
  }

  #finished(job: Job, to: "complete" | "failed", { byUser, attempts = job.attempts }: MoveFields) {
    if (!byUser) this.#hooks.ended(job, to, attempts);
    this.#over(job.id);
  }

  #over(job: JobId): void {
    this.#db.afterCommit(() => this.#changes.emit({ kind: "over", job }));
  }

  /**
   * Open jobs whose time to settle is over become ready or waiting. One whose text cannot be what was meant goes to
   * failed instead.
   */
  submit(ids: readonly JobId[]): void {
    this.#db.transaction(() => {
      for (const id of ids) {
        const job = this.#jobs.byId(id);
        if (job?.phase === "open") this.#enter(job);
      }
    });
    this.#changes.emit({ kind: "queued" });
  }

  /** A pending job gets its place, or goes to failed if it cannot run. `isRetry`: it has only to wait for its turn. */
  #enter(job: Job, isRetry = false): void {
    if (!this.#queue.mayRun(job)) return this.#queue.schedule(job);
    const prepared = this.#admission.prepare(job, isRetry);
    if (typeof prepared === "string") this.#refuse(job, prepared);
    else this.#queue.schedule(prepared);
  }

  #refuse(job: Job, reason: string): void {
    // While an attempt lives, its log is still being written; whoever claims the job afterwards asks again.
    if (this.#attemptOf(job.id) === undefined) this.reject(job, reason);
    else this.#queue.schedule({ ...job, options: null });
  }

  /**
   * Whether a job that `Queue.next` has given may be claimed. False: it has gone to failed or to another place, and
   * another one may be next.
   */
  admit(job: Job): boolean {
    if (job.options !== null && this.#admission.unfit(job) === null) return true;
    this.#db.transaction(() => this.#enter(job));
    return false;
  }

  /**
   * Tells some of those who wait for a job that it has come to its end: the last one that they wait for has completed, so
   * they get their place, or it has not, so they go to failed. False: there was nobody to tell. `of`: only of this job.
   */
  tellDependents(of?: JobId): boolean {
    const end = this.#dependencies.nextEnd(of);
    if (end === undefined) return false;
    this.#db.transaction(() => {
      const ids = this.#dependencies.dependents(end.onId, TOLD_AT_ONCE);
      for (const id of ids) {
        this.#dependencies.told(id, end.onId);
        const job = this.#jobs.byId(id);
        if (job?.state !== "pending") continue;
        if (job.phase !== "blocked") {
          // It is open for writing, or a draft: when it is handed in it is to ask anew for what it waits for.
          if (end.error !== null) this.#queue.schedule({ ...job, options: null });
          continue;
        }
        if (end.error !== null) this.#refuse(job, `not run: ${end.error}`);
        else if (!this.#dependencies.isBlocked(id)) this.#queue.schedule(job);
      }
      if (ids.length < TOLD_AT_ONCE) this.#dependencies.allTold(end.onId);
    });
    this.#changes.emit({ kind: "queued" });
    return true;
  }

  /** A job that was open when the last daemon ended: submitted, unless its writer was cut off. */
  recover(job: Job): void {
    if (job.unflushed === 1 && !isDraft(job.name)) this.reject(job, UNFINISHED);
    else this.#enter(job);
  }

  /** Makes an empty pending job; `replaced` is the job whose name it takes. */
  create(job: NewJob, replaced: Job | undefined): Job {
    const attempt = replaced && this.#attemptOf(replaced.id);
    const created = this.#db.transaction(() => {
      if (replaced !== undefined) this.#removeRow(replaced, attempt);
      this.#directories.moved(null, "pending");
      return this.#jobs.insert(job);
    });
    if (replaced !== undefined) this.#forgotten(replaced, attempt);
    return created;
  }

  /** unlink: the job is forgotten. What runs is stopped; rows stay while a descriptor is open or processes live. */
  remove(job: Job): void {
    const attempt = this.#attemptOf(job.id);
    this.#db.transaction(() => this.#removeRow(job, attempt));
    this.#forgotten(job, attempt);
  }

  /** After the commit that has removed it. */
  #forgotten(job: Job, attempt: AttemptId | undefined): void {
    this.#admission.forget(job.id);
    this.#cancel(attempt);
  }

  #removeRow(job: Job, attempt: AttemptId | undefined, fields: EventFields = {}): void {
    if (!isUnheardOf(job)) this.#events.record("removed", job, fields);
    const isLarge = job.logSize - job.logDropped > SWEPT_BYTES;
    if (attempt !== undefined || this.#jobs.isRetained(job.id) || isLarge) {
      this.move(job, "removed");
      if (isLarge) this.#db.afterCommit(() => this.#jobs.purgeIfRemoved(job.id));
    } else {
      this.#dependencies.moved(job, "removed");
      this.#jobs.remember(job);
      this.#delete.run(job.id);
      this.#directories.moved(job.state, null);
    }
    this.#over(job.id);
  }

  /** Finished jobs are deleted because of their age. */
  expire(jobs: readonly Job[]): void {
    this.#db.transaction(() => {
      for (const job of jobs) {
        this.#removeRow(job, this.#attemptOf(job.id), { reason: "expired" });
        this.#admission.forget(job.id);
      }
    });
    for (const job of jobs) this.#changes.emit({ kind: "left", job });
  }

  /** rename inside `pending/`; `replaced` is the job whose name it takes. */
  renamePending(job: Job, name: string, replaced: Job | undefined): void {
    const attempt = replaced && this.#attemptOf(replaced.id);
    const wasDraft = isDraft(job.name);
    this.#db.transaction(() => {
      if (replaced !== undefined) {
        // An editor replaces a job in this way: who waits for it waits for what is in its place.
        if (replaced.state === "pending") this.#dependencies.rebind(replaced.id, job.id);
        this.#removeRow(replaced, attempt);
      }
      this.#setName(job, name);
      // A draft gets its turn now, anything else keeps its phase: what is open settles again (below).
      const renamed = this.#jobs.require(job.id);
      const mayWaitForItself = replaced !== undefined && renamed.phase === "blocked";
      if (wasDraft || isDraft(name) || mayWaitForItself) this.#enter(renamed);
    });
    if (replaced !== undefined) this.#forgotten(replaced, attempt);
    if (!wasDraft) this.#queue.settle(job.id);
    this.#changes.emit({ kind: "queued" });
  }

  /** The job's times have changed: what has been submitted gets its new place, what has not settles anew. */
  reschedule(id: JobId): void {
    const job = this.#jobs.byId(id);
    if (job === undefined || job.state !== "pending") return;
    if (job.phase === "open") return this.#queue.settle(id);
    this.#queue.schedule(job);
    this.#changes.emit({ kind: "queued" });
  }

  /** rename inside `complete/` or `failed/`, to a name that is free. */
  renameFinished(job: Job, name: string): void {
    this.#db.transaction(() => this.#setName(job, name));
  }

  /** rename to `failed/`: a pending job is parked, an active one stopped and kept. */
  park(job: Job, name: string): void {
    const attempt = this.#attemptOf(job.id);
    this.#db.transaction(() => {
      this.#setName(job, name);
      this.move(this.#jobs.require(job.id), "failed", { error: "moved to failed", byUser: true });
    });
    this.#cancel(attempt);
  }

  /** rename to `pending/`: attempts start at 0, without backoff, at the end of the queue. What runs is stopped first. */
  requeue(job: Job, name: string): void {
    const attempt = this.#attemptOf(job.id);
    this.#db.transaction(() => {
      // Who waits for its former end is told of that one.
      while (this.tellDependents(job.id));
      this.#setName(job, name);
      this.move(this.#jobs.require(job.id), "pending", {
        attempts: 0,
        lost: 0,
        resubmitted: true,
      });
    });
    this.#cancel(attempt);
    this.#changes.emit({ kind: "queued" });
  }

  /** A pending job that cannot run goes to failed, with the reason in its log. */
  reject(job: Job, reason: string): void {
    const text = encoder.encode(`${job.logSize === 0 ? "" : "\n"}[System Error]: ${reason}\n`);
    this.#db.transaction(() => {
      this.#output.append(job.id, job.logSize, text);
      // What is in doubt stays so when it is moved back, also for the next daemon.
      if (this.#admission.doubtOf(job.id) !== undefined) this.#jobs.markUnflushed(job.id);
      this.move(job, "failed", { error: reason });
    });
  }

  /** A job of which nothing could be written goes to failed, if that can be. Empty as it is, it will not run in any case. */
  rejectEmpty(id: JobId): void {
    const job = this.#jobs.byId(id);
    if (job?.state !== "pending" || job.scriptSize > 0 || isDraft(job.name)) return;
    const reason = this.#admission.unfit(job);
    if (reason !== null && this.#attemptOf(id) === undefined) this.reject(job, reason);
  }

  #setName(job: Job, name: string): void {
    if (job.name === name) return;
    const { sec, nsec } = timestamp(this.#now());
    this.#rename.run({ id: job.id, name, s: sec, ns: nsec });
    this.#directories.renamed(job.state);
    if (isUnheardOf(job)) return;
    this.#events.record("renamed", { ...job, name }, { from: job.name });
  }

  #attemptOf(id: JobId): AttemptId | undefined {
    return (this.#liveAttempt.get(id) as { id: AttemptId } | undefined)?.id;
  }

  #cancel(attempt: AttemptId | undefined): void {
    if (attempt !== undefined) this.#changes.emit({ kind: "cancel", attempt });
  }
}
