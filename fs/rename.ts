/** rename: which verb of the queue a move of a file between the directories is. */
import type { Job, ListedState } from "../store/job.ts";
import { isDraft } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { FsError } from "./errno.ts";

const RENAME_NOREPLACE = 1;

export interface RenameRequest {
  readonly from: ListedState;
  readonly name: string;
  readonly to: ListedState;
  readonly newName: string;
  readonly flags: number;
}

/** What a rename will do. */
export interface RenamePlan {
  readonly job: Job;
  readonly to: ListedState;
  readonly newName: string;
  /** The job whose name it takes. */
  readonly replaced: Job | undefined;
}

/** Null: there is nothing to do. Throws ENOENT, EEXIST, EPERM or EINVAL. */
export function planRename(store: Store, request: RenameRequest): RenamePlan | null {
  const { from, name, to, newName, flags } = request;
  if ((flags & ~RENAME_NOREPLACE) !== 0) throw new FsError("EINVAL");
  const job = store.jobs.byName(name);
  if (job?.state !== from) throw new FsError("ENOENT");
  checkMove(job, from, to);
  const target = store.jobs.byName(newName);
  if (target === undefined) return { job, to, newName, replaced: undefined };
  if (target.id !== job.id) {
    if (!mayReplace(store, request, target)) throw new FsError("EEXIST");
    return { job, to, newName, replaced: target };
  }
  if (from !== to) return { job, to, newName, replaced: undefined };
  // POSIX: the same file, nothing happens; RENAME_NOREPLACE finds the name in use.
  if (flags & RENAME_NOREPLACE) throw new FsError("EEXIST");
  return null;
}

/** Does all that was planned, or nothing and throws. */
export function carryOut({ moves }: Store, { job, to, newName, replaced }: RenamePlan): void {
  if (to === job.state) {
    if (to === "pending") moves.renamePending(job, newName, replaced);
    else moves.renameFinished(job, newName);
  } else if (to === "pending") {
    moves.requeue(job, newName);
  } else {
    moves.park(job, newName);
  }
}

function checkMove(job: Job, from: ListedState, to: ListedState): void {
  const legal = to === "pending" ||
    (to === "failed" && from !== "complete") ||
    (to === "complete" && from === "complete");
  if (!legal) throw new FsError("EPERM", `a job cannot be moved from ${from} to ${to}`);
  if (from === "pending" && to === "failed" && isDraft(job.name)) {
    throw new FsError("EPERM", "a draft is not a job yet");
  }
}

function mayReplace(store: Store, { from, to, flags }: RenameRequest, target: Job): boolean {
  if (flags & RENAME_NOREPLACE || from !== "pending" || to !== "pending") return false;
  return target.state === "pending" || mayForget(store, target);
}

/** With `replace_finished`, a new job may take the name of a finished one. */
export function mayForget(store: Store, job: Job): boolean {
  return store.settings.current.replace_finished &&
    (job.state === "complete" || job.state === "failed");
}
