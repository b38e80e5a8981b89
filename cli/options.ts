/** The command line. */
import {
  argument,
  choice,
  float,
  integer,
  message,
  multiple,
  object,
  option,
  optional,
  string,
  withDefault,
} from "@optique/core";
import { runSync } from "@optique/run";
import { Failure } from "./failure.ts";
import type { SandboxOptions } from "../scheduler/sandbox_policy.ts";

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export const LOG_FORMATS = ["text", "json"] as const;

export interface Options extends SandboxOptions {
  /** As given; undefined: the environment decides. */
  readonly stateFile?: string | undefined;
  readonly allowOther: boolean;
  /** Each job runs as the owner of its file. */
  readonly runAs?: "owner" | undefined;
  /** Root's own jobs are run too. */
  readonly runAsRoot: boolean;
  /** How long the end waits for running jobs before it stops them, in seconds. */
  readonly drainTimeoutSec: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly logFormat: (typeof LOG_FORMATS)[number];
  /** As given. */
  readonly mountpoint: string;
}

/** Exit status for bad usage. */
export const USAGE = 2;

const parser = object({
  stateFile: optional(option("--state-file", string({ metavar: "FILE" }), {
    description:
      message`Keep jobs in FILE. Default: $QJ_STATE_FILE, else $XDG_DATA_HOME/qj/state.db, else ~/.local/share/qj/state.db.`,
  })),
  allowOther: option("--allow-other", {
    description: message`Let other users enter the mount. What they write is not run.`,
  }),
  runAs: optional(option("--run-as", choice(["owner"] as const, { metavar: "WHO" }), {
    description:
      message`owner: run each job as the owner of its file. For root, with --allow-other.`,
  })),
  runAsRoot: option("--run-as-root", {
    description: message`With --run-as owner: run root's own jobs too.`,
  }),
  readFolders: multiple(option("-ro", string({ metavar: "DIR" }), {
    description:
      message`Run jobs in a sandbox, in which they may read and execute what is in DIR. Repeatable, as all options of the sandbox.`,
  })),
  readFiles: multiple(option("-rof", string({ metavar: "FILE" }), {
    description: message`The same for one file.`,
  })),
  writeFolders: multiple(option("-rw", string({ metavar: "DIR" }), {
    description: message`Run jobs in a sandbox, in which they may also change what is in DIR.`,
  })),
  writeFiles: multiple(option("-rwf", string({ metavar: "FILE" }), {
    description: message`The same for one file.`,
  })),
  connect: multiple(option("--connect", integer({ metavar: "PORT", min: 1, max: 65535 }), {
    description: message`Run jobs in a sandbox, in which they may connect to this TCP port.`,
  })),
  bind: multiple(option("--bind", integer({ metavar: "PORT", min: 0, max: 65535 }), {
    description:
      message`Run jobs in a sandbox, in which they may listen on this TCP port. 0: on one that the system chooses.`,
  })),
  drainTimeoutSec: withDefault(
    option("--drain-timeout", float({ metavar: "SEC", min: 0, max: 31_536_000 }), {
      description:
        message`At the end, wait so many seconds for running jobs before they are stopped. Default: 0.`,
    }),
    0,
  ),
  logLevel: withDefault(
    option("--log-level", choice(LOG_LEVELS, { metavar: "LEVEL" }), {
      description: message`debug, info, warning or error. Default: info.`,
    }),
    "info" as const,
  ),
  logFormat: withDefault(
    option("--log-format", choice(LOG_FORMATS, { metavar: "FORMAT" }), {
      description: message`text or json, one line each, to stderr. Default: text.`,
    }),
    "text" as const,
  ),
  mountpoint: argument(string({ metavar: "MOUNTPOINT" }), {
    description: message`An empty directory.`,
  }),
}, { errors: { endOfInput: message`MOUNTPOINT is missing, see qj --help.` } });

/** The program ends here: after help or version, or with a usage error. */
export class Exit extends Error {
  override readonly name = "Exit";
  readonly status: number;

  constructor(status: number) {
    super(`exit ${status}`);
    this.status = status;
  }
}

/**
 * Parses arguments. `version` is asked only when it is wanted, since it loads libfuse. Prints and throws {@linkcode Exit} for
 * `--help`, `--version` and bad usage.
 */
export function parseOptions(args: readonly string[], version: () => string): Options {
  const options = runSync(parser, {
    programName: "qj",
    args: [...args],
    help: "option",
    version: args.includes("--version") ? version() : "unasked",
    brief: message`A job queue that you can ls.`,
    footer: message`See qj(1) for the command and qj(5) for the files.`,
    aboveError: "none",
    errorExitCode: USAGE,
    stdout: (text) => write(Deno.stdout, text),
    stderr: (text) => write(Deno.stderr, text.replace(/^Error: /, "qj: ")),
    onExit: (status) => {
      throw new Exit(status);
    },
  });
  if (options.runAsRoot && options.runAs === undefined) {
    throw new Failure("--run-as-root means something only with --run-as owner", USAGE);
  }
  return { ...options, allowOther: options.allowOther || options.runAs === "owner" };
}

function write(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
}
