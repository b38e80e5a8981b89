/**
 * What `ffi/libfuse_sink.ts` calls, in place of libfuse: keeps the answers as bytes, by request.
 */
import assert from "node:assert/strict";
import { entryParamLayout, FILE_INFO, hostStatLayout } from "../../ffi/abi.ts";
import type { LibfuseSymbols } from "../../ffi/libfuse.ts";
import type { Caller } from "../../ffi/operations.ts";

type Req = Deno.PointerValue;
type Bytes = Uint8Array<ArrayBuffer>;

/** One call of a `fuse_reply_…`. */
export interface Answer {
  readonly kind:
    | "error"
    | "none"
    | "entry"
    | "create"
    | "attr"
    | "open"
    | "write"
    | "buf"
    | "statfs"
    | "xattr"
    | "poll";
  /** Of an error; 0 is success. */
  readonly errno?: number;
  /** Of an entry or of attributes. */
  readonly ino?: number;
  readonly fh?: bigint;
  readonly count?: number;
  readonly bytes?: Bytes;
}

/** Of linux/fuse.h: struct fuse_dirent without its name, and struct fuse_entry_out before it in readdirplus. */
const DIRENT = 24;
const ENTRY_OUT = 128;
const ENOENT = 2;

const layout = hostStatLayout();
const entryLayout = entryParamLayout(layout);

function view(bytes: Bytes): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function inoOfStat(bytes: Bytes): number {
  return Number(view(bytes).getBigUint64(layout.ino, true));
}

function fhOf(fileInfo: Bytes): bigint {
  return view(fileInfo).getBigUint64(FILE_INFO.fh, true);
}

export class FakeLibfuse {
  /** By the number of the request. */
  readonly answers = new Map<bigint, Answer[]>();
  /** False: the caller of the request in hand has been interrupted and takes no answer. */
  taken = true;
  readonly #context = new Uint32Array(4);
  readonly #interrupts = new Map<bigint, Deno.PointerValue>();

  setCaller({ uid, gid, pid, umask }: Caller): void {
    this.#context.set([uid, gid, pid, umask]);
  }

  /** A signal comes for who waits for the answer to a request. False: nobody listens for that. */
  interrupt(req: Req): boolean {
    const pointer = this.#interrupts.get(idOf(req));
    if (pointer === undefined) return false;
    const definition = { parameters: ["pointer", "pointer"], result: "void" } as const;
    new Deno.UnsafeFnPointer(pointer as Deno.PointerObject<typeof definition>, definition)
      .call(req, null);
    return true;
  }

  #answer(req: Req, answer: Answer): number {
    const id = idOf(req);
    this.#interrupts.delete(id);
    this.answers.set(id, [...this.answers.get(id) ?? [], answer]);
    return this.taken ? 0 : -ENOENT;
  }

  readonly symbols = {
    fuse_reply_err: (req: Req, errno: number) => this.#answer(req, { kind: "error", errno }),
    fuse_reply_none: (req: Req) => void this.#answer(req, { kind: "none" }),
    fuse_reply_entry: (req: Req, entry: Bytes) =>
      this.#answer(req, { kind: "entry", ino: this.#inoOf(entry) }),
    fuse_reply_create: (req: Req, entry: Bytes, fileInfo: Bytes) =>
      this.#answer(req, { kind: "create", ino: this.#inoOf(entry), fh: fhOf(fileInfo) }),
    fuse_reply_attr: (req: Req, stat: Bytes) =>
      this.#answer(req, { kind: "attr", ino: inoOfStat(stat), bytes: stat.slice() }),
    fuse_reply_open: (req: Req, fileInfo: Bytes) =>
      this.#answer(req, { kind: "open", fh: fhOf(fileInfo) }),
    fuse_reply_write: (req: Req, count: bigint) =>
      this.#answer(req, { kind: "write", count: Number(count) }),
    fuse_reply_buf: (req: Req, bytes: Bytes, size: bigint) => {
      assert.equal(BigInt(bytes.length), size);
      return this.#answer(req, { kind: "buf", bytes: bytes.slice() });
    },
    fuse_reply_statfs: (req: Req, bytes: Bytes) =>
      this.#answer(req, { kind: "statfs", bytes: bytes.slice() }),
    fuse_reply_xattr: (req: Req, count: bigint) =>
      this.#answer(req, { kind: "xattr", count: Number(count) }),
    fuse_reply_poll: (req: Req, revents: number) =>
      this.#answer(req, { kind: "poll", count: revents }),
    fuse_req_ctx: () => Deno.UnsafePointer.of(this.#context),
    fuse_req_interrupt_func: (req: Req, listener: Deno.PointerValue) =>
      void this.#interrupts.set(idOf(req), listener),
  } as unknown as LibfuseSymbols;

  #inoOf(entry: Bytes): number {
    const ino = Number(view(entry).getBigUint64(entryLayout.ino, true));
    assert.equal(inoOfStat(entry.subarray(entryLayout.attr)), ino, "one inode number in an entry");
    return ino;
  }
}

function idOf(req: Req): bigint {
  return BigInt(Deno.UnsafePointer.value(req));
}

export interface ListedEntry {
  readonly ino: number;
  readonly next: bigint;
  readonly name: Bytes;
}

/** What the kernel reads in an answer to readdir. */
export function readEntries(bytes: Bytes, plus: boolean): ListedEntry[] {
  const found: ListedEntry[] = [];
  const before = plus ? ENTRY_OUT : 0;
  const from = view(bytes);
  for (let at = 0; at < bytes.length;) {
    const ino = from.getBigUint64(at + before, true);
    if (plus) assert.equal(from.getBigUint64(at, true), ino, "one inode number in an entry");
    const next = from.getBigInt64(at + before + 8, true);
    const start = at + before + DIRENT;
    const end = start + from.getUint32(at + before + 16, true);
    assert.ok(end <= bytes.length, "a listing ends with an entry");
    found.push({ ino: Number(ino), next, name: bytes.slice(start, end) });
    at += before + Math.ceil((end - at - before) / 8) * 8;
  }
  return found;
}
