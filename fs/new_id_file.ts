/** `new-id`: every open gives one id that was never given before. */
import type { Store } from "../store/store.ts";
import { FsError } from "./errno.ts";
import type { Handle } from "./handle.ts";
import { NEW_ID_INO } from "./ino.ts";
import { NO_XATTRS, type VirtualFile } from "./virtual_file.ts";

export class NewIdFile implements VirtualFile {
  readonly ino = NEW_ID_INO;
  readonly name = "new-id";
  readonly mode = 0o444;
  readonly #store: Store;
  readonly #startedMs: number;

  constructor(store: Store) {
    this.#store = store;
    this.#startedMs = store.now();
  }

  /** 0, as for files in /proc: the content is made when it is read. */
  size(): number {
    return 0;
  }

  changedMs(): number {
    return this.#startedMs;
  }

  open({ write }: { readonly write: boolean }): Handle {
    if (write) throw new FsError("EPERM");
    // The first read takes the id, so that opening alone uses none up.
    let bytes: Uint8Array | undefined;
    return {
      read: (offset, size) => {
        bytes ??= new TextEncoder().encode(`${this.#store.ids.next()}\n`);
        return bytes.subarray(offset, offset + size);
      },
    };
  }

  xattrs(): ReadonlyMap<string, string> {
    return NO_XATTRS;
  }
}
