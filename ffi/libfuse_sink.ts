/**
 * The sink that answers through libfuse. The structures are made once and filled anew for each answer: libfuse copies
 * them before `fuse_reply_*` returns, and one thread answers everything.
 */
import { entryParamLayout, FILE_INFO, FUSE_CTX, hostStatLayout, putInt64, STATVFS } from "./abi.ts";
import { encodeEntry, encodeStat, encodeStatvfs } from "./encode.ts";
import { Interrupts } from "./interrupts.ts";
import type { LibfuseSymbols } from "./libfuse.ts";
import type { Attr, Caller, Entry, FileSystemStat } from "./operations.ts";
import type { DirectoryWriter, ReplySink } from "./reply.ts";

/** NAME_MAX bytes and a NUL; a name of the store is never longer. */
const NAME_BUFFER = 1024;
const encoder = new TextEncoder();

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
  readonly name = new Uint8Array(NAME_BUFFER);

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

class LibfuseDirectory implements DirectoryWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #shared: SinkBuffers;
  readonly #plus: boolean;

  constructor(shared: SinkBuffers, size: number, plus: boolean) {
    this.#shared = shared;
    this.#plus = plus;
    this.bytes = new Uint8Array(size);
  }

  add(name: string, entry: Entry, next: number): boolean {
    const { lib, name: nameBytes } = this.#shared;
    const { written } = encoder.encodeInto(name, nameBytes.subarray(0, NAME_BUFFER - 1));
    nameBytes[written] = 0;
    const rest = this.bytes.subarray(this.length);
    const room = BigInt(rest.length);
    const offset = BigInt(next);
    const size = Number(
      this.#plus
        ? lib.fuse_add_direntry_plus(
          null,
          rest,
          room,
          nameBytes,
          this.#shared.fillEntry(entry),
          offset,
        )
        : lib.fuse_add_direntry(
          null,
          rest,
          room,
          nameBytes,
          this.#shared.fillStat(entry.attr),
          offset,
        ),
    );
    if (size > rest.length) return false;
    this.length += size;
    return true;
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

  directory(size: number, plus: boolean): LibfuseDirectory {
    return new LibfuseDirectory(this.#shared, size, plus);
  }

  sendDirectory(writer: LibfuseDirectory): boolean {
    return this.data(writer.bytes.subarray(0, writer.length));
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
