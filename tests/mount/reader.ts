/** A process that reads a file which makes it wait. */
import { until } from "./qj.ts";

/** The kernel's function in which a process waits for an answer of a FUSE daemon. */
const WAITS_IN = "request_wait_answer";

export interface ReaderEnd {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Reader implements AsyncDisposable {
  readonly ended: Promise<ReaderEnd>;
  readonly #path: string;
  readonly #child: Deno.ChildProcess;

  constructor(path: string) {
    this.#path = path;
    this.#child = new Deno.Command("cat", {
      args: [path],
      cwd: "/",
      env: { LC_ALL: "C" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.ended = this.#child.output().then(({ code, signal, stdout, stderr }) => {
      const decoder = new TextDecoder();
      return { code, signal, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Resolves when it has the file open and waits for the daemon. */
  async waits(): Promise<void> {
    await until(`a reader of ${this.#path} that waits`, () => {
      const proc = `/proc/${this.pid}`;
      try {
        return Deno.readTextFileSync(`${proc}/wchan`) === WAITS_IN &&
          [...Deno.readDirSync(`${proc}/fd`)]
            .some(({ name }) => Deno.readLinkSync(`${proc}/fd/${name}`) === this.#path);
      } catch {
        return false; // It is just starting.
      }
    });
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.ended;
  }
}
