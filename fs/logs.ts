/** Logs as files: read-only, growing while the job runs. */
import type { Job, JobId } from "../store/job.ts";
import type { Hole } from "../store/output.ts";
import type { Store } from "../store/store.ts";
import type { Handle } from "./handle.ts";
import { LogView } from "./log_view.ts";

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

  /** What stat shows. Of a live log, also what has been printed and is not kept: a follower must never see it shrink. */
  size(job: Job): number {
    return this.#isLive(job) ? job.logSize : job.logSize - job.logDropped;
  }

  open(job: Job): Handle {
    const { id } = job;
    const isLive = this.#isLive(job);
    const view = new LogView(isLive ? [] : this.#holes(job));
    this.#store.jobs.retain(id);
    if (isLive) this.#live.set(id, (this.#live.get(id) ?? 0) + 1);
    return {
      read: (position, size) => this.#read(id, view, position, size),
      release: () => {
        if (isLive) this.#closeLive(id);
        this.#store.jobs.drop(id);
      },
    };
  }

  #closeLive(id: JobId): void {
    const left = this.#live.get(id)! - 1;
    if (left > 0) this.#live.set(id, left);
    else this.#live.delete(id);
  }

  #holes(job: Job): Hole[] {
    return job.logDropped > 0 ? this.#store.output.holes(job.id) : [];
  }

  #read(id: JobId, view: LogView, position: number, size: number): Uint8Array {
    const job = this.#store.jobs.byId(id);
    if (job === undefined) return new Uint8Array(0);
    const extent = view.extent(position, size, this.#holes(job));
    const left = Math.min(extent.size, job.logSize - extent.offset);
    return left <= 0 ? new Uint8Array(0) : this.#store.output.read(id, extent.offset, left);
  }
}
