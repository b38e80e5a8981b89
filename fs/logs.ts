/** Logs as files: read-only, growing while the job runs. */
import type { Job, JobId } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import type { Handle } from "./handle.ts";
import { bytesToHole, offsetOf, skipHole } from "./log_view.ts";

export class Logs {
  readonly #store: Store;
  /** Descriptors that were opened on a live log. While one is open, the log's size is that of the live view. */
  readonly #live = new Map<JobId, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  #isLive(job: Job): boolean {
    return job.state === "active" || this.#live.has(job.id);
  }

  /** What stat shows. */
  size(job: Job): number {
    return this.#isLive(job) ? job.logSize : job.logSize - job.logDropped;
  }

  open(job: Job): Handle {
    this.#store.jobs.retain(job.id);
    return this.#isLive(job) ? this.#openLive(job.id) : this.#openFinished(job.id);
  }

  #holes(id: JobId) {
    return this.#store.jobs.byId(id)?.logDropped ? this.#store.output.holes(id) : [];
  }

  #openFinished(id: JobId): Handle {
    return {
      read: (position, size) => {
        const holes = this.#holes(id);
        const offset = offsetOf(position, holes);
        return this.#read(id, offset, Math.min(size, bytesToHole(offset, holes)));
      },
      release: () => this.#store.jobs.drop(id),
    };
  }

  #openLive(id: JobId): Handle {
    this.#live.set(id, (this.#live.get(id) ?? 0) + 1);
    // How far the reader's positions lie behind the store's offsets, after the holes that it was led over.
    let shift = 0;
    return {
      read: (position, size) => {
        const holes = this.#holes(id);
        const offset = skipHole(position + shift, holes);
        shift = offset - position;
        return this.#read(id, offset, Math.min(size, bytesToHole(offset, holes)));
      },
      release: () => {
        const left = this.#live.get(id)! - 1;
        if (left > 0) this.#live.set(id, left);
        else this.#live.delete(id);
        this.#store.jobs.drop(id);
      },
    };
  }

  #read(id: JobId, offset: number, size: number): Uint8Array {
    const job = this.#store.jobs.byId(id);
    if (job === undefined || offset >= job.logSize) return new Uint8Array(0);
    return this.#store.output.read(id, offset, Math.min(size, job.logSize - offset));
  }
}
