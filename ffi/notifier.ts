/**
 * What the daemon tells the kernel unasked: that a polled file may be ready, and that what it keeps is out of date.
 *
 * A notification that needs a lock which the kernel holds for a request that waits for this thread would lock the daemon
 * up. Names are such a case: `fuse_lowlevel_notify_inval_entry` takes the lock of the directory. So all names at once are
 * made out of date by a new epoch, which is one counter in the kernel and takes no lock. Linux 6.16 brought it
 * (FUSE_NOTIFY_INC_EPOCH), libfuse 3.18 a function for it; written by hand it works with every libfuse. To make
 * attributes out of date, without the pages of a file, takes none either (fs/fuse/inode.c, fuse_reverse_inval_inode).
 * A poll is notified on a thread of Deno's pool.
 */
import { NOTIFICATION } from "./abi.ts";
import type { LibcSymbols, LibfuseSymbols } from "./libfuse.ts";
import type { KernelCache, PollHandle } from "./operations.ts";

/** A negative offset: no pages. */
const ATTRIBUTES_ONLY = -1n;

export interface NotifierOptions {
  readonly lib: LibfuseSymbols;
  readonly libc: LibcSymbols;
  /** struct fuse_session * */
  readonly session: Deno.PointerValue;
  /** The descriptor of the session. */
  readonly fd: number;
}

function newEpoch(): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(NOTIFICATION.size);
  const view = new DataView(message.buffer);
  view.setUint32(NOTIFICATION.length, NOTIFICATION.size, true);
  view.setInt32(NOTIFICATION.code, NOTIFICATION.incrementEpoch, true);
  return message;
}

export class Notifier implements KernelCache {
  readonly canForgetNames: boolean;
  readonly #options: NotifierOptions;
  readonly #newEpoch = newEpoch();
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  /** After the mount. */
  constructor(options: NotifierOptions) {
    this.#options = options;
    this.canForgetNames = this.#tellEpoch();
  }

  #tellEpoch(): boolean {
    const { libc, fd } = this.#options;
    return Number(libc.write(fd, this.#newEpoch, BigInt(NOTIFICATION.size))) === NOTIFICATION.size;
  }

  forgetNames(): void {
    if (this.canForgetNames && !this.#closed) this.#tellEpoch();
  }

  /** An inode that the kernel does not have, and a connection that is gone, are no errors. */
  forgetAttributes(ino: number): void {
    if (this.#closed) return;
    const { lib, session } = this.#options;
    lib.fuse_lowlevel_notify_inval_inode(session, BigInt(ino), ATTRIBUTES_ONLY, 0n);
  }

  /** Takes over a `struct fuse_pollhandle *`. */
  pollHandle(pointer: Deno.PointerValue): PollHandle {
    const { lib } = this.#options;
    let used = false;
    const once = (use: () => void) => {
      if (used || this.#closed) return;
      used = true;
      use();
    };
    const drop = () => lib.fuse_pollhandle_destroy(pointer);
    return {
      notify: () => once(() => void this.#run(lib.fuse_lowlevel_notify_poll(pointer)).then(drop)),
      drop: () => once(drop),
    };
  }

  #run(call: Promise<unknown>): Promise<unknown> {
    this.#underWay.add(call);
    return call.finally(() => this.#underWay.delete(call));
  }

  /** Tells nothing more. Resolves when nothing is under way, which must be before the session is destroyed. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#underWay);
  }
}
