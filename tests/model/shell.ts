/**
 * What a script prints and how it exits: the shell itself is asked, outside of any mount. The same script always does
 * the same, so each is asked for once. Scripts are ASCII: others run from a file, whose name is in the messages.
 */
import type { Bytes } from "./bytes.ts";

export interface ShellRun {
  readonly output: Bytes;
  readonly code: number;
}

/** By `eval`, which stands in the shell's messages about errors of syntax. */
const RUN = 'exec 2>&1; umask 022; eval "shift;$1"';

export class Shell {
  readonly #folder: string;
  readonly #runs = new Map<Bytes, ShellRun>();

  /** `folder` is where scripts run. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async run(script: Bytes): Promise<ShellRun> {
    const known = this.#runs.get(script);
    if (known !== undefined) return known;
    const { stdout, code } = await new Deno.Command("timeout", {
      args: ["-s", "KILL", "20", "/bin/sh", "-c", RUN, "sh", script],
      cwd: this.#folder,
      stdin: "null",
      stderr: "null",
    }).output();
    const run = { output: String.fromCharCode(...stdout), code };
    this.#runs.set(script, run);
    return run;
  }
}
