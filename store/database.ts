/**
 * The open state file: pragmas, migrations, transactions, and whether it can be written.
 *
 * One connection, used by one thread, so nothing here waits for a lock of ours. WAL with synchronous=NORMAL: a commit
 * survives any crash of the daemon; what must survive power loss too waits for {@linkcode Database.sync}. After a
 * failed commit the database counts as broken until a probe commit works, so that callers hear of a full disk at the
 * first call that can tell.
 */
import { renameSync, rmSync } from "node:fs";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { fromSqlite, fromSystem, StoreError } from "./errors.ts";
import { numberOf, problemOf } from "./format.ts";
import { Health } from "./health.ts";
import { Presence } from "./presence.ts";
import { Room } from "./room.ts";
import { MIGRATIONS } from "./schema.ts";

/**
 * Milliseconds that SQLite waits for another program (a sqlite3 shell, a backup) before "busy". It blocks the loop, so
 * once that was in vain there is no waiting until the lock is gone.
 */
const BUSY_TIMEOUT_MS = 250;
/** What the log may keep on disk when it is begun anew, in bytes: as much as SQLite's usual checkpoint lets it grow. */
const LOG_BYTES = 4 * 1024 * 1024;
/** A larger file is not looked through at start: it would take longer than a second. */
const QUICK_CHECK_BYTES = 32 * 1024 * 1024;

/** A disk whose last fdatasync took less, in ms, is waited for: nobody notices. */
const QUICK_SYNC_MS = 0.5;

/** What SQLite stores. */
export type Value = string | number | null | Uint8Array;
type Named = Record<string, Value>;
export type Row = Record<string, SQLOutputValue>;

/** Of node:sqlite, whose types do not have it all yet. */
type ArrayStatement = StatementSync & {
  setReturnArrays(enabled: boolean): void;
};

/**
 * A prepared statement whose errors are StoreErrors, as far as they say something about the medium.
 *
 * Rows are made into objects here: those that node:sqlite makes take longer and leave garbage in the old part of the
 * heap, where a listing of a million jobs would pile up a hundred megabytes before it is collected.
 */
export class Statement {
  readonly #statement: StatementSync;
  readonly #columns: readonly string[];
  readonly #changes: () => void;

  /** `changes` is called before it is run. */
  constructor(statement: StatementSync, changes: () => void) {
    this.#statement = statement;
    this.#changes = changes;
    this.#columns = statement.columns().map(({ name }) => name);
    (statement as ArrayStatement).setReturnArrays(true);
  }

  #row(values: readonly SQLOutputValue[]): Row {
    const row: Row = {};
    for (let i = 0; i < values.length; i++) row[this.#columns[i]!] = values[i]!;
    return row;
  }

  /** The first row, or undefined. */
  get(...parameters: Value[] | [Named]): Row | undefined {
    this.#changes();
    try {
      const values = this.#statement.get(...parameters as Value[]);
      return values && this.#row(values as unknown as SQLOutputValue[]);
    } catch (error) {
      throw fromSqlite(error);
    }
  }

