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
import { Failure, reasonOf } from "./failure.ts";
import { mountAt } from "./mounts.ts";
import type { Options } from "./option_values.ts";
import { pagesNeeds, tokenPath } from "./pages.ts";
import { cannotUse, mountpointNeed, type Need, resolveParent, systemNeeds } from "./preflight.ts";
import { noLandlock, sandboxNeeds } from "./sandbox.ts";
import { remedyFor, type StatePath, statePath } from "./state_file.ts";
import { unsafeToOpen } from "./state_safety.ts";

/** Prints a line for each need. Returns the exit status: 0 when everything is there. */
export async function check(options: Options): Promise<number> {
  const state = stateOf(options);
  const stateFile = state instanceof Error ? undefined : state.path;
  const tokenFile = stateFile && await tokenPath(options, stateFile, Deno.cwd());
  const around = { mountpoint: await resolved(options.mountpoint), stateFile, tokenFile };
  const needs = [
    ...await systemNeeds(options),
    libfuse(),
    setsid(),
    landlock(options, openLibc()),
    ...await sandboxNeeds(options, around),
    ...options.mountpoint === undefined ? [] : [await mountpoint(options.mountpoint)],
    state instanceof Error
      ? { name: "state file", found: "no place for it", problem: reasonOf(state) }
      : await stateNeed(state),
    ...await pagesNeeds(options, stateFile),
  ];
  for (const { name, found, problem } of needs) {
    say(`${problem === null ? "ok     " : "MISSING"} ${name}: ${found}`);
    if (problem !== null) say(`        ${problem}`);
  }
  if (wantsSandbox(options) && stateFile !== undefined) {
    say("A job in the sandbox may use what the options name, and to be started at all:");
    for (const { path, access } of await startingNeeds(`${stateFile}.run`)) {
      say(`        ${ACCESS[access]} ${path}`);
    }
  }
  return needs.every(({ problem }) => problem === null) ? 0 : 1;
}

function stateOf({ stateFile, stateFileKnob }: Options): StatePath | Error {
  try {
    return statePath(stateFile, (name) => Deno.env.get(name), Deno.cwd(), stateFileKnob);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

/** The path of a mountpoint whose daemon might not answer; undefined: there is none. */
async function resolved(mountpoint: string | undefined): Promise<string | undefined> {
  if (mountpoint === undefined) return undefined;
  return await resolveParent(mountpoint).catch(() => undefined);
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
    return { name, found: abi, problem: wantsSandbox(options) ? noLandlock(abi) : null };
  }
  const open = leftOpen(abi);
  const rest = open.length === 0 ? "" : `, which cannot restrict: ${open.join(", ")}`;
  return { name, found: `ABI ${abi}${rest}`, problem: null };
}

/** A mount is found by the path above it: its daemon might not answer. */
async function mountpoint(given: string): Promise<Need> {
  let need: Need;
  try {
    const path = await resolveParent(given);
    const isMount = mountAt(path) !== undefined;
    need = await mountpointNeed(given, isMount ? path : await Deno.realPath(path));
  } catch (error) {
    return { name: `mountpoint ${JSON.stringify(given)}`, ...cannotUse(given, error) };
  }
  const isOurs = need.problem !== null && need.found.includes("qj is mounted");
  const left = " (the next qj does so by itself if a crash has left it)";
  return isOurs ? { ...need, problem: `${need.problem}${left}` } : need;
}

async function stateNeed({ path, knob }: StatePath): Promise<Need> {
  const name = `state file ${JSON.stringify(path)} (${knob})`;
  const other = "name another one with --state-file";
  try {
    const folder = path.replace(/\/[^/]*$/, "") || "/";
    if (!await Deno.stat(folder).then(() => true, () => false)) {
      return { name, found: "not there yet, and will be made with its folder", problem: null };
    }
    const unsafe = await unsafeToOpen(folder, path, true);
    if (unsafe !== null) return { name, found: "not safe to open", problem: unsafe };
    const size = await Deno.stat(path).then(({ size }) => size, () => null);
    if (size === null) return { name, found: "not there yet, and will be made", problem: null };
    const holder = lockHolder(path);
    const { problem, counts } = inspect(path, holder !== null);
    if (problem !== null) return { name, found: problem, problem: remedyFor(problem) ?? other };
    const jobs = Object.entries(counts).map(([state, n]) => `${n} ${state}`).join(", ");
    const found = `sound, ${size} bytes, jobs: ${jobs}`;
    if (holder === null) return { name, found, problem: null };
    return {
      name,
      found: `${found}, in use by qj (pid ${holder})`,
      problem: `end that one first, or ${other}`,
    };
  } catch (error) {
    const found = reasonOf(error);
    return { name, found, problem: remedyFor(found) ?? other };
  }
}
