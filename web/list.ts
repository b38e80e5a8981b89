/** A page of a list of jobs, from where the last one ended. */
import type { FinishedPlace, PendingPlace } from "../store/browse.ts";
import type { Job } from "../store/job.ts";
import type { Query } from "./search_form.tsx";
import type { Site } from "./site.ts";

/** Jobs of a page. */
export const PAGE = 50;
/** For how long names are looked through before a page says what it has found so far, in ms. */
const SEARCH_MS = 2000;
/** The same when the job of the whole name was found, in ms: it is most likely the one. */
const FOUND_MS = 150;
/** For how long the loop is held at once, in ms: requests of the kernel have to come in between. */
const TURN_MS = 8;

export interface Page {
  readonly jobs: readonly Job[];
  /** Where the next page begins; null: this is the last one. */
  readonly next: string | null;
  /** Not all names were looked through yet. */
  readonly isUnfinished: boolean;
}

/** The page of a query that begins at `after`, which an earlier one has given as `next`, or "". */
export async function listPage(site: Site, query: Query, after: string): Promise<Page> {
  const { state, queue, text } = query;
  if (text !== "") return await search(site, query, after);
  const { browse } = site;
  const page = (jobs: readonly Job[], place: (job: Job) => string): Page => ({
    jobs: jobs.slice(0, PAGE),
    next: jobs.length > PAGE ? place(jobs[PAGE - 1]!) : null,
    isUnfinished: false,
  });
  const id = ({ id }: Job) => String(id);
  switch (state) {
    case null: {
      const below = number(after) ?? Number.MAX_SAFE_INTEGER;
      const jobs = queue === null
        ? browse.newest(below, PAGE + 1)
        : browse.newestOf(queue, below, PAGE + 1);
      return page(jobs, id);
    }
    case "active":
      return page(browse.active(number(after) ?? 0, PAGE + 1, queue), id);
    case "pending":
      return page(
        browse.pending(pendingPlace(after), PAGE + 1, queue),
        (job) => placeText(browse.placeOf(job)),
      );
    default:
      return page(
        browse.finished(state, finishedPlace(after), PAGE + 1, queue),
        (job) => `${job.finishedMs}.${job.id}`,
      );
  }
}

/** The job of the whole name comes first, since it is the one that is meant; then those that have the text in theirs. */
async function search(site: Site, query: Query, after: string): Promise<Page> {
  const { browse, store } = site;
  const meant = query.text === "" ? undefined : store.jobs.byName(query.text);
  const isMeant = meant !== undefined && (query.state === null || meant.state === query.state) &&
    (query.queue === null || meant.queue === query.queue);
  const jobs: Job[] = isMeant && after === "" ? [meant] : [];
  const filter = { state: query.state, queue: query.queue };
  const begun = performance.now();
  const until = begun + (jobs.length > 0 ? FOUND_MS : SEARCH_MS);
  let turnEnd = begun + TURN_MS;
  let below: number | null = number(after) ?? Number.MAX_SAFE_INTEGER;
  // One more than a page has, to know whether there is another.
  while (below !== null && jobs.length <= PAGE) {
    const found = browse.search(query.text, filter, below, PAGE + 2 - jobs.length);
    // Its place in the order would show it again.
    jobs.push(...found.jobs.filter(({ id }) => !isMeant || id !== meant.id));
    below = found.below;
    const now = performance.now();
    if (now > until) break;
    if (now > turnEnd) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      turnEnd = performance.now() + TURN_MS;
    }
  }
  if (jobs.length > PAGE) {
    return { jobs: jobs.slice(0, PAGE), next: String(jobs[PAGE - 1]!.id), isUnfinished: false };
  }
  return { jobs, next: below === null ? null : String(below), isUnfinished: below !== null };
}

function number(text: string): number | null {
  return /^\d{1,16}$/.test(text) ? Number(text) : null;
}

function placeText(place: PendingPlace): string {
  switch (place.phase) {
    case "ready":
      return `r.${place.priority}.${place.seq}`;
    case "waiting":
      return `w.${place.wakeAtMs}.${place.id}`;
    default:
      return `${place.phase[0]}.${place.id}`;
  }
}

function pendingPlace(text: string): PendingPlace | null {
  const [, kind, first, second] = /^([rwbo])\.(-?\d{1,16})(?:\.(\d{1,16}))?$/.exec(text) ?? [];
  const [one, other] = [Number(first), Number(second ?? 0)];
  switch (kind) {
    case "r":
      return { phase: "ready", priority: one, seq: other };
    case "w":
      return { phase: "waiting", wakeAtMs: one, id: other };
    case "b":
      return { phase: "blocked", id: one };
    case "o":
      return { phase: "open", id: one };
    default:
      return null;
  }
}

function finishedPlace(text: string): FinishedPlace | null {
  const [, finishedMs, id] = /^(\d{1,16})\.(\d{1,16})$/.exec(text) ?? [];
  return id === undefined ? null : { finishedMs: Number(finishedMs), id: Number(id) };
}
