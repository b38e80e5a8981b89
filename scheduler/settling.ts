/**
 * Jobs that were just closed: they become runnable when nothing has touched them for `settle_ms`, since `install`,
 * `perl -i` and `sed -i` chmod or rename a file right after they have closed it. One timer for all, set for the first.
 */
import type { JobId } from "../store/job.ts";
import { Alarm } from "./alarm.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

export class Settling {
  /** When each is due, by the monotonic clock, in that order. */
  #due = new Map<JobId, number>();
  #latest = 0;
  #isStopped = false;
  readonly #alarm: Alarm;
  readonly #settled: (jobs: JobId[]) => void;
  readonly #clock: Clock;

  constructor(settled: (jobs: JobId[]) => void, clock: Clock = SYSTEM_CLOCK) {
    this.#settled = settled;
    this.#clock = clock;
    this.#alarm = new Alarm(() => this.#ring(), clock);
  }

  /** The job was closed or touched: its time begins anew. */
  add(job: JobId, settleMs: number): void {
    if (this.#isStopped) return;
    const due = this.#clock.ticks() + settleMs;
    this.#due.delete(job);
    this.#due.set(job, due);
    if (due < this.#latest) {
      // settle_ms was lowered: those from before come after.
      this.#due = new Map([...this.#due].sort(([, a], [, b]) => a - b));
      this.#alarm.clear();
    }
    this.#latest = Math.max(this.#latest, due);
    if (!this.#alarm.isSet) this.#setAlarm();
  }

  #setAlarm(): void {
    const [next] = this.#due.values();
    if (next !== undefined) this.#alarm.set(next - this.#clock.ticks());
  }

  #ring(): void {
    const now = this.#clock.ticks();
    const jobs: JobId[] = [];
    for (const [job, due] of this.#due) {
      // A fraction of a millisecond early is on time: timers count in whole ones.
      if (due > now + 1) break;
      jobs.push(job);
      this.#due.delete(job);
    }
    if (this.#due.size === 0) this.#latest = 0;
    this.#setAlarm();
    if (jobs.length > 0) this.#settled(jobs);
  }

  /** Nothing settles any more. */
  stop(): void {
    this.#isStopped = true;
    this.#alarm.clear();
    this.#due.clear();
  }
}
