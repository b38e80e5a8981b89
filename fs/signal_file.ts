/** `jobs/NAME/signal`: a name that is written to it is sent to the process group of the attempt that runs. */
import type { Job, JobId } from "../store/job.ts";
import { sendSignal, signalNamed } from "../store/signals.ts";
import type { Store } from "../store/store.ts";
import type { Attributes } from "./attributes.ts";
import { FsError } from "./errno.ts";
import type { Handle } from "./handle.ts";
import type { JobFile } from "./job_file.ts";

const ERRNO = { gone: "ESRCH", denied: "EPERM" } as const;

/** The signal that a text names. Throws EINVAL. */
export function parseSignal(text: string): NodeJS.Signals {
  const signal = signalNamed(text);
  if (signal !== undefined) return signal;
  throw new FsError("EINVAL", `no signal has the name ${JSON.stringify(text.trim())}`);
}

export class SignalFile implements JobFile {
  readonly name = "signal";
  readonly node = "signal";
  readonly isListed = true;
  readonly #store: Store;
  readonly #attributes: Attributes;

  constructor(store: Store, attributes: Attributes) {
    this.#store = store;
    this.#attributes = attributes;
  }

  attr(job: Job) {
    return this.#attributes.ofMadeUp(job, this.node, 0);
  }

  open({ id }: Job): Handle {
    return {
      read: () => new Uint8Array(0),
      // Each write is a command of its own, wherever the descriptor stands.
      write: (_offset, data) => this.#send(id, parseSignal(new TextDecoder().decode(data))),
    };
  }

  /** Throws ESRCH when no attempt runs, EPERM when its processes may not be signalled. */
  #send(id: JobId, signal: NodeJS.Signals): void {
    const result = sendSignal(this.#store, id, signal);
    if (result !== "sent") throw new FsError(ERRNO[result]);
  }
}
