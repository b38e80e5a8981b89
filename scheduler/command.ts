/**
 * How a script becomes a process.
 *
 * The daemon spawns `/bin/sh` by its absolute path from `/`; everything that may touch the mount (the working
 * directory, the wrapper, the interpreter, the script itself) happens in the shell, after exec: a spawn with a cwd inside
 * the mount would wait for an answer of the thread that spawns. The shell joins stderr to stdout, so that the log has
 * both in the order in which they were written, then hands over to the script: at once, or through a wrapper and a second
 * shell, which may be on another machine.
 *
 * For a job that runs as another user, setpriv(1) stands before all of it, behind a shell of its own that puts its errors into
 * the log. Both still run as the daemon's user: they get nothing that the job's owner can choose, neither variables
 * (LD_PRELOAD) nor the script, which others could see among the arguments.
 */
import type { Job } from "../store/job.ts";
import type { JobOptions } from "../store/job_options.ts";

/** A single argument is at most 131,072 bytes with its NUL (MAX_ARG_STRLEN), "shift;" included. */
const MAX_ARGUMENT = 131_072 - 1 - "shift;".length;
const SHEBANG = [0x23, 0x21];
/** Absolute, and of the system: it runs as root. */
const SETPRIV = "/usr/bin/setpriv";

/** One pipe for both. A wrapper may have divided them again. */
const JOIN = "exec 2>&1; ";
/** $1 is the working directory, $2 the soft limit of open files; then the script, or a whole command. */
const PREPARE = `${JOIN}umask 022; ulimit -Sn "$2"; cd -- "$1" || exit 126; `;
const HAND_OVER = `${PREPARE}shift 2; exec "$@"`;
/** The same where a program is handed over to that the user has named: says so if it does not exist. */
const HAND_OVER_TO_WRAPPER = `${PREPARE}shift 2
command -v -- "$1" >/dev/null || { printf 'qj: wrapper: no such program: %s\\n' "$1"; exit 127; }
exec "$@"`;
/** As `sh -c` would: `$#` is 0 and the first line of the script is line 1. */
const EVAL = 'eval "shift;$1"';

/** What all jobs of this daemon run with. */
export interface JobEnvironment {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Soft limit of open files. */
  readonly openFiles: number | "unlimited";
  /** Options of setpriv(1), which then stands before the shell; empty: it is not needed. */
  readonly setpriv: readonly string[];
  /** Whom `setpriv` makes of the daemon's user; undefined: the job runs as that one. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export type CommandLine =
  /** Runs as it is. */
  | { readonly file: false; readonly program: string; readonly args: readonly string[] }
  /** Runs from a file: `args` is made with its path. */
  | {
    readonly file: true;
    readonly program: string;
    readonly args: (path: string) => readonly string[];
  };

export interface CommandOptions extends Pick<JobOptions, "cwd" | "nice" | "env"> {
  /** A program and its arguments before the shell; empty: none. */
  readonly wrapper?: readonly string[];
}

/** Why the script of a job cannot run however often it is tried, or null. */
export function unrunnable(
  script: Uint8Array,
  { scriptSize }: Pick<Job, "scriptSize">,
): string | null {
  // After a repair of the state file. What is left could do anything, or succeed by doing nothing.
  if (script.length !== scriptSize) return "not run: the script is missing in the state file";
  if (isExecutable(script)) return null;
  return script.includes(0) ? "not run: the script contains a NUL byte" : null;
}

function isExecutable(script: Uint8Array): boolean {
  return SHEBANG.every((byte, i) => script[i] === byte);
}

/** The first bytes of a file that tell the kernel its interpreter: BINPRM_BUF_SIZE. */
const MAX_SHEBANG = 256;

/**
 * The interpreter of a script and its argument, as the kernel finds them (fs/binfmt_script.c). The script is handed to it
 * rather than executed, since the file system of the state file may be mounted noexec. None where the kernel finds none:
 * then the script is executed, for the shell to say what is wrong with it.
 */
function interpreterOf(script: Uint8Array): string[] {
  const head = new TextDecoder("latin1").decode(script.subarray(2, MAX_SHEBANG));
  const end = head.indexOf("\n");
  const line = (end < 0 ? head : head.slice(0, end)).replace(/^[ \t]+/, "").replace(/\0[^]*$/, "");
  const [, name = "", argument = ""] = /^([^ \t]*)[ \t]*([^]*?)[ \t]*$/.exec(line) ?? [];
  // A name that does not end in what the kernel reads is not run.
  const isCut = end < 0 && script.length > MAX_SHEBANG && name.length === line.length;
  if (name === "" || isCut) return [];
  const decode = (latin1: string) =>
    new TextDecoder().decode(Uint8Array.from(latin1, (character) => character.charCodeAt(0)));
  // Not one of PATH: the kernel looks in the working directory.
  const path = name.includes("/") ? name : `./${name}`;
  return [path, argument].filter((word) => word !== "").map(decode);
}

type Form =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "file"; readonly interpreter: readonly string[] };

