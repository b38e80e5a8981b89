/**
 * Whether the state file can be changed, for who has to be told: once when it fails, once when it works again. On a disk
 * that is almost full some changes work and others do not, so it takes a while without a failure to be well again.
 */
import type { StoreError } from "./errors.ts";

/** Without a failure for so many ms it works again. What fails is tried again every second. */
const WELL_AFTER_MS = 2000;

export class Health {
  readonly #listeners: ((failure: StoreError | null) => void)[] = [];
  #failure: StoreError | null = null;
  #failedAt = 0;

  /** Calls `listener` when changes begin to fail, fail in another way, or work again (null). */
  onChange(listener: (failure: StoreError | null) => void): void {
    this.#listeners.push(listener);
  }

  /** What is wrong, of which the listeners have been told. */
  get failure(): StoreError | null {
    return this.#failure;
  }

  failed(error: StoreError): void {
    this.#failedAt = performance.now();
    if (this.#failure?.message === error.message) return;
    this.#set(error);
  }

  succeeded(): void {
    if (this.#failure === null || performance.now() - this.#failedAt < WELL_AFTER_MS) return;
    this.#set(null);
  }

  #set(failure: StoreError | null): void {
    this.#failure = failure;
    for (const listener of this.#listeners) listener(failure);
  }
}
