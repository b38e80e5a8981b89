/**
 * Jobs by id, page by page: of one directory or of all, with what stat shows or, since listings can be long, names alone.
 * Rows are taken as arrays of columns, and no column is read that is not shown: that is most of the time a listing takes.
 */
import type { Database } from "./database.ts";
import type { Job, JobStat, ListedState } from "./job.ts";

export type JobName = Pick<Job, "id" | "name">;

type NameRow = readonly [JobName["id"], string];
type StatRow = readonly [
  ...NameRow,
  state: Job["state"],
  mode: number,
  uid: number,
  gid: number,
  atimeSec: number,
  atimeNsec: number,
  mtimeSec: number,
  mtimeNsec: number,
  logMtimeSec: number,
  logMtimeNsec: number,
  ctimeSec: number,
  ctimeNsec: number,
  scriptSize: number,
  logSize: number,
  logDropped: number,
  createdMs: number,
];
const NAME_COLUMNS = "id, name";
/** In the order of {@linkcode StatRow}. */
const STAT_COLUMNS = `${NAME_COLUMNS}, state, mode, uid, gid, atime_s, atime_ns, mtime_s, mtime_ns,
  log_mtime_s, log_mtime_ns, ctime_s, ctime_ns, script_size, log_size, log_dropped, created_ms`;

export class Listing {
  readonly #stats;
  readonly #names;
  readonly #statsOfAll;
  readonly #namesOfAll;

  constructor(db: Database) {
    const of = (columns: string, where: string) =>
      db.prepare(`SELECT ${columns} FROM job WHERE ${where} AND id > ? ORDER BY id LIMIT ?`);
    this.#stats = of(STAT_COLUMNS, "state = ?");
    this.#names = of(NAME_COLUMNS, "state = ?");
    this.#statsOfAll = of(STAT_COLUMNS, "state <> 'removed'");
    this.#namesOfAll = of(NAME_COLUMNS, "state <> 'removed'");
  }

  /** At most `limit` jobs of a directory, or with null of all, with ids above `after`. */
  page(state: ListedState | null, after: number, limit: number): JobStat[] {
    const rows = state === null
      ? this.#statsOfAll.rows(after, limit)
      : this.#stats.rows(state, after, limit);
    return rows.map((row) => toStat(row as unknown as StatRow));
  }

  /** The same, with the names only. */
  names(state: ListedState | null, after: number, limit: number): JobName[] {
    const rows = state === null
      ? this.#namesOfAll.rows(after, limit)
      : this.#names.rows(state, after, limit);
    return (rows as unknown as NameRow[]).map((row) => ({ id: row[0], name: row[1] }));
  }
}

/** By index: destructuring would go through an iterator. */
function toStat(row: StatRow): JobStat {
  return {
    id: row[0],
    name: row[1],
    state: row[2],
    mode: row[3],
    uid: row[4],
    gid: row[5],
    atimeSec: row[6],
    atimeNsec: row[7],
    mtimeSec: row[8],
    mtimeNsec: row[9],
    logMtimeSec: row[10],
    logMtimeNsec: row[11],
    ctimeSec: row[12],
    ctimeNsec: row[13],
    scriptSize: row[14],
    logSize: row[15],
    logDropped: row[16],
    createdMs: row[17],
  };
}
