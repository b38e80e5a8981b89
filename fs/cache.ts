/**
 * For how long the kernel may keep what it was told, in seconds.
 *
 * A job in `pending/` or `active/` changes by itself, so the kernel asks each time. A finished one stays as it is until
 * somebody moves it, and a directory until something comes or goes. Those are kept, and taken back by whoever makes them
 * untrue behind the kernel's back: a move to `pending/`, where a moved name would keep its long time though it stands for
 * another file then; a new job that takes the name of a finished one; a change through another file of the job; a job
 * that starts or ends. Taking back comes before the answer to what has caused it, so nothing stale is ever seen. Where
 * the kernel cannot take names back it keeps none.
 */
import type { Attr, Entry, KernelCache } from "../ffi/operations.ts";
import { isFinished, type Job, type JobStat } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { DIRECTORY_INO, JOBS_INO, logIno } from "./ino.ts";
import type { Logs } from "./logs.ts";

/** What does not change by itself: a day. */
const LONG_SEC = 86_400;

/** The root has attributes that only its users change. */
export const ROOT_ATTR_SEC = LONG_SEC;

/** A node whose name and inode belong together for ever; its attributes may change. */
export function fixedEntry(attr: Attr): Entry {
  return { attr, attrTimeoutSec: 0, entryTimeoutSec: LONG_SEC };
}

/** A node whose name may stand for another one the next moment. */
export function fleetingEntry(attr: Attr): Entry {
  return { attr, attrTimeoutSec: 0, entryTimeoutSec: 0 };
}

export class Cache {
  readonly #store: Store;
  readonly #logs: Logs;
  readonly #hasPages: boolean;
  /** Directories whose attributes the kernel may have. */
  readonly #keptDirectories = new Set<number>();
  #kernel: KernelCache | null = null;

  /** `hasPages`: jobs are moved from pages too. */
  constructor(store: Store, logs: Logs, hasPages: boolean) {
    this.#hasPages = hasPages;
    this.#store = store;
    this.#logs = logs;
    store.changes.listen((change) => {
      if (change.kind === "left") this.forgetName(change.job);
    });
    store.directories.onChange((states) => {
      this.#directoryChanged(JOBS_INO);
      for (const state of states) this.#directoryChanged(DIRECTORY_INO[state]);
    });
  }

  get #keepsNames(): boolean {
    return this.#kernel?.canForgetNames === true;
  }

  mounted(kernel: KernelCache): void {
    this.#kernel = kernel;
  }

  /** A job's file in its state directory. */
  jobEntry(job: JobStat, attr: Attr): Entry {
    const entryTimeoutSec = this.#keepsNames && isFinished(job) ? LONG_SEC : 0;
    return { attr, attrTimeoutSec: this.logAttrSec(job), entryTimeoutSec };
  }

  /**
   * The same in a listing. The kernel dates a look-up by the moment before it, but a listing by the moment at which it
   * takes the entries in (fs/fuse/readdir.c, fuse_direntplus_link): one that is taken back in between would stay. Moves
   * hold the lock of the directory meanwhile; who takes the name of a finished job does not, nor does its age, nor a page.
   */
  listedJobEntry(job: JobStat, attr: Attr): Entry {
    const { settings, retention } = this.#store;
    const mayGo = this.#hasPages || settings.current.replace_finished ||
      retention.shortestMs !== null;
    if (!mayGo) return this.jobEntry(job, attr);
    return { attr, attrTimeoutSec: this.logAttrSec(job), entryTimeoutSec: 0 };
  }

  logAttrSec(job: JobStat): number {
    return this.#kernel !== null && isFinished(job) && this.#logs.isSettled(job) ? LONG_SEC : 0;
  }

  /** Of a directory that changes only by moves and renames of jobs and by requests. */
  directoryAttrSec(ino: number): number {
    if (this.#kernel === null) return 0;
    this.#keptDirectories.add(ino);
    return LONG_SEC;
  }

  #directoryChanged(ino: number): void {
    if (this.#keptDirectories.delete(ino)) this.#kernel?.forgetAttributes(ino);
  }

  /** What makes the name of a job untrue has happened. `job` is the row as it was. */
  forgetName(job: Job): void {
    if (!isFinished(job)) return;
    if (this.#keepsNames) this.#kernel?.forgetNames();
    this.forgetLog(job);
  }

  /** A job was changed through another file than its log. */
  forgetLog(job: Job): void {
    if (isFinished(job)) this.#kernel?.forgetAttributes(logIno(job.id));
  }
}
