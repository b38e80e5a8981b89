/**
 * What has happened to the jobs, as lines of JSON: what `events` shows.
 *
 * An event is stored in the transaction that makes it true, so it is neither lost nor told of what did not happen. A
 * line is found by its position, which counts bytes since the first event of the state file; the file `events` begins at
 * {@linkcode Events.base} and only grows. When the daemon starts, the newest {@linkcode KEPT_AT_START} are kept. Past
 * {@linkcode MAX_BYTES} the older half is dropped when nobody reads, row by row with the events that follow.
 */
import type { Changes } from "./changes.ts";
import type { Database } from "./database.ts";
import type { Job } from "./job.ts";
import { printableJson } from "./printable.ts";

const KEPT_AT_START = 1000;
const MAX_BYTES = 16 * 1024 * 1024;
/** Dropped rows that are deleted with each new one: more than one, so that it ends, and few, so that nobody waits. */
const DELETED_AT_ONCE = 16;
const encoder = new TextEncoder();

export type EventKind =
  | "submitted"
  | "started"
  | "attempt_ended"
  | "completed"
  | "failed"
  | "removed"
  | "renamed"
  | "config_changed";

/** What an event says besides its kind, job and time; see EVENTS in qj.5. */
export type EventFields = Readonly<Record<string, string | number | null | readonly string[]>>;

interface End {
  /** The position behind the last line. */
  readonly position: number;
  /** The number of the last event. */
  readonly number: number;
}

export class Events {
  readonly #db: Database;
  readonly #changes: Changes;
  readonly #now: () => number;
  readonly #insert;
  readonly #read;
  readonly #deleteSome;
  readonly #firstFrom;
  readonly #linesFrom;
  /** The end as committed, and with the lines of the open transaction. */
  #end: End;
  #next: End;
  #base = 0;
  /** There may be rows before the base. */
  #hasDropped = true;
  #readers = 0;

  /** `now` is milliseconds since the epoch. */
  constructor(db: Database, changes: Changes, now: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#now = now;
    this.#insert = db.prepare("INSERT INTO event (position, line) VALUES (?, ?)");
    this.#read = db.prepare(
      `SELECT position, line FROM event WHERE position < :to AND position >= coalesce(
         (SELECT max(position) FROM event WHERE position <= :from), 0) ORDER BY position`,
    );
    this.#deleteSome = db.prepare(
      `DELETE FROM event WHERE position IN
         (SELECT position FROM event WHERE position < ? ORDER BY position LIMIT ?)`,
    );
    this.#firstFrom = db.prepare("SELECT min(position) AS position FROM event WHERE position >= ?");
    this.#linesFrom = db.prepare(
      "SELECT position, line FROM event WHERE position >= ? ORDER BY position LIMIT ?",
    );
    this.#end = this.#storedEnd();
    this.#next = this.#end;
    this.#keepNewest();
    db.onRollback(() => this.#next = this.#end);
  }

  #storedEnd(): End {
    const last = this.#db.prepare(
      "SELECT position, line FROM event ORDER BY position DESC LIMIT 1",
    ).get() as { position: number; line: Uint8Array } | undefined;
    if (last === undefined) return { position: 0, number: 0 };
    const { seq } = JSON.parse(new TextDecoder().decode(last.line)) as { seq: number };
    return { position: last.position + last.line.length, number: seq };
  }

  #keepNewest(): void {
    const row = this.#db.prepare(
      "SELECT position FROM event ORDER BY position DESC LIMIT 1 OFFSET ?",
    ).get(KEPT_AT_START - 1) as { position: number } | undefined;
    this.#base = row?.position ?? this.#firstPosition(0);
  }

  #firstPosition(from: number): number {
    const { position } = this.#firstFrom.get(from) as { position: number | null };
    return position ?? this.#end.position;
  }

  /** The size of the file, in bytes. */
  get size(): number {
    return this.#end.position - this.#base;
  }

  /** At most `size` bytes of the file from `offset`. */
  read(offset: number, size: number): Uint8Array {
    const from = this.#base + offset;
    const to = Math.min(from + size, this.#end.position);
    if (to <= from) return new Uint8Array(0);
    const result = new Uint8Array(to - from);
    const rows = this.#read.all({ from, to }) as unknown as {
      position: number;
      line: Uint8Array;
    }[];
    for (const { position, line } of rows) {
      const part = line.subarray(Math.max(0, from - position), to - position);
      result.set(part, Math.max(0, position - from));
    }
    return result;
  }

  /** Stores an event, in the transaction that makes it true. */
  record(kind: EventKind, job: Job | null, fields: EventFields = {}): void {
    const { position, number } = this.#next;
    const event = {
      seq: number + 1,
      time: new Date(this.#now()).toISOString(),
      event: kind,
      ...(job && { job: job.name, job_id: job.id, ...(job.queue && { queue: job.queue }) }),
      ...fields,
    };
    const line = encoder.encode(`${printableJson(event)}\n`);
    this.#db.transaction(() => {
      this.#insert.run(position, line);
      if (this.#hasDropped) this.#deleteDropped();
      this.#next = { position: position + line.length, number: number + 1 };
      this.#db.afterCommit(() => this.#committed());
    });
  }

  #deleteDropped(): void {
    const deleted = this.#deleteSome.run(this.#base, DELETED_AT_ONCE);
    if (deleted < DELETED_AT_ONCE) this.#db.afterCommit(() => this.#hasDropped = false);
  }

  /** Once for each event, so that it has something to do only for the first of a transaction. */
  #committed(): void {
    if (this.#end === this.#next) return;
    this.#end = this.#next;
    this.#dropOld();
    this.#changes.emit({ kind: "events" });
  }

  #dropOld(): void {
    if (this.size <= MAX_BYTES || this.#readers > 0) return;
    this.#base = this.#firstPosition(this.#base + Math.floor(this.size / 2));
    this.#hasDropped = true;
  }

  /** The position behind the last line. */
  get end(): number {
    return this.#end.position;
  }

  /** The first lines that are there from a position on, at most `limit`, each with its position. */
  linesFrom(
    position: number,
    limit: number,
  ): { readonly position: number; readonly line: Uint8Array }[] {
    return this.#linesFrom.all(Math.max(position, this.#base), limit) as unknown as {
      position: number;
      line: Uint8Array;
    }[];
  }

  /** A descriptor is open: nothing that it has read may move. */
  retain(): void {
    this.#readers++;
  }

  release(): void {
    this.#readers--;
  }
}
