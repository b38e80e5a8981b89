/**
 * Who may hand in work and change it. Modes are checked by the kernel; this stands on top of them, whatever they say.
 *
 * Where jobs run as the daemon's user, what any other user but root writes must not become a job. Where they run as their
 * owners, what others write must not run in an owner's name: each user has a say in the own jobs only, and nobody else
 * sees them, unless their owner opens them by chmod.
 */
import type { Caller } from "../ffi/operations.ts";
import type { Job } from "../store/job.ts";
import { FsError } from "./errno.ts";

/** What others may do with a file. */
const OTHERS = 0o077;

export class Access {
  readonly #uid = Deno.uid() ?? 0;
  readonly #runsAsOwner: boolean;

  /** `runsAsOwner`: jobs run as the owners of their files. */
  constructor(runsAsOwner: boolean) {
    this.#runsAsOwner = runsAsOwner;
  }

  /** Throws EACCES unless the caller is the daemon's user or root. */
  requireDaemonUser({ uid }: Caller): void {
    if (uid !== this.#uid && uid !== 0) {
      throw new FsError("EACCES", "only the daemon's user and root may do that");
    }
  }

  /** To make a job. */
  requireSubmitter(caller: Caller): void {
    if (!this.#runsAsOwner) this.requireDaemonUser(caller);
  }

  /** To write to a job, move it or give it another place in the order. */
  requireChanger(caller: Caller, job: Job): void {
    if (!this.#runsAsOwner) return this.requireDaemonUser(caller);
    if (caller.uid !== job.uid && caller.uid !== 0) {
      throw new FsError("EACCES", "only its owner and root may change a job");
    }
  }

  /** To remove a job, or to move one that is not pending: else the modes of the directories are enough. */
  requireRemover(caller: Caller, job: Job): void {
    if (this.#runsAsOwner) this.requireChanger(caller, job);
  }

  /** The permission bits of a new job that asks for `mode`. */
  newMode(mode: number): number {
    return this.#runsAsOwner ? mode & ~OTHERS : mode;
  }
}
