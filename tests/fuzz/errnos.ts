/** Which errors each request may be answered with. What is not here is a fault: EIO above all. */
import type { ErrnoName } from "../../fs/errno.ts";
import type { Slot } from "../unit/callbacks.ts";

/** A name that is looked up in a directory. */
const NAME: readonly ErrnoName[] = ["ENOENT", "ENAMETOOLONG"];
/** A name that a job is to get, by somebody who may be a stranger. */
const NEW_NAME: readonly ErrnoName[] = [
  "EPERM",
  "EACCES",
  "EILSEQ",
  "EINVAL",
  "ENAMETOOLONG",
  "EEXIST",
];
const DIRECTORY: readonly ErrnoName[] = ["ENOTDIR", "ESTALE"];

/** What answers an open file that is `wait`. */
const WAIT: readonly ErrnoName[] = ["ESTALE", "EINTR", "ENOTCONN"];

export const ERRNOS: Readonly<Record<Slot, readonly ErrnoName[]>> = {
  lookup: [...NAME, ...DIRECTORY],
  forget: [],
  forget_multi: [],
  getattr: ["ESTALE"],
  setattr: ["ESTALE", "EPERM", "EACCES", "EINVAL", "EFBIG", "EBADF"],
  mknod: NEW_NAME,
  create: NEW_NAME,
  mkdir: ["EPERM"],
  rmdir: ["EPERM"],
  symlink: ["EPERM"],
  link: ["EPERM"],
  unlink: [...NAME, ...DIRECTORY, "EPERM"],
  rename: [...NAME, ...NEW_NAME],
  open: ["ESTALE", "EPERM", "EACCES", "EISDIR"],
  read: ["EBADF", "EINVAL", ...WAIT],
  write: ["EBADF", "EINVAL", "EPERM", "EFBIG", "ESRCH"],
  flush: ["EBADF", "EINVAL"],
  release: ["EBADF"],
  fsync: ["EBADF", "EINVAL", "ESTALE"],
  opendir: [],
  readdir: ["EINVAL", ...DIRECTORY],
  readdirplus: ["EINVAL", ...DIRECTORY],
  releasedir: [],
  fsyncdir: [],
  statfs: [],
  setxattr: ["ENOTSUP", "EINVAL", "EPERM", "EACCES", "ESTALE"],
  getxattr: ["ENODATA", "ERANGE", "ESTALE"],
  listxattr: ["ERANGE", "ESTALE"],
  removexattr: ["ENODATA", "EPERM", "ESTALE"],
  poll: ["EBADF"],
};

/** Requests that may be answered after their turn: those that wait for a disk or for a job. */
export const LATER: ReadonlySet<Slot> = new Set(["read", "write", "fsync", "fsyncdir", "statfs"]);
