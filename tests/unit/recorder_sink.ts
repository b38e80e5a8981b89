/** A sink that keeps what was answered, in place of libfuse. */
import type { Attr, Caller, Entry, FileSystemStat } from "../../ffi/operations.ts";
import type { DirectoryWriter, ReplySink } from "../../ffi/reply.ts";

export interface Listed {
  readonly name: string;
  readonly entry: Entry;
  /** The offset behind it. */
  readonly next: number;
}

export type Answer =
  | { readonly kind: "error"; readonly errno: number }
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "attr"; readonly attr: Attr; readonly timeoutSec: number }
  | { readonly kind: "open"; readonly fh: number }
  | { readonly kind: "create"; readonly entry: Entry; readonly fh: number }
  | { readonly kind: "written"; readonly count: number }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "statfs"; readonly stat: FileSystemStat }
  | { readonly kind: "xattrSize"; readonly size: number }
  | { readonly kind: "poll"; readonly revents: number }
  | { readonly kind: "directory"; readonly entries: readonly Listed[] };

/** Bytes of `struct fuse_dirent` before the name, and what `struct fuse_direntplus` adds: linux/fuse.h. */
const DIRENT = 24;
const PLUS = 128;

class RecorderDirectory implements DirectoryWriter {
  readonly entries: Listed[] = [];
  readonly #plus: boolean;
  room: number;

  constructor(size: number, plus: boolean) {
    this.room = size;
    this.#plus = plus;
  }

  add(name: string, entry: Entry, next: number): boolean {
    const length = new TextEncoder().encode(name).length;
    const needed = (this.#plus ? PLUS : 0) + Math.ceil((DIRENT + length) / 8) * 8;
    if (needed > this.room) return false;
    this.room -= needed;
    this.entries.push({ name, entry, next });
    return true;
  }
}

export class RecorderSink implements ReplySink {
  readonly answers: Answer[] = [];
  /** False: as if the caller was interrupted before the answer. */
  taken = true;
  caller_: Caller = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0, pid: 1, umask: 0o022 };

  #record(answer: Answer): boolean {
    this.answers.push(answer);
    return this.taken;
  }

  error(errno: number): boolean {
    return this.#record({ kind: "error", errno });
  }

  entry(entry: Entry): boolean {
    return this.#record({ kind: "entry", entry });
  }

  attr(attr: Attr, timeoutSec: number): boolean {
    return this.#record({ kind: "attr", attr, timeoutSec });
  }

  open(fh: number): boolean {
    return this.#record({ kind: "open", fh });
  }

  create(entry: Entry, fh: number): boolean {
    return this.#record({ kind: "create", entry, fh });
  }

  written(count: number): boolean {
    return this.#record({ kind: "written", count });
  }

  /** Copies, as the kernel does. */
  data(bytes: Uint8Array): boolean {
    return this.#record({ kind: "data", bytes: bytes.slice() });
  }

  statfs(stat: FileSystemStat): boolean {
    return this.#record({ kind: "statfs", stat });
  }

  xattrSize(size: number): boolean {
    return this.#record({ kind: "xattrSize", size });
  }

  poll(revents: number): boolean {
    return this.#record({ kind: "poll", revents });
  }

  /** Interrupts the caller, if the request listens for that. */
  interrupt: (() => void) | null = null;

  onInterrupt(listener: () => void): void {
    this.interrupt = listener;
  }

  forgetInterrupt(): void {
    this.interrupt = null;
  }

  directory(size: number, plus: boolean): RecorderDirectory {
    return new RecorderDirectory(size, plus);
  }

  sendDirectory(writer: RecorderDirectory): boolean {
    return this.#record({ kind: "directory", entries: writer.entries });
  }

  caller(): Caller {
    return this.caller_;
  }
}
