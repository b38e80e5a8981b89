/** Files whose text is made when they are opened, and kept for each descriptor until that is closed. */
import { FsError } from "./errno.ts";
import type { ReadyHandle } from "./handle.ts";

/** Bytes of all that are open: who leaks descriptors is not to fill the daemon's memory. */
const MAX_BYTES = 64 * 1024 * 1024;

export class MadeTexts {
  #bytes = 0;

  /** Throws ENFILE when there is no room for one more. */
  open(text: Uint8Array): ReadyHandle {
    if (this.#bytes + text.length > MAX_BYTES) {
      throw new FsError("ENFILE", "too many open files");
    }
    this.#bytes += text.length;
    return {
      read: (offset, size) => text.subarray(offset, offset + size),
      release: () => this.#bytes -= text.length,
    };
  }
}
