/**
 * What came of the forms that were sent last. Each form carries a number that is used once, and what came of it is kept
 * under that number: the page behind it tells, and a form that is sent a second time does nothing a second time.
 */
import type { Result } from "./commands.ts";

/** How many are remembered. */
const MAX = 200;

export interface Outcome {
  readonly results: readonly Result[];
  /** The page to go on with. */
  readonly path: string;
}

export class Said {
  readonly #outcomes = new Map<string, Outcome>();

  /** A number for a new form. */
  once(): string {
    return crypto.randomUUID();
  }

  of(once: string | undefined): Outcome | undefined {
    return once === undefined ? undefined : this.#outcomes.get(once);
  }

  remember(once: string, outcome: Outcome): void {
    this.#outcomes.set(once, outcome);
    for (const oldest of this.#outcomes.keys()) {
      if (this.#outcomes.size <= MAX) break;
      this.#outcomes.delete(oldest);
    }
  }
}
