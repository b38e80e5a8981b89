/** setattr: chmod, chown, truncate and utimens, which the kernel has already checked against mode and owner. */
import type { AttrChange, Caller, Timespec } from "../ffi/operations.ts";
import { timestamp, toMs } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { hasOwnMode, MODE_BITS, S_IFDIR, S_IFMT, type Times } from "./attributes.ts";
import { FsError } from "./errno.ts";
import type { Scripts } from "./scripts.ts";
import type { JobPart } from "./tree.ts";

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;

/** What a JavaScript Date can hold, in seconds: then milliseconds are exact integers. The year 275760. */
const MAX_SECONDS = 8.64e12;
const NSEC_OF_SECOND = 1_000_000_000;

/**
 * A time that can be kept: as a local file system does, one that is out of range becomes the nearest in it. Throws EINVAL
 * for what is no time.
 */
function resolve(time: Timespec | "now" | undefined, nowMs: number): Timespec | undefined {
  if (time === "now") return timestamp(nowMs);
  if (time === undefined) return undefined;
  const { sec, nsec } = time;
  if (nsec < 0 || nsec >= NSEC_OF_SECOND) throw new FsError("EINVAL", "no such nanosecond");
  // At the end itself a nanosecond more would be out of range.
  if (sec >= -MAX_SECONDS && sec < MAX_SECONDS) return time;
  return { sec: Math.sign(sec) * MAX_SECONDS, nsec: 0 };
}

/** The times that a change sets. */
export function newTimes(change: AttrChange, nowMs: number): Times {
  const atime = resolve(change.atime, nowMs);
  const mtime = resolve(change.mtime, nowMs);
  return { ...(atime && { atime }), ...(mtime && { mtime }) };
}

/**
 * The permission bits after a change. A change of owner or size takes the set-id bits of a file away, as on a local file
 * system; directories, told by the file type in `mode`, keep them.
 */
export function newMode(mode: number, change: AttrChange, caller: () => Caller): number {
  const next = (change.mode ?? mode) & MODE_BITS;
  const clears = change.uid !== undefined || change.gid !== undefined || change.size !== undefined;
  if (change.mode !== undefined || !clears || !(next & (S_ISUID | S_ISGID))) return next;
  if ((mode & S_IFMT) === S_IFDIR) return next;
  if (change.size !== undefined && caller().uid === 0) return next;
  // A set-gid bit without group execution once meant mandatory locking and stays.
  return next & ~(next & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID);
}

export interface JobChange {
  readonly store: Store;
  readonly scripts: Scripts;
  readonly part: JobPart;
  readonly ino: number;
  readonly change: AttrChange;
  readonly caller: () => Caller;
}

/**
 * Changes a job through one of its nodes. Owner and mode are those of the job, but for its directories and `signal`, whose
 * modes are their own. Times belong to the script and the log; what is made up has none that could be set: EPERM.
 */
export function setJobAttributes(request: JobChange): void {
  const { store, scripts, part: { job, node }, ino, change, caller } = request;
  const hasTimes = node === "script" || node === "log";
  const nowMs = store.now();
  const { atime, mtime } = hasTimes ? newTimes(change, nowMs) : {};
  if (change.size !== undefined && node === "script") scripts.truncate(job, change.size);
  if (!hasTimes && change.size === undefined && (change.atime ?? change.mtime) !== undefined) {
    throw new FsError("EPERM", "its times are those of its job");
  }
  const ownMode = node !== "attempt" && hasOwnMode(node);
  const current = store.jobs.require(job.id);
  store.db.transaction(() => {
    if (ownMode && change.mode !== undefined) {
      const { uid, gid } = current;
      store.nodes.set(ino, { mode: change.mode & MODE_BITS, uid, gid });
    }
    store.jobs.setAttributes(current, {
      mode: ownMode ? undefined : newMode(job.mode, change, caller),
      uid: change.uid,
      gid: change.gid,
      atime,
      mtime,
      log: node === "log",
    });
    if (mtime !== undefined && node === "script" && current.state === "pending") {
      const mtimeMs = toMs(mtime);
      store.jobs.setStartAt(job.id, mtimeMs > nowMs ? mtimeMs : null);
    }
  });
  if (mtime !== undefined && node === "script") scripts.setMtime(job.id, mtime);
  store.moves.reschedule(job.id);
}
