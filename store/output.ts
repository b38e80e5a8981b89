/**
 * The logs: bytes in chunks, at offsets that only grow.
 *
 * An attempt keeps the first and the last half of what it prints beyond `max_output_bytes`. While it runs, offsets go
 * on growing and the chunks in between are deleted, so a reader that follows the end is never disturbed; the offsets of
 * the deleted bytes are a *hole*, whose last bytes hold a line that says how many are missing. `fs/log_view.ts` shows a
 * log without its holes.
 */
import type { Database } from "./database.ts";
import type { AttemptId, JobId } from "./job.ts";

/** A chunk is small enough that deleting whole ones keeps close to the limit, and that a read copies little. */
const MAX_CHUNK = 65536;
/** The line in a hole must fit into what is skipped. */
const MIN_SKIP = 4096;
const NEWLINE = 10;
const encoder = new TextEncoder();

/** Bytes of a log that are not there: from `start` up to, not including, `end`. */
export interface Hole {
  readonly start: number;
  readonly end: number;
  /** The length of the line right behind it, which says how many bytes are missing. */
  readonly line: number;
}

/** What is known of a log that an attempt is writing. Made by {@linkcode Output.begin}. */
export interface Capture {
  readonly job: JobId;
  readonly attempt: AttemptId;
  /** Bytes still to come before the first half is full. */
  headLeft: number;
  readonly tailBytes: number;
  readonly chunkBytes: number;
  /** The end of the log. */
  end: number;
  /** Where the first half ended, once it has. */
  tailStart: number | null;
  hole: { readonly start: number; readonly end: number } | null;
  endsWithNewline: boolean;
}

