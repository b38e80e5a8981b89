/**
 * Interrupts: a signal has come for a process that waits for an answer.
 *
 * The kernel sends FUSE_INTERRUPT, and libfuse calls one function for it, inside `fuse_session_process_buf` and with a
 * lock of the request held; at once when the interrupt was there before. So a listener must not answer, but see to it
 * that the answer comes soon.
 */
import type { LibfuseSymbols } from "./libfuse.ts";

type Pointer = Deno.PointerValue;

const DEFINITION = { parameters: ["pointer", "pointer"], result: "void" } as const;

export class Interrupts {
  readonly #lib: LibfuseSymbols;
  #callback: Deno.UnsafeCallback<typeof DEFINITION> | null = null;
  /** By the address of the request. */
  readonly #listeners = new Map<bigint, () => void>();

  constructor(lib: LibfuseSymbols) {
    this.#lib = lib;
  }

  listen(req: Pointer, listener: () => void): void {
    this.#listeners.set(addressOf(req), listener);
    this.#callback ??= new Deno.UnsafeCallback(
      DEFINITION,
      (interrupted) => this.#listeners.get(addressOf(interrupted))?.(),
    );
    this.#lib.fuse_req_interrupt_func(req, this.#callback.pointer, null);
  }

  /** Before the answer, which frees the request: its address may come again. */
  forget(req: Pointer): void {
    this.#listeners.delete(addressOf(req));
  }

  /** Only after `fuse_session_destroy`. */
  close(): void {
    this.#callback?.close();
  }
}

function addressOf(req: Pointer): bigint {
  return BigInt(Deno.UnsafePointer.value(req));
}
