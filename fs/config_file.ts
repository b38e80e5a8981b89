/**
 * `config.json`: the settings as one document.
 *
 * Every descriptor has its own buffer. A write that completes a valid document is taken at once, in one transaction;
 * one that can never become valid is EINVAL at once, so that `echo` can say so. Others see the old document until then,
 * which makes `jq … config.json > config.json` work.
 */
import { InvalidSettings } from "../store/settings.ts";
import type { Store } from "../store/store.ts";
import { FsError } from "./errno.ts";
import type { Handle } from "./handle.ts";
import { CONFIG_INO } from "./ino.ts";
import { IncompleteSettings, MAX_TEXT_BYTES, parseSettingsText } from "../store/settings_text.ts";
import type { VirtualFile } from "./virtual_file.ts";

const ERROR_XATTR = "user.qj.error";

export interface ConfigFileLog {
  /** The user wrote something that was not taken. */
  refused(reason: string): void;
  /** New settings are in force. */
  changed(keys: readonly string[]): void;
}

export class ConfigFile implements VirtualFile {
  readonly ino = CONFIG_INO;
  readonly name = "config.json";
  readonly mode = 0o600;
  readonly #store: Store;
  readonly #log: ConfigFileLog;
  #changedMs: number;
  #error: string | null = null;

  constructor(store: Store, log: ConfigFileLog) {
    this.#store = store;
    this.#log = log;
    this.#changedMs = store.now();
    store.changes.listen((change) => {
      if (change.kind === "config") this.#changedMs = store.now();
    });
  }

  #document(): Uint8Array {
    return new TextEncoder().encode(this.#store.settings.document());
  }

  size(): number {
    return this.#document().length;
  }

  changedMs(): number {
    return this.#changedMs;
  }

  xattrs(): ReadonlyMap<string, string> {
    return new Map(this.#error === null ? [] : [[ERROR_XATTR, this.#error]]);
  }

  open({ write, truncate }: { readonly write: boolean; readonly truncate: boolean }): Handle {
    let text = truncate ? new Uint8Array(0) : this.#document();
    const read = (offset: number, size: number) => text.subarray(offset, offset + size);
    if (!write) return { read };
    // True while something was written that has not been taken.
    let untaken = false;
    return {
      read,
      write: (offset, data) => {
        const end = offset + data.length;
        if (end > MAX_TEXT_BYTES) this.#refuse(`larger than ${MAX_TEXT_BYTES} bytes`);
        const grown = new Uint8Array(Math.max(end, text.length));
        grown.set(text);
        grown.set(data, offset);
        text = grown;
        untaken = false; // what is refused is refused once
        untaken = !this.#take(text);
      },
      flush: () => {
        if (untaken) this.#refuse("the text is not complete");
      },
      truncate: (size) => {
        text = text.slice(0, size);
      },
    };
  }

  /** Takes a complete document. False: more of it has to come. Throws when it can never become valid. */
  #take(text: Uint8Array): boolean {
    let change;
    try {
      change = parseSettingsText(text);
    } catch (error) {
      if (error instanceof IncompleteSettings) return false;
      if (error instanceof InvalidSettings) this.#refuse(error.message);
      throw error;
    }
    const keys = this.#store.settings.apply(change);
    this.#error = null;
    if (keys.length > 0) this.#log.changed(keys);
    return true;
  }

  #refuse(reason: string): never {
    this.#error = reason;
    this.#log.refused(reason);
    throw new FsError("EINVAL", reason);
  }
}
