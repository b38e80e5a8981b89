/** The slots: how many attempts may run at once, of all jobs and of each named queue, and which do. */
import type { AttemptId } from "../store/job.ts";
import type { SettingsStore } from "../store/settings.ts";
import type { Run } from "./attempt_run.ts";

interface Taken {
  readonly queue: string | null;
  /** Null for one that an earlier run of the daemon has left. */
  readonly run: Run | null;
}

export interface SlotsLog {
  tooFewDescriptors(limit: number): void;
}

/** What others may know of the slots. */
export type SlotsInUse = Pick<Slots, "count" | "limit" | "countOf">;

export class Slots {
  readonly #settings: SettingsStore;
  readonly #maxByDescriptors: number;
  readonly #log: SlotsLog;
  readonly #taken = new Map<AttemptId, Taken>();
  readonly #takenOf = new Map<string, number>();
  #saidTooFew = false;

  /** `maxByDescriptors`: how many the limit of open files allows. */
  constructor(settings: SettingsStore, maxByDescriptors: number, log: SlotsLog) {
    this.#settings = settings;
    this.#maxByDescriptors = maxByDescriptors;
    this.#log = log;
  }

  get count(): number {
    return this.#taken.size;
  }

  /** How many attempts may run at once: the setting, or what the limit of open files allows. */
  get limit(): number {
    return Math.min(this.#settings.current.max_job_count, this.#maxByDescriptors);
  }

  /** How many run of a named queue. */
  countOf(queue: string): number {
    return this.#takenOf.get(queue) ?? 0;
  }

  /** Whether a job of some queue that is not full may start. */
  get hasFree(): boolean {
    const { paused, max_job_count } = this.#settings.current;
    if (paused || this.count >= max_job_count) return false;
    if (this.count < this.#maxByDescriptors) return true;
    if (!this.#saidTooFew) this.#log.tooFewDescriptors(this.#maxByDescriptors);
    this.#saidTooFew = true;
    return false;
  }

  /** The named queues of which no more may start. */
  get fullQueues(): string[] {
    return Object.entries(this.#settings.current.queues)
      .filter(([queue, { max_job_count }]) => this.countOf(queue) >= max_job_count)
      .map(([queue]) => queue);
  }

  take(attempt: AttemptId, queue: string | null, run: Run | null): void {
    this.#taken.set(attempt, { queue, run });
    if (queue !== null) this.#takenOf.set(queue, (this.#takenOf.get(queue) ?? 0) + 1);
  }

  /** It may be free already. */
  free(attempt: AttemptId): void {
    const queue = this.#taken.get(attempt)?.queue ?? null;
    this.#taken.delete(attempt);
    if (queue === null) return;
    const left = this.#takenOf.get(queue)! - 1;
    if (left > 0) this.#takenOf.set(queue, left);
    else this.#takenOf.delete(queue);
  }

  run(attempt: AttemptId): Run | null {
    return this.#taken.get(attempt)?.run ?? null;
  }

  /** What runs, without what an earlier daemon has left. */
  runs(): Run[] {
    return [...this.#taken.values()].flatMap(({ run }) => run ?? []);
  }
}
