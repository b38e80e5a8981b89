/**
 * Scripts that were just replaced by a rename stay for a moment: another process may be between looking the name up and
 * opening it. The kernel tries again after ESTALE, but only once, and the name may be replaced a second time meanwhile.
 */
import type { Job, JobId } from "../store/job.ts";
import type { Store } from "../store/store.ts";

const LINGER_MS = 1000;

export class Linger {
  readonly #store: Store;
  readonly #timers = new Map<ReturnType<typeof setTimeout>, JobId>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Does what replaces a job, if there is one; what is left of that stays for a while. */
  keep(replaced: Job | undefined, replace: () => void): void {
    if (replaced === undefined) return replace();
    this.#store.jobs.retain(replaced.id);
    try {
      replace();
    } catch (error) {
      this.#store.jobs.drop(replaced.id);
      throw error;
    }
    this.#dropLater(replaced.id);
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
    for (const [timer, job] of this.#timers) {
      clearTimeout(timer);
      this.#store.jobs.drop(job);
    }
    this.#timers.clear();
  }
}
