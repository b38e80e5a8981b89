/** Writes attributes, entries and statvfs into C structures, by the tables of `abi.ts`. */
import { type EntryParamLayout, putInt64, type StatLayout, STATVFS } from "./abi.ts";
import type { Attr, Entry, FileSystemStat } from "./operations.ts";

/** st_blksize */
export const BLOCK_SIZE = 4096;
/** st_blocks counts in these, whatever st_blksize is: stat(2). */
const STAT_BLOCK = 512;

/** st_blocks of a file of `size` bytes. */
export function statBlocks(size: number): number {
  return Math.ceil(size / STAT_BLOCK);
}

function putWord(view: DataView, offset: number, bytes: 4 | 8, value: number): void {
  if (bytes === 8) putInt64(view, offset, value);
  else view.setUint32(offset, value, true);
}

/** Fills a `struct stat` at `base`. The rest of the structure must be zero already. */
export function encodeStat(view: DataView, base: number, layout: StatLayout, attr: Attr): void {
  putInt64(view, base + layout.ino, attr.ino);
  putWord(view, base + layout.nlink, layout.nlinkBytes, attr.nlink);
  view.setUint32(base + layout.mode, attr.mode, true);
  view.setUint32(base + layout.uid, attr.uid, true);
  view.setUint32(base + layout.gid, attr.gid, true);
  putInt64(view, base + layout.fileSize, attr.size);
  putWord(view, base + layout.blksize, layout.blksizeBytes, BLOCK_SIZE);
  putInt64(view, base + layout.blocks, statBlocks(attr.size));
  putInt64(view, base + layout.atime, attr.atime.sec);
  putInt64(view, base + layout.atime + 8, attr.atime.nsec);
  putInt64(view, base + layout.mtime, attr.mtime.sec);
  putInt64(view, base + layout.mtime + 8, attr.mtime.nsec);
  putInt64(view, base + layout.ctime, attr.ctime.sec);
  putInt64(view, base + layout.ctime + 8, attr.ctime.nsec);
}

/** Fills a `struct fuse_entry_param`. The generation stays 0: inode numbers are never used again. */
export function encodeEntry(
  view: DataView,
  layout: EntryParamLayout,
  stat: StatLayout,
  entry: Entry,
): void {
  putInt64(view, layout.ino, entry.attr.ino);
  encodeStat(view, layout.attr, stat, entry.attr);
  view.setFloat64(layout.attrTimeout, entry.attrTimeoutSec, true);
  view.setFloat64(layout.entryTimeout, entry.entryTimeoutSec, true);
}

/** Fills a `struct statvfs`. */
export function encodeStatvfs(view: DataView, stat: FileSystemStat): void {
  putInt64(view, STATVFS.bsize, stat.bsize);
  putInt64(view, STATVFS.frsize, stat.bsize);
  putInt64(view, STATVFS.blocks, stat.blocks);
  putInt64(view, STATVFS.bfree, stat.bfree);
  putInt64(view, STATVFS.bavail, stat.bavail);
  putInt64(view, STATVFS.files, stat.files);
  putInt64(view, STATVFS.ffree, stat.ffree);
  putInt64(view, STATVFS.favail, stat.ffree);
  putInt64(view, STATVFS.namemax, stat.namemax);
}
