/** A state file that fails at the n-th statement, as SQLite reports it: reads, changes and commits alike. */
import { StatementSync } from "node:sqlite";

/** Primary result codes of SQLite: https://www.sqlite.org/rescode.html */
export const SQLITE = { busy: 5, readOnly: 8, io: 10, full: 13 } as const;

type Method = (this: StatementSync, ...values: unknown[]) => unknown;
/** All methods alike: what they take and give is passed on as it is. */
const statements = StatementSync.prototype as unknown as Record<"get" | "all" | "run", Method>;
const METHODS = ["get", "all", "run"] as const;

export class Faults implements Disposable {
  readonly #real = METHODS.map((name) => [name, statements[name]] as const);
  #at = Infinity;
  #code: number = SQLITE.io;
  #length = 1;
  /** Statements run so far. */
  count = 0;

  constructor() {
    for (const [name, real] of this.#real) {
      const step = () => this.#step();
      statements[name] = function (...values) {
        // Taking a change back needs nothing that could be missing.
        if (this.sourceSQL !== "ROLLBACK") step();
        return real.apply(this, values);
      };
    }
  }

  /** The statement after the next `n` ones fails, and `length` in all, with this code. */
  after(n: number, code: number, length: number): void {
    this.#at = this.count + n;
    this.#code = code;
    this.#length = length;
  }

  /** What only the test looks at does not fail, and does not count. */
  readonly without = (look: () => void): void => {
    const { count } = this;
    const at = this.#at;
    this.#at = Infinity;
    try {
      look();
    } finally {
      this.#at = at;
      this.count = count;
    }
  };

  /** None fails any more. Whether one has. */
  clear(): boolean {
    const hasFailed = this.count > this.#at;
    this.#at = Infinity;
    return hasFailed;
  }

  #step(): void {
    const n = this.count++;
    if (n < this.#at || n >= this.#at + this.#length) return;
    throw Object.assign(new Error("a fault of the test"), { errcode: this.#code });
  }

  [Symbol.dispose](): void {
    for (const [name, real] of this.#real) statements[name] = real;
  }
}
