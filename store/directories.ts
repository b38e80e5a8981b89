/** The four state directories as wholes: how many jobs they have, and when an entry last came, went or was renamed. */
import type { Database } from "./database.ts";
import { LISTED_STATES, type ListedState, type State } from "./job.ts";

export class Directories {
  readonly #db: Database;
  readonly #now: () => number;
  readonly #counts: Record<ListedState, number> = { pending: 0, active: 0, complete: 0, failed: 0 };
  /** In ms since the epoch; at start, the start. */
  readonly #changedAtMs: Record<ListedState, number>;
  readonly #listeners: ((states: readonly ListedState[]) => void)[] = [];

  /** `now` is milliseconds since the epoch. */
  constructor(db: Database, now: () => number) {
    this.#db = db;
    this.#now = now;
    const counts = db.prepare(
      "SELECT state, count(*) AS n FROM job WHERE state <> 'removed' GROUP BY state",
    ).all() as unknown as { state: ListedState; n: number }[];
    for (const { state, n } of counts) this.#counts[state] = n;
    const started = now();
    this.#changedAtMs = { pending: started, active: started, complete: started, failed: started };
  }

  /** Jobs in all of them. */
  get count(): number {
    return LISTED_STATES.reduce((sum, state) => sum + this.#counts[state], 0);
  }

  countOf(state: ListedState): number {
    return this.#counts[state];
  }

  changedAtMs(state: ListedState): number {
    return this.#changedAtMs[state];
  }

  /** When any of them last changed. */
  get newestChangeMs(): number {
    return Math.max(...Object.values(this.#changedAtMs));
  }

  /** For `moves.ts`: a job goes from one state to another in the open transaction; null: it comes, or goes. */
  moved(from: State | null, to: State | null): void {
    const [left, entered] = [from, to].map((state) => state === "removed" ? null : state);
    this.#db.afterCommit(() => {
      if (left) this.#counts[left]--;
      if (entered) this.#counts[entered]++;
      this.#tell([left, entered].filter((state) => !!state));
    });
  }

  /** For `moves.ts`: a job gets another name in the open transaction. */
  renamed(state: State): void {
    if (state !== "removed") this.#db.afterCommit(() => this.#tell([state]));
  }

  #tell(changed: readonly ListedState[]): void {
    for (const state of changed) this.#changedAtMs[state] = this.#now();
    for (const listener of this.#listeners) listener(changed);
  }

  /** Calls `listener`, which must not throw, when entries of directories have come, gone or been renamed. */
  onChange(listener: (states: readonly ListedState[]) => void): void {
    this.#listeners.push(listener);
  }
}
