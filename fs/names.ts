/** Which names a job can have. */
import type { Name } from "../ffi/operations.ts";
import { FsError } from "./errno.ts";

/** NAME_MAX of Linux, in bytes: limits.h. */
export const NAME_MAX = 255;
const encoder = new TextEncoder();

function isTooLong(name: string): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8, so most names need no encoding to tell.
  return name.length * 3 > NAME_MAX && encoder.encode(name).length > NAME_MAX;
}

// deno-lint-ignore no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** A name that a job may get. Throws EILSEQ, EINVAL or ENAMETOOLONG. */
export function newName(name: Name): string {
  if (name === null) throw new FsError("EILSEQ", "the name is not UTF-8");
  if (isTooLong(name)) throw new FsError("ENAMETOOLONG");
  if (CONTROL.test(name)) throw new FsError("EINVAL", "the name has a control character");
  // The kernel lets none of these through.
  if (name === "" || name === "." || name === ".." || name.includes("/")) {
    throw new FsError("EINVAL", "that is not the name of a file");
  }
  return name;
}

/** A name to look up: one that no job can have does not exist. Throws ENAMETOOLONG, ENOENT. */
export function lookupName(name: Name): string {
  if (name === null) throw new FsError("ENOENT");
  if (isTooLong(name)) throw new FsError("ENAMETOOLONG");
  return name;
}
