/**
 * The C structures that cross the border to libfuse3 and libc: sizes, offsets and flag bits.
 *
 * One table for each architecture; nothing else in the program knows an offset. `struct stat` differs between x86_64
 * and aarch64 (glibc: bits/struct_stat.h), and `fuse_entry_param` follows from it. What differs between libfuse
 * versions: `fuse_file_info` and `fuse_buf` grew in 3.17, so buffers are made in the larger size; the bit fields behind
 * `fuse_file_info.flags` moved in 3.14.1 and 3.17, so only the first three, which never moved, are named here.
 * `tests/unit/abi_test.ts` compiles a C program against the installed headers and compares every number.
 */

/** Offsets in `struct stat`, in bytes; a timespec is two 64-bit words. `nlinkBytes` is the width of `st_nlink`. */
export interface StatLayout {
  readonly size: number;
  readonly ino: number;
  readonly nlink: number;
  readonly nlinkBytes: 4 | 8;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly fileSize: number;
  readonly blksize: number;
  readonly blksizeBytes: 4 | 8;
  readonly blocks: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

/** Architectures with a table, as `Deno.build.arch` names them. */
export type Arch = "x86_64" | "aarch64";

export const STAT: Readonly<Record<Arch, StatLayout>> = {
  x86_64: {
    size: 144,
    ino: 8,
    nlink: 16,
    nlinkBytes: 8,
    mode: 24,
    uid: 28,
    gid: 32,
    fileSize: 48,
    blksize: 56,
    blksizeBytes: 8,
    blocks: 64,
    atime: 72,
    mtime: 88,
    ctime: 104,
  },
  aarch64: {
    size: 128,
    ino: 8,
    nlink: 20,
    nlinkBytes: 4,
    mode: 16,
    uid: 24,
    gid: 28,
    fileSize: 48,
    blksize: 56,
    blksizeBytes: 4,
    blocks: 64,
    atime: 72,
    mtime: 88,
    ctime: 104,
  },
};

/** Offsets in `struct fuse_entry_param`: its `attr` is a whole `struct stat`, so the rest follows from that. */
export interface EntryParamLayout {
  readonly size: number;
  readonly ino: number;
  readonly generation: number;
  readonly attr: number;
  readonly attrTimeout: number;
  readonly entryTimeout: number;
}

export function entryParamLayout(stat: StatLayout): EntryParamLayout {
  const attr = 16;
  return {
    size: attr + stat.size + 16,
    ino: 0,
    generation: 8,
    attr,
    attrTimeout: attr + stat.size,
    entryTimeout: attr + stat.size + 8,
  };
}

/** `struct fuse_file_info`. `size` is that of 3.17 and later; before, it was 40 bytes with the same offsets. */
export const FILE_INFO = {
  size: 64,
  flags: 0,
  bits: 4,
  fh: 16,
  /** Bits of the word at `bits` that are the same in every version since 3.0. */
  directIo: 0x2,
  keepCache: 0x4,
} as const;

/** `struct fuse_buf`. 40 bytes before 3.17, which added `mem_size` at the end. */
export const FUSE_BUF = { size: 48, length: 0, mem: 16 } as const;

/** `struct fuse_ctx`. */
export const FUSE_CTX = { uid: 0, gid: 4, pid: 8, umask: 12 } as const;

/** `struct fuse_args`: argc, argv, allocated. */
export const FUSE_ARGS = { size: 24, argc: 0, argv: 8, allocated: 16 } as const;

/** `struct libfuse_version`, the argument of `fuse_session_new_versioned` (3.17 and later). */
export const LIBFUSE_VERSION = { size: 16, major: 0, minor: 4, hotfix: 8 } as const;

/**
 * `struct fuse_lowlevel_ops`: eight bytes for each operation, in this order since 3.8. `size` ends with `lseek`;
 * newer operations stay unset because libfuse copies only that many bytes.
 */
export const LOWLEVEL_OPS = {
  size: 352,
  init: 0,
  destroy: 8,
  lookup: 16,
  forget: 24,
  getattr: 32,
  setattr: 40,
  mknod: 56,
  mkdir: 64,
  unlink: 72,
  rmdir: 80,
  symlink: 88,
  rename: 96,
  link: 104,
  open: 112,
  read: 120,
  write: 128,
  flush: 136,
  release: 144,
  fsync: 152,
  opendir: 160,
  readdir: 168,
  releasedir: 176,
  fsyncdir: 184,
  statfs: 192,
  setxattr: 200,
  getxattr: 208,
  listxattr: 216,
  removexattr: 224,
  create: 240,
  poll: 280,
  forget_multi: 304,
  readdirplus: 328,
  lseek: 344,
} as const;

/** `to_set` of setattr (`FUSE_SET_ATTR_*`). */
export const SET_ATTR = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  atime: 1 << 4,
  mtime: 1 << 5,
  atimeNow: 1 << 7,
  mtimeNow: 1 << 8,
  ctime: 1 << 10,
} as const;

/** `struct statvfs` of 64-bit glibc; the same on both architectures. */
export const STATVFS = {
  size: 112,
  bsize: 0,
  frsize: 8,
  blocks: 16,
  bfree: 24,
  bavail: 32,
  files: 40,
  ffree: 48,
  favail: 56,
  flag: 72,
  namemax: 80,
} as const;

/** `struct passwd` of 64-bit glibc; the same on both architectures. */
export const PASSWD = { size: 48, name: 0, uid: 16, gid: 20, dir: 32, shell: 40 } as const;

/** `struct pollfd`, and the events that the session loop looks at. */
export const POLLFD = { size: 8, fd: 0, events: 4, revents: 6, POLLIN: 0x1 } as const;

/** A message that the kernel has not asked for: linux/fuse.h, `struct fuse_out_header` with the code as its error. */
export const NOTIFICATION = { size: 16, length: 0, code: 4, incrementEpoch: 8 } as const;

/** `struct fuse_dirent` of linux/fuse.h; `next` is its `off`, and the name has no NUL. Entries begin at multiples of 8. */
export const DIRENT = { ino: 0, next: 8, nameBytes: 16, type: 20, name: 24 } as const;

/** `struct fuse_entry_out` of linux/fuse.h, with its `struct fuse_attr`: before the dirent in `struct fuse_direntplus`. */
export const ENTRY_OUT = {
  size: 128,
  nodeid: 0,
  generation: 8,
  entryValid: 16,
  attrValid: 24,
  entryValidNsec: 32,
  attrValidNsec: 36,
  ino: 40,
  fileSize: 48,
  blocks: 56,
  atime: 64,
  mtime: 72,
  ctime: 80,
  atimeNsec: 88,
  mtimeNsec: 92,
  ctimeNsec: 96,
  mode: 100,
  nlink: 104,
  uid: 108,
  gid: 112,
  rdev: 116,
  blksize: 120,
  flags: 124,
} as const;

/** Writes a 64-bit integer that a number holds exactly (negative ones too) without making a BigInt. */
export function putInt64(view: DataView, offset: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  view.setUint32(offset, value - high * 0x1_0000_0000, true);
  view.setInt32(offset + 4, high, true);
}

/** The table of the machine that this runs on. Throws where there is none. */
export function hostStatLayout(): StatLayout {
  const layout = STAT[Deno.build.arch as Arch];
  if (layout === undefined || Deno.build.os !== "linux") {
    throw new Error(
      `qj runs on Linux on x86_64 and aarch64, this is ${Deno.build.os} on ${Deno.build.arch}`,
    );
  }
  return layout;
}
