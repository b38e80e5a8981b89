/** The map of checks: those that hold on a local file system too, by what they are about. */
import type { Checks } from "../check.ts";
import { chmod } from "./chmod.ts";
import { chown } from "./chown.ts";
import { errors } from "./errors.ts";
import { folder } from "./folder.ts";
import { open } from "./open.ts";
import { rename } from "./rename.ts";
import { times } from "./times.ts";
import { truncate } from "./truncate.ts";
import { unlink } from "./unlink.ts";
import { write } from "./write.ts";

export const CHECKS: Readonly<Record<string, Checks>> = {
  open,
  write,
  truncate,
  times,
  chmod,
  chown,
  rename,
  unlink,
  errors,
  folder,
};
