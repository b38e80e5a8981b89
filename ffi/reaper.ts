/**
 * Orphans of jobs become children of the daemon (a "child subreaper", prctl(2)) instead of init's, so that what a job
 * leaves behind can be found without a walk through /proc, and reaped.
 */
import type { LibcSymbols } from "./libfuse.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;

export class Reaper {
  readonly #libc: LibcSymbols;
  readonly #children = `/proc/self/task/${Deno.pid}/children`;

  constructor(libc: LibcSymbols) {
    this.#libc = libc;
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
  }

  /** Children of this process, dead ones that nobody has reaped included. Null: the kernel does not list them. */
  children(): number[] | null {
    try {
      return Deno.readTextFileSync(this.#children).trim().split(" ").filter(Boolean).map(Number);
    } catch {
      return null;
    }
  }

  /** Reaps the child if it is dead. Only for children that this process has not started itself. */
  reap(pid: number): boolean {
    return this.#libc.waitpid(pid, new Uint8Array(4), WNOHANG) === pid;
  }
}
