/**
 * Which jobs wait for which others (`#QJ after=A,B`).
 *
 * A name is resolved when the waiting job becomes runnable, and from then on it is that job that is waited for, whatever
 * its name: a row for each one that has not completed. When it comes to an end, that is noted first, in the same
 * transaction, and those that wait are told afterwards in slices: there may be any number of them.
 */
import type { Database } from "./database.ts";
import { isDraft, type Job, type JobId, type State } from "./job.ts";
import type { Jobs } from "./jobs.ts";

/** A job that others wait for has come to an end. */
export interface DependencyEnd {
  readonly onId: JobId;
  readonly name: string;
  /** Why the others cannot run any more; null: it has completed. */
  readonly error: string | null;
}

export class Dependencies {
  readonly #db: Database;
  readonly #jobs: Jobs;
  readonly #insert;
  readonly #clear;
  readonly #rebind;
  readonly #isBlocked;
  readonly #hasDependents;
  readonly #reaches;
  readonly #onOf;
  readonly #noteEnd;
  readonly #nextEnd;
  readonly #endOf;
  readonly #dependents;
  readonly #forget;
  readonly #forgetEnd;
  /** Whether any job waits for another, and whether an end has yet to be told: the usual case, none, costs nothing. */
  #hasAny: boolean;
  #hasEnds: boolean;

  constructor(db: Database, jobs: Jobs) {
    this.#db = db;
    this.#jobs = jobs;
    this.#insert = db.prepare("INSERT OR IGNORE INTO dependency (job_id, on_id) VALUES (?, ?)");
    this.#clear = db.prepare("DELETE FROM dependency WHERE job_id = ?");
    this.#rebind = db.prepare("UPDATE OR REPLACE dependency SET on_id = ? WHERE on_id = ?");
    this.#isBlocked = db.prepare("SELECT 1 FROM dependency WHERE job_id = ? LIMIT 1");
    this.#hasDependents = db.prepare("SELECT 1 FROM dependency WHERE on_id = ? LIMIT 1");
    this.#reaches = db.prepare(
      `WITH RECURSIVE reached (id) AS (
         SELECT ? UNION SELECT on_id FROM dependency JOIN reached ON job_id = reached.id)
       SELECT 1 FROM reached WHERE id = ?`,
    );
    this.#onOf = db.prepare(
      `SELECT job.id, job.name FROM dependency JOIN job ON job.id = on_id WHERE job_id = ? ORDER BY on_id`,
    );
    this.#noteEnd = db.prepare(
      "INSERT OR IGNORE INTO dependency_end (on_id, name, error) VALUES (?, ?, ?)",
    );
    const end = "SELECT on_id AS onId, name, error FROM dependency_end";
    this.#nextEnd = db.prepare(`${end} LIMIT 1`);
    this.#endOf = db.prepare(`${end} WHERE on_id = ?`);
    this.#dependents = db.prepare(
      "SELECT job_id AS id FROM dependency WHERE on_id = ? ORDER BY job_id LIMIT ?",
    );
    this.#forget = db.prepare("DELETE FROM dependency WHERE job_id = ? AND on_id = ?");
    this.#forgetEnd = db.prepare("DELETE FROM dependency_end WHERE on_id = ?");
    this.#hasAny = db.prepare("SELECT 1 FROM dependency LIMIT 1").get() !== undefined;
    this.#hasEnds = this.#nextEnd.get() !== undefined;
  }

  /**
   * The job waits from now on for those of these names that have not completed, and for no others. Returns why it
   * cannot, or null. `hasRun`: it was free to run once, so that a name that no job has any more stands for one that had
   * completed. With a reason, the caller clears what it waits for.
   */
  bind(job: Job, names: readonly string[], hasRun: boolean): string | null {
    if (this.#hasAny) this.#clear.run(job.id);
    for (const name of names) {
      const on = this.#jobs.byName(name);
      if (on === undefined || (isDraft(on.name) && on.id !== job.id)) {
        if (hasRun && on === undefined) continue;
        return said(name, "no job has this name");
      }
      if (on.state === "failed") return said(name, "it has failed");
      if (on.state === "complete") continue;
      if (on.id === job.id || this.#waitsFor(on.id, job.id)) {
        return isItself(name);
      }
      this.#insert.run(job.id, on.id);
      this.#hasAny = true;
    }
    return null;
  }

  /**
   * The job goes on waiting for the same jobs. Returns why it cannot, or null: by a rename, one of them may have come to
   * wait for it.
   */
  keep(job: JobId): string | null {
    for (const on of this.#waitedFor(job)) {
      if (on.id === job || this.#waitsFor(on.id, job)) return isItself(on.name);
    }
    return null;
  }

  /** Whether a job waits for another, through others too. */
  #waitsFor(job: JobId, on: JobId): boolean {
    if (!this.#hasAny || this.#hasDependents.get(on) === undefined) return false;
    return this.#reaches.get(job, on) !== undefined;
  }

  /** True while the job waits for others. */
  isBlocked(job: JobId): boolean {
    return this.#hasAny && this.#isBlocked.get(job) !== undefined;
  }

  /** The names of the jobs that it waits for. */
  namesOf(job: JobId): string[] {
    return this.#waitedFor(job).map(({ name }) => name);
  }

  #waitedFor(job: JobId): { id: JobId; name: string }[] {
    return this.#hasAny ? this.#onOf.all(job) as { id: JobId; name: string }[] : [];
  }

  /** The job waits for no other any more. */
  clear(job: JobId): void {
    if (this.#hasAny) this.#clear.run(job);
  }

  /** A pending job takes the place of another: who waits for that one waits for this one. */
  rebind(from: JobId, to: JobId): void {
    if (this.#hasAny) this.#rebind.run(to, from);
  }

  /** The job goes to a state in the open transaction. If it is one that others wait for, they are to be told. */
  moved(job: Job, to: State): void {
    if (!this.#hasAny || to === "active" || to === "pending") return;
    if (this.#hasDependents.get(job.id) === undefined) return;
    const error = to === "complete" ? null : to === "failed" ? "it has failed" : "it was removed";
    this.#noteEnd.run(job.id, job.name, error && said(job.name, error));
    this.#hasEnds = true;
  }

  /** An end of which those who wait have yet to be told: of this job, or of any. */
  nextEnd(of?: JobId): DependencyEnd | undefined {
    if (!this.#hasEnds) return undefined;
    const row = of === undefined ? this.#nextEnd.get() : this.#endOf.get(of);
    if (row === undefined && of === undefined) this.#hasEnds = false;
    return row as DependencyEnd | undefined;
  }

  /** At most `limit` of those who wait for a job. */
  dependents(on: JobId, limit: number): JobId[] {
    return (this.#dependents.all(on, limit) as { id: JobId }[]).map(({ id }) => id);
  }

  /** One who waited has been told. */
  told(job: JobId, on: JobId): void {
    this.#forget.run(job, on);
  }

  /** All have been told. */
  allTold(on: JobId): void {
    this.#forgetEnd.run(on);
  }
}

function isItself(name: string): string {
  return said(name, "it waits for this job itself");
}

/** The option that is meant, and what is wrong with it. */
function said(name: string, reason: string): string {
  return `after=${JSON.stringify(name)}: ${reason}`;
}
