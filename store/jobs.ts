/**
 * Jobs as files: look-up, listing, attributes and script text. What moves a job between states is in `moves.ts`, what
 * makes it run in `queue.ts`.
 */
import type { Changes } from "./changes.ts";
import type { Database } from "./database.ts";
import { StoreError } from "./errors.ts";
import { type Job, JOB_COLUMNS, type JobId, type ListedState, timestamp } from "./job.ts";
import type { Timestamp } from "./job.ts";

/** What a new job starts with. */
export interface NewJob {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Changes of attributes; what is undefined stays. `log`: the times are those of the log, not of the script. */
export interface JobAttributes {
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly atime?: Timestamp | undefined;
  readonly mtime?: Timestamp | undefined;
  readonly log?: boolean;
}

/** A larger log is deleted piece by piece (`Retention.sweep`), so that nobody waits for it. */
export const SWEPT_BYTES = 1_048_576;
/** The options of a script are in its first lines; as much of it is read to find them, and more if need be. */
const HEAD_BYTES = 65_536;

/** How many deleted rows are remembered. The kernel asks for one within the system call that has looked it up. */
const MAX_GONE = 256;
/** How many rows are kept. A client that goes through a directory asks for each one twice, in a row. */
const MAX_KEPT = 256;

export class Jobs {
  readonly #db: Database;
  readonly #changes: Changes;
  readonly #now: () => number;
  readonly #byName;
  readonly #byId;
  readonly #countsByQueue;
  readonly #insert;
  readonly #attributes;
  readonly #logMtime;
  readonly #markUnflushed;
  readonly #setStartAt;
  readonly #putScript;
  readonly #scriptWritten;
  readonly #getScript;
  readonly #getHead;
  readonly #purge;
  readonly #removed;
  /** How many descriptors are open on a job's files. Nothing is open when the daemon starts. */
  readonly #retained = new Map<JobId, number>();
  /** Rows as they were read, by name (also that there is none) and by id; of the version of the table that is named. */
  readonly #named = new Map<string, Job | undefined>();
  readonly #kept = new Map<JobId, Job>();
  #keptVersion = -1;
  /** The head that was read last: who looks whether a job may run asks twice. */
  #lastHead: { readonly id: JobId; readonly head: Uint8Array } | null = null;
  /** The last rows that were deleted, as they were. */
  readonly #gone = new Map<JobId, Job>();

