/**
 * Which pending job may start, and when.
 *
 * A pending job is in one of four phases. *open*: a draft, empty, or some writer has it open or has just closed it;
 * *blocked*: until other jobs have completed; *waiting*: until a moment (retry, mtime ahead, at, delay); *ready*. The
 * index over ready jobs is in the order in which they start, queue by queue, so choosing is one look-up for each named
 * queue however many jobs wait. Which jobs have a writer is kept in memory only: after a crash none has.
 *
 * Nothing here awaits, so no request can come between a check and the change that rests on it.
 */
import type { Changes } from "./changes.ts";
import type { Database } from "./database.ts";
import type { Dependencies } from "./dependencies.ts";
import type { Events } from "./events.ts";
import {
  isDraft,
  type Job,
  JOB_COLUMNS,
  type JobId,
  notBeforeMs,
  type Phase,
  timestamp,
} from "./job.ts";
import type { Jobs } from "./jobs.ts";

/** A minute, in microseconds. */
const SEQ_BLOCK = 60_000_000;

/** Jobs that become ready in one step: some milliseconds of work. */
const WOKEN_AT_ONCE = 500;

export class Queue {
  readonly #db: Database;
  readonly #jobs: Jobs;
  readonly #dependencies: Dependencies;
  readonly #changes: Changes;
  readonly #events: Events;
  readonly #now: () => number;
  readonly #held = new Set<JobId>();
  readonly #listeners: (() => void)[] = [];
  readonly #setPhase;
  readonly #wakeDue;
  readonly #nextWake;
  readonly #next;
  readonly #openJobs;
  readonly #openCount;
  readonly #reserve;
  readonly #setPriority;
  readonly #shiftWaits;
  readonly #limitBackoffs;
  readonly #oldest;
  #seq: number;
  /** What is stored: no number above it has been given. */
  #reserved: number;

