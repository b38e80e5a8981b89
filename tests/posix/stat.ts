/** What stat shows of a file, from the struct statx of linux/stat.h, which is the same on every architecture. */

export const STATX_SIZE = 256;

export interface FileStat {
  readonly ino: bigint;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** The file type, as in S_IFMT. */
  readonly type: number;
  /** The permission bits, with set-id and sticky. */
  readonly mode: number;
  readonly size: number;
  /** Times are nanoseconds since the epoch. */
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
}

export function parseStatx(bytes: Uint8Array): FileStat {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  const u32 = (offset: number) => view.getUint32(offset, isLittle);
  const u64 = (offset: number) => view.getBigUint64(offset, isLittle);
  const time = (offset: number) =>
    view.getBigInt64(offset, isLittle) * 1_000_000_000n + BigInt(u32(offset + 8));
  const mode = view.getUint16(28, isLittle);
  return {
    nlink: u32(16),
    uid: u32(20),
    gid: u32(24),
    type: mode & 0o170000,
    mode: mode & 0o7777,
    ino: u64(32),
    size: Number(u64(40)),
    atime: time(64),
    ctime: time(96),
    mtime: time(112),
  };
}
