/**
 * Housekeeping: deletes finished jobs that have become old, sweeps up what large removed jobs leave, and gives the room
 * back. One slice for each turn of the event loop, so that nobody waits for it; one alarm for the next job that will be
 * too old.
 */
import type { Retention } from "../store/retention.ts";
import { Alarm } from "./alarm.ts";
import { type Clock, sleep } from "./clock.ts";
import { type Persistence, STORE_RETRY_MS } from "./persistence.ts";

/** Between two slices, in ms: a slice takes a few, and requests and jobs are to have most of the time. */
const PAUSE_MS = 10;

export interface JanitorOptions {
  readonly retention: Retention;
  readonly clock: Clock;
  readonly persistence: Persistence;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Finished jobs were deleted because of their age. */
  readonly expired: (count: number) => void;
}

export class Janitor {
  readonly #options: JanitorOptions;
  readonly #alarm: Alarm;
  #isStopped = true;
  #isBusy = false;
  #again = false;
  /** For when the alarm is set, in ms since the epoch. */
  #alarmAt = Infinity;

  constructor(options: JanitorOptions) {
    this.#options = options;
    this.#alarm = new Alarm(() => {
      this.#alarmAt = Infinity;
      this.look();
    }, options.clock);
  }

  start(): void {
    this.#isStopped = false;
    this.look();
  }

  /** Nothing is done any more after the slice that is being done. */
  stop(): void {
    this.#isStopped = true;
    this.#alarm.clear();
  }

  /** A job has ended: the time may come earlier at which one is too old. */
  noteEnd(): void {
    const { shortestMs } = this.#options.retention;
    if (shortestMs !== null) this.#setAlarm(this.#options.now() + shortestMs);
  }

  /** There may be something to do: a large job was removed, or the settings have changed. */
  look(): void {
    this.#again = true;
    if (this.#isBusy || this.#isStopped) return;
    this.#isBusy = true;
    this.#alarm.clear();
    this.#alarmAt = Infinity;
    void this.#work();
  }

  async #work(): Promise<void> {
    const { clock, persistence } = this.#options;
    let count = 0;
    let isClean = true;
    while (!this.#isStopped && this.#again) {
      this.#again = false;
      let more = true;
      while (more && !this.#isStopped) {
        const worked = persistence.try(() => {
          const slice = this.#slice(isClean);
          count += slice.expired;
          more = slice.more;
        });
        if (more) isClean = false;
        if (!worked || more) await sleep(clock, worked ? PAUSE_MS : STORE_RETRY_MS);
      }
    }
    this.#isBusy = false; // at once: who looks in this turn must not be told that it is looked at already
    if (count > 0) this.#options.expired(count);
    persistence.try(() => this.#setAlarm(this.#options.retention.nextMs() ?? Infinity));
  }

  #slice(isClean: boolean): { readonly expired: number; readonly more: boolean } {
    const { retention } = this.#options;
    const expired = retention.expire();
    const more = expired > 0 || retention.sweep() || (!isClean && retention.giveBack());
    return { expired, more };
  }

  #setAlarm(atMs: number): void {
    if (this.#isStopped || atMs >= this.#alarmAt) return;
    this.#alarmAt = atMs;
    this.#alarm.set(atMs - this.#options.now());
  }
}
