/**
 * Spawns jobs in a sandbox: a thread of its own gives up rights and makes the processes (`sandbox_worker.ts`); this side
 * makes its messages look like processes that were spawned here. Output is asked for piece by piece, so that a job that
 * prints faster than it can be stored waits.
 */
import type { Ruleset } from "../ffi/landlock.ts";
import type { FromSandbox, ToSandbox } from "./sandbox_messages.ts";
import type { Spawned, Spawner, SpawnRequest } from "./spawner.ts";

/** The sandbox cannot be made. */
export class SandboxFailed extends Error {
  override readonly name = "SandboxFailed";
}

/** A process whose messages are awaited. */
interface Process {
  readonly started: PromiseWithResolvers<Spawned>;
  readonly status: PromiseWithResolvers<Deno.CommandStatus>;
  readonly stdout: ReadableStream<Uint8Array>;
  controller: ReadableStreamDefaultController<Uint8Array>;
  isRead: boolean;
  hasEnded: boolean;
}

export class Sandbox implements Spawner {
  readonly #worker: Worker;
  readonly #processes = new Map<number, Process>();
  #lastId = 0;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromSandbox>) => this.#hear(data);
  }

  /** Starts the thread. Rejects with {@linkcode SandboxFailed} when it cannot give up what it has to. */
  static async start(ruleset: Ruleset): Promise<Sandbox> {
    const worker = new Worker(new URL("./sandbox_worker.ts", import.meta.url), { type: "module" });
    const answer = await new Promise<FromSandbox>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<FromSandbox>) => resolve(data);
      worker.onerror = (event) => reject(new SandboxFailed(event.message));
      worker.postMessage({ type: "restrict", ruleset } satisfies ToSandbox);
    });
    // From here on an error of the thread is a bug, and ends the daemon as one in this thread does.
    worker.onerror = null;
    if (answer.type !== "ready") {
      worker.terminate();
      throw new SandboxFailed(answer.type === "refused" ? answer.reason : "it does not answer");
    }
    return new Sandbox(worker);
  }

  spawn(request: SpawnRequest): Promise<Spawned> {
    const id = ++this.#lastId;
    const started = Promise.withResolvers<Spawned>();
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const stdout = new ReadableStream<Uint8Array>({
      start: (own) => void (controller = own),
      pull: () => this.#tell({ type: "more", id }),
      cancel: () => this.#tell({ type: "cancel", id }),
    }, { highWaterMark: 0 });
    const status = Promise.withResolvers<Deno.CommandStatus>();
    this.#processes.set(id, {
      started,
      status,
      stdout,
      controller,
      isRead: false,
      hasEnded: false,
    });
    this.#tell({ type: "spawn", id, request });
    return started.promise;
  }

  /** Ends the thread, when no process is awaited any more. */
  close(): void {
    this.#worker.terminate();
  }

  #tell(message: ToSandbox): void {
    this.#worker.postMessage(message);
  }

  #hear(message: FromSandbox): void {
    if (message.type === "ready" || message.type === "refused") return;
    const process = this.#processes.get(message.id);
    if (process === undefined) return;
    switch (message.type) {
      case "spawned": {
        const { stdout, status, started } = process;
        return started.resolve({ pid: message.pid, stdout, status: status.promise });
      }
      case "failed":
        this.#processes.delete(message.id);
        return process.started.reject(new Error(message.reason));
      case "output":
        return hand(() => process.controller.enqueue(message.bytes));
      case "end":
        hand(() => process.controller.close());
        process.isRead = true;
        break;
      case "exited":
        process.status.resolve(message.status);
        process.hasEnded = true;
        break;
    }
    // The pipe may end before the process does, or after.
    if (process.isRead && process.hasEnded) this.#processes.delete(message.id);
  }
}

/** A stream whose reader has gone takes nothing any more. */
function hand(put: () => void): void {
  try {
    put();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
