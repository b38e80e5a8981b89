/** What a job is: its row, its states and the moves between them, and which names are drafts. */

declare const brand: unique symbol;
/** Row id of a job. Never used again, so the inode numbers made from it are not either. */
export type JobId = number & { readonly [brand]: "JobId" };
/** Row id of an attempt. */
export type AttemptId = number & { readonly [brand]: "AttemptId" };

export type State = "pending" | "active" | "complete" | "failed" | "removed";
/** States that have a directory. */
export type ListedState = Exclude<State, "removed">;

/** Every legal move; see the diagram in qj.5. */
export const MOVES: Readonly<Record<State, readonly State[]>> = {
  pending: ["active", "failed", "removed"],
  active: ["pending", "complete", "failed", "removed"],
  complete: ["pending", "removed"],
  failed: ["pending", "removed"],
  removed: [],
};

export const LISTED_STATES: readonly ListedState[] = ["pending", "active", "complete", "failed"];

/** True for a job that has come to its end, until somebody moves it. */
export function isFinished(job: Pick<Job, "state">): boolean {
  return job.state === "complete" || job.state === "failed";
}

/** When a waiting job may start, in ms since the epoch, or null. */
export function notBeforeMs(job: Job): number | null {
  const at = Math.max(job.startAtMs ?? 0, job.atMs ?? 0, job.retryAtMs ?? 0);
  return at === 0 ? null : at;
}

/** When the job was last submitted, in ms since the epoch, or null: `seq` is made from the clock, in microseconds. */
export function submittedMs(job: Job): number | null {
  return job.seq === null ? null : Math.floor(job.seq / 1000);
}

/**
 * Since when a pending job waits for its turn, in ms since the epoch: since it was submitted, since the moment that it waited
 * for, or since it came back after an attempt. Waiting for other jobs is part of that.
 */
export function readySinceMs(job: Job): number {
  const isBack = job.attempts > 0 || job.lost > 0;
  // Its log has the time of its last move.
  const backMs = isBack ? job.logMtimeSec * 1000 + Math.floor(job.logMtimeNsec / 1e6) : 0;
  return Math.max(
    submittedMs(job) ?? 0,
    notBeforeMs(job) ?? 0,
    job.retryAtMs === null ? backMs : 0,
  );
}

/**
 * Of a pending job. open: a draft, empty, or with a writer; blocked: until other jobs have completed; waiting: until
 * `wakeAtMs`; ready: may start now.
 */
export type Phase = "open" | "blocked" | "waiting" | "ready";

/** A row of the job table. Times in seconds and nanoseconds are what stat shows, those in ms are for scheduling. */
export interface Job {
  readonly id: JobId;
  readonly name: string;
  readonly state: State;
  readonly phase: Phase | null;
  readonly seq: number | null;
  /** What counts: `setPriority`, else that of the options, else 0. */
  readonly priority: number;
  /** Set by the extended attribute. */
  readonly setPriority: number | null;
  /** JSON of `JobOptions`; null: not read since the script was written. */
  readonly options: string | null;
  /** Attempts that count, since the job was queued. */
  readonly attempts: number;
  /** Attempts lost in a row. */
  readonly lost: number;
  /** Not before: the mtime that somebody has set, and the option `at`. */
  readonly startAtMs: number | null;
  readonly atMs: number | null;
  /** The end of a wait that began at some moment: a backoff, or the option `delay`. */
  readonly retryAtMs: number | null;
  readonly unflushed: 0 | 1;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly logMtimeSec: number;
  readonly logMtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  readonly scriptSize: number;
  /** Bytes ever written to the log, and how many of them were dropped again. */
  readonly logSize: number;
  readonly logDropped: number;
  /** The named queue that it counts against. */
  readonly queue: string | null;
  readonly createdMs: number;
  /** When it reached complete or failed; null in other states. */
  readonly finishedMs: number | null;
  /** Why the last attempt failed, or why there was none; null after a success. */
  readonly error: string | null;
}

/** What stat shows of a job and of its directory, as far as the row has it. */
export type JobStat = Pick<
  Job,
  | "id"
  | "name"
  | "state"
  | "mode"
  | "uid"
  | "gid"
  | "atimeSec"
  | "atimeNsec"
  | "mtimeSec"
  | "mtimeNsec"
  | "logMtimeSec"
  | "logMtimeNsec"
  | "ctimeSec"
  | "ctimeNsec"
  | "scriptSize"
  | "logSize"
  | "logDropped"
  | "createdMs"
>;

/** The columns of {@linkcode Job}, for SELECT. */
export const JOB_COLUMNS = `id, name, state, phase, seq, priority,
  set_priority AS setPriority, options, attempts, lost,
  start_at_ms AS startAtMs, at_ms AS atMs, retry_at_ms AS retryAtMs, unflushed, mode, uid, gid,
  atime_s AS atimeSec, atime_ns AS atimeNsec, mtime_s AS mtimeSec, mtime_ns AS mtimeNsec,
  log_mtime_s AS logMtimeSec, log_mtime_ns AS logMtimeNsec, ctime_s AS ctimeSec, ctime_ns AS ctimeNsec,
  script_size AS scriptSize, log_size AS logSize, log_dropped AS logDropped,
  queue, created_ms AS createdMs, finished_ms AS finishedMs, error`;

/** A draft is listed but never run: editors and rsync make such names for files that they have not finished. */
export function isDraft(name: string): boolean {
  return name.startsWith(".") || name.endsWith("~") ||
    (name.length > 1 && name.startsWith("#") && name.endsWith("#"));
}

/** A moment as stat shows it. */
export interface Timestamp {
  readonly sec: number;
  readonly nsec: number;
}

export function timestamp(ms: number): Timestamp {
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.round((ms - sec * 1000) * 1e6) };
}

/** The later of two moments. */
export function later(one: Timestamp, other: Timestamp): Timestamp {
  const isLater = one.sec > other.sec || (one.sec === other.sec && one.nsec > other.nsec);
  return isLater ? one : other;
}

/** Milliseconds since the epoch, rounded up, so that nothing starts before the moment. */
export function toMs(time: Timestamp): number {
  return time.sec * 1000 + Math.ceil(time.nsec / 1e6);
}