export class Output {
  readonly #db: Database;
  readonly #insert;
  readonly #grow;
  readonly #read;
  readonly #deleteUpTo;
  readonly #shorten;
  readonly #chunkAt;
  readonly #setHole;
  readonly #holes;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare("INSERT INTO output (job_id, offset, bytes) VALUES (?, ?, ?)");
    this.#grow = db.prepare(
      "UPDATE job SET log_size = :end, log_dropped = log_dropped + :dropped WHERE id = :job",
    );
    this.#read = db.prepare(
      `SELECT offset, bytes FROM output WHERE job_id = :job AND offset < :to AND offset >= coalesce(
         (SELECT max(offset) FROM output WHERE job_id = :job AND offset <= :from), 0)
       ORDER BY offset`,
    );
    this.#deleteUpTo = db.prepare(
      `DELETE FROM output WHERE job_id = :job AND offset >= :start AND offset < :cut
         AND offset + length(bytes) <= :cut`,
    );
    this.#chunkAt = db.prepare(
      `SELECT offset, bytes FROM output WHERE job_id = ? AND offset >= ? AND offset < ?
       ORDER BY offset DESC LIMIT 1`,
    );
    this.#shorten = db.prepare(
      "UPDATE output SET offset = ?, bytes = ? WHERE job_id = ? AND offset = ?",
    );
    this.#setHole = db.prepare("UPDATE attempt SET hole_start = ?, hole_end = ? WHERE id = ?");
    this.#holes = db.prepare(
      `SELECT hole_start AS start, hole_end AS end, coalesce((SELECT length(bytes) FROM output
         WHERE output.job_id = attempt.job_id AND offset = hole_end), 0) AS line
       FROM attempt WHERE job_id = ? AND hole_end IS NOT NULL ORDER BY hole_start`,
    );
  }

  /** The bytes of a log from `from`, at most `size`: up to the end or the next hole. */
  read(job: JobId, from: number, size: number): Uint8Array {
    const to = from + size;
    const rows = this.#read.all({ job, from, to }) as unknown as {
      offset: number;
      bytes: Uint8Array;
    }[];
    const result = new Uint8Array(size);
    let end = from;
    for (const { offset, bytes } of rows) {
      if (offset > end) break;
      const part = bytes.subarray(end - offset, to - offset);
      result.set(part, end - from);
      end += part.length;
    }
    return result.subarray(0, end - from);
  }

  /** The holes of a job's log, in order. */
  holes(job: JobId): Hole[] {
    return this.#holes.all(job) as unknown as Hole[];
  }

  /** Appends text of ours to a log that ends at `end`, and returns its new end. */
  append(job: JobId, end: number, bytes: Uint8Array): number {
    return this.#db.transaction(() => {
      const newEnd = this.#write(job, end, bytes, MAX_CHUNK);
      this.#grow.run({ job, end: newEnd, dropped: 0 });
      return newEnd;
    });
  }

  #write(job: JobId, offset: number, bytes: Uint8Array, chunkBytes: number): number {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      this.#insert.run(job, offset + at, bytes.subarray(at, at + chunkBytes));
    }
    return offset + bytes.length;
  }

  /** Begins to capture an attempt's output at the end of the log; at most `maxBytes` of it are kept. */
  begin(job: JobId, attempt: AttemptId, end: number, maxBytes: number): Capture {
    const headLeft = Math.ceil(maxBytes / 2);
    return {
      job,
      attempt,
      headLeft,
      tailBytes: maxBytes - headLeft,
      chunkBytes: Math.min(MAX_CHUNK, Math.max(256, Math.floor(maxBytes / 16))),
      end,
      tailStart: null,
      hole: null,
      endsWithNewline: true,
    };
  }

  /**
   * Appends what a process has printed; in the middle of a long output this deletes what no longer counts. Inside the
   * caller's transaction; when that fails, the caller puts `capture` back.
   */
  capture(capture: Capture, parts: readonly Uint8Array[]): void {
    let dropped = 0;
    for (const part of parts) dropped += this.#captureOne(capture, part);
    dropped += this.#trim(capture, capture.chunkBytes);
    this.#grow.run({ job: capture.job, end: capture.end, dropped });
  }

  #captureOne(c: Capture, bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    const head = bytes.subarray(0, c.headLeft);
    c.end = this.#write(c.job, c.end, head, c.chunkBytes);
    c.headLeft -= head.length;
    if (c.headLeft === 0) c.tailStart ??= c.end;
    const rest = bytes.subarray(head.length);
    // What would be deleted at once is not written at all.
    const surplus = rest.length - c.tailBytes - c.chunkBytes;
    const skip = surplus >= MIN_SKIP ? surplus : 0;
    c.end = this.#write(c.job, c.end + skip, rest.subarray(skip), c.chunkBytes);
    c.endsWithNewline = bytes[bytes.length - 1] === NEWLINE;
    return skip === 0 ? 0 : this.#trim(c, c.chunkBytes);
  }

  /** Deletes the oldest whole chunks of the second half while more than `slack` bytes too many are there. */
  #trim(c: Capture, slack: number): number {
    if (c.tailStart === null || c.end - c.tailStart <= c.tailBytes + slack) return 0;
    return this.#drop(c, c.end - c.tailBytes - slack);
  }

  /** Makes the hole reach at least to `cut` and puts the line with the number of missing bytes at its end. */
  #drop(c: Capture, cut: number): number {
    const start = c.tailStart!;
    const before = c.hole === null ? 0 : c.hole.end - c.hole.start;
    const line = encoder.encode(`\n[${cut - start} bytes of output are missing here]\n`);
    const holeEnd = cut - line.length;
    if (holeEnd <= start) return 0; // the line would be longer than what it stands for
    this.#deleteUpTo.run({ job: c.job, start, cut });
    // The chunk (or the former line) that reaches over the cut.
    const over = this.#chunkAt.get(c.job, start, cut) as
      | { offset: number; bytes: Uint8Array }
      | undefined;
    if (over !== undefined) {
      this.#shorten.run(cut, over.bytes.subarray(cut - over.offset), c.job, over.offset);
    }
    this.#insert.run(c.job, holeEnd, line);
    c.hole = { start, end: holeEnd };
    this.#setHole.run(start, holeEnd, c.attempt);
    return holeEnd - start - before;
  }

  /**
   * The attempt has ended: cuts its output exactly to the limit and appends the last words, if there are any. Inside a
   * transaction, as {@linkcode Output.capture}.
   */
  finish(capture: Capture, error: string | null): void {
    const dropped = this.#trim(capture, 0);
    if (error !== null) {
      const text = `${capture.endsWithNewline ? "" : "\n"}\n[System Error]: ${error}\n`;
      capture.end = this.#write(capture.job, capture.end, encoder.encode(text), MAX_CHUNK);
    }
    this.#grow.run({ job: capture.job, end: capture.end, dropped });
  }
}
