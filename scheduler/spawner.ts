/** Making a process of a command line: here, or in a thread that has given up rights (`sandbox.ts`). */

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

/** Spawns on the calling thread, at once. */
export function spawnHere({ program, args, env }: SpawnRequest): Spawned {
  return new Deno.Command(program, {
    args: [...args],
    cwd: "/",
    clearEnv: true,
    env: { ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    detached: true,
  }).spawn();
}
