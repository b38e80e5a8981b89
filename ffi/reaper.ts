/**
 * Orphans of jobs become children of the daemon (a "child subreaper", prctl(2)) instead of init's, so that what a job
 * leaves behind can be found without a walk through /proc, and reaped. And what can be asked about processes without
 * waiting for a lock of theirs, as reading /proc may.
 */
import type { LibcSymbols } from "./libfuse.ts";
import { readFile } from "./read_file.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;
const WEXITED = 4;
/** The process stays as it is: whoever waits for it still gets its status. */
const WNOWAIT = 0x0100_0000;
const P_PID = 1;
/** Bytes of a siginfo_t, and where its si_pid is where pointers have 64 bits. */
const SIGINFO_SIZE = 128;
const SI_PID = 16;

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

  /** Whether a child that was started here is dead, be it waited for or not. */
  hasEnded(pid: number): boolean {
    const info = new Uint8Array(SIGINFO_SIZE);
    const failed = this.#libc.waitid(P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT) !== 0;
    return failed || new DataView(info.buffer).getInt32(SI_PID, true) !== 0;
  }

  /** As {@linkcode groupOf}. */
  groupOf(pid: number): { pgrp: number; session: number } | null {
    return groupOf(pid, this.#libc);
  }

  /** As {@linkcode readFile}. */
  readFile(path: string): Promise<Uint8Array | null> {
    return readFile(path, this.#libc);
  }
}

/** The process group and session, 0 where it has none or they are of another PID namespace; null when it is gone. */
export function groupOf(
  pid: number,
  libc: Pick<LibcSymbols, "getpgid" | "getsid">,
): { pgrp: number; session: number } | null {
  const pgrp = libc.getpgid(pid);
  const session = libc.getsid(pid);
  return pgrp < 0 || session < 0 ? null : { pgrp, session };
}
