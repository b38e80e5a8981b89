/** Open files: what every kind can do, and the table that gives them numbers. */
import type { Caller, PollHandle } from "../ffi/operations.ts";
import { FsError } from "./errno.ts";

/** Calls its argument if a signal interrupts the caller before it has its answer. */
export type OnInterrupt = (listener: () => void) => void;

/** An open file. A method that a kind of file does not have answers EPERM. */
export interface Handle {
  /** Opened with O_SYNC or O_DSYNC: a write has to be on stable storage when it returns. */
  readonly isSync?: boolean;
  /**
   * At most `size` bytes from `offset`; fewer at the end, or where it is convenient. One that waits for them rejects with
   * EINTR when it is interrupted.
   */
  read(offset: number, size: number, onInterrupt: OnInterrupt): Uint8Array | Promise<Uint8Array>;
  /** Takes all of `data`, which is only valid during the call. `isAppending`: wherever the end is by now. */
  write?(offset: number, data: Uint8Array, caller: () => Caller, isAppending?: boolean): void;
  /** ftruncate through this descriptor, for a file whose buffer is the descriptor's. */
  truncate?(size: number): void;
  /** A descriptor of it was closed; what was written has to be safe, and errors of that are seen by close(2). */
  flush?(): void;
  /** What was written has to be committed, whatever descriptor wrote it. */
  commit?(): void;
  /** What is ready, as poll(2) has it; takes over `handle`. Without this method it is always everything. */
  poll?(handle: PollHandle | null): number;
  /** The last descriptor was closed. Its errors are seen by nobody. */
  release?(): void;
}

/** One that never waits. */
export interface ReadyHandle extends Handle {
  read(offset: number, size: number): Uint8Array;
}

/** Open files of all clients: far more than programs have, and few enough that those who leak them fill no memory. */
const MAX_HANDLES = 65_536;

export class Handles {
  readonly #open = new Map<number, Handle>();
  #last = 0;

  /** Throws ENFILE when there is no room for one more. To be asked before anything is opened. */
  requireRoom(): void {
    if (this.#open.size >= MAX_HANDLES) throw new FsError("ENFILE", "too many open files");
  }

  add(handle: Handle): number {
    this.#open.set(++this.#last, handle);
    return this.#last;
  }

  find(fh: number): Handle | undefined {
    return this.#open.get(fh);
  }

  /** Throws EBADF. */
  get(fh: number): Handle {
    const handle = this.find(fh);
    if (handle === undefined) throw new FsError("EBADF");
    return handle;
  }

  /** Takes a handle out of the table and releases it. */
  release(fh: number): void {
    const handle = this.get(fh);
    this.#open.delete(fh);
    handle.release?.();
  }

  /** At the end: releases all, though some may fail, and passes their errors on. */
  releaseAll(failed: (error: unknown) => void): void {
    for (const fh of [...this.#open.keys()]) {
      try {
        this.release(fh);
      } catch (error) {
        failed(error);
      }
    }
  }
}
