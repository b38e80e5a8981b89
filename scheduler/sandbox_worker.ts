/**
 * The thread that spawns jobs in a sandbox. Landlock restricts a thread and what that forks, so this one gives up its rights
 * first, and then does nothing but spawn and hand over output. It must not open files asynchronously: that happens on
 * threads that keep their rights.
 */
import { restrictThread } from "../ffi/landlock.ts";
import { openLibc } from "../ffi/libfuse.ts";
import type { FromSandbox, ToSandbox } from "./sandbox_messages.ts";
import { type Spawned, spawnHere, type SpawnRequest } from "./spawner.ts";

interface Port {
  onmessage: ((event: MessageEvent<ToSandbox>) => void) | null;
  postMessage(message: FromSandbox, transfer?: Transferable[]): void;
}

const port = globalThis as unknown as Port;
const readers = new Map<number, ReadableStreamDefaultReader<Uint8Array>>();

const reasonOf = (error: unknown) => error instanceof Error ? error.message : String(error);

function spawn(id: number, request: SpawnRequest): void {
  let child: Spawned;
  try {
    child = spawnHere(request);
  } catch (error) {
    return port.postMessage({ type: "failed", id, reason: reasonOf(error) });
  }
  readers.set(id, child.stdout.getReader());
  port.postMessage({ type: "spawned", id, pid: child.pid });
  void child.status.then((status) => port.postMessage({ type: "exited", id, status }));
}

async function readSome(id: number): Promise<void> {
  const reader = readers.get(id);
  if (reader === undefined) return;
  try {
    const { value, done } = await reader.read();
    if (!done) {
      // A view into a larger buffer would be handed over with all of it.
      const bytes = value.slice();
      return port.postMessage({ type: "output", id, bytes }, [bytes.buffer]);
    }
  } catch {
    // The read was cancelled.
  }
  ended(id);
}

/** Of a pipe, told once. */
function ended(id: number): void {
  if (readers.delete(id)) port.postMessage({ type: "end", id });
}

port.onmessage = ({ data }) => {
  switch (data.type) {
    case "restrict":
      try {
        restrictThread(openLibc(), data.ruleset);
        return port.postMessage({ type: "ready" });
      } catch (error) {
        return port.postMessage({ type: "refused", reason: reasonOf(error) });
      }
    case "spawn":
      return spawn(data.id, data.request);
    case "more":
      return void readSome(data.id);
    case "cancel":
      return void readers.get(data.id)?.cancel().catch(() => {}).then(() => ended(data.id));
  }
};
