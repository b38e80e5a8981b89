/**
 * How a script becomes a process.
 *
 * The daemon spawns `/bin/sh` by its absolute path from `/`; everything that may touch the mount (the working
 * directory, the wrapper, the interpreter, the script itself) happens in the shell, after exec: a spawn with a cwd inside
 * the mount would wait for an answer of the thread that spawns. The shell joins stderr to stdout, so that the log has
 * both in the order in which they were written, then hands over to the script: at once, or through a wrapper and a second
 * shell, which may be on another machine.
 */
import type { JobOptions } from "../store/job_options.ts";

/** A single argument is at most 131,072 bytes with its NUL (MAX_ARG_STRLEN), "shift;" included. */
const MAX_ARGUMENT = 131_072 - 1 - "shift;".length;
const SHEBANG = [0x23, 0x21];

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
  /** Supplementary groups that spawning would drop, for `setpriv`; empty: none. */
  readonly groups: readonly number[];
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

export interface CommandOptions extends Pick<JobOptions, "cwd" | "nice"> {
  /** A program and its arguments before the shell; empty: none. */
  readonly wrapper?: readonly string[];
}

/** Why a script cannot run however often it is tried, or null. */
export function unrunnable(script: Uint8Array): string | null {
  if (isExecutable(script)) return null;
  return script.includes(0) ? "not run: the script contains a NUL byte" : null;
}

function isExecutable(script: Uint8Array): boolean {
  return SHEBANG.every((byte, i) => script[i] === byte);
}

type Form =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "shell file" }
  | { readonly kind: "executable" };

/** Text goes as an argument where it fits and is UTF-8, everything else as a file. */
function formOf(script: Uint8Array): Form {
  if (isExecutable(script)) return { kind: "executable" };
  if (script.length > MAX_ARGUMENT) return { kind: "shell file" };
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(script);
    return { kind: "text", text };
  } catch {
    return { kind: "shell file" };
  }
}

/** The command that runs a script. */
export function commandLine(
  script: Uint8Array,
  environment: JobEnvironment,
  options: CommandOptions = {},
): CommandLine {
  const form = formOf(script);
  const argv = (last: string) => argvOf(form.kind, environment, options, last);
  if (form.kind !== "text") {
    return { file: true, program: argv("")[0]!, args: (path) => argv(path).slice(1) };
  }
  const [program, ...args] = argv(form.text);
  return { file: false, program: program!, args };
}

function argvOf(
  kind: Form["kind"],
  { cwd: usualCwd, groups, openFiles }: JobEnvironment,
  { cwd = usualCwd, nice, wrapper = [] }: CommandOptions,
  last: string,
): string[] {
  const setpriv = groups.length === 0
    ? []
    : ["/usr/bin/setpriv", "--groups", groups.join(","), "--"];
  const shell = (text: string) => [
    ...setpriv,
    ...["/bin/sh", "-c", text, "sh", cwd, String(openFiles)],
  ];
  const niceness = nice === undefined ? [] : ["nice", "-n", String(nice)];
  const before = [...wrapper, ...niceness];
  if (kind === "text") {
    if (before.length === 0) return [...shell(`${PREPARE}shift 2; ${EVAL}`), last];
    const inner = ["/bin/sh", "-c", `${JOIN}${EVAL}`, "sh", last];
    return [...shell(wrapper.length === 0 ? HAND_OVER : HAND_OVER_TO_WRAPPER), ...before, ...inner];
  }
  const inner = kind === "executable" ? [last] : ["/bin/sh", last];
  if (wrapper.length === 0) return [...shell(HAND_OVER), ...before, ...inner];
  const joined = ["/bin/sh", "-c", `${JOIN}exec "$@"`, "sh", ...inner];
  return [...shell(HAND_OVER_TO_WRAPPER), ...before, ...joined];
}
