/**
 * One reply object for each request, used exactly once.
 *
 * A second answer to a request is a use-after-free inside libfuse, and none hangs the caller for ever. So a
 * {@linkcode Reply} refuses a second use by throwing, and `dispatch.ts` answers EIO for one that was dropped. Where the
 * answers go is a {@linkcode ReplySink}: libfuse in the daemon, a recorder in tests.
 */
import type { Attr, Caller, Entry, FileSystemStat } from "./operations.ts";

/** Collects the entries of one readdir answer. */
export interface DirectoryWriter {
  /** Bytes that are left. */
  readonly room: number;
  /**
   * Adds an entry; `next` is the offset at which a later readdir goes on behind it. False: it does not fit, the
   * answer is full.
   */
  add(name: string, entry: Entry, next: number): boolean;
}

/** Where answers go. The booleans say whether the kernel took it: false after the caller was interrupted. */
export interface ReplySink {
  error(errno: number): boolean;
  entry(entry: Entry): boolean;
  attr(attr: Attr, timeoutSec: number): boolean;
  open(fh: number): boolean;
  create(entry: Entry, fh: number): boolean;
  written(count: number): boolean;
  data(bytes: Uint8Array): boolean;
  statfs(stat: FileSystemStat): boolean;
  xattrSize(size: number): boolean;
  /** `revents` as poll(2) has them. */
  poll(revents: number): boolean;
  directory(size: number, plus: boolean): DirectoryWriter;
  /** Answers with what the writer of {@linkcode ReplySink.directory} holds. */
  sendDirectory(writer: DirectoryWriter): boolean;
  caller(): Caller;
  /** Calls `listener` if a signal interrupts the caller before the answer. At most one. */
  onInterrupt(listener: () => void): void;
  /** The answer comes now: the listener must not be called any more. */
  forgetInterrupt(): void;
}

/** The one answer to a request. Every method but `caller`, `directory` and `onInterrupt` uses it up. */
export class Reply {
  #used = false;
  readonly #sink: ReplySink;
  #listens = false;

  constructor(sink: ReplySink) {
    this.#sink = sink;
  }

  /** Calls `listener` if a signal interrupts the caller before the answer: then it wants EINTR. At most one. */
  onInterrupt(listener: () => void): void {
    this.#listens = true;
    this.#sink.onInterrupt(listener);
  }

  get used(): boolean {
    return this.#used;
  }

  /** Who asks. */
  get caller(): Caller {
    return this.#sink.caller();
  }

  #use(): ReplySink {
    if (this.#used) throw new Error("a request was answered twice");
    this.#used = true;
    if (this.#listens) this.#sink.forgetInterrupt();
    return this.#sink;
  }

  /** Success without a value. */
  ok(): void {
    this.#use().error(0);
  }

  /** `errno` is positive. */
  error(errno: number): void {
    this.#use().error(errno);
  }

  entry(entry: Entry): void {
    this.#use().entry(entry);
  }

  attr(attr: Attr, timeoutSec: number): void {
    this.#use().attr(attr, timeoutSec);
  }

  /** False: the caller was interrupted, no release will come, undo the open. */
  open(fh: number): boolean {
    return this.#use().open(fh);
  }

  /** False as with {@linkcode Reply.open}. */
  create(entry: Entry, fh: number): boolean {
    return this.#use().create(entry, fh);
  }

  written(count: number): void {
    this.#use().written(count);
  }

  data(bytes: Uint8Array): void {
    this.#use().data(bytes);
  }

  statfs(stat: FileSystemStat): void {
    this.#use().statfs(stat);
  }

  /** What is ready, as poll(2) has it in `revents`. */
  poll(revents: number): void {
    this.#use().poll(revents);
  }

  /** The value of an extended attribute, or its size when the caller asked with `size` 0; `errnoTooSmall` when it is larger. */
  xattr(bytes: Uint8Array, size: number, errnoTooSmall: number): void {
    if (size === 0) this.#use().xattrSize(bytes.length);
    else if (bytes.length > size) this.#use().error(errnoTooSmall);
    else this.#use().data(bytes);
  }

  /** Room for the entries of a readdir answer of at most `size` bytes; `plus`: with attributes. */
  directory(size: number, plus: boolean): DirectoryWriter {
    return this.#sink.directory(size, plus);
  }

  sendDirectory(writer: DirectoryWriter): void {
    this.#use().sendDirectory(writer);
  }
}
