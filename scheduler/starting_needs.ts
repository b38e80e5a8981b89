/** What a process needs before its script runs its first command: the shell, its libraries, a few devices. */
import type { Need } from "./sandbox_policy.ts";

const DEVICES: readonly Need[] = [
  { path: "/dev/null", access: "write" },
  { path: "/dev/zero", access: "read" },
  { path: "/dev/urandom", access: "read" },
  { path: "/etc/ld.so.cache", access: "read" },
];

/** Programs that may stand before the shell: for a session, for the option nice, and to become another user. */
const HELPERS = ["setsid", "nice", "setpriv"];
const FOLDERS = ["/usr/bin", "/bin"];

/** Paths that exist here. `runFolder` has the scripts that run from a file. */
export async function startingNeeds(runFolder: string): Promise<Need[]> {
  const programs = ["/bin/sh", ...(await Promise.all(HELPERS.map(find))).flat()];
  const files = new Set(programs);
  for (const program of programs) for (const file of await libraries(program)) files.add(file);
  const devices: Need[] = [];
  for (const need of DEVICES) if (await exists(need.path)) devices.push(need);
  return [
    ...[...files].map((path): Need => ({ path, access: "run" })),
    ...devices,
    { path: runFolder, access: "run" },
  ];
}

async function find(name: string): Promise<string[]> {
  for (const folder of FOLDERS) {
    const path = `${folder}/${name}`;
    if (await exists(path)) return [path];
  }
  return [];
}

/** The dynamic loader and the libraries that it loads, as it says itself: ld.so(8). A static program has none. */
async function libraries(program: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(program, {
    // A static program runs: this is harmless to all of them.
    args: ["--version"],
    cwd: "/",
    clearEnv: true,
    env: { LD_TRACE_LOADED_OBJECTS: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).output();
  const lines = new TextDecoder().decode(stdout);
  return [...lines.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path]) => path!);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
