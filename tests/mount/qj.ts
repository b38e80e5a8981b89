/**
 * A real daemon on a real mount in a temporary folder, for tests.
 *
 * Tests wait for what the daemon logs or for what a file shows, with a deadline that only a hang reaches. A mount that
 * hangs would hang the test too, so a watchdog aborts its connection to the kernel.
 */
import { TextLineStream } from "./text_lines.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;
const PERMISSIONS = ["ffi", "read", "write", "env", "run", "sys", "net", "import"];
/** Deadline of every wait, in ms: far beyond what a slow machine needs. */
const DEADLINE_MS = 60_000;
const LOOK_MS = 10;

export interface QjOptions {
  /** Further arguments before the mountpoint. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to config.json after the mount. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Of an earlier daemon, to go on with its jobs. */
  readonly folder?: string;
  /** Where the state file is; default: in the folder. */
  readonly stateFile?: string;
  /** A compiled program to start instead of the sources. */
  readonly program?: string;
  /** Default: debug. The start is told at info. */
  readonly logLevel?: "debug" | "info";
  /** A program and its arguments that start the daemon. */
  readonly under?: readonly string[];
  /** When a mount counts as hung and is aborted, in ms after its start. */
  readonly watchdogMs?: number;
}

/** The command that starts qj: a compiled program, else the sources. */
export function qjCommand(args: readonly string[], program?: string): [string, string[]] {
  if (program !== undefined) return [program, [...args]];
  const flags = PERMISSIONS.map((name) => `--allow-${name}`);
  return [Deno.execPath(), [
    "run",
    "--no-prompt",
    "--quiet",
    ...flags,
    `${PROJECT}main.ts`,
    ...args,
  ]];
}

export class Qj implements AsyncDisposable {
  readonly folder: string;
  readonly mountpoint: string;
  readonly stateFile: string;
  readonly #options: QjOptions;
  #child!: Deno.ChildProcess;
  #lines: string[] = [];
  #watchers = new Set<() => void>();
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #stderrDone: Promise<void> = Promise.resolve();

  private constructor(options: QjOptions) {
    this.#options = options;
    this.folder = options.folder ?? Deno.makeTempDirSync({ prefix: "qj-test-" });
    this.mountpoint = `${this.folder}/mnt`;
    this.stateFile = options.stateFile ?? `${this.folder}/state/state.db`;
    Deno.mkdirSync(this.mountpoint, { recursive: true });
  }

