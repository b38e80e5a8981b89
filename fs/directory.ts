/**
 * Directories: which names they have, and their listings.
 *
 * Offsets are 1 and 2 behind the dots; behind another entry, its key plus 2: the id of a job, the number of an attempt,
 * the place of a fixed name. They mean the same whatever comes and goes in between, so an entry that stays is listed
 * exactly once. What may be long is read page by page.
 */
import type { Attr, Entry } from "../ffi/operations.ts";
import type { DirectoryWriter } from "../ffi/reply.ts";
import { fixedEntry } from "./cache.ts";

const DOTS = 2;
/** Bytes that an entry takes at least, with a short name: struct fuse_dirent and fuse_direntplus of linux/fuse.h. */
const ENTRY_BYTES = { plain: 32, plus: 160 } as const;

export interface Listed {
  readonly key: number;
  readonly name: string;
  readonly entry: Entry;
}

export interface Directory {
  attr(): Attr;
  parentAttr(): Attr;
  /** Throws ENOENT. */
  lookup(name: string): Entry;
  /** At most `limit` entries with keys above `after`, by key. Without `plus` their inodes and types are enough. */
  page(after: number, limit: number, plus: boolean): Iterable<Listed>;
}

export interface ListRequest {
  readonly offset: number;
  /** Of the answer, in bytes. */
  readonly size: number;
  readonly plus: boolean;
}

/** Lists a directory from an offset until the writer is full. */
export function list(directory: Directory, request: ListRequest, writer: DirectoryWriter): void {
  const { offset, size, plus } = request;
  if (offset < 1 && !writer.add(".", fixedEntry(directory.attr()), 1)) return;
  if (offset < 2 && !writer.add("..", fixedEntry(directory.parentAttr()), 2)) return;
  const limit = Math.ceil(size / (plus ? ENTRY_BYTES.plus : ENTRY_BYTES.plain));
  for (const { key, name, entry } of directory.page(Math.max(0, offset - DOTS), limit, plus)) {
    if (!writer.add(name, entry, key + DOTS)) return;
  }
}
