/**
 * Tells the pages that are looked at when the queue has changed. With nobody looking there is no timer and nothing to do.
 *
 * A page asks for itself again when it is told, so the more look, and the longer their pages take, the longer is the pause
 * between two tellings: many windows take no more of the daemon than a few.
 */
import type { Store } from "../store/store.ts";

/** Between two tellings, in ms, and how much longer for each page that looks. */
const PAUSE_MS = 250;
const PAUSE_PER_PAGE_MS = 25;
/** At least so many times as long as the pages have taken since the last telling: others need the daemon too. */
const PAUSE_PER_TIME = 4;

export class Live {
  /** Of this daemon, so that pages of the last one notice. */
  readonly #start = crypto.randomUUID().slice(0, 8);
  readonly #watchers = new Set<() => void>();
  #changes = 0;
  #toldAt = -Infinity;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #spentMs = 0;

  constructor(store: Store) {
    store.changes.listen(({ kind }) => {
      if (kind === "events" || kind === "queued" || kind === "config") this.#changed();
    });
    store.directories.onChange(() => this.#changed());
    store.queue.onChange(() => this.#changed());
  }

  /** Of what pages show. */
  get version(): string {
    return `${this.#start}.${this.#changes}`;
  }

  #changed(): void {
    this.#changes++;
    if (this.#watchers.size === 0 || this.#timer !== null) return;
    const pause = Math.max(
      PAUSE_MS + this.#watchers.size * PAUSE_PER_PAGE_MS,
      this.#spentMs * PAUSE_PER_TIME,
    );
    const wait = Math.max(0, this.#toldAt + pause - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#toldAt = performance.now();
      this.#spentMs = 0;
      for (const watcher of this.#watchers) watcher();
    }, wait);
  }

  /** A page took so many ms. */
  spent(ms: number): void {
    this.#spentMs += ms;
  }

  /** Calls `watcher` after changes, until the returned function is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size > 0 || this.#timer === null) return;
      clearTimeout(this.#timer);
      this.#timer = null;
    };
  }
}
