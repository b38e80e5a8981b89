/** SQLite alone, on the same disk as the state file: what no program that keeps its data there can go beyond. */
import { DatabaseSync } from "node:sqlite";

/** As large as the parts of a log. */
const PART_BYTES = 65_536;
/** As many of them as one commit of qj has. */
const PARTS = 4;

export class SqliteAlone implements Disposable {
  readonly #db: DatabaseSync;
  readonly #insert;

  /** FULL: every commit is on stable storage; NORMAL: it survives the end of the process. */
  constructor(path: string, synchronous: "FULL" | "NORMAL") {
    this.#db = new DatabaseSync(path);
    this.#db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous};
       CREATE TABLE t (id INTEGER PRIMARY KEY, text BLOB)`,
    );
    this.#insert = this.#db.prepare("INSERT INTO t (text) VALUES (?)");
  }

  /** Rows of 64 bytes, a commit each. Returns how many per second. */
  rowsPerSec(count: number): number {
    const text = new Uint8Array(64);
    const from = performance.now();
    for (let i = 0; i < count; i++) this.#insert.run(text);
    return count / ((performance.now() - from) / 1000);
  }

  /** Large rows, some for each commit. Returns MB per second. */
  mbPerSec(mb: number): number {
    const part = new Uint8Array(PART_BYTES);
    const from = performance.now();
    for (let left = mb * 2 ** 20; left > 0; left -= PARTS * PART_BYTES) {
      this.#db.exec("BEGIN");
      for (let i = 0; i < PARTS; i++) this.#insert.run(part);
      this.#db.exec("COMMIT");
    }
    const perSec = mb / ((performance.now() - from) / 1000);
    this.#db.exec("DELETE FROM t");
    return perSec;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

/** The rate of what takes turns with something else: one of each, then the next. */
export function inSeries(perSec: number, otherPerSec: number): number {
  return 1 / (1 / perSec + 1 / otherPerSec);
}
