/**
 * Reads files of /proc/PID, which can take for ever: execve(2) holds a lock of the process while it closes files, so while
 * it waits for whoever serves their file system, and reading `environ`, and of recent kernels (6.18) `stat`, waits for that
 * lock. Who serves it may be this daemon. So nothing is read on the thread that answers, and nothing is waited for long.
 */
import { after } from "./alarm.ts";
import { SharedLimit } from "./shared_limit.ts";

/** A read that has not come back by then, in ms, is held up. Much longer than on a machine that is only busy. */
const HELD_UP_MS = 5000;
/** So many reads at once: each takes a descriptor, and a thread of the runtime, which has 32 of them for all it does. */
const AT_ONCE = 6;
/** Of reads that are held up, each of which keeps its thread, there may be so many before nothing more is read. */
const MAX_HELD_UP = 12;

/** Says that a read is held up. */
export const HELD_UP = Symbol("held up");

/** The content; null: the file, or its process, is not there, or may not be read. */
export type ProcRead = Uint8Array | null | typeof HELD_UP;

/** Reads a file without holding up the calling thread. Rejects when there is no descriptor to read it with. */
export type ReadFile = (path: string) => Promise<Uint8Array | null>;

export class ProcFiles {
  /** By path. */
  readonly #reads = new SharedLimit<string, ProcRead>(AT_ONCE);
  readonly #heldUp = new Set<string>();
  readonly #readFile: ReadFile;

  constructor(readFile: ReadFile) {
    this.#readFile = readFile;
  }

  /** Rejects when there is no descriptor to read with. */
  read(path: string): Promise<ProcRead> {
    if (this.#heldUp.has(path)) return Promise.resolve(HELD_UP);
    return this.#reads.run(path, () => this.#inTime(path));
  }

  async #inTime(path: string): Promise<ProcRead> {
    if (this.#heldUp.size >= MAX_HELD_UP) return HELD_UP;
    const content = this.#readFile(path);
    const late = Promise.withResolvers<typeof HELD_UP>();
    const cancel = after(HELD_UP_MS, () => late.resolve(HELD_UP));
    try {
      const read = await Promise.race([content, late.promise]);
      if (read === HELD_UP) {
        this.#heldUp.add(path);
        content.catch(() => {}).finally(() => this.#heldUp.delete(path));
      }
      return read;
    } finally {
      cancel();
    }
  }
}
