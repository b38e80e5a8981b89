/** Where the state file is, and opening it with messages that name the knob. */
import { Locked, lockStateFile } from "../store/lock.ts";
import { Store } from "../store/store.ts";
import { Failure, reasonOf } from "./failure.ts";

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
): StatePath {
  const absolute = (path: string) => path.startsWith("/") ? path : `${cwd}/${path}`;
  if (option !== undefined) return { path: absolute(option), knob: "--state-file" };
  const own = env("QJ_STATE_FILE");
  if (own) return { path: absolute(own), knob: "QJ_STATE_FILE" };
  // The specification says that a relative path in it is to be ignored.
  const data = env("XDG_DATA_HOME");
  if (data?.startsWith("/")) return { path: `${data}/qj/state.db`, knob: "XDG_DATA_HOME" };
  const home = env("HOME");
  if (home) return { path: `${home}/.local/share/qj/state.db`, knob: "HOME" };
  throw new Failure("HOME is not set: say where to keep the jobs with --state-file", 2);
}

export interface OpenState {
  readonly store: Store;
  readonly lock: Deno.FsFile;
  /** For scripts that run from a file. */
  readonly runFolder: string;
}

/** Makes what is missing, takes the lock and opens the store. */
export async function openState(
  { path, knob }: StatePath,
  mountpoint: string,
): Promise<OpenState> {
  const failed = (reason: string) =>
    new Failure(`cannot open state file "${path}" (${knob}): ${reason}`);
  const folder = path.replace(/\/[^/]*$/, "") || "/";
  let realFolder: string;
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    realFolder = await Deno.realPath(folder);
  } catch (error) {
    throw failed(reasonOf(error));
  }
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (name === "") throw failed("that is a directory");
  if (`${realFolder}/`.startsWith(`${mountpoint}/`)) {
    throw failed("it is inside the mountpoint, where it could not be reached once qj is mounted");
  }
  const realPath = `${realFolder === "/" ? "" : realFolder}/${name}`;
  try {
    const lock = lockStateFile(realPath);
    // SQLite gives its other files the mode of this one.
    Deno.openSync(realPath, { write: true, create: true, mode: 0o600 }).close();
    const runFolder = `${realPath}.run`;
    await Deno.mkdir(runFolder, { recursive: true, mode: 0o700 });
    return { store: new Store(realPath), lock, runFolder };
  } catch (error) {
    if (error instanceof Locked) throw failed(error.message);
    throw failed(explain(error));
  }
}

/** What SQLite says, with a word on what it means for the user. */
function explain(error: unknown): string {
  const reason = reasonOf(error);
  if (/not a database|malformed/.test(reason)) {
    return `${reason}. It was left as it is: move it away to begin anew, or restore a backup`;
  }
  return reason;
}
