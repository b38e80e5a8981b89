/** From the rows of the store to what stat shows. */
import type { Attr, Entry } from "../ffi/operations.ts";
import { type Job, type ListedState, timestamp } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { DIRECTORY_INO, logIno, ROOT_INO, scriptIno } from "./ino.ts";
import type { Logs } from "./logs.ts";
import type { Scripts } from "./scripts.ts";

export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFMT = 0o170000;
/** Permission bits with set-id and sticky. */
export const MODE_BITS = 0o7777;

/** Names and inodes of the fixed nodes never change, so the kernel may keep the pair for a day. */
const FIXED_ENTRY_SEC = 86_400;
const DIRECTORY_MODE = 0o755;
const DIRECTORIES = Object.keys(DIRECTORY_INO).length;

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
  ofJob(job: Job): Attr {
    return job.state === "pending" ? this.ofScript(job) : this.ofLog(job);
  }

  ofScript(job: Job): Attr {
    const { size, mtime } = this.#scripts.stat(job);
    return this.#ofFile(job, scriptIno(job.id), size, mtime);
  }

  ofLog(job: Job): Attr {
    const mtime = { sec: job.logMtimeSec, nsec: job.logMtimeNsec };
    return this.#ofFile(job, logIno(job.id), this.#logs.size(job), mtime);
  }

  #ofFile(job: Job, ino: number, size: number, mtime: Attr["mtime"]): Attr {
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

  ofRoot(): Attr {
    return this.fixed(ROOT_INO, S_IFDIR | DIRECTORY_MODE, 0, this.#startedMs, 2 + DIRECTORIES);
  }

  ofDirectory(state: ListedState): Attr {
    const changedMs = this.#store.jobs.changedAtMs(state);
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

/** A job changes state by itself, so the kernel must ask each time. */
export function jobEntry(attr: Attr): Entry {
  return { attr, attrTimeoutSec: 0, entryTimeoutSec: 0 };
}

export function fixedEntry(attr: Attr): Entry {
  return { attr, attrTimeoutSec: 0, entryTimeoutSec: FIXED_ENTRY_SEC };
}
