/** From the rows of the store to what stat shows. */
import type { Attr } from "../ffi/operations.ts";
import type { Attempt } from "../store/history.ts";
import { type Job, type JobStat, type ListedState, timestamp } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import {
  attemptIno,
  DIRECTORY_INO,
  jobIno,
  type JobNode,
  JOBS_INO,
  logIno,
  ROOT_INO,
  scriptIno,
} from "./ino.ts";
import type { Logs } from "./logs.ts";
import type { Scripts } from "./scripts.ts";

export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFMT = 0o170000;
/** Permission bits with set-id and sticky. */
export const MODE_BITS = 0o7777;

const DIRECTORY_MODE = 0o755;
/** Directories in the root: the four states and `jobs`. */
const DIRECTORIES = Object.keys(DIRECTORY_INO).length + 1;
/** Of a job's mode, what its files can have that nobody can write. */
const READ_ONLY = 0o444;

/** Nodes of a job with a mode of their own, until somebody changes it. The others follow the mode of the job. */
const OWN_MODE: Partial<Readonly<Record<JobNode, number>>> = {
  directory: DIRECTORY_MODE,
  attempts: DIRECTORY_MODE,
  signal: 0o200,
};

export function hasOwnMode(node: JobNode): boolean {
  return OWN_MODE[node] !== undefined;
}

export type Times = Partial<Pick<Attr, "atime" | "mtime">>;

export class Attributes {
  readonly #store: Store;
  readonly #scripts: Scripts;
  readonly #logs: Logs;
  readonly #uid = Deno.uid() ?? 0;
  readonly #gid = Deno.gid() ?? 0;
  readonly #startedMs: number;
  /** What somebody has set on a fixed node, and when. Like its other times it is forgotten at the end of the daemon. */
  readonly #set = new Map<number, { readonly atMs: number; readonly times: Times }>();

  constructor(store: Store, scripts: Scripts, logs: Logs) {
    this.#store = store;
    this.#scripts = scripts;
    this.#logs = logs;
    this.#startedMs = store.now();
  }

  /** The file that the job's directory shows for it: the script of a pending job, else the log. */
  ofJob(job: JobStat): Attr {
    return job.state === "pending" ? this.ofScript(job) : this.ofLog(job);
  }

  ofScript(job: JobStat): Attr {
    const { size, mtime, ctime } = this.#scripts.stat(job);
    return { ...this.#ofFile(job, scriptIno(job.id), size, mtime), ctime };
  }

  ofLog(job: JobStat): Attr {
    const mtime = { sec: job.logMtimeSec, nsec: job.logMtimeNsec };
    return this.#ofFile(job, logIno(job.id), this.#logs.size(job), mtime);
  }

  #ofFile(job: JobStat, ino: number, size: number, mtime: Attr["mtime"]): Attr {
    return {
      ino,
      mode: S_IFREG | job.mode,
      nlink: job.state === "removed" ? 0 : 1,
      uid: job.uid,
      gid: job.gid,
      size,
      atime: { sec: job.atimeSec, nsec: job.atimeNsec },
      mtime,
      ctime: { sec: job.ctimeSec, nsec: job.ctimeNsec },
    };
  }

  /** `jobs/NAME`, and `attempts` in it. */
  ofJobDirectory(job: JobStat, node: "directory" | "attempts"): Attr {
    const nlink = job.state === "removed" ? 0 : node === "directory" ? 3 : 2;
    return { ...this.ofMadeUp(job, node, 0), nlink };
  }

  /** A file that is made from the job when it is read. */
  ofMadeUp(job: JobStat, node: JobNode, size: number): Attr {
    const ino = jobIno(job.id, node);
    const own = OWN_MODE[node];
    const mode = own === undefined ? job.mode & READ_ONLY : this.#store.nodes.get(ino)?.mode ?? own;
    const isDirectory = node === "directory" || node === "attempts";
    return { ...this.#readOnly(job, ino, size), mode: mode | (isDirectory ? S_IFDIR : S_IFREG) };
  }

  /** `attempts/N.log`. */
  ofAttempt(job: Job, attempt: Attempt): Attr {
    const size = this.#logs.sectionSize(job, attempt);
    const mtime = attempt.endedMs === null
      ? { sec: job.logMtimeSec, nsec: job.logMtimeNsec }
      : timestamp(attempt.endedMs);
    return { ...this.#readOnly(job, attemptIno(attempt.id), size), mtime };
  }

  #readOnly(job: JobStat, ino: number, size: number): Attr {
    const created = timestamp(job.createdMs);
    const ctime = { sec: job.ctimeSec, nsec: job.ctimeNsec };
    const { uid, gid } = job;
    const nlink = job.state === "removed" ? 0 : 1;
    const mode = S_IFREG | (job.mode & READ_ONLY);
    return { ino, mode, nlink, uid, gid, size, atime: created, mtime: ctime, ctime };
  }

  /** `jobs`: a link for each directory in it. */
  ofJobs(): Attr {
    const { directories } = this.#store;
    const mode = S_IFDIR | DIRECTORY_MODE;
    return this.fixed(JOBS_INO, mode, 0, directories.newestChangeMs, 2 + directories.count);
  }

  ofRoot(): Attr {
    return this.fixed(ROOT_INO, S_IFDIR | DIRECTORY_MODE, 0, this.#startedMs, 2 + DIRECTORIES);
  }

  ofDirectory(state: ListedState): Attr {
    const changedMs = this.#store.directories.changedAtMs(state);
    return this.fixed(DIRECTORY_INO[state], S_IFDIR | DIRECTORY_MODE, 0, changedMs, 2);
  }

  /** Somebody has changed a fixed node, and perhaps its times. */
  changeFixed(ino: number, times: Times): void {
    const before = this.#set.get(ino)?.times ?? {};
    this.#set.set(ino, { atMs: this.#store.now(), times: { ...before, ...times } });
  }

  /** A fixed node: `mode` (with type) and the daemon's ids unless somebody has changed them. */
  fixed(ino: number, mode: number, size: number, changedMs = this.#startedMs, nlink = 1): Attr {
    const own = this.#store.nodes.get(ino);
    const time = timestamp(changedMs);
    const set = this.#set.get(ino);
    const isNewer = set !== undefined && set.atMs >= changedMs;
    return {
      ino,
      mode: own === undefined ? mode : (mode & S_IFMT) | own.mode,
      nlink,
      uid: own?.uid ?? this.#uid,
      gid: own?.gid ?? this.#gid,
      size,
      atime: set?.times.atime ?? time,
      mtime: isNewer ? set.times.mtime ?? time : time,
      ctime: isNewer ? timestamp(set.atMs) : time,
    };
  }
}
