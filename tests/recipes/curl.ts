/** A browser without a window: curl, with its cookies, with forms as a page has them, and streams of events. */
import assert from "node:assert/strict";
import { TextLineStream } from "../mount/text_lines.ts";
import { runCommand } from "./command.ts";
import type { Home } from "./home.ts";

export interface Answer {
  readonly status: number;
  /** With the line of the status. */
  readonly head: string;
  readonly body: string;
}

/** A browser with its cookies, at one origin. */
export class Browser {
  readonly #home: Home;
  readonly #origin: string;
  readonly #args: readonly string[];

  constructor(home: Home, origin: string, args: readonly string[] = []) {
    const jar = home.path(`cookies-${crypto.randomUUID()}`);
    this.#home = home;
    this.#origin = origin;
    this.#args = ["-sS", "--noproxy", "*", "-b", jar, "-c", jar, ...args];
  }

  /** Asks for a path of the origin, or for a link. */
  async ask(path: string, ...args: string[]): Promise<Answer> {
    const url = path.startsWith("/") ? this.#origin + path : path;
    const { code, stdout, stderr } = await runCommand("curl", {
      args: [...this.#args, "-i", "-m", "60", ...args, url],
      env: this.#home.env,
    }, "");
    assert.equal(code, 0, `${url}: ${stderr}`);
    const cut = stdout.indexOf("\r\n\r\n");
    const head = stdout.slice(0, cut);
    return { status: Number(head.split(" ")[1]), head, body: stdout.slice(cut + 4) };
  }

  /** Sends the form of a page, with what it has hidden. */
  async send(
    page: string,
    action: string,
    fields: Readonly<Record<string, string>>,
    origin = this.#origin,
  ): Promise<Answer> {
    const { body } = await this.ask(page);
    const form = new URLSearchParams(fields);
    for (const name of ["form_token", "once"]) {
      const value = new RegExp(` name="${name}" value="([^"]*)"`).exec(body)?.[1];
      if (value !== undefined) form.set(name, value);
    }
    const file = this.#home.path("form");
    await Deno.writeTextFile(file, form.toString());
    return await this.ask(action, "-H", `Origin: ${origin}`, "-H", "Expect:", "-d", `@${file}`);
  }

  /** Reads a stream of events until `body` is done with it. `body` gets the data of the next event that fits. */
  async stream(
    path: string,
    body: (next: (pattern: RegExp) => Promise<string>) => Promise<void>,
  ): Promise<void> {
    const child = new Deno.Command("curl", {
      args: [...this.#args, "-N", "-m", "60", this.#origin + path],
      env: this.#home.env,
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextLineStream()).getReader();
    try {
      await body(async (pattern) => {
        while (true) {
          const { done, value } = await lines.read();
          assert(!done, `the stream ended before ${pattern}`);
          // Sent when nothing has happened for long: what did happen was held back.
          assert.notEqual(value, ": beat", `no ${pattern} in time`);
          if (value.startsWith("data: ") && pattern.test(value)) return value;
        }
      });
    } finally {
      child.kill("SIGTERM");
      await lines.cancel();
      await child.status;
    }
  }
}
