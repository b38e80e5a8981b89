/**
 * `--check`: what a mount with the given options needs, whether it is there, and what to do about what is not. Makes and
 * changes nothing, and does not touch a mount, which might hang.
 */
import { type LibcSymbols, openLibc, openLibfuse } from "../ffi/libfuse.ts";
import { landlockAbi } from "../ffi/landlock.ts";
import { leftOpen, wantsSandbox } from "../scheduler/sandbox_policy.ts";
import { hasSetsid } from "../scheduler/spawner.ts";
import { startingNeeds } from "../scheduler/starting_needs.ts";
import { inspect } from "../store/inspect.ts";
import { lockHolder } from "../store/lock.ts";
import { printable } from "../store/printable.ts";
import { reasonOf } from "./failure.ts";
import { mountAbove, mountAt } from "./mounts.ts";
import type { Options } from "./option_values.ts";
import { MOUNT_TYPE, type Need, resolveParent, systemNeeds } from "./preflight.ts";
import { statePath } from "./state_file.ts";
import { unsafeToOpen } from "./state_safety.ts";

const quoted = (text: string) => JSON.stringify(text);

/** Prints a line for each need. Returns the exit status: 0 when everything is there. */
export async function check(options: Options): Promise<number> {
  const needs = [
    ...await systemNeeds(options),
    libfuse(),
    setsid(),
    landlock(options, openLibc()),
    ...options.mountpoint === undefined ? [] : [await mountpoint(options.mountpoint)],
    await stateFile(options),
  ];
  for (const { name, found, problem } of needs) {
    say(`${problem === null ? "ok     " : "MISSING"} ${name}: ${found}`);
    if (problem !== null) say(`        ${problem}`);
  }
  if (wantsSandbox(options)) {
    say("A job in the sandbox may use what the options name, and to be started at all:");
    const file = statePath(options.stateFile, (name) => Deno.env.get(name), Deno.cwd()).path;
    for (const { path, access } of await startingNeeds(`${file}.run`)) {
      say(`        ${ACCESS[access]} ${path}`);
    }
  }
  return needs.every(({ problem }) => problem === null) ? 0 : 1;
}

const ACCESS = { run: "execute", read: "read   ", write: "write  " } as const;

function say(line: string): void {
  const bytes = new TextEncoder().encode(`${printable(line)}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

function libfuse(): Need {
  try {
    const { version, soname } = openLibfuse();
    return { name: "libfuse3", found: `${version} (${soname})`, problem: null };
  } catch (error) {
    return { name: "libfuse3", found: "missing", problem: reasonOf(error) };
  }
}

function setsid(): Need {
  const found = hasSetsid() ? "/usr/bin/setsid" : "missing, so that jobs start more slowly";
  return { name: "setsid", found, problem: null };
}

function landlock(options: Options, libc: LibcSymbols): Need {
  const name = "Landlock";
  const abi = landlockAbi(libc);
  if (typeof abi === "string") {
    const problem = "-ro, -rw and the like need Landlock: Linux 5.13, and the kernel parameter " +
      "lsm=landlock,... (what it has: cat /sys/kernel/security/lsm)";
    return { name, found: abi, problem: wantsSandbox(options) ? problem : null };
  }
  const open = leftOpen(abi);
  const rest = open.length === 0 ? "" : `, which cannot restrict: ${open.join(", ")}`;
  return { name, found: `ABI ${abi}${rest}`, problem: null };
}

/** A mount is recognised by the kernel's list alone. */
async function mountpoint(given: string): Promise<Need> {
  const name = `mountpoint ${quoted(given)}`;
  const no = (found: string, problem: string) => ({ name, found, problem });
  let path: string;
  try {
    path = await resolveParent(given);
  } catch (error) {
    return no(reasonOf(error), `make it with mkdir -p ${quoted(given)}`);
  }
  const mount = mountAt(path);
  if (mount?.type === MOUNT_TYPE) {
    return no(
      "qj is mounted there",
      `end that one first (umount ${
        quoted(given)
      }), unless it is the one that is wanted; one that a crash ` +
        "has left is replaced by the next qj",
    );
  }
  if (mount !== undefined) {
    return no(`in use: a ${mount.type} mount`, "use another directory, or umount it");
  }
  try {
    path = await Deno.realPath(path);
    if (mountAbove(path)?.type === MOUNT_TYPE) {
      return no("inside another qj mount", "use a directory elsewhere");
    }
    if (!(await Deno.stat(path)).isDirectory) return no("not a directory", "use a directory");
    for await (const _entry of Deno.readDir(path)) {
      return no("not empty", "use an empty directory");
    }
    return { name, found: "an empty directory", problem: null };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return no("does not exist", `make it with mkdir ${quoted(given)}`);
    }
    return no(`cannot be used: ${reasonOf(error)}`, "use a directory that you may enter");
  }
}

async function stateFile(options: Options): Promise<Need> {
  let name = "state file";
  const no = (found: string, problem: string) => ({ name, found, problem });
  try {
    const state = statePath(
      options.stateFile,
      (variable) => Deno.env.get(variable),
      Deno.cwd(),
      options.stateFileKnob,
    );
    name = `state file ${quoted(state.path)} (${state.knob})`;
    const folder = state.path.replace(/\/[^/]*$/, "") || "/";
    if (!await Deno.stat(folder).then(() => true, () => false)) {
      return { name, found: "not there yet, and will be made with its folder", problem: null };
    }
    const unsafe = await unsafeToOpen(folder, state.path, true);
    if (unsafe !== null) return no("not safe to open", unsafe);
    const size = await Deno.stat(state.path).then(({ size }) => size, () => null);
    if (size === null) return { name, found: "not there yet, and will be made", problem: null };
    const holder = lockHolder(state.path);
    const { format, isNewer, counts, check } = inspect(state.path, holder !== null);
    const jobs = Object.entries(counts).map(([state, n]) => `${n} ${state}`).join(", ");
    if (isNewer) {
      return no(`made by a newer qj (format ${format})`, "install that version again");
    }
    if (check !== "ok") {
      const remedy =
        "restore a backup, or get what can be read by sqlite3's .recover (see EXAMPLES in qj(1))";
      return no(`damaged (${check.replace(/\s+/g, " ")})`, remedy);
    }
    const found = `sound, ${size} bytes, jobs: ${jobs}`;
    if (holder === null) return { name, found, problem: null };
    return no(
      `${found}, in use by qj (pid ${holder})`,
      "end that one first, or name another file with --state-file",
    );
  } catch (error) {
    return no(
      reasonOf(error),
      /not a database/.test(reasonOf(error))
        ? "it is not a state file of qj: name another one with --state-file, or move it away"
        : "name another one with --state-file",
    );
  }
}
