/**
 * Making a process of a command line: here, or in a thread that has given up rights (`sandbox.ts`).
 *
 * Each gets a session and a process group of its own. `detached` would do that, but makes Deno copy the page tables of the
 * daemon (fork), for which this thread stands still for milliseconds, where it can otherwise let the child borrow them
 * (posix_spawn). So setsid(1) does it, in the process itself, right after it was made: until then it is in the daemon's group.
 */

export interface SpawnRequest {
  /** An absolute path: a look-up in PATH could lead into the mount. */
  readonly program: string;
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** A process that was made. The part of Deno.ChildProcess that is needed here. */
export interface Spawned {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly status: Promise<Deno.CommandStatus>;
}

export interface Spawner {
  /**
   * In a session and a process group of its own, with `/` as working directory. Throws or rejects when it cannot be
   * started.
   */
  spawn(request: SpawnRequest): Spawned | Promise<Spawned>;
}

const SETSID = "/usr/bin/setsid";
let isThere: boolean | undefined;

/** Whether setsid(1) is installed, as it is nearly everywhere (util-linux). */
export function hasSetsid(): boolean {
  if (isThere === undefined) {
    try {
      isThere = Deno.statSync(SETSID).isFile;
    } catch {
      isThere = false;
    }
  }
  return isThere;
}

/** Spawns on the calling thread, at once. */
export function spawnHere({ program, args, env }: SpawnRequest): Spawned {
  const common = {
    cwd: "/",
    clearEnv: true,
    env: { ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  } as const;
  if (!hasSetsid()) {
    return new Deno.Command(program, { ...common, args: [...args], detached: true }).spawn();
  }
  return new Deno.Command(SETSID, { ...common, args: [program, ...args] }).spawn();
}
