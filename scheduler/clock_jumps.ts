/**
 * Notices that somebody has set the system's clock: it and a clock that nobody can set are compared whenever somebody
 * looks. What a clock gains or loses by itself, or by being slewed, is no jump.
 */
import type { Clock } from "./clock.ts";

/** Less is no jump, in ms. */
const JUMP_MS = 2000;

export class ClockJumps {
  readonly #now: () => number;
  readonly #clock: Clock;
  #difference: number;

  /** `now` is milliseconds since the epoch. */
  constructor(now: () => number, clock: Clock) {
    this.#now = now;
    this.#clock = clock;
    this.#difference = this.#measured;
  }

  get #measured(): number {
    return this.#now() - this.#clock.ticks();
  }

  /** By how many ms the clock was set, negative for back, since it was last {@linkcode ClockJumps.followed}; 0: it was not. */
  look(): number {
    const jump = this.#measured - this.#difference;
    if (jump <= -JUMP_MS) return jump;
    // Forward, also by a suspension; or a drift: from here on.
    this.#difference += jump;
    return jump >= JUMP_MS ? jump : 0;
  }

  followed(): void {
    this.#difference = this.#measured;
  }
}
