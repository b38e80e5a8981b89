/**
 * Jobs as people look at them: what runs, what will run next, what has ended last, and what has a certain name. Page by
 * page, each from where the last one ended, so that none takes longer with a million jobs than with ten. Made by who
 * shows them, since its statements are of no use to a daemon that nobody looks at.
 */
import type { Database } from "./database.ts";
import { type Job, JOB_COLUMNS, type JobId, type ListedState, type Phase } from "./job.ts";

/** Beyond these the named queues in use are not listed: there can be as many as there are jobs. */
const MAX_QUEUES = 200;
/** Ready jobs of further queues, by name, are left out: each queue is a look-up of its own. */
const MAX_READY_QUEUES = 1000;
/** How many jobs are looked through at once for a part of a name: some milliseconds of work. */
const LOOKED_THROUGH = 2000;

/** Where a page of pending jobs ended. */
export type PendingPlace =
  | { readonly phase: "ready"; readonly priority: number; readonly seq: number }
  | { readonly phase: "waiting"; readonly wakeAtMs: number; readonly id: number }
  | { readonly phase: "blocked" | "open"; readonly id: number };

/** Where a page of finished jobs ended. */
export interface FinishedPlace {
  readonly finishedMs: number;
  readonly id: number;
}

/** Which jobs are looked for; null: all. */
export interface Filter {
  readonly state: ListedState | null;
  readonly queue: string | null;
}

/** What one step of looking for a name has found. */
export interface Found {
  readonly jobs: readonly Job[];
  /** The id to go on below; null: that was all. */
  readonly below: JobId | null;
}

/** The place of a ready job in the order. */
interface Ready {
  readonly id: JobId;
  readonly priority: number;
  readonly seq: number;
}

type WaitingJob = Job & { readonly wakeAtMs: number };

/** All that a job of a named queue can be. */
const PLACES: readonly (readonly [ListedState, Phase | null])[] = [
  ...(["open", "blocked", "waiting", "ready"] as const).map((phase) => ["pending", phase] as const),
  ...(["active", "complete", "failed"] as const).map((state) => [state, null] as const),
];

export class Browse {
  readonly #active;
  readonly #activeOf;
  readonly #readyQueues;
  readonly #ready;
  readonly #byId;
  readonly #waiting;
  readonly #blocked;
  readonly #open;
  readonly #ofQueue;
  readonly #finished;
  readonly #finishedOf;
  readonly #newest;
  readonly #placed;
  readonly #search;
  readonly #lowest;
  readonly #queues;

