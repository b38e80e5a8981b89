/**
 * A home directory in which the commands of a page run as they stand: `~/jobs` is a real mount, `~/.local/share/qj/state.db`
 * its state file, `~/bin` comes first in PATH, and a `qj` in it is the daemon that runs.
 *
 * There is no service manager: lines that begin with `systemctl --user stop qj` and `start` or `restart` in place of
 * `stop` end and start the daemon, and other lines of systemctl and loginctl are left out.
 */
import assert from "node:assert/strict";
import { Qj, qjCommand, type ShellResult } from "../mount/qj.ts";
import { runCommand } from "./command.ts";
import type { Page } from "./page.ts";

/** Deno's cache, which is found by HOME otherwise. */
const DENO_DIR = Deno.env.get("DENO_DIR") ??
  `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`;

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** A shell script that starts qj from its sources. */
function launcher(): string {
  const [program, args] = qjCommand([]);
  const words = [program, ...args].map(quote).join(" ");
  return `#!/bin/sh\nDENO_DIR=${quote(DENO_DIR)} exec ${words} "$@"\n`;
}

export interface HomeOptions {
  /** Programs for ~/bin, by name, that stand in for what the machine does not have. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Is called before the daemon is started for the first time. */
  readonly before?: (folder: string) => Promise<void> | void;
  /** Of the daemon, besides the default one: to try what is new without a long wait. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export class Home implements AsyncDisposable {
  readonly folder: string;
  readonly #qj: Qj;

  private constructor(folder: string, qj: Qj) {
    this.folder = folder;
    this.#qj = qj;
  }

  static async start(options: HomeOptions = {}): Promise<Home> {
    const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
    await Deno.mkdir(`${folder}/bin`);
    await Deno.symlink("mnt", `${folder}/jobs`);
    for (const [name, text] of Object.entries({ qj: launcher(), ...options.programs })) {
      await Deno.writeTextFile(`${folder}/bin/${name}`, text, { mode: 0o755 });
    }
    await options.before?.(folder);
    try {
      const qj = await Qj.start({
        folder,
        stateFile: `${folder}/.local/share/qj/state.db`,
        program: `${folder}/bin/qj`,
        env: environment(folder),
        settings: { backoff_base: 0, ...options.settings },
      });
      return new Home(folder, qj);
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  get qj(): Qj {
    return this.#qj;
  }

  get env(): Record<string, string> {
    return environment(this.folder);
  }

  path(...parts: string[]): string {
    return [this.folder, ...parts].join("/");
  }

  async read(path: string): Promise<string> {
    return await Deno.readTextFile(this.path(path));
  }

  async write(path: string, text: string | Uint8Array): Promise<void> {
    const full = this.path(path);
    await Deno.mkdir(full.replace(/\/[^/]*$/, ""), { recursive: true });
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const isProgram = bytes[0] === 35 && bytes[1] === 33; // #!
    await Deno.writeFile(full, bytes, { mode: isProgram ? 0o755 : 0o644 });
  }

  /** Puts files of a page in their places; all of them by default. */
  async install(page: Page, titles: readonly string[] = page.titles): Promise<void> {
    for (const title of titles) await this.write(title, page.file(title));
  }

  /** Runs commands and returns how they ended. */
  async run(script: string, stdin: Uint8Array | string = ""): Promise<ShellResult> {
    const args = ["-s", "KILL", "60", "bash", "-c", script];
    return await runCommand("timeout", { args, cwd: this.folder, env: this.env }, stdin);
  }

  /** Runs commands of a page, which have to succeed in silence on standard error; returns what they print. */
  async sh(commands: string, stdin: Uint8Array | string = ""): Promise<string> {
    let printed = "";
    for (
      const part of commands.split(
        /^(?=(?:systemctl|loginctl) )|(?<=^(?:systemctl|loginctl) .*\n)/m,
      )
    ) {
      const action = /^systemctl --user (stop|start|restart) qj$/m.exec(part)?.[1];
      if (action === "stop" || action === "restart") assert.equal(await this.#qj.end(), 0);
      if (action === "start" || action === "restart") await this.#qj.restart();
      if (/^(systemctl|loginctl) /.test(part) || part.trim() === "") continue;
      const { code, stdout, stderr } = await this.run(`set -e\n${part}`, stdin);
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" }, `${part}\n${stdout}`);
      printed += stdout;
    }
    return printed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#qj[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** What a login has. */
function environment(folder: string): Record<string, string> {
  return {
    HOME: folder,
    PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
    TZ: "UTC",
    // Not that of the machine: the state file is found by HOME.
    XDG_DATA_HOME: "",
  };
}
