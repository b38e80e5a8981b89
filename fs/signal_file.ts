/** `jobs/NAME/signal`: a name that is written to it is sent to the process group of the attempt that runs. */
import { constants } from "node:os";
import type { AttemptId, Job, JobId } from "../store/job.ts";
import type { SignalResult } from "../store/changes.ts";
import type { Store } from "../store/store.ts";
import type { Attributes } from "./attributes.ts";
import { FsError } from "./errno.ts";
import type { Handle } from "./handle.ts";
import type { JobFile } from "./job_file.ts";

const ERRNO = { gone: "ESRCH", denied: "EPERM" } as const;

/** The signal that a text names, with or without SIG, in any case. Throws EINVAL. */
export function parseSignal(text: string): NodeJS.Signals {
  // Letters of ASCII only: others have them as their capitals.
  const [, short] = /^(?:SIG)?([A-Z0-9]+)$/i.exec(text.trim()) ?? [];
  const name = `SIG${short?.toUpperCase()}`;
  if (!Object.hasOwn(constants.signals, name)) {
    throw new FsError("EINVAL", `no signal has the name ${JSON.stringify(text.trim())}`);
  }
  return name as NodeJS.Signals;
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
    const newest = this.#store.history.newest(id);
    const result = newest?.outcome === null ? this.#ask(newest.id, signal) : "gone";
    if (result !== "sent") throw new FsError(ERRNO[result]);
  }

  #ask(attempt: AttemptId, signal: NodeJS.Signals): SignalResult {
    const answers: SignalResult[] = [];
    const answer = (result: SignalResult) => void answers.push(result);
    this.#store.changes.emit({ kind: "signal", attempt, signal, answer });
    return answers[0] ?? "gone";
  }
}
