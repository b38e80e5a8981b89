/** Errors of the file system, and the one place where the store's errors become an errno. */
import { constants } from "node:os";
import { StoreError, type StoreErrorKind } from "../store/errors.ts";
import { InvalidSettings } from "../store/settings.ts";

/** Errnos by name. `node:os` knows most; the three it lacks are Linux's: errno(3). */
export const E = { ...constants.errno, ESTALE: 116, ENODATA: 61, EILSEQ: 84 } as const;

export type ErrnoName = keyof typeof E;

/** An answer other than success, by the name of its errno. */
export class FsError extends Error {
  override readonly name = "FsError";
  readonly errno: ErrnoName;

  constructor(errno: ErrnoName, message: string = errno) {
    // An answer that is expected, often one that a name is free: looking for where it comes from would cost more than it.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.errno = errno;
  }
}

const STORE_ERRNO: Readonly<Record<StoreErrorKind, ErrnoName>> = {
  stale: "ESTALE",
  forbidden: "EPERM",
  full: "ENOSPC",
  "read-only": "EROFS",
  busy: "EAGAIN",
  gone: "EIO",
  io: "EIO",
};

/** The errno for an error that a handler threw, or null for one that nobody has foreseen. */
export function errnoOf(error: unknown): ErrnoName | null {
  if (error instanceof FsError) return error.errno;
  if (error instanceof StoreError) return STORE_ERRNO[error.kind];
  if (error instanceof InvalidSettings) return "EINVAL";
  return null;
}