/** Text goes as an argument where it fits, is UTF-8 and may be seen by all, everything else as a file. */
function formOf(script: Uint8Array, { user }: JobEnvironment): Form {
  if (isExecutable(script)) return { kind: "file", interpreter: interpreterOf(script) };
  const shellFile: Form = { kind: "file", interpreter: ["/bin/sh"] };
  if (script.length > MAX_ARGUMENT || user !== undefined) return shellFile;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(script);
    return { kind: "text", text };
  } catch {
    return shellFile;
  }
}

/** Under these names setpriv(1) passes on the variables that the job's owner has chosen. */
const carrier = (i: number) => `QJ_ENV_${i}`;

/** The environment of the process that is spawned. `own` is what qj tells the job. */
export function spawnEnvironment(
  { env, user }: JobEnvironment,
  chosen: Readonly<Record<string, string>> = {},
  own: Readonly<Record<string, string>> = {},
): Record<string, string> {
  if (user === undefined) return { ...env, ...chosen, ...own };
  const carried = Object.entries(chosen).map((
    [name, value],
    i,
  ) => [carrier(i), `${name}=${value}`]);
  return { ...env, ...Object.fromEntries(carried), ...own };
}

/** A command of the shell that gives what is carried its names. */
function unpack(count: number): string {
  return Array.from({ length: count }, (_, i) => `export "$${carrier(i)}"; unset ${carrier(i)}; `)
    .join("");
}

/** The command that runs a script. */
export function commandLine(
  script: Uint8Array,
  environment: JobEnvironment,
  options: CommandOptions = {},
): CommandLine {
  const form = formOf(script, environment);
  if (form.kind === "file") {
    const argv = (path: string) => argvOf(form, environment, options, path);
    return { file: true, program: argv("")[0]!, args: (path) => argv(path).slice(1) };
  }
  const [program, ...args] = argvOf(form, environment, options, form.text);
  return { file: false, program: program!, args };
}

function argvOf(
  form: Form,
  { cwd: usualCwd, setpriv, openFiles, user }: JobEnvironment,
  { cwd = usualCwd, nice, wrapper = [], env = {} }: CommandOptions,
  last: string,
): string[] {
  const unpacked = user === undefined ? "" : unpack(Object.keys(env).length);
  const become = ["/bin/sh", "-c", `${JOIN}exec "$@"`, "sh", SETPRIV, ...setpriv, "--"];
  const shell = (text: string) => [
    ...setpriv.length === 0 ? [] : become,
    ...["/bin/sh", "-c", `${unpacked}${text}`, "sh", cwd, String(openFiles)],
  ];
  const niceness = nice === undefined ? [] : ["nice", "-n", String(nice)];
  const before = [...wrapper, ...niceness];
  if (form.kind === "text") {
    if (before.length === 0) return [...shell(`${PREPARE}shift 2; ${EVAL}`), last];
    const inner = ["/bin/sh", "-c", `${JOIN}${EVAL}`, "sh", last];
    return [...shell(wrapper.length === 0 ? HAND_OVER : HAND_OVER_TO_WRAPPER), ...before, ...inner];
  }
  const inner = [...form.interpreter, last];
  if (wrapper.length === 0) return [...shell(HAND_OVER), ...before, ...inner];
  const joined = ["/bin/sh", "-c", `${JOIN}exec "$@"`, "sh", ...inner];
  return [...shell(HAND_OVER_TO_WRAPPER), ...before, ...joined];
}
