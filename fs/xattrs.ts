/** Extended attributes: what can be told of a job in a word, on each of its files; the priority can be set. */
import type { Job } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { FsError } from "./errno.ts";

const PREFIX = "user.qj.";
const MAX_PRIORITY = 1000;

type Value = (store: Store, job: Job) => string | number | null | undefined;

/** By the name behind the prefix. A job has the attribute unless the value is null or undefined. */
const VALUES: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["state", (_store, job) => job.state],
  ["attempts", (_store, job) => job.attempts],
  ["exit_code", (store, job) => store.history.exitCode(job.id)],
  ["priority", (_store, job) => job.priority],
  ["queue", (_store, job) => job.queue],
]);

/** True for a name that some job may have: other names need no look at the store. */
export function isJobXattr(name: string): boolean {
  return name.startsWith(PREFIX) && VALUES.has(name.slice(PREFIX.length));
}

export function getJobXattr(store: Store, job: Job, name: string): string | undefined {
  const value = VALUES.get(name.slice(PREFIX.length))?.(store, job);
  return value === null || value === undefined ? undefined : String(value);
}

export function listJobXattrs(store: Store, job: Job): string[] {
  return [...VALUES.keys()].map((name) => PREFIX + name)
    .filter((name) => getJobXattr(store, job, name) !== undefined);
}

/** Sets the priority of a pending job. Throws EINVAL for what is none, EPERM for a job in another state. */
export function setPriority(store: Store, job: Job, value: Uint8Array): void {
  const text = new TextDecoder().decode(value);
  const priority = Number(text);
  if (!/^[+-]?[0-9]{1,4}$/.test(text) || Math.abs(priority) > MAX_PRIORITY) {
    throw new FsError("EINVAL", `a priority is a whole number from -1000 to 1000, not ${text}`);
  }
  if (job.state !== "pending") {
    throw new FsError("EPERM", "only a pending job has a place in the order");
  }
  store.queue.setPriority(job, priority);
}

export const PRIORITY_XATTR = `${PREFIX}priority`;
