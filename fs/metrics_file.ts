/** `metrics`: OpenMetrics text, made at each open. */
import type { Store } from "../store/store.ts";
import { FsError } from "./errno.ts";
import type { Handle } from "./handle.ts";
import { METRICS_INO } from "./ino.ts";
import { MadeTexts } from "./made_texts.ts";
import type { Metrics } from "./metrics.ts";
import { NO_XATTRS, type VirtualFile } from "./virtual_file.ts";

export class MetricsFile implements VirtualFile {
  readonly ino = METRICS_INO;
  readonly name = "metrics";
  readonly mode = 0o444;
  readonly #store: Store;
  readonly #metrics: Metrics;
  readonly #texts = new MadeTexts();

  constructor(store: Store, metrics: Metrics) {
    this.#store = store;
    this.#metrics = metrics;
  }

  /** 0, as for files in /proc: the content is made when the file is opened. */
  size(): number {
    return 0;
  }

  changedMs(): number {
    return this.#store.now();
  }

  open({ write }: { readonly write: boolean }): Handle {
    if (write) throw new FsError("EPERM");
    return this.#texts.open(new TextEncoder().encode(this.#metrics.text()));
  }

  xattrs(): ReadonlyMap<string, string> {
    return NO_XATTRS;
  }
}
