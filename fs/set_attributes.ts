/** setattr: chmod, chown, truncate and utimens, which the kernel has already checked against mode and owner. */
import type { AttrChange, Caller, Timespec } from "../ffi/operations.ts";
import { type Job, timestamp, toMs } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { MODE_BITS, S_IFDIR, S_IFMT, type Times } from "./attributes.ts";
import type { Scripts } from "./scripts.ts";

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;

/** What a JavaScript Date can hold, in seconds: then milliseconds are exact integers. The year 275760. */
const MAX_SECONDS = 8.64e12;

/** A time that can be kept: as a local file system does, one that is out of range becomes the nearest in it. */
function resolve(time: Timespec | "now" | undefined, nowMs: number): Timespec | undefined {
  if (time === "now") return timestamp(nowMs);
  if (time === undefined || Math.abs(time.sec) <= MAX_SECONDS) return time;
  return { sec: Math.sign(time.sec) * MAX_SECONDS, nsec: 0 };
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

/** Changes a job through its script or its log. */
export function setJobAttributes(
  store: Store,
  scripts: Scripts,
  job: Job,
  file: "script" | "log",
  change: AttrChange,
  caller: () => Caller,
): void {
  if (change.size !== undefined) scripts.truncate(job, change.size);
  const nowMs = store.now();
  const { atime, mtime } = newTimes(change, nowMs);
  const mode = newMode(job.mode, change, caller);
  const current = store.jobs.require(job.id);
  store.db.transaction(() => {
    store.jobs.setAttributes(current, {
      mode,
      uid: change.uid,
      gid: change.gid,
      atime,
      mtime,
      log: file === "log",
    });
    if (mtime !== undefined && file === "script" && current.state === "pending") {
      const mtimeMs = toMs(mtime);
      store.jobs.setStartAt(job.id, mtimeMs > nowMs ? mtimeMs : null);
    }
  });
  if (mtime !== undefined && file === "script") scripts.setMtime(job.id, mtime);
  store.moves.reschedule(job.id);
}
