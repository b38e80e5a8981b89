/** Names in requests: of new jobs, and to look up. */
import type { Name } from "../ffi/operations.ts";
import { hasControl, isTooLong } from "../store/job_name.ts";
import { FsError } from "./errno.ts";

/** A name that a job may get. Throws EILSEQ, EINVAL or ENAMETOOLONG. */
export function newName(name: Name): string {
  if (name === null) throw new FsError("EILSEQ", "the name is not UTF-8");
  if (isTooLong(name)) throw new FsError("ENAMETOOLONG");
  if (hasControl(name)) throw new FsError("EINVAL", "the name has a control character");
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
