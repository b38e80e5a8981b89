/** Where the state file is, and opening it with messages that name the knob. */
import { Locked, lockStateFile, type StateLock } from "../store/lock.ts";
import { Store } from "../store/store.ts";
import { Failure, reasonOf } from "./failure.ts";
import { isInside } from "./paths.ts";
import { unsafeToOpen } from "./state_safety.ts";

export interface StatePath {
  readonly path: string;
  /** What decided: an option or an environment variable, for messages. */
  readonly knob: string;
}

/** The path by option, else by environment. `cwd` resolves a relative one. */
export function statePath(
  option: string | undefined,
  env: (name: string) => string | undefined,
  cwd: string,
  knob = "--state-file",
): StatePath {
  const absolute = (path: string) => path.startsWith("/") ? path : `${cwd}/${path}`;
  if (option !== undefined) return { path: absolute(option), knob };
  const own = env("QJ_STATE_FILE");
  if (own) return { path: absolute(own), knob: "QJ_STATE_FILE" };
  // The specification says that a relative path in it is to be ignored.
  const data = env("XDG_DATA_HOME");
  if (data?.startsWith("/")) return { path: `${data}/qj/state.db`, knob: "XDG_DATA_HOME" };
  const home = env("HOME");
  if (home) return { path: `${home}/.local/share/qj/state.db`, knob: "HOME" };
  throw new Failure(
    "HOME is not set: say where to keep the jobs with --state-file, or in fstab with state_file=",
    2,
  );
}

export interface OpenState {
  readonly store: Store;
  readonly lock: StateLock;
  /** For scripts that run from a file. */
  readonly runFolder: string;
}

const INSIDE = "it is inside the mountpoint, where it could not be reached once qj is mounted";

/** Makes what is missing, takes the lock and opens the store. Throws {@linkcode Failure}. */
export async function openState(state: StatePath, mountpoint: string): Promise<OpenState> {
  const folder = state.path.replace(/\/[^/]*$/, "") || "/";
  const name = state.path.slice(state.path.lastIndexOf("/") + 1);
  if (name === "") throw cannotOpen(state, "that is a directory");
  // Before anything is made: a folder in the mountpoint would make it unusable.
  if (isInside(await realPathOfMissing(folder), mountpoint)) {
    throw cannotOpen(state, INSIDE);
  }
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const realFolder = await Deno.realPath(folder);
    if (isInside(realFolder, mountpoint)) throw cannotOpen(state, INSIDE);
    const path = `${realFolder === "/" ? "" : realFolder}/${name}`;
    const unsafe = await unsafeToOpen(realFolder, path);
    if (unsafe !== null) throw cannotOpen(state, unsafe);
    const lock = lockStateFile(path);
    try {
      const runFolder = `${path}.run`;
      await Deno.mkdir(runFolder, { recursive: true, mode: 0o700 });
      return { store: new Store(path), lock, runFolder };
    } catch (error) {
      lock.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof Locked) throw cannotOpen(state, error.message);
    throw unreadable(state, error);
  }
}

function cannotOpen({ path, knob }: StatePath, reason: string): Failure {
  return new Failure(`cannot open state file ${JSON.stringify(path)} (${knob}): ${reason}`);
}

/** The state file cannot be read: says so, with what that means. */
export function unreadable(state: StatePath, error: unknown): Failure {
  return cannotOpen(state, explain(error));
}

/** The real path of something whose last parts may not exist yet. */
async function realPathOfMissing(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) || path === "/") return path;
    const cut = path.lastIndexOf("/");
    const parent = await realPathOfMissing(path.slice(0, cut) || "/");
    // A link to something that does not exist: what would be made is the target.
    const target = await Deno.readLink(path).catch(() => null);
    if (target !== null) {
      return await realPathOfMissing(target.startsWith("/") ? target : `${parent}/${target}`);
    }
    return `${parent === "/" ? "" : parent}/${path.slice(cut + 1)}`;
  }
}

/** What SQLite says, with a word on what it means for the user. */
function explain(error: unknown): string {
  const reason = reasonOf(error);
  const remedy = remedyFor(reason);
  return remedy === null ? reason : `${reason}. ${remedy}`;
}

/** What to do about a file of which SQLite or the store says this, or null. */
export function remedyFor(reason: string): string | null {
  if (!/not a database|malformed|is damaged/.test(reason)) return null;
  return `It was left as it is: restore a backup, or get what can be read by sqlite3's .recover ` +
    `(see EXAMPLES in qj(1)), or move it away to begin anew`;
}