  constructor(db: Database) {
    const jobs = (rest: string) => db.prepare(`SELECT ${JOB_COLUMNS} FROM job WHERE ${rest}`);
    this.#active = jobs("state = 'active' AND id > ? ORDER BY id LIMIT ?");
    this.#activeOf = jobs(
      "state = 'active' AND queue = ? AND phase IS NULL AND id > ? ORDER BY id LIMIT ?",
    );
    // The names of the queues are found by leaps through the index.
    const leaps = (where: string, limit: number) =>
      `WITH RECURSIVE named (queue) AS (
         SELECT min(queue) FROM job WHERE ${where}
         UNION ALL
         SELECT (SELECT min(queue) FROM job WHERE ${where} AND queue > named.queue)
           FROM named WHERE named.queue IS NOT NULL)
       SELECT queue FROM named WHERE queue IS NOT NULL LIMIT ${limit}`;
    this.#readyQueues = db.prepare(
      leaps("phase = 'ready' AND queue IS NOT NULL", MAX_READY_QUEUES),
    );
    this.#queues = db.prepare(leaps("queue IS NOT NULL", MAX_QUEUES));
    // Two parts, since an index in two directions is no range for a pair.
    this.#ready = db.prepare(
      `SELECT * FROM (SELECT id, priority, seq FROM job
         WHERE phase = 'ready' AND queue IS :queue AND priority = :priority AND seq > :seq
         ORDER BY seq LIMIT :limit)
       UNION ALL
       SELECT * FROM (SELECT id, priority, seq FROM job
         WHERE phase = 'ready' AND queue IS :queue AND priority < :priority
         ORDER BY priority DESC, seq LIMIT :limit)`,
    );
    this.#byId = jobs("id = ?");
    this.#waiting = db.prepare(
      `SELECT ${JOB_COLUMNS}, wake_at_ms AS wakeAtMs FROM job
       WHERE phase = 'waiting' AND (wake_at_ms, id) > (?, ?) ORDER BY wake_at_ms, id LIMIT ?`,
    );
    this.#blocked = db.prepare(
      `SELECT ${JOB_COLUMNS} FROM dependency CROSS JOIN job ON id = job_id
       WHERE job_id > ? AND phase = 'blocked' GROUP BY job_id ORDER BY job_id LIMIT ?`,
    );
    this.#open = jobs("phase = 'open' AND id > ? ORDER BY id LIMIT ?");
    this.#ofQueue = db.prepare(
      `SELECT ${JOB_COLUMNS}, wake_at_ms AS wakeAtMs FROM job INDEXED BY job_queue
       WHERE queue = ? AND state = 'pending' AND phase = ? AND id > ? ORDER BY id LIMIT ?`,
    );
    this.#finished = jobs(
      `state = ? AND finished_ms IS NOT NULL AND (finished_ms, id) < (?, ?)
       ORDER BY finished_ms DESC, id DESC LIMIT ?`,
    );
    this.#finishedOf = db.prepare(
      `SELECT ${JOB_COLUMNS} FROM job INDEXED BY job_queue
       WHERE queue = ? AND state = ? AND phase IS NULL AND id < ? ORDER BY id DESC LIMIT ?`,
    );
    this.#newest = jobs("id < ? AND state <> 'removed' ORDER BY id DESC LIMIT ?");
    this.#placed = db.prepare(
      `SELECT ${JOB_COLUMNS} FROM job INDEXED BY job_queue
       WHERE queue = ? AND state = ? AND phase IS ? AND id < ? ORDER BY id DESC LIMIT ?`,
    );
    const some = `SELECT id, name, state, queue FROM job WHERE id < :below ORDER BY id DESC
       LIMIT ${LOOKED_THROUGH}`;
    this.#search = jobs(
      `id IN (SELECT id FROM (${some}) WHERE state <> 'removed' AND instr(lower(name), :text) > 0
         AND (:state IS NULL OR state = :state) AND (:queue IS NULL OR queue = :queue))
       ORDER BY id DESC LIMIT :limit`,
    );
    this.#lowest = db.prepare(
      `SELECT min(id) AS id, count(*) AS n FROM (SELECT id FROM job WHERE id < ? ORDER BY id DESC
         LIMIT ${LOOKED_THROUGH})`,
    );
  }

  /** Active jobs with ids above `after`. */
  active(after: number, limit: number, queue: string | null = null): Job[] {
    const rows = queue === null
      ? this.#active.all(after, limit)
      : this.#activeOf.all(queue, after, limit);
    return rows as unknown as Job[];
  }

  /**
   * Pending jobs: those that are ready in the order in which they will start, then those that wait for a moment, the
   * earliest first, those that wait for other jobs, and what is not handed in. Of a named queue the latter by age.
   */
  pending(after: PendingPlace | null, limit: number, queue: string | null = null): Job[] {
    const jobs: Job[] = [];
    let reached = after === null;
    for (const phase of ["ready", "waiting", "blocked", "open"] as const) {
      const from = after?.phase === phase ? after : null;
      reached ||= from !== null;
      if (!reached || jobs.length >= limit) continue;
      jobs.push(...this.#ofPhase(phase, from, limit - jobs.length, queue));
    }
    return jobs;
  }

  #ofPhase(
    phase: PendingPlace["phase"],
    from: PendingPlace | null,
    limit: number,
    queue: string | null,
  ): Job[] {
    if (phase === "ready") return this.#readyJobs(from, limit, queue);
    const id = from === null || from.phase === "ready" ? 0 : from.id;
    if (queue !== null) return this.#ofQueue.all(queue, phase, id, limit) as unknown as Job[];
    if (phase === "waiting") {
      const wakeAtMs = from?.phase === "waiting" ? from.wakeAtMs : Number.MIN_SAFE_INTEGER;
      return this.#waiting.all(wakeAtMs, id, limit) as unknown as Job[];
    }
    if (phase === "open") return this.#open.all(id, limit) as unknown as Job[];
    return this.#blocked.all(id, limit) as unknown as Job[];
  }

  #readyJobs(from: PendingPlace | null, limit: number, queue: string | null): Job[] {
    const place = from?.phase === "ready" ? from : { priority: Number.MAX_SAFE_INTEGER, seq: 0 };
    const { priority, seq } = place;
    const queues = queue !== null
      ? [queue]
      : [null, ...(this.#readyQueues.all() as { queue: string }[]).map(({ queue }) => queue)];
    const first = (queue: string | null, limit: number) =>
      (this.#ready.all({ queue, priority, seq, limit }) as unknown as Ready[]).slice(0, limit);
    const inOrder = (a: Ready, b: Ready) => b.priority - a.priority || a.seq - b.seq;
    // Only queues whose first job is among the first ones of all can have any on the page.
    return queues
      .flatMap((queue) => first(queue, 1).map((head) => ({ ...head, queue })))
      .sort(inOrder)
      .slice(0, limit)
      .flatMap(({ queue }) => first(queue, limit))
      .sort(inOrder)
      .slice(0, limit)
      .map(({ id }) => this.#byId.get(id) as unknown as Job);
  }

  /** Where a page that ends with this pending job ended. */
  placeOf(job: Job): PendingPlace {
    switch (job.phase) {
      case "ready":
        return { phase: "ready", priority: job.priority, seq: job.seq ?? 0 };
      case "waiting":
        return { phase: "waiting", wakeAtMs: (job as WaitingJob).wakeAtMs, id: job.id };
      case "blocked":
        return { phase: "blocked", id: job.id };
      default:
        return { phase: "open", id: job.id };
    }
  }

  /** Finished jobs, those that have ended last first; of a named queue those that were made last. */
  finished(
    state: "complete" | "failed",
    before: FinishedPlace | null,
    limit: number,
    queue: string | null = null,
  ): Job[] {
    const { finishedMs, id } = before ?? {
      finishedMs: Number.MAX_SAFE_INTEGER,
      id: Number.MAX_SAFE_INTEGER,
    };
    const rows = queue === null
      ? this.#finished.all(state, finishedMs, id, limit)
      : this.#finishedOf.all(queue, state, id, limit);
    return rows as unknown as Job[];
  }

  /** The same of one named queue. */
  newestOf(queue: string, below: number, limit: number): Job[] {
    return PLACES
      .flatMap(([state, phase]) =>
        this.#placed.all(queue, state, phase, below, limit) as unknown as Job[]
      )
      .sort((a, b) => b.id - a.id)
      .slice(0, limit);
  }

  /** Jobs of all states, those that were made last first, with ids below `below`. */
  newest(below: number, limit: number): Job[] {
    return this.#newest.all(below, limit) as unknown as Job[];
  }

  /**
   * Jobs that have a text in their names, whatever the case of its letters, the newest first. Looks through some of them,
   * with ids below `below`; whoever calls goes on.
   */
  search(text: string, { state, queue }: Filter, below: number, limit: number): Found {
    const last = this.#lowest.get(below) as { id: JobId | null; n: number };
    if (last.id === null) return { jobs: [], below: null };
    // SQLite's lower() knows the letters of ASCII.
    const lowered = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    const jobs = this.#search.all({
      below,
      text: lowered,
      state,
      queue,
      limit,
    }) as unknown as Job[];
    if (jobs.length === limit) return { jobs, below: jobs[limit - 1]!.id };
    return { jobs, below: last.n < LOOKED_THROUGH ? null : last.id };
  }

  /** The named queues of all jobs, in order, if there are not too many. */
  queues(): string[] {
    return (this.#queues.all() as { queue: string }[]).map(({ queue }) => queue);
  }
}
