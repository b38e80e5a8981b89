/** One timer that can be set anew, and for longer than setTimeout's 24 days. */
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

/**
 * The longest sleep in ms. Moments are wall-clock times and timers are not, so a clock that was set forward is noticed
 * after an hour at the latest.
 */
const LONGEST_MS = 3_600_000;

export class Alarm {
  readonly #ring: () => void;
  readonly #clock: Clock;
  #cancel: (() => void) | null = null;

  constructor(ring: () => void, clock: Clock = SYSTEM_CLOCK) {
    this.#ring = ring;
    this.#clock = clock;
  }

  /** Rings after `delayMs`, or earlier when that is more than an hour: whoever is woken looks at the clock. */
  set(delayMs: number): void {
    this.clear();
    this.#cancel = this.#clock.after(Math.min(Math.max(0, delayMs), LONGEST_MS), () => {
      this.#cancel = null;
      this.#ring();
    });
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  get isSet(): boolean {
    return this.#cancel !== null;
  }
}

/** Calls `ring` once after `delayMs`, however long. Returns what cancels it. */
export function after(
  delayMs: number,
  ring: () => void,
  clock: Clock = SYSTEM_CLOCK,
): () => void {
  const due = clock.ticks() + delayMs;
  const alarm = new Alarm(() => {
    const left = due - clock.ticks();
    if (left > 0) alarm.set(left);
    else ring();
  }, clock);
  alarm.set(delayMs);
  return () => alarm.clear();
}
