/** Signals for the processes of a running job: their names, and sending one. */
import { constants } from "node:os";
import type { SignalResult } from "./changes.ts";
import type { JobId } from "./job.ts";
import type { Store } from "./store.ts";

/** The signal that a text names, with or without SIG, in any case; undefined: there is none of that name. */
export function signalNamed(text: string): NodeJS.Signals | undefined {
  // Letters of ASCII only: others have them as their capitals.
  const [, short] = /^(?:SIG)?([A-Z0-9]+)$/i.exec(text.trim()) ?? [];
  const name = `SIG${short?.toUpperCase()}`;
  return Object.hasOwn(constants.signals, name) ? name as NodeJS.Signals : undefined;
}

/** Sends it to the process group of the job's attempt. "gone": none runs; "denied": it may not be signalled. */
export function sendSignal(store: Store, job: JobId, signal: NodeJS.Signals): SignalResult {
  const newest = store.history.newest(job);
  if (newest?.outcome !== null) return "gone";
  const answers: SignalResult[] = [];
  const answer = (result: SignalResult) => void answers.push(result);
  store.changes.emit({ kind: "signal", attempt: newest.id, signal, answer });
  return answers[0] ?? "gone";
}
