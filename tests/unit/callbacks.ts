/** The callbacks of `ffi/dispatch.ts`, called by their addresses in `fuse_lowlevel_ops` as libfuse does. */
import assert from "node:assert/strict";
import { FILE_INFO, LOWLEVEL_OPS, putInt64 } from "../../ffi/abi.ts";
import type { Dispatcher } from "../../ffi/dispatch.ts";

export type Slot = keyof typeof SIGNATURES;
export type Argument = number | bigint | BufferSource | null;

/** Parameters behind the request, as fuse_lowlevel.h declares them. */
export const SIGNATURES = {
  lookup: ["u64", "buffer"],
  forget: ["u64", "u64"],
  getattr: ["u64", "buffer"],
  setattr: ["u64", "buffer", "i32", "buffer"],
  mknod: ["u64", "buffer", "u32", "u64"],
  mkdir: ["u64", "buffer", "u32"],
  unlink: ["u64", "buffer"],
  rmdir: ["u64", "buffer"],
  symlink: ["buffer", "u64", "buffer"],
  rename: ["u64", "buffer", "u64", "buffer", "u32"],
  link: ["u64", "u64", "buffer"],
  open: ["u64", "buffer"],
  read: ["u64", "usize", "i64", "buffer"],
  write: ["u64", "buffer", "usize", "i64", "buffer"],
  flush: ["u64", "buffer"],
  release: ["u64", "buffer"],
  fsync: ["u64", "i32", "buffer"],
  opendir: ["u64", "buffer"],
  readdir: ["u64", "usize", "i64", "buffer"],
  releasedir: ["u64", "buffer"],
  fsyncdir: ["u64", "i32", "buffer"],
  statfs: ["u64"],
  setxattr: ["u64", "buffer", "buffer", "usize", "i32"],
  getxattr: ["u64", "buffer", "usize"],
  listxattr: ["u64", "usize"],
  removexattr: ["u64", "buffer"],
  create: ["u64", "buffer", "u32", "buffer"],
  forget_multi: ["usize", "buffer"],
  readdirplus: ["u64", "usize", "i64", "buffer"],
  poll: ["u64", "buffer", "buffer"],
} as const satisfies Partial<Record<keyof typeof LOWLEVEL_OPS, readonly Deno.NativeType[]>>;

/** Calls the operations of a dispatcher as libfuse does. */
export class Callbacks {
  readonly #ops: DataView;
  readonly #functions = new Map<Slot, (...args: unknown[]) => void>();

  constructor({ ops }: Dispatcher) {
    this.#ops = new DataView(ops.buffer);
  }

  /** `req` is only passed on: any address will do. */
  call(slot: Slot, req: Deno.PointerValue, args: readonly Argument[]): void {
    this.#function(slot)(req, ...args);
  }

  #function(slot: Slot): (...args: unknown[]) => void {
    const known = this.#functions.get(slot);
    if (known !== undefined) return known;
    const address = this.#ops.getBigUint64(LOWLEVEL_OPS[slot], true);
    assert.notEqual(address, 0n, `${slot} is set`);
    const parameters: readonly Deno.NativeType[] = ["pointer", ...SIGNATURES[slot]];
    const native = new Deno.UnsafeFnPointer(Deno.UnsafePointer.create(address) as never, {
      ...{ parameters, result: "void" },
    });
    const made = (...args: unknown[]) => void native.call(...args as never[]);
    this.#functions.set(slot, made);
    return made;
  }
}

/** A `struct fuse_file_info`. */
export function fileInfo(fh: number | bigint, flags = 0): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(FILE_INFO.size));
  view.setInt32(FILE_INFO.flags, flags, true);
  if (typeof fh === "bigint") view.setBigUint64(FILE_INFO.fh, fh, true);
  else putInt64(view, FILE_INFO.fh, fh);
  return new Uint8Array(view.buffer);
}
