/**
 * Room on the file system of the state file.
 *
 * SQLite appends changes to its log (WAL) and moves them into the database later, which then has to grow: on a file
 * system that the log has filled, neither can go on. So where room is scarce the log is kept short, and where there is
 * none, what is unused in both is given back.
 */
import { statfsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

/** Bytes that a commit may need beyond its content: WAL frames of the pages of several indexes. */
const COMMIT_MARGIN = 65_536;
/** With this much room nobody has to ask again for a while, and the log may grow as SQLite likes. */
const AMPLE = 128 * 1024 * 1024;
const KNOWN_MS = 1000;
/** Where nothing could be given back, it is not tried again for so long, in ms. */
const VAIN_MS = 1000;
/** Pages in the log before they are moved: SQLite's own default, and 200 KiB where room is scarce. */
const AMPLE_LOG_PAGES = 1000;
const SCARCE_LOG_PAGES = 50;
/** Pages given back at once: a few MiB, so that the loop stands still for milliseconds only. */
const RELIEF_PAGES = 1000;

export class Room {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #busyTimeoutMs: number;
  readonly #isRoot = Deno.uid() === 0;
  #knownUntil = 0;
  #isScarce = false;
  #vainUntil = 0;

  /** `busyTimeoutMs` is that of the connection. */
  constructor(path: string, db: DatabaseSync, busyTimeoutMs: number) {
    this.#path = path;
    this.#db = db;
    this.#busyTimeoutMs = busyTimeoutMs;
  }

  /** Looks how much room there is, at most once a second while there is enough. Outside a transaction. */
  watch(): void {
    if (performance.now() < this.#knownUntil) return;
    const isScarce = this.#free() < AMPLE;
    if (!isScarce) this.#knownUntil = performance.now() + KNOWN_MS;
    if (isScarce === this.#isScarce) return;
    this.#isScarce = isScarce;
    const pages = isScarce ? SCARCE_LOG_PAGES : AMPLE_LOG_PAGES;
    this.#db.prepare(`PRAGMA wal_autocheckpoint = ${pages}`).all();
  }

  /** Whether a change of so many bytes will fit, as far as can be told. */
  has(bytes: number): boolean {
    const needed = bytes + COMMIT_MARGIN;
    this.watch();
    if (!this.#isScarce && needed < AMPLE) return true;
    return this.#free() >= needed || (this.make() && this.#free() >= needed);
  }

  /** Gives unused pages and the log back. False: there was nothing to give. */
  make(): boolean {
    if (performance.now() < this.#vainUntil) return false;
    const before = this.#free();
    try {
      // While somebody reads the log, it cannot be given back: that is not waited for.
      this.#db.exec("PRAGMA busy_timeout = 0");
      this.#checkpoint();
      this.#db.prepare(`PRAGMA incremental_vacuum(${RELIEF_PAGES})`).all();
      this.#checkpoint();
    } catch {
      // Some of it may have worked.
    } finally {
      this.#db.exec(`PRAGMA busy_timeout = ${this.#busyTimeoutMs}`);
    }
    if (this.#free() > before) return true;
    this.#vainUntil = performance.now() + VAIN_MS;
    return false;
  }

  #checkpoint(): void {
    this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
  }

  /** Free bytes that this user may fill; where nobody can say, as many as one likes: the commit itself will tell. */
  #free(): number {
    try {
      const { bsize, bfree, bavail } = statfsSync(this.#path);
      return bsize * (this.#isRoot ? bfree : bavail);
    } catch {
      return Infinity;
    }
  }
}
