/**
 * Jobs that were just closed: they become runnable when nothing has touched them for `settle_ms`, since `install`,
 * `perl -i` and `sed -i` chmod or rename a file right after they have closed it. One timer for all, set for the first.
 */
import type { JobId } from "../store/job.ts";
import { Alarm } from "./alarm.ts";

export class Settling {
  /** When each is due, by the monotonic clock. In the order in which they are due, since all wait equally long. */
  readonly #due = new Map<JobId, number>();
  readonly #alarm: Alarm;
  readonly #settled: (jobs: JobId[]) => void;

  constructor(settled: (jobs: JobId[]) => void) {
    this.#settled = settled;
    this.#alarm = new Alarm(() => this.#ring());
  }

  /** The job was closed or touched: its time begins anew. */
  add(job: JobId, settleMs: number): void {
    this.#due.delete(job);
    this.#due.set(job, performance.now() + settleMs);
    if (!this.#alarm.isSet) this.#alarm.set(settleMs);
  }

  #ring(): void {
    const now = performance.now();
    const jobs: JobId[] = [];
    for (const [job, due] of this.#due) {
      // A fraction of a millisecond early is on time: timers count in whole ones.
      if (due > now + 1) break;
      jobs.push(job);
      this.#due.delete(job);
    }
    const [next] = this.#due.values();
    if (next !== undefined) this.#alarm.set(next - now);
    if (jobs.length > 0) this.#settled(jobs);
  }

  stop(): void {
    this.#alarm.clear();
    this.#due.clear();
  }
}
