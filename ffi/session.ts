/**
 * The life of one mount: libfuse session, receive loop, unmount.
 *
 * The session's descriptor is non-blocking. A turn of the loop drains it; when it is empty, a short synchronous poll
 * waits for the next request, which a busy client sends within microseconds of an answer. Between several of those the
 * loop yields, since an fsync or a process may have come to its end meanwhile; only then does a poll on a pool thread wait
 * without a timeout, so that an idle daemon never wakes. After {@linkcode REQUESTS_PER_TURN} requests
 * or {@linkcode TURN_MS} the loop yields, so that timers, child processes and their output move under any load.
 * `fuse_session_loop` cannot be used: it never returns to the event loop.
 */
import { constants } from "node:os";
import { setImmediate } from "node:timers";
import { FUSE_ARGS, FUSE_BUF, LIBFUSE_VERSION, LOWLEVEL_OPS, POLLFD } from "./abi.ts";
import { Dispatcher } from "./dispatch.ts";
import type { Interrupts } from "./interrupts.ts";
import { cString, type LibcSymbols, type Libfuse } from "./libfuse.ts";
import { SinkBuffers } from "./libfuse_sink.ts";
import { Notifier } from "./notifier.ts";
import type { Operations } from "./operations.ts";

const { EAGAIN, EINTR } = constants.errno;

/** More than this at once delayed a 10 ms timer by up to 149 ms under six clients. */
const REQUESTS_PER_TURN = 64;
/** A turn also ends after this many milliseconds: some requests cost more than others. */
const TURN_MS = 4;
/** The short synchronous poll. Longer ones keep what is not FUSE waiting, shorter ones cost more than they wait. */
const SHORT_POLL_NS = 50_000n;
/** So many of them in vain, about a millisecond, and nobody is about to ask. */
const SHORT_POLLS = 10;

const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
/** EFD_CLOEXEC | EFD_NONBLOCK */
const EVENTFD_FLAGS = 0o2004000;

/** libfuse refused the mount. It has printed its own line to stderr. */
export class MountFailed extends Error {
  override readonly name = "MountFailed";
}

export interface SessionOptions {
  readonly mountpoint: string;
  /** Mount options as after `-o`, without commas in them. */
  readonly mountOptions: readonly string[];
}

/** `struct fuse_args` with argv, and all that it points to, which must live as long as it is used. */
class Args {
  readonly bytes = new Uint8Array(FUSE_ARGS.size);
  readonly #strings: Uint8Array<ArrayBuffer>[];
  readonly #argv: BigUint64Array<ArrayBuffer>;

  constructor(argv: readonly string[]) {
    this.#strings = argv.map(cString);
    this.#argv = new BigUint64Array(argv.length + 1);
    this.#strings.forEach((text, i) => this.#argv[i] = addressOf(text));
    const view = new DataView(this.bytes.buffer);
    view.setInt32(FUSE_ARGS.argc, argv.length, true);
    view.setBigUint64(FUSE_ARGS.argv, addressOf(this.#argv), true);
  }
}

function addressOf(bytes: BufferSource): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}

export class Session {
  readonly #lib: Libfuse;
  readonly #libc: LibcSymbols;
  readonly #dispatcher: Dispatcher;
  readonly #interrupts: Interrupts;
  readonly #notifier: Notifier;
  readonly #args: Args;
  readonly #buf = new Uint8Array(FUSE_BUF.size);
  readonly #bufView = new DataView(this.#buf.buffer);
  readonly #pollFds = new Uint8Array(2 * POLLFD.size);
  /** struct timespec: seconds, nanoseconds. */
  readonly #shortPoll = new Uint8Array(new BigInt64Array([0n, SHORT_POLL_NS]).buffer);
  readonly #wakeFd: number;
  #se: Deno.PointerValue;
  #stopping = false;
  #closed = false;
  #bufferIsFinal = false;

