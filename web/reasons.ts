/** Why a pending job waits. */
import type { SlotsInUse } from "../scheduler/slots.ts";
import { isDraft, type Job, notBeforeMs } from "../store/job.ts";
import type { Store } from "../store/store.ts";

export interface Reason {
  readonly text: string;
  /** The moment that the text ends with, in ms since the epoch. */
  readonly untilMs?: number;
  /** Names of jobs that the text ends with. */
  readonly jobs?: readonly string[];
}

/** Names of jobs that are shown. */
const MAX_NAMES = 5;

export function reasonOf(store: Store, slots: SlotsInUse, job: Job): Reason {
  switch (job.phase) {
    case "open":
      return { text: ofOpen(store, job) };
    case "blocked": {
      const names = store.dependencies.namesOf(job.id);
      if (names.length === 0) return { text: "what it waited for has just ended" };
      const more = names.length > MAX_NAMES ? ` ${names.length} jobs, of them` : "";
      return { text: `after${more}`, jobs: names.slice(0, MAX_NAMES) };
    }
    case "waiting":
      return ofWaiting(job);
    default:
      return { text: ofReady(store, slots, job) };
  }
}

function ofOpen(store: Store, job: Job): string {
  if (isDraft(job.name)) return "a draft: it runs when it is renamed";
  if (store.queue.isHeld(job.id)) return "being written";
  return job.scriptSize === 0 ? "empty" : "just written";
}

function ofWaiting(job: Job): Reason {
  const untilMs = notBeforeMs(job) ?? 0;
  const isBackoff = untilMs === job.retryAtMs && (job.attempts > 0 || job.lost > 0);
  return { text: isBackoff ? "backoff until" : "not before", untilMs };
}

function ofReady(store: Store, slots: SlotsInUse, job: Job): string {
  const { paused, max_job_count, queues } = store.settings.current;
  if (paused) return "the queue is paused";
  if (store.attempts.isInTheWay(job)) return "processes of its last run, or of its name, are left";
  const limit = job.queue === null || !Object.hasOwn(queues, job.queue)
    ? undefined
    : queues[job.queue]!.max_job_count;
  const running = job.queue === null ? 0 : slots.countOf(job.queue);
  if (limit !== undefined && running >= limit) {
    return limit === 0
      ? `the queue ${job.queue} is stopped (max_job_count 0)`
      : `the queue ${job.queue} is full (${running} of ${limit})`;
  }
  if (slots.count >= slots.limit) {
    const why = slots.limit < max_job_count ? ", as many as the limit of open files allows" : "";
    return `no free slot (${slots.count} of ${slots.limit} in use${why})`;
  }
  return "starts now";
}
