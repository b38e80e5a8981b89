/**
 * Scripts that were just replaced by a rename stay for a moment: another process may be between looking the name up and
 * opening it. The kernel tries again after ESTALE, but only once, and the name may be replaced a second time meanwhile.
 */
import type { JobId } from "../store/job.ts";
import type { Store } from "../store/store.ts";

const LINGER_MS = 1000;

export class Linger {
  readonly #store: Store;
  readonly #timers = new Map<number, JobId>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Does what may remove a job; if it has, what is left of it stays for a while. */
  keep(job: JobId, remove: () => void): void {
    this.#store.jobs.retain(job);
    try {
      remove();
    } finally {
      if (this.#store.jobs.byId(job)?.state === "removed") this.#dropLater(job);
      else this.#store.jobs.drop(job);
    }
  }

  #dropLater(job: JobId): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#store.jobs.drop(job);
    }, LINGER_MS);
    Deno.unrefTimer(timer);
    this.#timers.set(timer, job);
  }

  /** At the end of the daemon: all go now. */
  close(): void {
    for (const job of this.#timers.values()) this.#store.jobs.drop(job);
    this.abandon();
  }

  /** What has not gone yet goes when the next daemon starts. */
  abandon(): void {
    for (const timer of this.#timers.keys()) clearTimeout(timer);
    this.#timers.clear();
  }
}
