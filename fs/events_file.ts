/**
 * `events`: what happens to the jobs, one JSON object a line. See EVENTS in qj.5, and `store/events.ts` for what it keeps.
 *
 * It can be polled: ready when there is more than this descriptor has read. Which descriptor has read how far is kept
 * here; a read at the end counts.
 */
import type { PollHandle } from "../ffi/operations.ts";
import type { Store } from "../store/store.ts";
import { FsError } from "./errno.ts";
import type { Handle } from "./handle.ts";
import { EVENTS_INO } from "./ino.ts";
import { NO_XATTRS, type VirtualFile } from "./virtual_file.ts";

/** POLLIN | POLLRDNORM of poll(2) */
const READABLE = 0x041;

export class EventsFile implements VirtualFile {
  readonly ino = EVENTS_INO;
  readonly name = "events";
  readonly mode = 0o444;
  readonly #store: Store;
  readonly #polls = new Set<PollHandle>();
  #changedMs: number;

  constructor(store: Store) {
    this.#store = store;
    this.#changedMs = store.now();
    store.changes.listen((change) => {
      if (change.kind === "events") this.#grown();
    });
  }

  #grown(): void {
    this.#changedMs = this.#store.now();
    for (const poll of this.#polls) poll.notify();
    this.#polls.clear();
  }

  size(): number {
    return this.#store.events.size;
  }

  changedMs(): number {
    return this.#changedMs;
  }

  open({ write }: { readonly write: boolean }): Handle {
    if (write) throw new FsError("EPERM");
    const { events } = this.#store;
    let readTo = 0;
    // One notification wakes all that wait on a descriptor, so the newest handle serves for all.
    let waiting: PollHandle | null = null;
    const drop = () => {
      if (waiting === null) return;
      if (this.#polls.delete(waiting)) waiting.drop(); // else it has been notified
      waiting = null;
    };
    events.retain();
    return {
      read: (offset, size) => {
        const bytes = events.read(offset, size);
        readTo = offset + bytes.length;
        return bytes;
      },
      poll: (handle) => {
        if (handle !== null) {
          drop();
          waiting = handle;
          this.#polls.add(handle);
        }
        return events.size > readTo ? READABLE : 0;
      },
      release: () => {
        drop();
        events.release();
      },
    };
  }

  xattrs(): ReadonlyMap<string, string> {
    return NO_XATTRS;
  }
}
