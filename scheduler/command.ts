/**
 * How a script becomes a process.
 *
 * The daemon spawns `/bin/sh` by its absolute path from `/`; everything that may touch the mount (the working
 * directory, the interpreter, the script itself) happens in the shell, after exec: a spawn with a cwd inside the mount
 * would wait for an answer of the thread that spawns. The shell joins stderr to stdout, so that the log has both in the
 * order in which they were written, then hands over to the script.
 */

/** A single argument is at most 131,072 bytes with its NUL (MAX_ARG_STRLEN), "shift;" included. */
const MAX_ARGUMENT = 131_072 - 1 - "shift;".length;
const SHEBANG = [0x23, 0x21];

/** $1 is the working directory, $2 the soft limit of open files, $3 the script or its file. */
const PREPARE = 'exec 2>&1; umask 022; ulimit -Sn "$2"; cd -- "$1" || exit 126; ';
/** As `sh -c` would: `$#` is 0 and the first line of the script is line 1. */
const RUN_TEXT = `${PREPARE}shift 2; eval "shift;$1"`;
const RUN_SHELL_FILE = `${PREPARE}exec /bin/sh "$3"`;
const RUN_EXECUTABLE = `${PREPARE}exec "$3"`;

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

/** Why a script cannot run however often it is tried, or null. */
export function unrunnable(script: Uint8Array): string | null {
  if (isExecutable(script)) return null;
  return script.includes(0) ? "not run: the script contains a NUL byte" : null;
}

function isExecutable(script: Uint8Array): boolean {
  return SHEBANG.every((byte, i) => script[i] === byte);
}

/** The command that runs a script. Text goes as an argument where it fits and is UTF-8, everything else as a file. */
export function commandLine(script: Uint8Array, environment: JobEnvironment): CommandLine {
  const { groups } = environment;
  const wrapper = groups.length === 0
    ? []
    : ["/usr/bin/setpriv", "--groups", groups.join(","), "--"];
  const line = (prepared: string, last: string) => {
    const argv = [
      ...wrapper,
      "/bin/sh",
      "-c",
      prepared,
      "sh",
      environment.cwd,
      String(environment.openFiles),
      last,
    ];
    return { program: argv[0]!, args: argv.slice(1) };
  };
  const text = isExecutable(script) ? null : asArgument(script);
  if (text !== null) return { file: false, ...line(RUN_TEXT, text) };
  const prepared = isExecutable(script) ? RUN_EXECUTABLE : RUN_SHELL_FILE;
  const { program } = line(prepared, "");
  return { file: true, program, args: (path) => line(prepared, path).args };
}

function asArgument(script: Uint8Array): string | null {
  if (script.length > MAX_ARGUMENT) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(script);
  } catch {
    return null;
  }
}
