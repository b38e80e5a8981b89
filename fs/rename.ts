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

/** Throws ENOENT, EEXIST, EPERM or EINVAL, or does all of it. */
export function rename(store: Store, request: RenameRequest): void {
  const { from, name, to, newName, flags } = request;
  if ((flags & ~RENAME_NOREPLACE) !== 0) throw new FsError("EINVAL");
  const job = store.jobs.byName(name);
  if (job?.state !== from) throw new FsError("ENOENT");
  checkMove(job, from, to);
  const target = store.jobs.byName(newName);
  if (target?.id === job.id) {
    if (from === to) {
      // POSIX: the same file, nothing happens; RENAME_NOREPLACE finds the name in use.
      if (flags & RENAME_NOREPLACE) throw new FsError("EEXIST");
      return;
    }
  } else if (target !== undefined && !mayReplace(store, request, target)) {
    throw new FsError("EEXIST");
  }
  const replaced = target?.id === job.id ? undefined : target;
  if (to === "pending") {
    if (from === "pending") store.moves.renamePending(job, newName, replaced);
    else store.moves.requeue(job, newName);
  } else if (from === to) {
    store.moves.renameFinished(job, newName);
  } else {
    store.moves.park(job, newName);
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
