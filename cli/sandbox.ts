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
import type { Need } from "./preflight.ts";

/** What jobs should not reach. */
export interface Protected {
  readonly mountpoint?: string | undefined;
  readonly stateFile?: string | undefined;
  /** The secret of the pages, if they are served. */
  readonly tokenFile?: string | undefined;
}

export interface Surroundings extends Protected {
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
type Kind = (typeof KINDS)[number];

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
    throw new Failure(noLandlock(abi));
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

/** What to say where the kernel has no Landlock. */
export function noLandlock(found: string): string {
  return `jobs cannot run in a sandbox (-ro, -rw and the like): this kernel's Landlock is ${found}. ` +
    `What it has: cat /sys/kernel/security/lsm. Landlock needs Linux 5.13 and is turned on by ` +
    `the kernel parameter lsm=landlock,...`;
}

/** Real paths, since the daemon changes its directory. */
async function resolve(
  options: SandboxOptions,
  around: Protected,
  warn: (text: string) => void,
): Promise<SandboxOptions> {
  const paths: Partial<Record<Kind["key"], string[]>> = {};
  for (const kind of KINDS) {
    paths[kind.key] = await Promise.all(options[kind.key].map(async (given) => {
      const { path, opens } = await resolvePath(kind, given, around);
      for (const what of opens) {
        warn(`${named(kind, given)} lets jobs reach ${what}, and so all of qj`);
      }
      return path;
    }));
  }
  return { ...options, ...paths };
}

/** Whether each path that the options name can be allowed to jobs. */
export async function sandboxNeeds(options: SandboxOptions, around: Protected): Promise<Need[]> {
  const each = KINDS.flatMap((kind) => options[kind.key].map((given) => ({ kind, given })));
  return await Promise.all(each.map(async ({ kind, given }) => {
    const name = named(kind, given);
    try {
      const { opens } = await resolvePath(kind, given, around);
      const found = ["there", ...opens.map((what) => `lets jobs reach ${what}`)].join(", ");
      return { name, found, problem: null };
    } catch (error) {
      return { name, found: "cannot be allowed", problem: reasonOf(error) };
    }
  }));
}

const named = ({ option }: Kind, given: string) => `${option} ${JSON.stringify(given)}`;

/** Its real path, and what of qj is open to jobs with that. Throws {@linkcode Failure}. */
async function resolvePath(
  kind: Kind,
  given: string,
  around: Protected,
): Promise<{ readonly path: string; readonly opens: readonly string[] }> {
  const name = named(kind, given);
  const { path, isDirectory } = await look(given, name);
  if (isDirectory !== kind.isFolder) {
    const [is, its] = isDirectory ? ["is a directory", "it"] : ["is not a directory", "a file"];
    throw new Failure(`${name} ${is}: for ${its} there is ${kind.other}`);
  }
  const { mountpoint, stateFile, tokenFile } = around;
  if (mountpoint !== undefined && isInside(path, mountpoint)) {
    throw new Failure(`${name} is inside the mountpoint, where nothing can be allowed`);
  }
  const opens = Object.entries({
    "the mount": mountpoint,
    "the state file": stateFile,
    "the token file of the pages": tokenFile,
  })
    .filter(([, where]) => where !== undefined && isInside(where, path))
    .map(([what]) => what);
  return { path, opens };
}

async function look(given: string, named: string) {
  try {
    const path = await Deno.realPath(given);
    return { path, isDirectory: (await Deno.stat(path)).isDirectory };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Failure(`${named} does not exist`);
    throw new Failure(`${named} cannot be looked at: ${reasonOf(error)}`);
  }
}
