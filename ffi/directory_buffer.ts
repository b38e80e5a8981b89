/**
 * Answers to readdir and readdirplus, in the form in which the kernel reads them (linux/fuse.h). libfuse has functions that
 * do this for one entry each; a listing has many, and calling them takes most of its time.
 */
import { DIRENT, ENTRY_OUT, putInt64 } from "./abi.ts";
import { BLOCK_SIZE, statBlocks } from "./encode.ts";
import type { Entry } from "./operations.ts";
import type { DirectoryWriter } from "./reply.ts";

const encoder = new TextEncoder();
const MAX_ASCII = 0x7f;
/** Of S_IFMT, what `d_type` has. */
const TYPE_SHIFT = 12;
const NSEC_PER_SEC = 1e9;

/** Bytes that an entry takes whose name has `nameBytes`. */
export function entryBytes(nameBytes: number, plus: boolean): number {
  return (plus ? ENTRY_OUT.size : 0) + align(DIRENT.name + nameBytes);
}

/** FUSE_DIRENT_ALIGN */
function align(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** The memory of one answer at a time: the kernel has copied it before the next one is made. */
export class DirectoryBuffer {
  #bytes = new Uint8Array(0);

  /** For an answer of at most `size` bytes. The one before is overwritten. */
  writer(size: number, plus: boolean): DirectoryAnswer {
    if (this.#bytes.length < size) this.#bytes = new Uint8Array(size);
    return new DirectoryAnswer(this.#bytes, size, plus);
  }
}

export class DirectoryAnswer implements DirectoryWriter {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #size: number;
  readonly #plus: boolean;
  #length = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>, size: number, plus: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#size = size;
    this.#plus = plus;
  }

  get room(): number {
    return this.#size - this.#length;
  }

  /** What there is to send. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  add(name: string, entry: Entry, next: number): boolean {
    const start = this.#length;
    const dirent = start + (this.#plus ? ENTRY_OUT.size : 0);
    const nameBytes = this.#putName(dirent + DIRENT.name, name);
    const end = start + entryBytes(nameBytes, this.#plus);
    if (nameBytes < 0 || end > this.#size) return false;
    if (this.#plus) this.#putEntry(start, entry);
    const { ino, mode } = entry.attr;
    const view = this.#view;
    putInt64(view, dirent + DIRENT.ino, ino);
    putInt64(view, dirent + DIRENT.next, next);
    view.setUint32(dirent + DIRENT.nameBytes, nameBytes, true);
    view.setUint32(dirent + DIRENT.type, mode >> TYPE_SHIFT, true);
    this.#bytes.fill(0, dirent + DIRENT.name + nameBytes, end);
    this.#length = end;
    return true;
  }

  /** How many bytes it has; -1: there is no room for it. */
  #putName(at: number, name: string): number {
    const bytes = this.#bytes;
    if (at + name.length > this.#size) return -1;
    for (let i = 0; i < name.length; i++) {
      const code = name.charCodeAt(i);
      if (code > MAX_ASCII) return this.#putUnicode(at, name);
      bytes[at + i] = code;
    }
    return name.length;
  }

  #putUnicode(at: number, name: string): number {
    const { read, written } = encoder.encodeInto(name, this.#bytes.subarray(at, this.#size));
    return read < name.length ? -1 : written;
  }

  #putEntry(at: number, { attr, attrTimeoutSec, entryTimeoutSec }: Entry): void {
    const view = this.#view;
    putInt64(view, at + ENTRY_OUT.nodeid, attr.ino);
    putInt64(view, at + ENTRY_OUT.generation, 0); // inode numbers are never used again
    this.#putTimeout(at + ENTRY_OUT.entryValid, at + ENTRY_OUT.entryValidNsec, entryTimeoutSec);
    this.#putTimeout(at + ENTRY_OUT.attrValid, at + ENTRY_OUT.attrValidNsec, attrTimeoutSec);
    putInt64(view, at + ENTRY_OUT.ino, attr.ino);
    putInt64(view, at + ENTRY_OUT.fileSize, attr.size);
    putInt64(view, at + ENTRY_OUT.blocks, statBlocks(attr.size));
    putInt64(view, at + ENTRY_OUT.atime, attr.atime.sec);
    putInt64(view, at + ENTRY_OUT.mtime, attr.mtime.sec);
    putInt64(view, at + ENTRY_OUT.ctime, attr.ctime.sec);
    view.setUint32(at + ENTRY_OUT.atimeNsec, attr.atime.nsec, true);
    view.setUint32(at + ENTRY_OUT.mtimeNsec, attr.mtime.nsec, true);
    view.setUint32(at + ENTRY_OUT.ctimeNsec, attr.ctime.nsec, true);
    view.setUint32(at + ENTRY_OUT.mode, attr.mode, true);
    view.setUint32(at + ENTRY_OUT.nlink, attr.nlink, true);
    view.setUint32(at + ENTRY_OUT.uid, attr.uid, true);
    view.setUint32(at + ENTRY_OUT.gid, attr.gid, true);
    view.setUint32(at + ENTRY_OUT.rdev, 0, true);
    view.setUint32(at + ENTRY_OUT.blksize, BLOCK_SIZE, true);
    view.setUint32(at + ENTRY_OUT.flags, 0, true);
  }

  #putTimeout(secAt: number, nsecAt: number, timeoutSec: number): void {
    const sec = Math.floor(timeoutSec);
    putInt64(this.#view, secAt, sec);
    this.#view.setUint32(nsecAt, (timeoutSec - sec) * NSEC_PER_SEC, true);
  }
}
