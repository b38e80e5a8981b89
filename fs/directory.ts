/**
 * Directory listings.
 *
 * Offsets are 1 and 2 behind the dots; behind a job, its id plus 2. They mean the same whatever comes and goes in
 * between, so an entry that stays is listed exactly once. Jobs are read page by page.
 */
import type { DirectoryWriter } from "../ffi/reply.ts";
import type { Attr, Entry } from "../ffi/operations.ts";
import type { ListedState } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { type Attributes, fixedEntry, jobEntry } from "./attributes.ts";

const DOTS = 2;
/** Bytes that an entry takes at least, with a short name: struct fuse_dirent and fuse_direntplus of linux/fuse.h. */
const ENTRY_BYTES = { plain: 32, plus: 160 } as const;

/** Lists a state directory from `offset` until the writer is full. `size` is the writer's, in bytes. */
export function listJobs(
  store: Store,
  attributes: Attributes,
  state: ListedState,
  request: { readonly offset: number; readonly size: number; readonly plus: boolean },
  writer: DirectoryWriter,
): void {
  const { offset, size, plus } = request;
  if (!addDots(writer, offset, attributes.ofDirectory(state), attributes.ofRoot())) return;
  const limit = Math.ceil(size / (plus ? ENTRY_BYTES.plus : ENTRY_BYTES.plain));
  for (const job of store.jobs.page(state, Math.max(0, offset - DOTS), limit)) {
    if (!writer.add(job.name, jobEntry(attributes.ofJob(job)), job.id + DOTS)) return;
  }
}

/** Lists the root: always the same entries. */
export function listRoot(
  entries: readonly (readonly [string, Entry])[],
  root: Attr,
  offset: number,
  writer: DirectoryWriter,
): void {
  if (!addDots(writer, offset, root, root)) return;
  for (let i = Math.max(0, offset - DOTS); i < entries.length; i++) {
    const [name, entry] = entries[i]!;
    if (!writer.add(name, entry, i + 1 + DOTS)) return;
  }
}

function addDots(writer: DirectoryWriter, offset: number, self: Attr, parent: Attr): boolean {
  if (offset < 1 && !writer.add(".", fixedEntry(self), 1)) return false;
  if (offset < 2 && !writer.add("..", fixedEntry(parent), 2)) return false;
  return true;
}
