/** Notices that the state file was deleted or replaced by another one: what is written then is lost with the daemon. */
import { StoreError } from "./errors.ts";

/** It is looked for at most this often, in ms. */
const LOOK_MS = 1000;

export class Presence {
  readonly #path: string;
  readonly #dev: number;
  readonly #ino: number | null;
  #lookedAt = -Infinity;
  #isThere = true;

  /** The file that is there now is the right one. */
  constructor(path: string) {
    this.#path = path;
    const { dev, ino } = Deno.statSync(path);
    this.#dev = dev;
    this.#ino = ino;
  }

  /** Throws "gone" while it is not there. */
  check(): void {
    const now = performance.now();
    if (now - this.#lookedAt >= LOOK_MS) {
      this.#lookedAt = now;
      this.#isThere = this.#look();
    }
    if (!this.#isThere) {
      throw new StoreError(
        "gone",
        `${
          JSON.stringify(this.#path)
        } was deleted or replaced while qj runs. Nothing more is taken; ` +
          `put it back, or end qj and restore a backup`,
      );
    }
  }

  #look(): boolean {
    try {
      const { dev, ino } = Deno.statSync(this.#path);
      return dev === this.#dev && ino === this.#ino;
    } catch (error) {
      return !(error instanceof Deno.errors.NotFound);
    }
  }
}
