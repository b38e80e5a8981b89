/** What statfs shows: the file system of the state file. It may be slow, so it is asked asynchronously and not often. */
import { statfs } from "node:fs/promises";
import type { FileSystemStat } from "../ffi/operations.ts";
import { fromSystem } from "../store/errors.ts";
import { NAME_MAX } from "../store/job_name.ts";
import type { Store } from "../store/store.ts";

/** It is asked at most this often, in ms. */
const ASK_MS = 1000;

export class StoreRoom {
  readonly #store: Store;
  #asked: { readonly at: number; readonly stat: Promise<FileSystemStat> } | null = null;

  constructor(store: Store) {
    this.#store = store;
  }

  async stat(): Promise<FileSystemStat> {
    const now = performance.now();
    if (this.#asked === null || now - this.#asked.at >= ASK_MS) {
      this.#asked = { at: now, stat: this.#ask() };
    }
    const stat = await this.#asked.stat;
    return { ...stat, files: stat.ffree + this.#store.directories.count };
  }

  async #ask(): Promise<FileSystemStat> {
    try {
      const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(this.#store.db.path);
      return { bsize, blocks, bfree, bavail, files, ffree, namemax: NAME_MAX };
    } catch (error) {
      throw fromSystem(error);
    }
  }
}
