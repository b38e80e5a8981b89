/** The attempts of a job as they are shown: their times, how they ended, and where their sections of the log are. */
import type { Database } from "./database.ts";
import type { AttemptId, JobId } from "./job.ts";

export interface Attempt {
  readonly id: AttemptId;
  readonly jobId: JobId;
  /** From 1, never used again for the job. */
  readonly number: number;
  readonly startedMs: number;
  readonly endedMs: number | null;
  /** Null while it runs. */
  readonly outcome: "exited" | "signaled" | "timeout" | "cancelled" | "lost" | "error" | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** How long it ran, in ms by a monotonic clock; null: it runs, or nobody has seen its end. */
  readonly runMs: number | null;
  /** Why it could not start. */
  readonly error: string | null;
  readonly pid: number | null;
  /** Offsets in the log: of the section, and of what the processes printed. Null: not yet, or not recorded. */
  readonly logStart: number;
  readonly logEnd: number | null;
  readonly outputStart: number | null;
  readonly outputEnd: number | null;
}

const COLUMNS = `id, job_id AS jobId, number, started_ms AS startedMs, ended_ms AS endedMs, outcome,
  exit_code AS exitCode, signal, run_ms AS runMs, error, pid, log_start AS logStart, log_end AS logEnd,
  output_start AS outputStart, output_end AS outputEnd`;

export class History {
  readonly #page;
  readonly #byId;
  readonly #byNumber;
  readonly #newest;
  readonly #exitCode;

  constructor(db: Database) {
    this.#page = db.prepare(
      `SELECT ${COLUMNS} FROM attempt WHERE job_id = ? AND number > ? ORDER BY number LIMIT ?`,
    );
    this.#byId = db.prepare(`SELECT ${COLUMNS} FROM attempt WHERE id = ?`);
    this.#byNumber = db.prepare(`SELECT ${COLUMNS} FROM attempt WHERE job_id = ? AND number = ?`);
    this.#newest = db.prepare(
      `SELECT ${COLUMNS} FROM attempt WHERE job_id = ? ORDER BY number DESC LIMIT 1`,
    );
    this.#exitCode = db.prepare(
      `SELECT exit_code AS code FROM attempt WHERE job_id = ? AND exit_code IS NOT NULL
       ORDER BY number DESC LIMIT 1`,
    );
  }

  /** At most `limit` attempts of a job with numbers above `after`, by number. */
  page(job: JobId, after: number, limit: number): Attempt[] {
    return this.#page.all(job, after, limit) as unknown as Attempt[];
  }

  byId(id: AttemptId): Attempt | undefined {
    return this.#byId.get(id) as Attempt | undefined;
  }

  byNumber(job: JobId, number: number): Attempt | undefined {
    return this.#byNumber.get(job, number) as Attempt | undefined;
  }

  newest(job: JobId): Attempt | undefined {
    return this.#newest.get(job) as Attempt | undefined;
  }

  /** The exit code of the newest attempt that has one. */
  exitCode(job: JobId): number | undefined {
    return (this.#exitCode.get(job) as { code: number } | undefined)?.code;
  }
}