  constructor(
    db: Database,
    jobs: Jobs,
    dependencies: Dependencies,
    changes: Changes,
    events: Events,
    now: () => number,
  ) {
    this.#db = db;
    this.#jobs = jobs;
    this.#dependencies = dependencies;
    this.#changes = changes;
    this.#events = events;
    this.#now = now;
    this.#setPhase = db.prepare(
      `UPDATE job SET phase = :phase, wake_at_ms = :wake, seq = coalesce(seq, :seq), options = :options,
         priority = :priority, queue = :queue, at_ms = :at, retry_at_ms = :retry
       WHERE id = :id AND state = 'pending'`,
    );
    this.#wakeDue = db.prepare(
      `UPDATE job SET phase = 'ready', wake_at_ms = NULL WHERE id IN
         (SELECT id FROM job WHERE phase = 'waiting' AND wake_at_ms <= ?
          ORDER BY wake_at_ms LIMIT ${WOKEN_AT_ONCE})`,
    );
    this.#nextWake = db.prepare(
      "SELECT min(wake_at_ms) AS at FROM job WHERE phase = 'waiting'",
    );
    // The names of the queues that have ready jobs are found by leaps through the index, as are their first jobs.
    const first = (where: string) =>
      `SELECT id FROM job WHERE phase = 'ready' AND ${where}
         AND NOT EXISTS (SELECT 1 FROM attempt WHERE live = 1 AND attempt.job_id = job.id)
         AND NOT EXISTS (SELECT 1 FROM attempt WHERE live = 1 AND attempt.job_name = job.name)
       ORDER BY priority DESC, seq LIMIT 1`;
    this.#next = db.prepare(
      `WITH RECURSIVE named (queue) AS (
         SELECT min(queue) FROM job WHERE phase = 'ready' AND queue IS NOT NULL
         UNION ALL
         SELECT (SELECT min(queue) FROM job WHERE phase = 'ready' AND queue > named.queue)
           FROM named WHERE named.queue IS NOT NULL),
       first (id) AS (
         SELECT (${first("queue IS NULL")})
         UNION ALL
         SELECT (${first("queue = named.queue")}) FROM named
           WHERE named.queue IS NOT NULL AND named.queue NOT IN (SELECT value FROM json_each(?)))
       SELECT ${JOB_COLUMNS} FROM job WHERE id IN (SELECT id FROM first)
       ORDER BY priority DESC, seq LIMIT 1`,
    );
    this.#openJobs = db.prepare(`SELECT ${JOB_COLUMNS} FROM job WHERE phase = 'open'`);
    this.#setPriority = db.prepare(
      `UPDATE job SET priority = :priority, set_priority = :priority, ctime_s = :s, ctime_ns = :ns
       WHERE id = :id AND state = 'pending'`,
    );
    this.#shiftWaits = db.prepare(
      `UPDATE job SET retry_at_ms = retry_at_ms + :shift,
         wake_at_ms = max(retry_at_ms + :shift, coalesce(start_at_ms, 0), coalesce(at_ms, 0))
       WHERE phase = 'waiting' AND retry_at_ms IS NOT NULL`,
    );
    this.#limitBackoffs = db.prepare(
      `UPDATE job SET retry_at_ms = :latest,
         wake_at_ms = max(:latest, coalesce(start_at_ms, 0), coalesce(at_ms, 0))
       WHERE phase = 'waiting' AND retry_at_ms > :latest AND (attempts > 0 OR lost > 0)`,
    );
    this.#oldest = db.prepare(
      `SELECT min(seq) AS seq FROM job INDEXED BY job_oldest
       WHERE state = 'pending' AND seq IS NOT NULL AND phase <> 'open'`,
    );
    this.#openCount = db.prepare("SELECT count(*) AS n FROM job WHERE phase = 'open'");
    this.#reserve = db.prepare("UPDATE counter SET value = ? WHERE name = 'seq'");
    const { value } = db.prepare("SELECT value FROM counter WHERE name = 'seq'").get() as {
      value: number;
    };
    this.#seq = value;
    this.#reserved = value;
    // What was stored in a transaction that did not happen has to be stored again.
    db.onRollback(() => this.#reserved = 0);
  }

  /**
   * The place of a job that is submitted now: above all before, whatever the clock says. Made from the clock, in
   * microseconds, and stored ahead, so that a submission does not have to store it.
   */
  nextSeq(): number {
    this.#seq = Math.max(this.#seq + 1, this.#now() * 1000);
    if (this.#seq > this.#reserved) {
      this.#reserved = this.#seq + SEQ_BLOCK;
      this.#db.run(this.#reserve, this.#reserved);
    }
    return this.#seq;
  }

  /** Calls `listener`, which must not throw, when a job waits for something else than before, or no more. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** True while a writer has the job's script open. */
  isHeld(id: JobId): boolean {
    return this.#held.has(id);
  }

  /** A writer has opened the script: the job cannot be claimed. False: it is not pending (any more). */
  hold(job: Job): boolean {
    if (job.state !== "pending") return false;
    if (job.phase !== "open") this.#place(job, "open", null);
    this.#held.add(job.id);
    return true;
  }

  /** The last writer has closed the script: the time to settle begins. */
  release(id: JobId): void {
    if (this.#held.delete(id)) this.settle(id);
  }

  /** Something has touched the job: if it has not been submitted yet, the time to settle begins anew. */
  settle(id: JobId): void {
    const job = this.#jobs.byId(id);
    if (job?.phase === "open" && this.mayRun(job)) this.#changes.emit({ kind: "settle", job: id });
  }

  /** True for a pending job that only waits for its turn: not a draft, not empty, and nobody writes it. */
  mayRun(job: Job): boolean {
    return job.scriptSize > 0 && !this.#held.has(job.id) && !isDraft(job.name);
  }

  /**
   * Sets the phase of a pending job from its name, size, times and what it waits for: after anything that bears on them.
   * `job` is the row as it is now, or with what its options change. The caller announces the change when its transaction is over.
   */
  schedule(job: Job): void {
    if (!this.mayRun(job)) return this.#place(job, "open", null);
    if (this.#dependencies.isBlocked(job.id)) return this.#place(job, "blocked", null);
    const wakeAtMs = notBeforeMs(job);
    if (wakeAtMs !== null && wakeAtMs > this.#now()) this.#place(job, "waiting", wakeAtMs);
    else this.#place(job, "ready", null);
  }

  #place(job: Job, phase: Phase, wake: number | null): void {
    const seq = job.seq ?? (phase === "open" ? null : this.nextSeq());
    this.#db.transaction(() => {
      if (job.phase !== phase) this.#db.afterCommit(() => this.#tell());
      this.#setPhase.run({
        id: job.id,
        phase,
        wake,
        seq,
        options: job.options,
        priority: job.priority,
        queue: job.queue,
        at: job.atMs,
        retry: job.retryAtMs,
      });
      if (job.seq !== null || seq === null) return;
      const after = phase === "blocked" ? this.#dependencies.namesOf(job.id) : null;
      this.#events.record("submitted", job, {
        priority: job.priority,
        ...(wake !== null && { not_before: new Date(wake).toISOString() }),
        ...(after !== null && { after }),
      });
    });
  }

  /** Gives a pending job another priority, from -1000 to 1000: it moves in the order at once. */
  setPriority(job: Job, priority: number): void {
    const { sec, nsec } = timestamp(this.#now());
    this.#db.transaction(() => this.#setPriority.run({ priority, s: sec, ns: nsec, id: job.id }));
    this.#changes.emit({ kind: "queued" });
  }

  /** When the job that has waited longest was submitted, in ms since the epoch, or null: none waits. */
  oldestSubmittedMs(): number | null {
    const { seq } = this.#oldest.get() as { seq: number | null };
    return seq === null ? null : seq / 1000;
  }

  /**
   * Makes ready what has waited long enough, some of it if that is much. Returns when the next one is due, in ms since the
   * epoch, or null.
   */
  wake(): number | null {
    const { at } = this.#nextWake.get() as { at: number | null };
    if (at === null || at > this.#now()) return at;
    this.#db.run(this.#wakeDue, this.#now());
    this.#tell();
    return (this.#nextWake.get() as { at: number | null }).at;
  }

  /**
   * The ready job that starts next, or undefined. None of a queue that is `full`, none whose former attempt still has
   * processes, and none that has the name of such a job.
   */
  next(full: readonly string[] = []): Job | undefined {
    return this.#next.get(JSON.stringify(full)) as Job | undefined;
  }

  /**
   * At start: no retry waits for longer than `maxMs` from now. The clock may have been set back while no daemon has seen
   * it.
   */
  limitBackoffs(maxMs: number): void {
    const now = Math.ceil(this.#now());
    this.#db.transaction(() => this.#limitBackoffs.run({ latest: now + maxMs }));
  }

  /** The clock was set by so many milliseconds: waits that began at some moment go on as long as they were meant to. */
  shiftWaits(ms: number): void {
    this.#db.transaction(() => this.#shiftWaits.run({ shift: Math.trunc(ms) }));
  }

  /** Pending jobs that are open: at start, what the last run of the daemon left. */
  openJobs(): Job[] {
    return this.#openJobs.all() as unknown as Job[];
  }

  /** How many they are: drafts, empty files, and what a writer has open or has just closed. */
  get openCount(): number {
    return (this.#openCount.get() as { n: number }).n;
  }
}
