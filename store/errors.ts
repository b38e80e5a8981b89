/** What can go wrong in the store, in the store's words. `fs/errno.ts` maps each kind to an errno. */
export type StoreErrorKind =
  /** The job has left the state in which the caller saw it. */
  | "stale"
  /** No such move exists. */
  | "forbidden"
  /** The file system of the state file is full. */
  | "full"
  /** The state file cannot be written. */
  | "read-only"
  /** Another program keeps the state file locked. */
  | "busy"
  /** The state file was deleted or replaced while it is open. */
  | "gone"
  /** The state file cannot be read or written, or is damaged. */
  | "io";

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly kind: StoreErrorKind;

  constructor(kind: StoreErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** Primary result codes of SQLite: https://www.sqlite.org/rescode.html */
const SQLITE_KINDS: Readonly<Record<number, StoreErrorKind>> = {
  5: "busy",
  6: "busy",
  8: "read-only",
  10: "io",
  11: "io",
  13: "full",
  14: "io",
  26: "io",
};

/** Turns an error of a system call on the state file into a StoreError: ENOSPC and EDQUOT are "full". */
export function fromSystem(error: unknown): StoreError {
  const message = error instanceof Error ? error.message : String(error);
  const kind = /os error (28|122)\b/.test(message) ? "full" : "io";
  return new StoreError(kind, message, { cause: error });
}

/** Turns an error of node:sqlite into a StoreError; anything else comes back as it is. */
export function fromSqlite(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof StoreError) return error;
  const code = (error as { errcode?: unknown }).errcode;
  const kind = typeof code === "number" ? SQLITE_KINDS[code & 0xff] : undefined;
  return kind === undefined ? error : new StoreError(kind, error.message, { cause: error });
}
