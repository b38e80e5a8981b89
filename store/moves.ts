/**
 * The moves of a job between its states, as a user asks for them: rename, removal, retry, cancel. Each is one
 * transaction, told to the listeners after its commit. The moves that running makes are in `attempts.ts`.
 */
import type { Changes } from "./changes.ts";
import type { Database } from "./database.ts";
import type { Directories } from "./directories.ts";
import { StoreError } from "./errors.ts";
import type { Events } from "./events.ts";
import {
  type AttemptId,
  isDraft,
  type Job,
  type JobId,
  MOVES,
  type State,
  timestamp,
} from "./job.ts";
import type { Jobs, NewJob } from "./jobs.ts";
import type { Output } from "./output.ts";
import type { Queue } from "./queue.ts";
import { isLog } from "./section.ts";

/** What a move sets besides the state. What is undefined stays. */
interface MoveFields {
  readonly attempts?: number;
  readonly lost?: number;
  readonly retryAtMs?: number | null;
  /** True: the job is submitted anew and gets a new place in the queue. */
  readonly resubmitted?: boolean;
  /** Why the attempt failed, or why there was none; null: it has succeeded. */
  readonly error?: string | null;
}

const UNFINISHED = "not run: the script was not written to its end";
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
  readonly #output: Output;
  readonly #changes: Changes;
  readonly #events: Events;
  readonly #now: () => number;
  readonly #doubts = new Map<JobId, string>();
  readonly #move;
  readonly #rename;
  readonly #liveAttempt;
  readonly #delete;

  constructor(
    db: Database,
    jobs: Jobs,
    directories: Directories,
    queue: Queue,
    output: Output,
    changes: Changes,
    events: Events,
    now: () => number,
  ) {
    this.#db = db;
    this.#jobs = jobs;
    this.#directories = directories;
    this.#queue = queue;
    this.#output = output;
    this.#changes = changes;
    this.#events = events;
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
      if (finished) this.#over(job.id);
      if (to === "pending") this.#enter(this.#jobs.require(job.id));
    });
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

  #enter(job: Job): void {
    const reason = this.#queue.mayRun(job) ? this.unfit(job) : null;
    // While an attempt lives, its log is still being written; whoever claims the job afterwards asks again.
    if (reason === null || this.#attemptOf(job.id) !== undefined) this.#queue.schedule(job);
    else this.reject(job, reason);
  }

  /** A job that was open when the last daemon ended: submitted, unless its writer was cut off. */
  recover(job: Job): void {
    if (job.unflushed === 1 && !isDraft(job.name)) this.reject(job, UNFINISHED);
    else this.#enter(job);
  }

  /**
   * A script's text is not what was meant, for this reason, which the job's log will give; null: it is again. Kept in
   * memory, since the reason may be that nothing can be written; what can be is the mark of `Jobs.markUnflushed`.
   */
  doubt(id: JobId, reason: string | null): void {
    if (reason === null) this.#doubts.delete(id);
    else if (this.#jobs.byId(id)?.state !== "removed") this.#doubts.set(id, reason);
  }

  /** The reason for which a script's text is not what was meant, or undefined. */
  doubtOf(id: JobId): string | undefined {
    return this.#doubts.get(id);
  }

  /** Why a pending job must not run, or null. */
  unfit(job: Job): string | null {
    const doubt = this.#doubts.get(job.id);
    if (doubt !== undefined) return `not run: ${doubt}`;
    if (job.unflushed === 1) return UNFINISHED;
    if (isLog(this.#jobs.scriptStart(job.id))) {
      return "not run: this is the log of a job, not a script. To run a job again, move it (mv) to pending/";
    }
    return null;
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
    this.#doubts.delete(job.id);
    this.#cancel(attempt);
  }

  #removeRow(job: Job, attempt: AttemptId | undefined): void {
    if (!isUnheardOf(job)) this.#events.record("removed", job);
    if (attempt !== undefined || this.#jobs.isRetained(job.id)) {
      this.move(job, "removed");
    } else {
      this.#jobs.remember(job);
      this.#delete.run(job.id);
      this.#directories.moved(job.state, null);
    }
    this.#over(job.id);
  }

  /** rename inside `pending/`; `replaced` is the job whose name it takes. */
  renamePending(job: Job, name: string, replaced: Job | undefined): void {
    const attempt = replaced && this.#attemptOf(replaced.id);
    const wasDraft = isDraft(job.name);
    this.#db.transaction(() => {
      if (replaced !== undefined) this.#removeRow(replaced, attempt);
      this.#setName(job, name);
      // A draft gets its turn now, anything else keeps its phase: what is open settles again (below).
      const renamed = this.#jobs.require(job.id);
      if (wasDraft || isDraft(name)) this.#enter(renamed);
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
      this.move(this.#jobs.require(job.id), "failed", { error: "moved to failed" });
    });
    this.#cancel(attempt);
  }

  /** rename to `pending/`: attempts start at 0, without backoff, at the end of the queue. What runs is stopped first. */
  requeue(job: Job, name: string): void {
    const attempt = this.#attemptOf(job.id);
    this.#db.transaction(() => {
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
      if (this.#doubts.has(job.id)) this.#jobs.markUnflushed(job.id);
      this.move(job, "failed", { error: reason });
    });
  }

  /** A job of which nothing could be written goes to failed, if that can be. Empty as it is, it will not run in any case. */
  rejectEmpty(id: JobId): void {
    const job = this.#jobs.byId(id);
    if (job?.state !== "pending" || job.scriptSize > 0 || isDraft(job.name)) return;
    const reason = this.unfit(job);
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