  /** Makes the session and mounts it. Throws {@linkcode MountFailed}. */
  constructor(lib: Libfuse, libc: LibcSymbols, operations: Operations, options: SessionOptions) {
    this.#lib = lib;
    this.#libc = libc;
    const buffers = new SinkBuffers(lib.symbols);
    this.#interrupts = buffers.interrupts;
    this.#dispatcher = new Dispatcher(operations, buffers);
    this.#args = new Args(["qj", "-o", options.mountOptions.join(",")]);
    this.#se = this.#newSession();
    if (this.#se === null) {
      throw new MountFailed("libfuse did not accept the mount options");
    }
    // A later libfuse may run the first exchange on a thread of its own during mount, which would wait for this one.
    lib.symbols.fuse_session_set_sync_init?.(this.#se, false);
    if (lib.symbols.fuse_session_mount(this.#se, cString(options.mountpoint)) !== 0) {
      lib.symbols.fuse_session_destroy(this.#se);
      throw new MountFailed(`cannot mount on "${options.mountpoint}"`);
    }
    this.#wakeFd = libc.eventfd(0, EVENTFD_FLAGS);
    const fd = lib.symbols.fuse_session_fd(this.#se);
    libc.fcntl(fd, F_SETFL, libc.fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
    const { symbols } = lib;
    this.#notifier = new Notifier({ lib: symbols, libc, session: this.#se, fd });
    this.#dispatcher.pollHandle = (pointer) => this.#notifier.pollHandle(pointer);
    operations.mounted(this.#notifier);
    const polls = new DataView(this.#pollFds.buffer);
    [fd, this.#wakeFd].forEach((pollFd, i) => {
      polls.setInt32(i * POLLFD.size + POLLFD.fd, pollFd, true);
      polls.setInt16(i * POLLFD.size + POLLFD.events, POLLFD.POLLIN, true);
    });
  }

  #newSession(): Deno.PointerValue {
    const { symbols } = this.#lib;
    const size = BigInt(LOWLEVEL_OPS.size);
    const { bytes } = this.#args;
    const { ops } = this.#dispatcher;
    if (symbols.fuse_session_new_versioned === null) {
      return symbols.fuse_session_new(bytes, ops, size, null);
    }
    // libfuse keeps this version to mend slips in its own binary interface at run time.
    const version = new Uint8Array(LIBFUSE_VERSION.size);
    const view = new DataView(version.buffer);
    view.setUint32(LIBFUSE_VERSION.major, 3, true);
    view.setUint32(LIBFUSE_VERSION.minor, 17, true);
    return symbols.fuse_session_new_versioned(bytes, ops, size, version, null);
  }

  /** Serves requests until the mount is gone or {@linkcode Session.stop} is called. */
  async run(): Promise<"unmounted" | "stopped"> {
    for (let polled = 0;;) {
      if (this.#stopping) return "stopped";
      const turn = this.#turn();
      if (turn === "ended") return this.#stopping ? "stopped" : "unmounted";
      polled = turn === "busy" ? 0 : polled + 1;
      if (polled < SHORT_POLLS) {
        await new Promise<void>((resolve) => setImmediate(resolve));
      } else {
        await this.#libc.poll_nonblocking(this.#pollFds, 2n, -1);
        polled = 0;
      }
    }
  }

  /** "quiet": nothing came until the end of a short poll. */
  #turn(): "ended" | "busy" | "quiet" {
    const { symbols } = this.#lib;
    const until = performance.now() + TURN_MS;
    for (let served = 0; served < REQUESTS_PER_TURN;) {
      const result = symbols.fuse_session_receive_buf(this.#se, this.#buf);
      if (result > 0) {
        symbols.fuse_session_process_buf(this.#se, this.#buf);
        this.#renewBuffer();
        served++;
        if (performance.now() >= until) return "busy";
      } else if (result === -EAGAIN) {
        if (served > 0 && this.#dispatcher.owesAnswers) return "busy";
        if (this.#libc.ppoll(this.#pollFds, 2n, this.#shortPoll, null) === 0) {
          return served > 0 ? "busy" : "quiet";
        }
        if (this.#stopping) return "ended";
      } else if (result !== -EINTR) {
        return "ended";
      }
    }
    return "busy";
  }

  /** INIT may raise the size that libfuse reads at once, after it has made the buffer: let it make another. */
  #renewBuffer(): void {
    if (this.#bufferIsFinal) return;
    this.#bufferIsFinal = true;
    this.#freeBuffer();
  }

  #freeBuffer(): void {
    const address = this.#bufView.getBigUint64(FUSE_BUF.mem, true);
    this.#libc.free(Deno.UnsafePointer.create(address));
    this.#buf.fill(0);
  }

  /** Ends {@linkcode Session.run} soon; the mount stays until {@linkcode Session.close}. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#libc.write(this.#wakeFd, new Uint8Array(new BigUint64Array([1n]).buffer), 8n);
  }

  /**
   * Unmounts (lazily when busy) and frees everything. After `run` has returned; a second call does nothing. libfuse
   * unmounts whatever is at the path by then, so `isThere` says whether that is the mount of this session. If not, its
   * connection is only closed.
   */
  async close(isThere: () => boolean = () => true): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#dispatcher.answered();
    await this.#notifier.close();
    if (isThere()) this.#lib.symbols.fuse_session_unmount(this.#se);
    this.#lib.symbols.fuse_session_destroy(this.#se);
    this.#freeBuffer();
    this.#libc.close(this.#wakeFd);
    this.#dispatcher.close();
    this.#interrupts.close();
    this.#se = null;
  }
}
