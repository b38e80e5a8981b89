/**
 * Who may hand in work. Modes are checked by the kernel; this stands on top of them: jobs run as the daemon's user, so
 * what any other user but root writes must not become a job, whatever the modes say.
 */
import type { Caller } from "../ffi/operations.ts";
import { FsError } from "./errno.ts";

export class Access {
  readonly #uid = Deno.uid() ?? 0;

  /** Throws EACCES unless the caller is the daemon's user or root. */
  requireOwner(caller: Caller): void {
    if (caller.uid !== this.#uid && caller.uid !== 0) {
      throw new FsError("EACCES", "only the daemon's user and root may submit or change jobs");
    }
  }
}
