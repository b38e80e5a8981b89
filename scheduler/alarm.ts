/** One timer that can be set anew, and for longer than setTimeout's 24 days. */

/**
 * The longest sleep in ms. Moments are wall-clock times and timers are not, so a clock that was set forward is noticed
 * after an hour at the latest.
 */
const LONGEST_MS = 3_600_000;

export class Alarm {
  readonly #ring: () => void;
  #timer: number | undefined;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings after `delayMs`, or earlier when that is more than an hour: whoever is woken looks at the clock. */
  set(delayMs: number): void {
    this.clear();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#ring();
    }, Math.min(Math.max(0, delayMs), LONGEST_MS));
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get isSet(): boolean {
    return this.#timer !== undefined;
  }
}

/** Calls `ring` once after `delayMs`, however long. Returns what cancels it. */
export function after(delayMs: number, ring: () => void): () => void {
  const due = performance.now() + delayMs;
  const alarm = new Alarm(() => {
    const left = due - performance.now();
    if (left > 0) alarm.set(left);
    else ring();
  });
  alarm.set(delayMs);
  return () => alarm.clear();
}