  /** Starts a daemon and waits until it is mounted. */
  static async start(options: QjOptions = {}): Promise<Qj> {
    const qj = new Qj(options);
    try {
      await qj.restart();
      if (options.settings !== undefined) await qj.configure(options.settings);
      return qj;
    } catch (error) {
      await qj[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts the daemon (again) on the same folder. */
  async restart(): Promise<void> {
    this.#spawn();
    clearTimeout(this.#watchdog);
    await this.logged(/mounted on/);
    const minor = mountMinor(this.mountpoint);
    const { watchdogMs = 2 * DEADLINE_MS } = this.#options;
    this.#watchdog = setTimeout(() => abortConnection(minor), watchdogMs);
  }

  /** Starts it and kills it so many ms later. True: that was before it was mounted. */
  async startAndKill(ms: number): Promise<boolean> {
    this.#spawn();
    await new Promise((resolve) => setTimeout(resolve, ms));
    const isMounted = /mounted on/.test(this.log);
    await this.end("SIGKILL");
    return !isMounted;
  }

  #spawn(): void {
    const command = qjCommand([
      "--state-file",
      this.stateFile,
      "--log-level",
      this.#options.logLevel ?? "debug",
      ...this.#options.args ?? [],
      this.mountpoint,
    ], this.#options.program);
    const [program, ...args] = [...this.#options.under ?? [], command[0], ...command[1]];
    this.#lines = [];
    this.#child = new Deno.Command(program!, {
      args,
      cwd: this.#options.cwd ?? this.folder,
      env: this.#options.env ?? {},
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#stderrDone = this.#readLog(this.#child.stderr);
  }

  async #readLog(stderr: ReadableStream<Uint8Array>): Promise<void> {
    for await (const line of stderr.pipeThrough(new TextLineStream())) {
      this.#lines.push(line);
      for (const watcher of this.#watchers) watcher();
    }
    for (const watcher of this.#watchers) watcher();
  }

  get pid(): number {
    return this.#child.pid;
  }

  get log(): string {
    return this.#lines.join("\n");
  }

  /** Waits for a line of the daemon's log and returns it. */
  async logged(pattern: RegExp, from = 0): Promise<string> {
    let ended = false;
    void this.#child.status.then(() => this.#stderrDone).then(() => {
      ended = true;
      for (const watcher of this.#watchers) watcher();
    });
    return await new Promise<string>((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        settle();
      };
      const look = () => {
        const line = this.#lines.slice(from).find((candidate) => pattern.test(candidate));
        if (line !== undefined) done(() => resolve(line));
        else if (ended) done(() => reject(new Error(`qj ended without ${pattern}:\n${this.log}`)));
      };
      const timer = setTimeout(
        () => done(() => reject(new Error(`no ${pattern} in time:\n${this.log}`))),
        DEADLINE_MS,
      );
      this.#watchers.add(look);
      look();
    });
  }

  /** How many lines the log has: to wait for what comes after. */
  get logLength(): number {
    return this.#lines.length;
  }

  path(...parts: string[]): string {
    return [this.mountpoint, ...parts].join("/");
  }

  async configure(settings: Readonly<Record<string, unknown>>): Promise<void> {
    await Deno.writeTextFile(this.path("config.json"), JSON.stringify(settings));
  }

  /** Submits a job as `printf … > pending/NAME` does. */
  async submit(name: string, script: string | Uint8Array): Promise<void> {
    const bytes = typeof script === "string" ? new TextEncoder().encode(script) : script;
    await Deno.writeFile(this.path("pending", name), bytes);
  }

  /** Waits until a job is in a directory, and returns what its file shows. */
  async in(directory: string, name: string): Promise<string> {
    const path = this.path(directory, name);
    await until(`${directory}/${name}`, () => exists(path));
    return await Deno.readTextFile(path);
  }

  /** Names in a directory, sorted. */
  async ls(directory: string): Promise<string[]> {
    const names: string[] = [];
    for await (const entry of Deno.readDir(this.path(directory))) names.push(entry.name);
    return names.sort();
  }

  /** Runs a shell script, in the mountpoint by default; it is killed at the deadline. */
  async sh(script: string, cwd = this.mountpoint): Promise<ShellResult> {
    const { code, stdout, stderr } = await new Deno.Command("timeout", {
      args: ["-s", "KILL", String(DEADLINE_MS / 1000), "bash", "-c", script],
      cwd,
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Sends a signal and returns the exit status, once the daemon has ended. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended by itself.
    }
    return await this.exited();
  }

  /** The daemon's exit status, once it has ended. */
  async exited(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#stderrDone;
    return code;
  }

  /** Cuts the connection to the kernel, as an administrator does with a file system that hangs. */
  abort(): void {
    abortConnection(mountMinor(this.mountpoint));
  }

  get isMounted(): boolean {
    return mountMinor(this.mountpoint) !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#watchdog);
    const minor = mountMinor(this.mountpoint);
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    const killer = setTimeout(() => {
      abortConnection(minor);
      this.#child.kill("SIGKILL");
    }, DEADLINE_MS / 2);
    await this.#child.status;
    await this.#stderrDone;
    clearTimeout(killer);
    while (mountMinor(this.mountpoint) !== null) {
      await new Deno.Command("fusermount3", { args: ["-uz", this.mountpoint] }).output();
    }
    if (this.#options.folder === undefined) await Deno.remove(this.folder, { recursive: true });
  }
}

export interface ShellResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** Waits until `condition` holds. For what no event tells; `what` is for the message. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The minor device number of the mount, which names its connection in /sys/fs/fuse, or null: not mounted. */
function mountMinor(mountpoint: string): string | null {
  const line = Deno.readTextFileSync("/proc/self/mountinfo").split("\n")
    .find((candidate) => candidate.split(" ")[4] === mountpoint);
  return line?.split(" ")[2]?.split(":")[1] ?? null;
}

const CONNECTIONS = "/sys/fs/fuse/connections";

/** Needs root. The control file system is not mounted everywhere. */
function abortConnection(minor: string | null): void {
  if (minor === null) return;
  const abort = () => Deno.writeTextFileSync(`${CONNECTIONS}/${minor}/abort`, "1");
  try {
    abort();
  } catch {
    new Deno.Command("mount", { args: ["-t", "fusectl", "fusectl", CONNECTIONS] }).outputSync();
    abort();
  }
}
