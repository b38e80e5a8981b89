/**
 * Short unique names for new jobs.
 *
 * A counter that only grows, scrambled so that neighbours look different: within each length, multiplying by a factor
 * that shares no divisor with the number of names visits every name once. The counter is stored ahead in blocks, so
 * that an id costs no commit and a crash skips some instead of repeating any.
 */
import type { Database } from "./database.ts";
import type { Jobs } from "./jobs.ts";

const ALPHABET = 36n;
const SHORTEST = 4;
const BLOCK = 64;
/** Two primes, so coprime to every power of 36; large, so that neighbours are far apart at every length. */
const FACTOR = 1_000_003n * 7919n;
const SHIFT = 12_345n;

/** The id with the number `n`, from 0: 36^4 of four characters, then 36^5 of five, and so on. */
export function idOf(n: number): string {
  let rest = BigInt(n);
  let length = SHORTEST;
  while (rest >= ALPHABET ** BigInt(length)) rest -= ALPHABET ** BigInt(length++);
  const names = ALPHABET ** BigInt(length);
  return ((rest * FACTOR + SHIFT) % names).toString(36).padStart(length, "0");
}

export class Ids {
  readonly #db: Database;
  readonly #jobs: Jobs;
  readonly #reserve;
  #next: number;
  #reserved: number;

  constructor(db: Database, jobs: Jobs) {
    this.#db = db;
    this.#jobs = jobs;
    this.#reserve = db.prepare("UPDATE counter SET value = ? WHERE name = 'new_id'");
    const { value } = db.prepare("SELECT value FROM counter WHERE name = 'new_id'").get() as {
      value: number;
    };
    this.#next = value;
    this.#reserved = value;
  }

  /** An id that no job has and that was never given before. */
  next(): string {
    for (;;) {
      if (this.#next === this.#reserved) {
        this.#db.run(this.#reserve, this.#reserved + BLOCK);
        this.#reserved += BLOCK;
      }
      const id = idOf(this.#next++);
      if (this.#jobs.byName(id) === undefined) return id;
    }
  }
}
