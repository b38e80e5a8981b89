/**
 * Ends of jobs for which a command is to be run (`on_complete`, `on_failed`): noted in the transaction that ends the job, so
 * that a crash in between loses none. A hook is forgotten when it is started, since it is not retried.
 */
import type { Changes } from "./changes.ts";
import type { Database } from "./database.ts";
import type { Job } from "./job.ts";
import type { SettingsStore } from "./settings.ts";

/** What a command is told of the end of a job. */
export interface Hook {
  readonly id: number;
  readonly job: string;
  readonly state: "complete" | "failed";
  /** Of the last attempt; null: it has none, or there was no attempt. */
  readonly exitCode: number | null;
  /** Attempts that were made. */
  readonly attempt: number;
}

export class Hooks {
  readonly #db: Database;
  readonly #settings: SettingsStore;
  readonly #changes: Changes;
  readonly #insert;
  readonly #next;
  readonly #delete;

  constructor(db: Database, settings: SettingsStore, changes: Changes) {
    this.#db = db;
    this.#settings = settings;
    this.#changes = changes;
    this.#insert = db.prepare(
      `INSERT INTO hook (job_name, state, attempt, exit_code) VALUES (:name, :state, :attempt,
         (SELECT exit_code FROM attempt WHERE job_id = :job AND :attempt > 0 ORDER BY number DESC LIMIT 1))`,
    );
    this.#next = db.prepare(
      `SELECT id, job_name AS job, state, exit_code AS exitCode, attempt FROM hook
       ORDER BY id LIMIT 1`,
    );
    this.#delete = db.prepare("DELETE FROM hook WHERE id = ?");
  }

  /** The command for an end, or null. */
  commandFor(state: Hook["state"]): string | null {
    return this.#settings.current[state === "complete" ? "on_complete" : "on_failed"];
  }

  /** For `moves.ts`: a job has ended for good in the open transaction. */
  ended(job: Job, state: Hook["state"], attempts: number): void {
    if (this.commandFor(state) === null) return;
    this.#insert.run({ name: job.name, state, attempt: attempts, job: job.id });
    this.#db.afterCommit(() => this.#changes.emit({ kind: "hook" }));
  }

  /** The one that is to be run next. */
  next(): Hook | undefined {
    return this.#next.get() as Hook | undefined;
  }

  /** It is being run, or nobody wants it any more. */
  taken(id: number): void {
    this.#db.run(this.#delete, id);
  }
}
