/** What clients know of the jobs of a soak: which were taken, and which are gone. */
import type { SoakJob } from "./jobs.ts";

interface Entry {
  readonly job: SoakJob;
  /** Close or rename has returned 0. Otherwise nobody knows: it may run, or not. */
  isTaken: boolean;
  /** unlink has returned 0, or was asked and not answered. */
  removal: "done" | "unknown" | null;
  /** How often it had run when the daemon was there again after its removal. */
  runsAtRemoval: number | null;
}

export class Ledger {
  readonly #entries = new Map<string, Entry>();

  add(job: SoakJob): void {
    this.#entries.set(job.name, { job, isTaken: false, removal: null, runsAtRemoval: null });
  }

  taken(name: string): void {
    this.#entries.get(name)!.isTaken = true;
  }

  /** Somebody writes to it again: until that is done, it need not run. */
  rewritten(name: string): void {
    this.#entries.get(name)!.isTaken = false;
  }

  removed(name: string, isSure: boolean): void {
    this.#entries.get(name)!.removal = isSure ? "done" : "unknown";
  }

  /** The daemon is there again: what was removed must not run any more. */
  noteRuns(runs: ReadonlyMap<string, number>): void {
    for (const [name, entry] of this.#entries) {
      if (entry.removal !== "done" || entry.runsAtRemoval !== null) continue;
      entry.runsAtRemoval = runs.get(name) ?? 0;
    }
  }

  get all(): readonly Readonly<Entry>[] {
    return [...this.#entries.values()];
  }

  /** Names of jobs that have to run to their end. */
  get expected(): string[] {
    return this.all
      .filter(({ isTaken, removal, job }) => isTaken && removal === null && job.kind !== "once")
      .map(({ job }) => job.name);
  }
}
