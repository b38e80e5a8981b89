/**
 * Processes that do file operations on request (see `client.c`): operations come from different pids, and descriptors
 * stay open between them. A call that does not come back in time is a hang of the mount, which only aborting its
 * connection ends: a process that waits for an answer cannot be killed.
 */
import { constants } from "node:os";
import { TextLineStream } from "../mount/text_lines.ts";

/** Deadline of one call, in ms: only a hang reaches it. */
const CALL_MS = 30_000;

const ERROR_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

export interface Answer {
  readonly value: number;
  /** The name of errno, or null: the call succeeded. */
  readonly error: string | null;
  /** What the call gave, as it stands on the line. */
  readonly gave: string;
}

export interface FileStat {
  readonly mode: number;
  readonly ino: number;
  readonly nlink: number;
  readonly size: number;
  /** In nanoseconds. */
  readonly mtime: bigint;
}

export function statOf(answer: Answer): FileStat {
  const [mode, ino, nlink, size, sec, nsec] = answer.gave.split(" ");
  return {
    mode: Number.parseInt(mode!, 8),
    ino: Number(ino),
    nlink: Number(nlink),
    size: Number(size),
    mtime: BigInt(sec!) * 1_000_000_000n + BigInt(nsec!),
  };
}

/** Compiles the program and returns its path in the folder. */
export async function compileClient(folder: string): Promise<string> {
  const program = `${folder}/client`;
  const source = new URL("client.c", import.meta.url).pathname;
  const { success, stderr } = await new Deno.Command("gcc", {
    args: ["-O1", "-o", program, source],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return program;
}

export class Client {
  readonly #child: Deno.ChildProcess;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;

  constructor(program: string) {
    this.#child = new Deno.Command(program, {
      cwd: "/",
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#requests = this.#child.stdin.getWriter();
    this.#answers = this.#child.stdout.pipeThrough(new TextLineStream()).getReader();
  }

  /** Strings have to be in hexadecimal. Throws when no answer comes. */
  async call(name: string, ...args: readonly (string | number)[]): Promise<Answer> {
    await this.#requests.write(new TextEncoder().encode(`${[name, ...args].join(" ")}\n`));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) =>
      timer = setTimeout(() => reject(new Error(`${name} hangs`)), CALL_MS)
    );
    const { value: line } = await Promise.race([this.#answers.read(), late])
      .finally(() => clearTimeout(timer));
    if (line === undefined) throw new Error(`the client ended at ${name}`);
    const [value, errno, ...gave] = line.split(" ");
    const error = errno === "0" ? null : ERROR_NAMES.get(Number(errno)) ?? `errno ${errno}`;
    return { value: Number(value), error, gave: gave.join(" ") };
  }

  /** Ends the process, which closes what it has open. The mount must not hang. */
  async end(): Promise<void> {
    await this.#requests.close().catch(() => {});
    await this.#child.status;
    await this.#answers.cancel();
  }
}
