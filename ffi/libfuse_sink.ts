/**
 * The sink that answers through libfuse. The structures are made once and filled anew for each answer: libfuse copies
 * them before `fuse_reply_*` returns, and one thread answers everything.
 */
import { entryParamLayout, FILE_INFO, FUSE_CTX, hostStatLayout, putInt64, STATVFS } from "./abi.ts";
import { type DirectoryAnswer, DirectoryBuffer } from "./directory_buffer.ts";
import { encodeEntry, encodeStat, encodeStatvfs } from "./encode.ts";
import { Interrupts } from "./interrupts.ts";
import type { LibfuseSymbols } from "./libfuse.ts";
import type { Attr, Caller, Entry, FileSystemStat } from "./operations.ts";
import type { ReplySink } from "./reply.ts";

class Scratch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }
}

/** What all sinks of one session share. */
export class SinkBuffers {
  readonly lib: LibfuseSymbols;
  readonly statLayout = hostStatLayout();
  readonly entryLayout = entryParamLayout(this.statLayout);
  readonly stat = new Scratch(this.statLayout.size);
  readonly entry = new Scratch(this.entryLayout.size);
  readonly fileInfo = new Scratch(FILE_INFO.size);
  readonly statvfs = new Scratch(STATVFS.size);
  readonly directory = new DirectoryBuffer();
  readonly interrupts: Interrupts;

  constructor(lib: LibfuseSymbols) {
    this.lib = lib;
    this.interrupts = new Interrupts(lib);
  }

  fillEntry(entry: Entry): Uint8Array<ArrayBuffer> {
    encodeEntry(this.entry.view, this.entryLayout, this.statLayout, entry);
    return this.entry.bytes;
  }

  fillStat(attr: Attr): Uint8Array<ArrayBuffer> {
    encodeStat(this.stat.view, 0, this.statLayout, attr);
    return this.stat.bytes;
  }

  /** Every file is opened direct_io: what it shows changes by itself, so the kernel must keep no pages of it. */
  fillFileInfo(fh: number): Uint8Array<ArrayBuffer> {
    this.fileInfo.view.setUint32(FILE_INFO.bits, FILE_INFO.directIo, true);
    putInt64(this.fileInfo.view, FILE_INFO.fh, fh);
    return this.fileInfo.bytes;
  }
}

export class LibfuseSink implements ReplySink {
  readonly #shared: SinkBuffers;
  readonly #req: Deno.PointerValue;

  constructor(shared: SinkBuffers, req: Deno.PointerValue) {
    this.#shared = shared;
    this.#req = req;
  }

  error(errno: number): boolean {
    return this.#shared.lib.fuse_reply_err(this.#req, errno) === 0;
  }

  entry(entry: Entry): boolean {
    return this.#shared.lib.fuse_reply_entry(this.#req, this.#shared.fillEntry(entry)) === 0;
  }

  attr(attr: Attr, timeoutSec: number): boolean {
    return this.#shared.lib.fuse_reply_attr(this.#req, this.#shared.fillStat(attr), timeoutSec) ===
      0;
  }

  open(fh: number): boolean {
    return this.#shared.lib.fuse_reply_open(this.#req, this.#shared.fillFileInfo(fh)) === 0;
  }

  create(entry: Entry, fh: number): boolean {
    return this.#shared.lib.fuse_reply_create(
      this.#req,
      this.#shared.fillEntry(entry),
      this.#shared.fillFileInfo(fh),
    ) === 0;
  }

  written(count: number): boolean {
    return this.#shared.lib.fuse_reply_write(this.#req, BigInt(count)) === 0;
  }

  data(bytes: Uint8Array<ArrayBuffer>): boolean {
    return this.#shared.lib.fuse_reply_buf(this.#req, bytes, BigInt(bytes.length)) === 0;
  }

  statfs(stat: FileSystemStat): boolean {
    encodeStatvfs(this.#shared.statvfs.view, stat);
    return this.#shared.lib.fuse_reply_statfs(this.#req, this.#shared.statvfs.bytes) === 0;
  }

  xattrSize(size: number): boolean {
    return this.#shared.lib.fuse_reply_xattr(this.#req, BigInt(size)) === 0;
  }

  poll(revents: number): boolean {
    return this.#shared.lib.fuse_reply_poll(this.#req, revents) === 0;
  }

  onInterrupt(listener: () => void): void {
    this.#shared.interrupts.listen(this.#req, listener);
  }

  forgetInterrupt(): void {
    this.#shared.interrupts.forget(this.#req);
  }

  directory(size: number, plus: boolean): DirectoryAnswer {
    return this.#shared.directory.writer(size, plus);
  }

  sendDirectory(writer: DirectoryAnswer): boolean {
    return this.data(writer.bytes);
  }

  caller(): Caller {
    const pointer = this.#shared.lib.fuse_req_ctx(this.#req);
    if (pointer === null) throw new Error("fuse_req_ctx returned NULL");
    const view = new Deno.UnsafePointerView(pointer);
    return {
      uid: view.getUint32(FUSE_CTX.uid),
      gid: view.getUint32(FUSE_CTX.gid),
      pid: view.getInt32(FUSE_CTX.pid),
      umask: view.getUint32(FUSE_CTX.umask),
    };
  }
}
