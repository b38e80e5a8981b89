/**
 * Whether a pending job may run: its text is what was meant, its options can be read, and the jobs that it waits for can
 * complete. Where it goes if not is the business of `moves.ts`.
 */
import type { Database } from "./database.ts";
import type { Dependencies } from "./dependencies.ts";
import type { Job, JobId } from "./job.ts";
import {
  InvalidOptions,
  type JobOptions,
  MoreNeeded,
  optionsOf,
  parseOptions,
} from "./job_options.ts";
import type { Jobs } from "./jobs.ts";
import { isLog } from "./section.ts";

export const UNFINISHED = "not run: the script was not written to its end";

export class Admission {
  readonly #jobs: Jobs;
  readonly #dependencies: Dependencies;
  readonly #now: () => number;
  readonly #doubts = new Map<JobId, string>();
  readonly #anyAttempt;

  /** `now` is milliseconds since the epoch. */
  constructor(db: Database, jobs: Jobs, dependencies: Dependencies, now: () => number) {
    this.#jobs = jobs;
    this.#dependencies = dependencies;
    this.#now = now;
    this.#anyAttempt = db.prepare("SELECT 1 FROM attempt WHERE job_id = ? LIMIT 1");
  }

  /**
   * A script's text is not what was meant, for this reason, which the job's log will give; null: it is again. Kept in
   * memory, since the reason may be that nothing can be written; what can be is the mark of `Jobs.markUnflushed`.
   */
  doubt(id: JobId, reason: string | null): void {
    if (reason === null) this.#doubts.delete(id);
    else if (this.#jobs.byId(id)?.state !== "removed") this.#doubts.set(id, reason);
  }

  /** The reason for which a script's text is not what was meant, or undefined. */
  doubtOf(id: JobId): string | undefined {
    return this.#doubts.get(id);
  }

  /** Why a pending job must not run, or null. */
  unfit(job: Job): string | null {
    const doubt = this.#doubts.get(job.id);
    if (doubt !== undefined) return `not run: ${doubt}`;
    if (job.unflushed === 1) return UNFINISHED;
    if (isLog(this.#jobs.scriptHead(job.id))) {
      return "not run: this is the log of a job, not a script. To run a job again, move it (mv) to pending/";
    }
    return null;
  }

  /** The job is gone. */
  forget(id: JobId): void {
    this.#doubts.delete(id);
  }

  /** The job with what its options say, or the reason for which it must not run. */
  prepare(job: Job, isRetry: boolean): Job | string {
    const reason = this.unfit(job);
    if (reason !== null) return reason;
    try {
      const options = job.options === null ? this.#readOptions(job) : optionsOf(job);
      const after = isRetry ? undefined : this.#bind(job, options);
      if (after) return `not run: ${after}`;
      if (job.options !== null) return job;
      // Nothing has run since it was handed in, so what it waits for can only be its own delay.
      const isNew = job.attempts === 0 && job.lost === 0;
      const delayed = options.delayMs === undefined
        ? null
        : Math.ceil(this.#now()) + options.delayMs;
      return {
        ...job,
        options: JSON.stringify(options),
        priority: job.setPriority ?? options.priority ?? 0,
        queue: options.queue ?? null,
        atMs: options.atMs ?? null,
        retryAtMs: isNew ? delayed : job.retryAtMs,
      };
    } catch (error) {
      if (error instanceof InvalidOptions) return `not run: ${error.message}`;
      throw error;
    }
  }

  #readOptions(job: Job): JobOptions {
    const head = this.#jobs.scriptHead(job.id);
    try {
      return parseOptions(head, head.length === job.scriptSize);
    } catch (error) {
      if (!(error instanceof MoreNeeded)) throw error;
      return parseOptions(this.#jobs.script(job.id), true);
    }
  }

  /** Why the job cannot wait for those that it names, or null. */
  #bind(job: Job, options: JobOptions): string | null {
    const reason = this.#reasonNotToWait(job, options);
    if (reason !== null || options.after === undefined) this.#dependencies.clear(job.id);
    return reason;
  }

  /**
   * One that was free to run and waits for its retry does not wait for them again, and one that was opened for writing and
   * closed as it was, by touch(1) for example, waits for the same as before; unless its script is another one by now.
   */
  #reasonNotToWait(job: Job, { after }: JobOptions): string | null {
    if (after === undefined) return null;
    if (job.options === null) return this.#dependencies.bind(job, after, false);
    if (job.attempts > 0 || job.lost > 0) return null;
    if (job.seq !== null) return this.#dependencies.keep(job.id);
    const hasRun = this.#anyAttempt.get(job.id) !== undefined;
    return this.#dependencies.bind(job, after, hasRun);
  }
}
