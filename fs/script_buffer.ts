/**
 * The text of an open script: in memory as long as it is small and not much is in memory in all, else in a file that has no
 * name, so that a client that writes 16 MB to each of fifty drafts fills the disk that they are for, and not the memory.
 *
 * Everything is synchronous, as the state file is: the kernel has what was just written in its memory.
 */
import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { StoreError, type StoreErrorKind } from "../store/errors.ts";

/** A larger text is in a file. Most scripts have less than a hundredth of that. */
const MAX_IN_MEMORY = 1_048_576;
/** All texts in memory together: when there are more, those that grow go to files, whatever their size. */
const MAX_IN_ALL = 64 * 1_048_576;
const FIRST_BYTES = 256;

/** What all texts of a file system share. */
export class ScriptMemory {
  readonly #folder: string;
  /** Bytes that texts in memory take. */
  used = 0;

  /** Nobody but the daemon's user may look into `folder`. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The descriptor of a new file without a name. Throws StoreError. */
  openFile(): number {
    const path = `${this.#folder}/.${crypto.randomUUID()}`;
    return attempt(() => {
      const fd = openSync(path, "wx+", 0o600);
      unlinkSync(path);
      return fd;
    });
  }
}

export class ScriptBuffer {
  readonly #memory: ScriptMemory;
  #bytes = new Uint8Array(0);
  /** Of the file that has the text; null: it is in memory. */
  #fd: number | null = null;
  #size = 0;

  constructor(memory: ScriptMemory) {
    this.#memory = memory;
  }

  get size(): number {
    return this.#size;
  }

  /** Fewer bytes at the end. */
  read(offset: number, size: number): Uint8Array {
    const from = Math.min(offset, this.#size);
    const to = Math.min(offset + size, this.#size);
    if (this.#fd === null) return this.#bytes.slice(from, to);
    return this.#readFile(this.#fd, from, to);
  }

  /** All of it, valid until the next change. */
  all(): Uint8Array {
    if (this.#fd === null) return this.#bytes.subarray(0, this.#size);
    return this.#readFile(this.#fd, 0, this.#size);
  }

  #readFile(fd: number, from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(to - from);
    attempt(() => {
      for (let at = 0; at < bytes.length;) {
        const read = readSync(fd, bytes, at, bytes.length - at, from + at);
        if (read === 0) throw new StoreError("io", "the text of an open script is cut short");
        at += read;
      }
    });
    return bytes;
  }

  /** What is between the end and `offset` is zeros. Throws StoreError; then part of it may have been written. */
  write(offset: number, data: Uint8Array): void {
    if (data.length === 0) return;
    const end = Math.max(this.#size, offset + data.length);
    this.#reserve(end);
    if (this.#fd === null) {
      this.#bytes.set(data, offset);
    } else {
      const fd = this.#fd;
      attempt(() => {
        for (let at = 0; at < data.length;) {
          at += writeSync(fd, data, at, data.length - at, offset + at);
        }
      });
    }
    this.#size = end;
  }

  /** What is added is zeros. */
  resize(size: number): void {
    this.#reserve(size);
    if (this.#fd === null) this.#bytes.fill(0, Math.min(size, this.#size), this.#size);
    else this.#truncateFile(this.#fd, size);
    this.#size = size;
  }

  #truncateFile(fd: number, size: number): void {
    attempt(() => ftruncateSync(fd, size));
  }

  /** Gives back what it holds. */
  close(): void {
    this.#take(new Uint8Array(0));
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
    this.#size = 0;
  }

  /** Makes room for a text of so many bytes: in memory, or by moving it into a file. */
  #reserve(size: number): void {
    if (this.#fd !== null || size <= this.#bytes.length) return;
    const capacity = Math.min(
      Math.max(size, this.#bytes.length * 2, FIRST_BYTES),
      Math.max(size, MAX_IN_MEMORY),
    );
    const inAll = this.#memory.used - this.#bytes.length + capacity;
    if (size > MAX_IN_MEMORY || inAll > MAX_IN_ALL) return this.#spill();
    const grown = new Uint8Array(capacity);
    grown.set(this.#bytes.subarray(0, this.#size));
    this.#take(grown);
  }

  #spill(): void {
    const fd = this.#memory.openFile();
    const text = this.#bytes.subarray(0, this.#size);
    this.#fd = fd;
    try {
      attempt(() => {
        for (let at = 0; at < text.length;) {
          at += writeSync(fd, text, at, text.length - at, at);
        }
      });
    } catch (error) {
      this.#fd = null;
      closeSync(fd);
      throw error;
    }
    this.#take(new Uint8Array(0));
  }

  #take(bytes: Uint8Array<ArrayBuffer>): void {
    this.#memory.used += bytes.length - this.#bytes.length;
    this.#bytes = bytes;
  }
}

const KINDS: Readonly<Record<string, StoreErrorKind>> = {
  ENOSPC: "full",
  EDQUOT: "full",
  EFBIG: "full",
  EROFS: "read-only",
  EMFILE: "busy",
  ENFILE: "busy",
};

/** Throws what the system says as a StoreError. */
function attempt<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    const { code = "", message } = error as { code?: string; message: string };
    throw new StoreError(KINDS[code] ?? "io", message, { cause: error });
  }
}
