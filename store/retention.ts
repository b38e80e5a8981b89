/**
 * Deleting what has become old (`retain_complete_sec`, `retain_failed_sec`), and what removed jobs leave: in slices that
 * take milliseconds, so that requests come in between. Whoever calls goes on as long as there is more.
 */
import type { Database } from "./database.ts";
import { type Job, JOB_COLUMNS, type JobId } from "./job.ts";
import type { Jobs } from "./jobs.ts";
import type { Moves } from "./moves.ts";
import type { SettingsStore } from "./settings.ts";

/** Jobs of a slice, if their logs are small. */
const JOBS_AT_ONCE = 50;
/** Bytes of logs of a slice: more begins the next one. */
const BYTES_AT_ONCE = 4 * 1_048_576;
/** Pieces of a log that are deleted at once: of at most 64 KiB each. */
const CHUNKS_AT_ONCE = 32;
/** Pages that are given back at once, and unused ones that are not worth it. */
const PAGES_AT_ONCE = 128;
const UNUSED_PAGES = 256;

export class Retention {
  readonly #db: Database;
  readonly #jobs: Jobs;
  readonly #moves: Moves;
  readonly #settings: SettingsStore;
  readonly #now: () => number;
  readonly #oldest;
  readonly #due;
  readonly #removed;
  readonly #deleteChunks;
  readonly #deleteJob;
  #hasGiven = false;

  /** `now` is milliseconds since the epoch. */
  constructor(
    db: Database,
    jobs: Jobs,
    moves: Moves,
    settings: SettingsStore,
    now: () => number,
  ) {
    this.#db = db;
    this.#jobs = jobs;
    this.#moves = moves;
    this.#settings = settings;
    this.#now = now;
    this.#oldest = db.prepare(
      "SELECT min(finished_ms) AS ms FROM job WHERE state = ? AND finished_ms IS NOT NULL",
    );
    this.#due = db.prepare(
      `SELECT ${JOB_COLUMNS} FROM job WHERE state = ? AND finished_ms <= ?
       ORDER BY finished_ms LIMIT ${JOBS_AT_ONCE}`,
    );
    this.#removed = db.prepare(
      `SELECT id FROM job WHERE state = 'removed'
       AND NOT EXISTS (SELECT 1 FROM attempt WHERE job_id = job.id AND live = 1) ORDER BY id`,
    );
    this.#deleteChunks = db.prepare(
      `DELETE FROM output WHERE rowid IN
         (SELECT rowid FROM output WHERE job_id = ? LIMIT ${CHUNKS_AT_ONCE})`,
    );
    this.#deleteJob = db.prepare("DELETE FROM job WHERE id = ? AND state = 'removed'");
  }

  #ages(): (readonly ["complete" | "failed", number])[] {
    const { retain_complete_sec, retain_failed_sec } = this.#settings.current;
    return ([["complete", retain_complete_sec], ["failed", retain_failed_sec]] as const)
      .flatMap(([state, sec]) => sec === null ? [] : [[state, sec * 1000] as const]);
  }

  /** How old a finished job gets at least, in ms, or null: no job is deleted. */
  get shortestMs(): number | null {
    const ages = this.#ages().map(([, ageMs]) => ageMs);
    return ages.length === 0 ? null : Math.min(...ages);
  }

  /** When the next job is due, in ms since the epoch, or null: none will be. */
  nextMs(): number | null {
    const due = this.#ages().flatMap(([state, ageMs]) => {
      const { ms } = this.#oldest.get(state) as { ms: number | null };
      return ms === null ? [] : [ms + ageMs];
    });
    return due.length === 0 ? null : Math.min(...due);
  }

  /** Deletes some of the jobs that are due. Returns how many. */
  expire(): number {
    const due = this.#ages().flatMap(([state, ageMs]) =>
      this.#due.all(state, Math.floor(this.#now() - ageMs)) as unknown as Job[]
    );
    let bytes = 0;
    const slice = due.slice(0, JOBS_AT_ONCE).filter((job) => {
      const fits = bytes <= BYTES_AT_ONCE;
      bytes += Math.min(job.logSize - job.logDropped, BYTES_AT_ONCE) + job.scriptSize;
      return fits;
    });
    if (slice.length > 0) this.#moves.expire(slice);
    return slice.length;
  }

  /** Deletes a piece of what removed jobs have left. False: there is nothing that can be deleted now. */
  sweep(): boolean {
    const job = (this.#removed.all() as { id: JobId }[])
      .find(({ id }) => !this.#jobs.isRetained(id));
    if (job === undefined) return false;
    this.#db.transaction(() => {
      if (this.#deleteChunks.run(job.id) < CHUNKS_AT_ONCE) this.#deleteJob.run(job.id);
    });
    return true;
  }

  /** Gives some unused room back to the file system. False: there is hardly any. */
  giveBack(): boolean {
    if (this.#db.unusedPages > UNUSED_PAGES && this.#db.giveBack(PAGES_AT_ONCE)) {
      this.#hasGiven = true;
      return true;
    }
    // The file gets smaller when its log is moved into it.
    if (this.#hasGiven) this.#db.checkpoint();
    this.#hasGiven = false;
    return false;
  }
}
