/**
 * Changes of the store that have to be made: tried again until the state file takes them. What is wrong with it is said
 * once by its health; what else goes wrong is said here, not at each try.
 */
import { StoreError } from "../store/errors.ts";
import type { Health } from "../store/health.ts";
import { type Clock, sleep } from "./clock.ts";
import type { Ending } from "./leftovers.ts";

/** Between two tries to change a state file that cannot be written, in ms. */
export const STORE_RETRY_MS = 1000;
/** The same failure is said again after so many ms. */
const SAY_AGAIN_MS = 60_000;

export interface PersistenceOptions {
  /** Something that the store's health does not tell of: reading fails, or there is a bug. */
  readonly failed: (error: Error) => void;
  readonly ending: Ending;
}

export class Persistence {
  readonly #clock: Clock;
  readonly #health: Health;
  readonly #options: PersistenceOptions;
  readonly #saidAt = new Map<string, number>();

  constructor(clock: Clock, health: Health, options: PersistenceOptions) {
    this.#clock = clock;
    this.#health = health;
    this.#options = options;
  }

  /** Tries until the store takes it: what has happened must be recorded before anything can follow from it. */
  async make(change: () => void): Promise<void> {
    while (!this.try(change)) {
      // Who is in a hurry to end leaves it to the next start, which finds the attempt lost.
      if (this.#isInVain) return;
      await sleep(this.#clock, STORE_RETRY_MS);
    }
  }

  get #isInVain(): boolean {
    const { stop, kill } = this.#options.ending;
    return kill || (stop && this.#health.failure?.kind === "gone");
  }

  /** Tries once; false: it did not work, and may be tried again after {@linkcode STORE_RETRY_MS}. */
  try(change: () => void): boolean {
    try {
      change();
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  failed(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (error instanceof StoreError && this.#health.failure?.kind === error.kind) return;
    const saidAt = this.#saidAt.get(error.message) ?? -Infinity;
    if (this.#clock.ticks() - saidAt < SAY_AGAIN_MS) return;
    this.#saidAt.set(error.message, this.#clock.ticks());
    this.#options.failed(error);
  }
}
