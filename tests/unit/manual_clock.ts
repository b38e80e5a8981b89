/** A clock that only the test moves. Turns of the event loop are real, but come when the test asks for them. */
import { setImmediate } from "node:timers";
import type { Clock } from "../../scheduler/clock.ts";
import { START_MS } from "./store_fixture.ts";

interface Timer {
  readonly at: number;
  readonly ring: () => void;
}

export class ManualClock implements Clock {
  #ticks = 0;
  readonly #timers = new Set<Timer>();
  #turns: (() => void)[] = [];
  /** What the system's clock shows, in ms since the epoch: can be set. */
  wallMs = START_MS;

  readonly now = () => this.wallMs;

  ticks(): number {
    return this.#ticks;
  }

  after(delayMs: number, ring: () => void): () => void {
    const timer = { at: this.#ticks + delayMs, ring };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  soon(ring: () => void): void {
    this.#turns.push(ring);
  }

  /** In how many ms each timer rings. */
  get delays(): number[] {
    return [...this.#timers].map(({ at }) => at - this.#ticks).sort((a, b) => a - b);
  }

  /** Lets everything happen that needs no time to pass. */
  async settle(): Promise<void> {
    do {
      for (const turn of this.#turns.splice(0)) turn();
      await new Promise<void>((resolve) => void setImmediate(resolve));
    } while (this.#turns.length > 0);
  }

  /** Lets time pass, on both clocks; each timer rings at its moment. */
  async pass(ms: number): Promise<void> {
    const end = this.#ticks + ms;
    await this.settle();
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      this.#move(Math.max(this.#ticks, next?.at ?? end));
      if (next === undefined) break;
      this.#timers.delete(next);
      next.ring();
      await this.settle();
    }
  }

  #move(ticks: number): void {
    this.wallMs += ticks - this.#ticks;
    this.#ticks = ticks;
  }
}