  all(...parameters: Value[] | [Named]): Row[] {
    return this.rows(...parameters as Value[]).map((values) => this.#row(values));
  }

  /** Rows as they come, a value for each column: for what is long. */
  rows(...parameters: Value[]): readonly (readonly SQLOutputValue[])[] {
    try {
      return this.#statement.all(...parameters) as unknown as SQLOutputValue[][];
    } catch (error) {
      throw fromSqlite(error);
    }
  }

  /** How many rows it has changed. */
  run(...parameters: Value[] | [Named]): number {
    this.#changes();
    try {
      return Number(this.#statement.run(...parameters as Value[]).changes);
    } catch (error) {
      throw fromSqlite(error);
    }
  }
}

const noChange = () => {};

export class Database {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #probe: Statement;
  readonly #rollbackListeners: (() => void)[] = [];
  /** What waits for the commit of the open transaction. */
  #afterCommit: (() => void)[] = [];
  readonly #room: Room;
  readonly #presence: Presence;
  /** Whether the file can be changed, for the daemon's log. */
  readonly health = new Health();
  #failure: StoreError | null = null;
  #jobsVersion = 0;
  #wal: Deno.FsFile | null = null;
  /** How long the last fdatasync took, in ms. */
  #syncMs = Infinity;
  /** A sync has failed, and what it was to sync may not be on the disk. */
  #isUnsynced = false;
  #syncing: Promise<void> = Promise.resolve();
  #syncNext: Promise<void> | null = null;

  /** Opens or makes the state file and brings its schema up to date. Throws StoreError or what SQLite says. */
  constructor(path: string) {
    this.path = path;
    try {
      this.#db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
      this.#room = new Room(path, this.#db, BUSY_TIMEOUT_MS);
      const problem = problemOf(this.#db, QUICK_CHECK_BYTES);
      if (problem !== null) throw new StoreError("io", problem);
      // Before the first table: lets retention give space back without a whole VACUUM.
      this.#db.exec("PRAGMA auto_vacuum = INCREMENTAL");
      const mode = this.#db.prepare("PRAGMA journal_mode = WAL").get() as { journal_mode: string };
      if (mode.journal_mode !== "wal") {
        throw new StoreError(
          "io",
          "its file system has no shared memory for SQLite: use a local disk",
        );
      }
      this.#db.exec("PRAGMA synchronous = NORMAL");
      this.#db.exec(`PRAGMA journal_size_limit = ${LOG_BYTES}`);
      this.#presence = new Presence(path);
      this.#begin = this.#db.prepare("BEGIN IMMEDIATE");
      this.#commit = this.#db.prepare("COMMIT");
      this.#rollback = this.#db.prepare("ROLLBACK");
      // A table that is made anew is dropped first, which must not delete what refers to it.
      this.#db.exec("PRAGMA foreign_keys = OFF");
      this.#migrate();
      this.#db.exec("PRAGMA foreign_keys = ON");
      this.#probe = this.prepare("UPDATE counter SET value = value + 1 WHERE name = 'probe'");
    } catch (error) {
      throw fromSqlite(error);
    }
  }

  #migrate(): void {
    const version = numberOf(this.#db, "user_version");
    if (version > 0 && version < MIGRATIONS.length) {
      this.#keepCopy(`${this.path}.before-v${MIGRATIONS.length}`);
    }
    for (let step = version; step < MIGRATIONS.length; step++) {
      this.transaction(() => {
        this.#db.exec(MIGRATIONS[step]!);
        this.#db.exec(`PRAGMA user_version = ${step + 1}`);
      });
    }
  }

  /** An older copy makes way: of a step that has failed, or of a file that was brought up to date before. */
  #keepCopy(path: string): void {
    const part = `${path}.part`;
    rmSync(part, { force: true }); // SQLite does not write over a file
    this.#db.prepare("VACUUM INTO ?").run(part);
    renameSync(part, path);
  }

  prepare(sql: string): Statement {
    const changesJobs = /\b(INTO|UPDATE|UPDATE OR \w+|DELETE FROM) job\b/.test(sql);
    return new Statement(this.#db.prepare(sql), changesJobs ? this.#jobsChange : noChange);
  }

  /** Changes with every statement that may change a row of the job table, and when one is taken back. */
  get jobsVersion(): number {
    return this.#jobsVersion;
  }

  readonly #jobsChange = () => {
    this.#jobsVersion++;
  };

  /** Calls `listener` whenever a transaction was not committed. */
  onRollback(listener: () => void): void {
    this.#rollbackListeners.push(listener);
  }

  /**
   * Runs `body` in a transaction, or in the one that is open already. All of it happens, or nothing and a throw. When the
   * file system is full and qj can make room, it runs a second time, so it must be able to.
   */
  transaction<T>(body: () => T): T {
    if (this.#db.isTransaction) return body();
    const result = this.#guard(() => {
      this.#begin.run();
      try {
        const result = body();
        this.#commit.run();
        return result;
      } catch (error) {
        if (this.#db.isTransaction) this.#rollback.run();
        this.#afterCommit = [];
        this.#jobsVersion++;
        for (const listener of this.#rollbackListeners) listener();
        throw error;
      }
    });
    const committed = this.#afterCommit;
    this.#afterCommit = [];
    for (const follow of committed) follow();
    return result;
  }

  /** Calls `follow`, which must not throw, when the open transaction has been committed; at once when none is open. */
  afterCommit(follow: () => void): void {
    if (this.#db.isTransaction) this.#afterCommit.push(follow);
    else follow();
  }

  /** The size of the database, in bytes, without what is still in its log (WAL). */
  get bytes(): number {
    return numberOf(this.#db, "page_count") * numberOf(this.#db, "page_size");
  }

  /** Pages of the database that are not in use. */
  get unusedPages(): number {
    return numberOf(this.#db, "freelist_count");
  }

  /** Gives at most so many of them back to the file system. False: there were none. */
  giveBack(pages: number): boolean {
    const before = this.unusedPages;
    if (before > 0) {
      this.#guard(() => this.#db.prepare(`PRAGMA incremental_vacuum(${pages})`).all());
    }
    return this.unusedPages < before;
  }

  /** Moves what is in the log (WAL) into the database, as far as nobody reads it. */
  checkpoint(): void {
    this.#guard(() => this.#db.prepare("PRAGMA wal_checkpoint(PASSIVE)").all());
  }

  /** Runs one changing statement as a transaction of its own; returns how many rows it changed. */
  run(statement: Statement, ...parameters: Value[]): number {
    if (this.#db.isTransaction) return statement.run(...parameters);
    return this.#guard(() => statement.run(...parameters));
  }

  #guard<T>(body: () => T): T {
    this.#room.watch();
    try {
      this.#presence.check();
      let result: T;
      try {
        result = body();
      } catch (error) {
        if (!isFull(error) || !this.#room.make()) throw error;
        result = body();
      }
      this.#succeeded();
      return result;
    } catch (error) {
      const mapped = fromSqlite(error);
      if (mapped instanceof StoreError && MEDIUM.has(mapped.kind)) this.#failed(mapped);
      throw mapped;
    }
  }

  #succeeded(): void {
    if (this.#failure?.kind === "busy") this.#db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    this.#failure = null;
    this.health.succeeded();
  }

  #failed(error: StoreError): void {
    if (error.kind === "busy") this.#db.exec("PRAGMA busy_timeout = 0");
    this.#failure = error;
    this.health.failed(error);
  }

  /**
   * Throws the failure that a change of `bytes` bytes would meet as far as can be told: the last commit failed and a
   * probe fails too, or the file system has no room.
   */
  assertWritable(bytes = 0): void {
    if (this.#failure !== null) this.run(this.#probe);
    if (!this.#room.has(bytes)) {
      throw new StoreError("full", "no room left on the file system of the state file");
    }
  }

  /**
   * Resolves when everything committed before the call is on stable storage. One fdatasync serves all that wait for
   * it: those who ask in the same turn of the loop, and a call during one joins the next.
   */
  sync(): Promise<void> {
    this.#syncNext ??= this.#syncing.catch(() => {}).then(() => {
      this.#syncNext = null;
      return this.#syncing = this.#fdatasync();
    });
    return this.#syncNext;
  }

  async #fdatasync(): Promise<void> {
    if (this.#isUnsynced) this.#syncWhole();
    try {
      await this.#syncLog();
    } catch (error) {
      this.#isUnsynced = true;
      throw fromSystem(error);
    }
  }

  /**
   * After a failed fdatasync the kernel takes what was not written for written, and says so from then on. So all of the
   * log is moved into the database first, which SQLite syncs.
   */
  #syncWhole(): void {
    this.#guard(() => {
      const [row] = this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
      if (row?.busy !== 0) {
        throw new StoreError("io", "what a failed fsync has left cannot be synced");
      }
    });
    this.#isUnsynced = false;
  }

  async #syncLog(): Promise<void> {
    // The WAL is made by the first commit and stays as long as this connection lives. It carries no POSIX locks, so a
    // descriptor of our own on it is harmless; one on the database itself would drop SQLite's locks when closed.
    if (this.#wal === null) {
      this.#wal = await Deno.open(`${this.path}-wal`, { read: true, write: true });
      const folder = await Deno.open(this.path.replace(/\/[^/]*$/, "") || "/", { read: true });
      try {
        await folder.sync();
      } finally {
        folder.close();
      }
    }
    const from = performance.now();
    // Handing it to another thread and back takes longer than many a disk needs.
    if (this.#syncMs < QUICK_SYNC_MS) this.#wal.syncDataSync();
    else await this.#wal.syncData();
    this.#syncMs = performance.now() - from;
  }

  close(): void {
    this.#wal?.close();
    this.#db.close();
  }
}

/** Kinds that say something about the medium rather than about one statement. */
const MEDIUM: ReadonlySet<string> = new Set(["full", "read-only", "io", "busy", "gone"]);

function isFull(error: unknown): boolean {
  const mapped = fromSqlite(error);
  return mapped instanceof StoreError && mapped.kind === "full";
}
