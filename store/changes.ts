/** How the store tells others what has changed: a plain list of listeners, called after the commit. */
import type { AttemptId, Job, JobId } from "./job.ts";

export type Change =
  /** The last writer of a pending job has closed it, or something touched it before it was submitted. */
  | { readonly kind: "settle"; readonly job: JobId }
  /** A pending job may be ready to start, or a waiting one has a new time. */
  | { readonly kind: "queued" }
  /** An attempt is to be stopped: its job was removed, parked or queued again while it ran. */
  | { readonly kind: "cancel"; readonly attempt: AttemptId }
  /** The settings have changed. */
  | { readonly kind: "config" }
  /** A signal for the processes of a running attempt; `answer` is called before the listener returns. */
  | {
    readonly kind: "signal";
    readonly attempt: AttemptId;
    readonly signal: NodeJS.Signals;
    readonly answer: (result: SignalResult) => void;
  }
  /** There are removed jobs whose rows are to be swept, or finished ones with another age to be deleted at. */
  | { readonly kind: "garbage" }
  /** A job has left its directory, or its name, otherwise than by a request of the kernel; as it was. */
  | { readonly kind: "left"; readonly job: Job }
  /** A hook is to be run. */
  | { readonly kind: "hook" }
  /** Events were stored. */
  | { readonly kind: "events" }
  /** A job has come to its end or was removed. */
  | { readonly kind: "over"; readonly job: JobId };

export type SignalResult = "sent" | "gone" | "denied";

export class Changes {
  readonly #listeners = new Set<(change: Change) => void>();

  /** Calls `listener` for every change until the returned function is called. */
  listen(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}
