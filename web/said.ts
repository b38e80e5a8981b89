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
  /** What is being done. */
  readonly #running = new Map<string, Promise<Outcome>>();

  /** A number for a new form. */
  once(): string {
    return crypto.randomUUID();
  }

  /** What came of the form with this number, if need be by doing it now. Rejects with what `act` does, and forgets it. */
  async perform(once: string, act: () => Promise<Outcome>): Promise<Outcome> {
    const known = this.of(once) ?? this.#running.get(once);
    if (known !== undefined) return await known;
    const running = act();
    this.#running.set(once, running);
    try {
      const outcome = await running;
      this.remember(once, outcome);
      return outcome;
    } finally {
      this.#running.delete(once);
    }
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
