/** A clock that only the test moves: timers ring when it passes them, turns come when the test takes them. */
import { setImmediate } from "node:timers";
import type { Clock } from "../../scheduler/clock.ts";

interface Timer {
  readonly at: number;
  readonly ring: () => void;
}

export class FakeClock implements Clock {
  #ticks = 0;
  #wallMs: number;
  #latest = 0;
  #timers: Timer[] = [];
  #turns: (() => void)[] = [];

  constructor(wallMs: number) {
    this.#wallMs = wallMs;
  }

  /** Milliseconds since the epoch, by a clock that can be set. */
  readonly now = () => this.#wallMs + this.#ticks;

  /** The latest moment that the clock has shown. */
  get latest(): number {
    return this.#latest = Math.max(this.#latest, this.now());
  }

  ticks(): number {
    return this.#ticks;
  }

  after(delayMs: number, ring: () => void): () => void {
    const timer = { at: this.#ticks + delayMs, ring };
    this.#timers.push(timer);
    return () => this.#timers = this.#timers.filter((other) => other !== timer);
  }

  soon(ring: () => void): void {
    this.#turns.push(ring);
  }

  /** Somebody sets the clock that can be set. */
  setBy(ms: number): void {
    this.#latest = this.latest;
    this.#wallMs += ms;
  }

  /** Lets everything happen that needs no time to pass. */
  async settle(): Promise<void> {
    do {
      for (const turn of this.#turns.splice(0)) turn();
      await new Promise<void>((resolve) => void setImmediate(resolve));
    } while (this.#turns.length > 0);
  }

  /** Lets time pass; each timer rings at its moment. */
  async advance(ms: number): Promise<void> {
    const end = this.#ticks + ms;
    await this.settle();
    for (;;) {
      const next = this.#timers
        .filter(({ at }) => at <= end)
        .reduce<Timer | undefined>((a, b) => a !== undefined && a.at <= b.at ? a : b, undefined);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#ticks = Math.max(this.#ticks, next.at);
      next.ring();
      await this.settle();
    }
    this.#ticks = end;
    await this.settle();
  }

  /** As after a crash: nobody waits any more. */
  forget(): void {
    this.#timers = [];
    this.#turns = [];
  }
}
