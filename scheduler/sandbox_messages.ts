/** What the daemon's thread and the one that spawns in the sandbox tell each other. A process goes by the id of its request. */
import type { Ruleset } from "../ffi/landlock.ts";
import type { SpawnRequest } from "./spawner.ts";

export type ToSandbox =
  /** The first: what is left to the thread. Answered by `ready` or `refused`. */
  | { readonly type: "restrict"; readonly ruleset: Ruleset }
  | { readonly type: "spawn"; readonly id: number; readonly request: SpawnRequest }
  /** There is room for one more piece of output. */
  | { readonly type: "more"; readonly id: number }
  /** Nobody reads its output any more. */
  | { readonly type: "cancel"; readonly id: number };

export type FromSandbox =
  | { readonly type: "ready" }
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "spawned"; readonly id: number; readonly pid: number }
  | { readonly type: "failed"; readonly id: number; readonly reason: string }
  | { readonly type: "output"; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "end"; readonly id: number }
  | { readonly type: "exited"; readonly id: number; readonly status: Deno.CommandStatus };
