/**
 * Directories: which names they have, and their listings.
 *
 * Offsets are 1 and 2 behind the dots; behind another entry, its key plus 2: the id of a job, the number of an attempt,
 * the place of a fixed name. They mean the same whatever comes and goes in between, so an entry that stays is listed
 * exactly once. What may be long is read page by page.
 */
import { entryBytes } from "../ffi/directory_buffer.ts";
import type { Attr, Entry } from "../ffi/operations.ts";
import type { DirectoryWriter } from "../ffi/reply.ts";
import { fixedEntry } from "./cache.ts";

const DOTS = 2;
/** Bytes of a name as most have it. What it says too much is read and not used, what it says too little is read later. */
const USUAL_NAME = 12;

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
  readonly plus: boolean;
}

/** Lists a directory from an offset until the writer is full. */
export function list(directory: Directory, request: ListRequest, writer: DirectoryWriter): void {
  const { offset, plus } = request;
  if (offset < 1 && !writer.add(".", fixedEntry(directory.attr()), 1)) return;
  if (offset < 2 && !writer.add("..", fixedEntry(directory.parentAttr()), 2)) return;
  let after = Math.max(0, offset - DOTS);
  for (;;) {
    const limit = Math.ceil(writer.room / entryBytes(USUAL_NAME, plus));
    let added = 0;
    for (const { key, name, entry } of directory.page(after, limit, plus)) {
      if (!writer.add(name, entry, key + DOTS)) return;
      after = key;
      added++;
    }
    if (added < limit || limit === 0) return;
  }
}
