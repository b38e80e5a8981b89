/**
 * The file-system operations as plain TypeScript: what `dispatch.ts` decodes from libfuse's callbacks and a file system
 * implements. No pointers here.
 *
 * A handler answers through its {@linkcode Reply}, at once or later, exactly once. It may throw or reject: the error
 * goes to {@linkcode Operations.errnoOf}, and its answer to the caller. Byte views (`data`, `value`) belong to libfuse
 * and die when the handler returns or first awaits: copy what is kept.
 */
import type { Reply } from "./reply.ts";

/** Seconds since the epoch, which may be negative, and 0 to 999,999,999 nanoseconds. */
export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

/** What stat(2) shows of an inode. `mode` includes the file type. */
export interface Attr {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
}

/** A directory entry with its inode, and for how many seconds the kernel may keep the two without asking again. */
export interface Entry {
  readonly attr: Attr;
  readonly attrTimeoutSec: number;
  readonly entryTimeoutSec: number;
}

/** Who asks: the ids and the umask of the calling process. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly umask: number;
}

/** What setattr changes; what is undefined stays. "now" is the time of the call. */
export interface AttrChange {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: Timespec | "now";
  readonly mtime?: Timespec | "now";
}

/** What statvfs(3) shows, in blocks of `bsize` bytes. */
export interface FileSystemStat {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly namemax: number;
}

/**
 * The name of a directory entry. `null` stands for bytes that are not UTF-8: such a name exists nowhere, and decoding
 * it with replacement characters could make two names one.
 */
export type Name = string | null;

export type Result = void | Promise<void>;

/** Somebody waits in poll(2), select(2) or epoll for a file to change. One use: either of the two, once. */
export interface PollHandle {
  /** The file may be ready: the kernel asks again. */
  notify(): void;
  /** Nobody waits any more. */
  drop(): void;
}

/** What the kernel keeps of earlier answers, for as long as their timeouts say, and how to take it back. */
export interface KernelCache {
  /** False: the kernel is too old for {@linkcode KernelCache.forgetNames}. */
  readonly canForgetNames: boolean;
  /** From now on the kernel asks again for every name. Both may be called before the answer to a request. */
  forgetNames(): void;
  /** From now on the kernel asks again for the attributes of an inode. */
  forgetAttributes(ino: number): void;
}

export interface Operations {
  /** The file system is mounted; no request has come yet. */
  mounted(cache: KernelCache): void;
  /** A request has been answered, `ms` milliseconds after it was read. */
  answered(operation: string, ms: number): void;
  lookup(reply: Reply, parent: number, name: Name): Result;
  /** `fh` is undefined when the call does not come with an open file. */
  getattr(reply: Reply, ino: number, fh: number | undefined): Result;
  setattr(reply: Reply, ino: number, change: AttrChange, fh: number | undefined): Result;
  mknod(reply: Reply, parent: number, name: Name, mode: number): Result;
  /** mkdir, symlink and link: "make something that is no regular file". */
  makeOther(reply: Reply, parent: number, name: Name): Result;
  unlink(reply: Reply, parent: number, name: Name): Result;
  rmdir(reply: Reply, parent: number, name: Name): Result;
  rename(
    reply: Reply,
    parent: number,
    name: Name,
    newParent: number,
    newName: Name,
    flags: number,
  ): Result;
  create(reply: Reply, parent: number, name: Name, mode: number, flags: number): Result;
  open(reply: Reply, ino: number, flags: number): Result;
  read(reply: Reply, ino: number, fh: number, offset: number, size: number): Result;
  /** `flags`: those of open(2), as they are by now: fcntl(2) may have changed O_APPEND. */
  write(
    reply: Reply,
    ino: number,
    fh: number,
    offset: number,
    data: Uint8Array,
    flags: number,
  ): Result;
  flush(reply: Reply, ino: number, fh: number): Result;
  release(reply: Reply, ino: number, fh: number): Result;
  fsync(reply: Reply, ino: number, fh: number): Result;
  /** `handle`: to be told when the file becomes ready, or null when nobody waits for that. */
  poll(reply: Reply, ino: number, fh: number, handle: PollHandle | null): Result;
  opendir(reply: Reply, ino: number): Result;
  readdir(reply: Reply, ino: number, offset: number, size: number, plus: boolean): Result;
  fsyncdir(reply: Reply, ino: number): Result;
  statfs(reply: Reply, ino: number): Result;
  setxattr(reply: Reply, ino: number, name: Name, value: Uint8Array): Result;
  getxattr(reply: Reply, ino: number, name: Name, size: number): Result;
  listxattr(reply: Reply, ino: number, size: number): Result;
  removexattr(reply: Reply, ino: number, name: Name): Result;
  /** The errno (positive) to answer for what a handler threw. Logs what it does not know. */
  errnoOf(error: unknown, operation: string): number;
  /** A handler returned without an answer and without a promise: a bug, answered with EIO. */
  forgotten(operation: string): void;
}