  /** `now` is milliseconds since the epoch. */
  constructor(db: Database, changes: Changes, now: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#now = now;
    this.#byName = db.prepare(
      `SELECT ${JOB_COLUMNS} FROM job WHERE name = ? AND state <> 'removed'`,
    );
    this.#byId = db.prepare(`SELECT ${JOB_COLUMNS} FROM job WHERE id = ?`);
    this.#countsByQueue = db.prepare(
      `SELECT queue, state, count(*) AS n FROM job
       WHERE queue IS NOT NULL AND state <> 'removed' AND phase IS NOT 'open'
       GROUP BY queue, state`,
    );
    this.#insert = db.prepare(
      `INSERT INTO job (name, state, phase, mode, uid, gid, atime_s, atime_ns, mtime_s, mtime_ns,
         log_mtime_s, log_mtime_ns, ctime_s, ctime_ns, created_ms)
       VALUES (:name, 'pending', 'open', :mode, :uid, :gid, :s, :ns, :s, :ns, :s, :ns, :s, :ns, :ms)
       RETURNING ${JOB_COLUMNS}`,
    );
    this.#attributes = db.prepare(
      `UPDATE job SET mode = :mode, uid = :uid, gid = :gid, atime_s = :as, atime_ns = :ans,
         mtime_s = :ms, mtime_ns = :mns, log_mtime_s = :ls, log_mtime_ns = :lns,
         ctime_s = :s, ctime_ns = :ns WHERE id = :id`,
    );
    this.#logMtime = db.prepare(
      `UPDATE job SET log_mtime_s = :s, log_mtime_ns = :ns, ctime_s = :s, ctime_ns = :ns
       WHERE id = :id`,
    );
    this.#markUnflushed = db.prepare("UPDATE job SET unflushed = 1 WHERE id = ?");
    this.#setStartAt = db.prepare("UPDATE job SET start_at_ms = ? WHERE id = ?");
    this.#putScript = db.prepare(
      `INSERT INTO script (job_id, content) VALUES (?, ?)
       ON CONFLICT (job_id) DO UPDATE SET content = excluded.content`,
    );
    this.#scriptWritten = db.prepare(
      `UPDATE job SET script_size = :size, options = NULL, unflushed = :unflushed, mtime_s = :s, mtime_ns = :ns,
         ctime_s = :cs, ctime_ns = :cns WHERE id = :id`,
    );
    this.#getScript = db.prepare("SELECT content FROM script WHERE job_id = ?");
    this.#getHead = db.prepare(
      `SELECT substr(content, 1, ${HEAD_BYTES}) AS head FROM script WHERE job_id = ?`,
    );
    this.#purge = db.prepare(
      `DELETE FROM job WHERE id = ? AND state = 'removed' AND log_size - log_dropped <= ${SWEPT_BYTES}
       AND NOT EXISTS (SELECT 1 FROM attempt WHERE job_id = job.id AND live = 1)`,
    );
    this.#removed = db.prepare("SELECT id FROM job WHERE state = 'removed'");
  }

  /** Submitted jobs with a named queue, by queue and state. */
  countsByQueue(): { readonly queue: string; readonly state: ListedState; readonly n: number }[] {
    return this.#countsByQueue.all() as unknown as {
      queue: string;
      state: ListedState;
      n: number;
    }[];
  }

  byName(name: string): Job | undefined {
    this.#freshen();
    if (!this.#named.has(name)) this.#keep(name, this.#byName.get(name) as Job | undefined);
    return this.#named.get(name);
  }

  /** Also finds a removed job that still has a row. */
  byId(id: JobId): Job | undefined {
    this.#freshen();
    const kept = this.#kept.get(id);
    if (kept !== undefined) return kept;
    const job = this.#byId.get(id) as Job | undefined;
    if (job !== undefined) this.#kept.set(id, job);
    return job;
  }

  /** A request asks for the same row several times, and the next request often for it too: until any row changes. */
  #freshen(): void {
    const { jobsVersion } = this.#db;
    const isFull = this.#named.size + this.#kept.size >= MAX_KEPT;
    if (this.#keptVersion === jobsVersion && !isFull) return;
    this.#keptVersion = jobsVersion;
    this.#named.clear();
    this.#kept.clear();
  }

  #keep(name: string, job: Job | undefined): void {
    this.#named.set(name, job);
    if (job !== undefined) this.#kept.set(job.id, job);
  }

  /** A job whose row has just been deleted: another process may be between looking its name up and asking for it. */
  gone(id: JobId): Job | undefined {
    return this.#gone.get(id);
  }

  /** For `moves.ts`: the job's row is about to be deleted. */
  remember(job: Job): void {
    this.#gone.set(job.id, { ...job, state: "removed", phase: null });
    for (const oldest of this.#gone.keys()) {
      if (this.#gone.size <= MAX_GONE) break;
      this.#gone.delete(oldest);
    }
  }

  /** For `moves.ts`: the row of an empty pending job. The caller has seen to it that the name is free. */
  insert(job: NewJob): Job {
    const ms = this.#now();
    const { sec, nsec } = timestamp(ms);
    const inserted = this.#db.transaction(() =>
      this.#insert.get({
        name: job.name,
        mode: job.mode,
        uid: job.uid,
        gid: job.gid,
        s: sec,
        ns: nsec,
        ms: Math.floor(ms),
      })
    ) as unknown as Job;
    this.#freshen();
    this.#keep(inserted.name, inserted);
    return inserted;
  }

  setAttributes(job: Job, change: JobAttributes): void {
    const now = timestamp(this.#now());
    const script = change.log ? undefined : change.mtime;
    const log = change.log ? change.mtime : undefined;
    this.#db.transaction(() =>
      this.#attributes.run({
        id: job.id,
        mode: change.mode ?? job.mode,
        uid: change.uid ?? job.uid,
        gid: change.gid ?? job.gid,
        as: change.atime?.sec ?? job.atimeSec,
        ans: change.atime?.nsec ?? job.atimeNsec,
        ms: script?.sec ?? job.mtimeSec,
        mns: script?.nsec ?? job.mtimeNsec,
        ls: log?.sec ?? job.logMtimeSec,
        lns: log?.nsec ?? job.logMtimeNsec,
        s: now.sec,
        ns: now.nsec,
      })
    );
  }

  /** The log, or the state that it shows, has changed. */
  touchLog(id: JobId): void {
    const { sec, nsec } = timestamp(this.#now());
    this.#logMtime.run({ id, s: sec, ns: nsec });
  }

  /** Remembers that a script is being written: until it is flushed, a crash makes its text untrustworthy. */
  markUnflushed(id: JobId): void {
    this.#db.run(this.#markUnflushed, id);
  }

  /** The job does not start before this moment, in ms since the epoch; null: no such bound. */
  setStartAt(id: JobId, startAtMs: number | null): void {
    this.#db.run(this.#setStartAt, startAtMs, id);
  }

  /** Commits a script's text, which changed at `ctime`. `unflushed` stays set when its writing has failed. */
  putScript(
    id: JobId,
    content: Uint8Array,
    mtime: Timestamp,
    unflushed: boolean,
    ctime: Timestamp = timestamp(this.#now()),
  ): void {
    this.#lastHead = null;
    this.#db.transaction(() => {
      this.#putScript.run(id, content);
      this.#scriptWritten.run({
        id,
        size: content.length,
        unflushed: unflushed ? 1 : 0,
        s: mtime.sec,
        ns: mtime.nsec,
        cs: ctime.sec,
        cns: ctime.nsec,
      });
    });
  }

  /** The committed text. */
  script(id: JobId): Uint8Array {
    const row = this.#getScript.get(id) as { content: Uint8Array } | undefined;
    return row?.content ?? new Uint8Array(0);
  }

  /** A descriptor is open on one of the job's files: its rows stay even when it is removed. */
  retain(id: JobId): void {
    this.#retained.set(id, (this.#retained.get(id) ?? 0) + 1);
  }

  /** One descriptor less; what is left of a removed job goes with the last one. */
  drop(id: JobId): void {
    const left = (this.#retained.get(id) ?? 1) - 1;
    if (left > 0) {
      this.#retained.set(id, left);
      return;
    }
    this.#retained.delete(id);
    this.purgeIfRemoved(id);
  }

  /** What cannot be purged now, on a full disk, is purged when the next daemon starts. */
  purgeIfRemoved(id: JobId): void {
    try {
      const job = this.byId(id);
      if (job?.state !== "removed") return;
      this.remember(job);
      this.purge(id);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  isRetained(id: JobId): boolean {
    return this.#retained.has(id);
  }

  /** The first bytes of the committed text: enough to tell what it is, and mostly to find its options. */
  scriptHead(id: JobId): Uint8Array {
    if (this.#lastHead?.id !== id) {
      const row = this.#getHead.get(id) as { head: Uint8Array } | undefined;
      this.#lastHead = { id, head: row?.head ?? new Uint8Array(0) };
    }
    return this.#lastHead.head;
  }

  /**
   * Deletes what is left of a removed job, unless a descriptor is open on it or processes of it may be alive. A large log
   * is left to be swept.
   */
  purge(id: JobId): void {
    if (this.#retained.has(id)) return;
    if (this.#db.run(this.#purge, id) === 0) this.#changes.emit({ kind: "garbage" });
  }

  /** At start, when nothing can be open: purges all removed jobs. */
  purgeAll(): void {
    for (const { id } of this.#removed.all() as unknown as { id: JobId }[]) this.purge(id);
  }

  /** The job with this id; throws "stale" when it is gone. */
  require(id: JobId): Job {
    const job = this.byId(id);
    if (job === undefined) throw new StoreError("stale", `job ${id} is gone`);
    return job;
  }
}
