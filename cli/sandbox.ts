/** The sandbox that options ask for: checks what they name, starts it, and says what it cannot do here. */
import { type LibcSymbols } from "../ffi/libfuse.ts";
import { landlockAbi } from "../ffi/landlock.ts";
import { Sandbox, SandboxFailed } from "../scheduler/sandbox.ts";
import {
  leftOpen,
  ruleset,
  type SandboxOptions,
  wantsSandbox,
} from "../scheduler/sandbox_policy.ts";
import { startingNeeds } from "../scheduler/starting_needs.ts";
import { Failure, reasonOf } from "./failure.ts";
import { isInside } from "./paths.ts";

export interface Surroundings {
  readonly mountpoint: string;
  readonly stateFile: string;
  /** Where scripts that run from a file are put. */
  readonly runFolder: string;
}

/** What paths the options name, each with what it must be. */
const KINDS = [
  { key: "readFolders", option: "-ro", isFolder: true, other: "-rof" },
  { key: "readFiles", option: "-rof", isFolder: false, other: "-ro" },
  { key: "writeFolders", option: "-rw", isFolder: true, other: "-rwf" },
  { key: "writeFiles", option: "-rwf", isFolder: false, other: "-rw" },
] as const;

/**
 * Starts the sandbox, or returns undefined when no option asks for one. Before the mount, into which a path may lead. Throws
 * {@linkcode Failure}: what jobs were to be kept from must never be open to them.
 */
export async function startSandbox(
  options: SandboxOptions,
  around: Surroundings,
  libc: LibcSymbols,
  warn: (text: string) => void,
): Promise<Sandbox | undefined> {
  if (!wantsSandbox(options)) return undefined;
  const abi = landlockAbi(libc);
  if (typeof abi === "string") {
    throw new Failure(
      `jobs cannot run in a sandbox (-ro, -rw and the like): this kernel's Landlock is ${abi}. ` +
        `What it has: cat /sys/kernel/security/lsm. Landlock needs Linux 5.13 and is turned on by ` +
        `the kernel parameter lsm=landlock,...`,
    );
  }
  const resolved = await resolve(options, around, warn);
  const open = leftOpen(abi);
  if (open.length > 0) {
    warn(`the sandbox cannot restrict on this kernel (Landlock ABI ${abi}): ${open.join(", ")}`);
  }
  try {
    const needs = await startingNeeds(around.runFolder);
    return await Sandbox.start(ruleset(resolved, needs, abi));
  } catch (error) {
    if (!(error instanceof SandboxFailed)) throw error;
    throw new Failure(`jobs cannot run in a sandbox: ${error.message}`);
  }
}

/** Real paths, since the daemon changes its directory. */
async function resolve(
  options: SandboxOptions,
  around: Surroundings,
  warn: (text: string) => void,
): Promise<SandboxOptions> {
  const paths: Partial<Record<(typeof KINDS)[number]["key"], string[]>> = {};
  for (const { key, option, isFolder, other } of KINDS) {
    paths[key] = await Promise.all(options[key].map(async (given) => {
      const named = `${option} ${JSON.stringify(given)}`;
      const { path, isDirectory } = await look(given, named);
      if (isDirectory !== isFolder) {
        const [is, its] = isDirectory ? ["is a directory", "it"] : ["is not a directory", "a file"];
        throw new Failure(`${named} ${is}: for ${its} there is ${other}`);
      }
      if (isInside(path, around.mountpoint)) {
        throw new Failure(`${named} is inside the mountpoint, where nothing can be allowed`);
      }
      for (const [what, where] of protectedPaths(around)) {
        if (isInside(where, path)) warn(`${named} lets jobs reach ${what}, and so all of qj`);
      }
      return path;
    }));
  }
  return { ...options, ...paths };
}

const protectedPaths = ({ mountpoint, stateFile }: Surroundings) =>
  [["the mount", mountpoint], ["the state file", stateFile]] as const;

async function look(given: string, named: string) {
  try {
    const path = await Deno.realPath(given);
    return { path, isDirectory: (await Deno.stat(path)).isDirectory };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Failure(`${named} does not exist`);
    throw new Failure(`${named} cannot be looked at: ${reasonOf(error)}`);
  }
}
