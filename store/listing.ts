/** Jobs by id, page by page: of one directory or of all, whole rows or, since listings can be long, names alone. */
import type { Database } from "./database.ts";
import { type Job, JOB_COLUMNS, type ListedState } from "./job.ts";

export type JobName = Pick<Job, "id" | "name">;

export class Listing {
  readonly #page;
  readonly #names;
  readonly #pageOfAll;
  readonly #namesOfAll;

  constructor(db: Database) {
    const of = (columns: string, where: string) =>
      db.prepare(`SELECT ${columns} FROM job WHERE ${where} AND id > ? ORDER BY id LIMIT ?`);
    const names = "id, name";
    this.#page = of(JOB_COLUMNS, "state = ?");
    this.#names = of(names, "state = ?");
    this.#pageOfAll = of(JOB_COLUMNS, "state <> 'removed'");
    this.#namesOfAll = of(names, "state <> 'removed'");
  }

  /** At most `limit` jobs of a directory, or with null of all, with ids above `after`. */
  page(state: ListedState | null, after: number, limit: number): Job[] {
    const rows = state === null
      ? this.#pageOfAll.all(after, limit)
      : this.#page.all(state, after, limit);
    return rows as unknown as Job[];
  }

  /** The same, with the names only. */
  names(state: ListedState | null, after: number, limit: number): JobName[] {
    const rows = state === null
      ? this.#namesOfAll.all(after, limit)
      : this.#names.all(state, after, limit);
    return rows as unknown as JobName[];
  }
}
