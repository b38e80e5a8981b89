/**
 * `jobs/NAME/wait`: reading it blocks until the job has come to its end, and then gives `status.json`.
 *
 * No listing shows it, so that `grep -r` does not wait. A read that waits ends with EINTR on a signal for the reader, with
 * ESTALE when the job is removed, and with ENOTCONN when the daemon ends.
 */
import { isFinished, type Job, type JobId } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import type { Attributes } from "./attributes.ts";
import { FsError } from "./errno.ts";
import type { Handle, OnInterrupt } from "./handle.ts";
import type { JobFile, OpenFlags } from "./job_file.ts";
import { statusText } from "./status_file.ts";

type Waiter = (error: FsError | null) => void;

export class WaitFile implements JobFile {
  readonly name = "wait";
  readonly node = "wait";
  readonly isListed = false;
  readonly #store: Store;
  readonly #attributes: Attributes;
  readonly #waiters = new Map<JobId, Set<Waiter>>();

  constructor(store: Store, attributes: Attributes) {
    this.#store = store;
    this.#attributes = attributes;
    store.changes.listen((change) => {
      if (change.kind === "over") this.#wake(change.job, null);
    });
  }

  /** 0, as for files in /proc: what it will give is not known. */
  attr(job: Job) {
    return this.#attributes.ofMadeUp(job, this.node, 0);
  }

  open({ id }: Job, { write }: OpenFlags): Handle {
    if (write) throw new FsError("EPERM");
    let bytes: Uint8Array | null = null;
    const from = (offset: number, size: number) => bytes!.subarray(offset, offset + size);
    return {
      read: (offset, size, onInterrupt) => {
        bytes ??= this.#result(id);
        if (bytes !== null) return from(offset, size);
        return this.#wait(id, onInterrupt).then(() => {
          // A job that was queued again at once has ended all the same.
          bytes ??= this.#result(id) ?? this.#status(id);
          return from(offset, size);
        });
      },
    };
  }

  /** The answer if the job has come to its end, else null. Throws ESTALE. */
  #result(id: JobId): Uint8Array | null {
    return isFinished(this.#require(id)) ? this.#status(id) : null;
  }

  #status(id: JobId): Uint8Array {
    return new TextEncoder().encode(statusText(this.#store, this.#require(id)));
  }

  #require(id: JobId): Job {
    const job = this.#store.jobs.byId(id);
    if (job === undefined || job.state === "removed") throw new FsError("ESTALE");
    return job;
  }

  async #wait(id: JobId, onInterrupt: OnInterrupt): Promise<void> {
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters);
    let waiter: Waiter | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = (error) => error === null ? resolve() : reject(error);
        waiters.add(waiter);
        onInterrupt(() => reject(new FsError("EINTR")));
      });
    } finally {
      waiters.delete(waiter!);
      if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id);
    }
  }

  #wake(id: JobId, error: FsError | null): void {
    for (const waiter of this.#waiters.get(id) ?? []) waiter(error);
  }

  /** The daemon ends: nobody waits any more. */
  close(): void {
    for (const id of [...this.#waiters.keys()]) this.#wake(id, new FsError("ENOTCONN"));
  }
}
