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
import { path, runSync } from "@optique/run";
import { type Address, isHostName, parseAddress } from "../web/address.ts";
import { Failure } from "./failure.ts";
import { parseMountOptions } from "./mount_options.ts";
import { type HttpOptions, LOG_FORMATS, LOG_LEVELS, type Options, USAGE } from "./option_values.ts";

/** Of SOURCE: the state file is named in another way. */
const NO_SOURCE: ReadonlySet<string> = new Set(["qj", "none"]);

const parser = object({
  stateFile: optional(option("--state-file", path({ metavar: "FILE", type: "file" }), {
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
  readFolders: multiple(option("-ro", path({ metavar: "DIR", type: "directory" }), {
    description:
      message`Run jobs in a sandbox, in which they may read and execute what is in DIR. Repeatable, as all options of the sandbox.`,
  })),
  readFiles: multiple(option("-rof", path({ metavar: "FILE", type: "file" }), {
    description: message`The same for one file.`,
  })),
  writeFolders: multiple(option("-rw", path({ metavar: "DIR", type: "directory" }), {
    description: message`Run jobs in a sandbox, in which they may also change what is in DIR.`,
  })),
  writeFiles: multiple(option("-rwf", path({ metavar: "FILE", type: "file" }), {
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
  httpAddress: optional(option("--http", string({ metavar: "ADDRESS" }), {
    description:
      message`Show the queue in a browser, at 127.0.0.1:PORT, [::1]:PORT or unix:PATH. The log has the link.`,
  })),
  httpTokenFile: optional(option("--http-token-file", path({ metavar: "FILE", type: "file" }), {
    description:
      message`The secret that opens the pages. Made if it does not exist. Default: the state file's name with .token.`,
  })),
  httpReadOnly: option("--http-readonly", {
    description: message`The pages only show, and do nothing.`,
  }),
  httpInsecureBind: option("--http-insecure-bind", {
    description:
      message`Let --http be an address that other machines can reach, without encryption.`,
  }),
  httpHosts: multiple(option("--http-host", string({ metavar: "NAME" }), {
    description:
      message`A name by which a reverse proxy asks for the pages, with :PORT unless it is the usual one. Repeatable.`,
  })),
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
  mountOptions: multiple(option("-o", string({ metavar: "OPTIONS" }), {
    description:
      message`As a mount helper, see MOUNTING FROM FSTAB in qj(1): mount in the background, and end when the mount is ready.`,
  })),
  foreground: option("-f", { description: message`With -o: stay in the foreground.` }),
  check: option("--check", {
    description: message`Say what a mount needs and whether it is there, and end. Mounts nothing.`,
  }),
  /** Says so on stdout when the mount is ready: for the process that has started this one. */
  tellReady: option("--tell-ready", { hidden: true }),
  places: multiple(
    argument(path({ metavar: "MOUNTPOINT", type: "directory" }), {
      description:
        message`An empty directory. With a SOURCE before it, that names the state file, unless it is qj or none.`,
    }),
    { min: 0, max: 2 },
  ),
});

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
    completion: "option",
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
  const { places, mountOptions, foreground, httpAddress, ...given } = options;
  const [mountpoint, source] = [...places].reverse();
  if (mountpoint === undefined && !options.check) {
    throw new Failure("MOUNTPOINT is missing, see qj --help", USAGE);
  }
  const sourceFile = source === undefined || NO_SOURCE.has(source) ? undefined : source;
  if (sourceFile !== undefined && options.stateFile !== undefined) {
    throw new Failure("the state file is named twice: by SOURCE and by --state-file", USAGE);
  }
  const parsed = parseMountOptions(mountOptions.join(","));
  const all = {
    ...given,
    http: httpAddress === undefined ? undefined : readAddress(httpAddress),
    mountpoint,
    source,
    background: mountOptions.length > 0 && !foreground && !options.check,
    ...sourceFile !== undefined && { stateFile: sourceFile, stateFileKnob: "SOURCE" },
    ...parsed,
    httpHosts: [...given.httpHosts, ...parsed.httpHosts ?? []],
  };
  if (all.runAsRoot && all.runAs === undefined) {
    throw new Failure("--run-as-root means something only with --run-as owner", USAGE);
  }
  checkHttp(all, parsed);
  return { ...all, allowOther: all.allowOther || all.runAs === "owner" };
}

function readAddress(text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new Failure(`--http ${JSON.stringify(text)}: ${(error as RangeError).message}`, USAGE);
  }
}

/** The options of the pages, as they are written in both ways. */
const PAGES = {
  http: ["--http", "-o http"],
  httpTokenFile: ["--http-token-file", "-o http_token_file"],
  httpReadOnly: ["--http-readonly", "-o http_readonly"],
  httpInsecureBind: ["--http-insecure-bind", "-o http_insecure_bind"],
  httpHosts: ["--http-host", "-o http_host"],
} as const;
type PagesKey = keyof typeof PAGES;

/** Throws {@linkcode Failure} for options of the pages that do not go together. `mounted`: those that came with `-o`. */
function checkHttp(options: HttpOptions, mounted: Partial<HttpOptions>): void {
  const { http, httpTokenFile, httpReadOnly, httpInsecureBind, httpHosts } = options;
  const knob = (key: PagesKey, as = key) => PAGES[key][as in mounted ? 1 : 0];
  if (http === undefined) {
    const given = { httpTokenFile, httpReadOnly, httpInsecureBind, httpHosts: httpHosts[0] };
    for (const [key, value] of Object.entries(given) as [keyof typeof given, unknown][]) {
      if (!value) continue;
      throw new Failure(
        `${knob(key)} means something only with ${knob("http", key)}`,
        USAGE,
      );
    }
    return;
  }
  if (http.kind === "tcp" && !http.isLoopback && !httpInsecureBind) {
    throw new Failure(
      `${
        knob("http")
      }: other machines can reach ${http.hostname}, and what is sent is not encrypted. Use ` +
        "127.0.0.1 behind a reverse proxy with TLS, or say that you mean it with " +
        knob("httpInsecureBind", "http"),
      USAGE,
    );
  }
  for (const host of httpHosts) {
    if (!isHostName(host)) {
      throw new Failure(
        `--http-host must be a name as in qj.example.org or qj.example.org:8443, not ${
          JSON.stringify(host)
        }`,
        USAGE,
      );
    }
  }
}

function write(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
}
