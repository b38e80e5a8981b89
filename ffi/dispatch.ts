/**
 * Turns libfuse's callbacks into calls of {@linkcode Operations}: one `Deno.UnsafeCallback` for each operation that qj
 * answers, and the `fuse_lowlevel_ops` structure that points at them.
 *
 * The callbacks run re-entrantly on the JavaScript thread, inside `fuse_session_process_buf`. Names, data and
 * `fuse_file_info` are libfuse's and gone after the callback. Operations that are left unset make the kernel do what it
 * does without them for as long as the mount lives: `access` (modes are checked by `default_permissions`), locks (local
 * ones work), `ioctl`, `fallocate`, `copy_file_range` and `lseek` (programs fall back).
 */
import { constants } from "node:os";
import { FILE_INFO, LOWLEVEL_OPS, SET_ATTR, type StatLayout } from "./abi.ts";
import { LibfuseSink, type SinkBuffers } from "./libfuse_sink.ts";
import type { AttrChange, Name, Operations, PollHandle, Result } from "./operations.ts";
import { Reply } from "./reply.ts";

const { EIO } = constants.errno;

type Pointer = Deno.PointerValue;
type Callback = Deno.UnsafeCallback<Deno.UnsafeCallbackDefinition>;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const REPLACEMENT = "\uFFFD";
const EMPTY = new Uint8Array(0);

/** Reads a C string as a name. `getCString` is quick but replaces bad bytes, so what it replaced is looked at again. */
function readName(pointer: Pointer): Name {
  if (pointer === null) return null;
  const view = new Deno.UnsafePointerView(pointer);
  const text = view.getCString();
  if (!text.includes(REPLACEMENT)) return text;
  let length = 0;
  while (view.getUint8(length) !== 0) length++;
  try {
    return strictUtf8.decode(view.getArrayBuffer(length));
  } catch {
    return null;
  }
}

function readFh(fileInfo: Pointer): number | undefined {
  if (fileInfo === null) return undefined;
  return Number(new Deno.UnsafePointerView(fileInfo).getBigUint64(FILE_INFO.fh));
}

function readFlags(fileInfo: Pointer): number {
  return fileInfo === null ? 0 : new Deno.UnsafePointerView(fileInfo).getInt32(FILE_INFO.flags);
}

function readBytes(pointer: Pointer, size: number): Uint8Array {
  if (pointer === null || size === 0) return EMPTY;
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, size));
}

function readChange(layout: StatLayout, stat: Pointer, toSet: number): AttrChange {
  if (stat === null) return {};
  const view = new Deno.UnsafePointerView(stat);
  const time = (offset: number) => ({
    sec: Number(view.getBigInt64(offset)),
    nsec: Number(view.getBigInt64(offset + 8)),
  });
  const change: { -readonly [K in keyof AttrChange]: AttrChange[K] } = {};
  if (toSet & SET_ATTR.mode) change.mode = view.getUint32(layout.mode);
  if (toSet & SET_ATTR.uid) change.uid = view.getUint32(layout.uid);
  if (toSet & SET_ATTR.gid) change.gid = view.getUint32(layout.gid);
  if (toSet & SET_ATTR.size) change.size = Number(view.getBigInt64(layout.fileSize));
  if (toSet & SET_ATTR.atimeNow) change.atime = "now";
  else if (toSet & SET_ATTR.atime) change.atime = time(layout.atime);
  if (toSet & SET_ATTR.mtimeNow) change.mtime = "now";
  else if (toSet & SET_ATTR.mtime) change.mtime = time(layout.mtime);
  return change;
}

/** The callbacks of one session and the structure that names them. Keep it for as long as the session lives. */
export class Dispatcher {
  /** `struct fuse_lowlevel_ops`. */
  readonly ops = new Uint8Array(LOWLEVEL_OPS.size);
  readonly #operations: Operations;
  readonly #shared: SinkBuffers;
  readonly #callbacks: Callback[] = [];
  readonly #unanswered = new Set<Promise<void>>();
  /** Makes a handle of libfuse's; set by the session before the first request. */
  pollHandle: (pointer: Pointer) => PollHandle | null = () => null;

  constructor(operations: Operations, shared: SinkBuffers) {
    this.#operations = operations;
    this.#shared = shared;
    this.#register();
  }

  /** Some request waits for something else, which comes between two turns of the event loop. */
  get owesAnswers(): boolean {
    return this.#unanswered.size > 0;
  }

  /** Resolves when every request has its answer: an answer after the end of the session would be a use-after-free. */
  async answered(): Promise<void> {
    while (this.#unanswered.size > 0) await Promise.all(this.#unanswered);
  }

  /** Frees the callbacks. Only after `fuse_session_destroy`. */
  close(): void {
    for (const callback of this.#callbacks) callback.close();
    this.#callbacks.length = 0;
  }

  #set<const P extends readonly Deno.NativeType[]>(
    offset: number,
    parameters: P,
    callback: Deno.UnsafeCallbackFunction<P, "void">,
  ): void {
    const made = new Deno.UnsafeCallback({ parameters, result: "void" } as const, callback);
    this.#callbacks.push(made as unknown as Callback);
    new DataView(this.ops.buffer).setBigUint64(
      offset,
      BigInt(Deno.UnsafePointer.value(made.pointer)),
      true,
    );
  }

  /** Runs a handler and sees to it that its request is answered once, whatever it does. */
  #answer(req: Pointer, operation: string, handler: (reply: Reply) => Result): void {
    const reply = new Reply(new LibfuseSink(this.#shared, req));
    const since = performance.now();
    try {
      const result = handler(reply);
      if (result instanceof Promise) return this.#answerLater(reply, operation, since, result);
      this.#settle(reply, operation);
    } catch (error) {
      this.#fail(reply, operation, error);
    }
    this.#operations.answered(operation, performance.now() - since);
  }

  #answerLater(reply: Reply, operation: string, since: number, result: Promise<void>): void {
    const answered = result.then(
      () => this.#settle(reply, operation),
      (error) => this.#fail(reply, operation, error),
    ).finally(() => {
      this.#unanswered.delete(answered);
      this.#operations.answered(operation, performance.now() - since);
    });
    this.#unanswered.add(answered);
  }

  #settle(reply: Reply, operation: string): void {
    if (reply.used) return;
    this.#operations.forgotten(operation);
    reply.error(EIO);
  }

  #fail(reply: Reply, operation: string, error: unknown): void {
    const errno = this.#operations.errnoOf(error, operation);
    if (!reply.used) reply.error(errno);
  }

  #register(): void {
    const o = this.#operations;
    this.#set(LOWLEVEL_OPS.forget, ["pointer", "u64", "u64"], (req) => {
      this.#shared.lib.fuse_reply_none(req);
    });
    this.#set(LOWLEVEL_OPS.forget_multi, ["pointer", "usize", "pointer"], (req) => {
      this.#shared.lib.fuse_reply_none(req);
    });
    this.#registerNames(o);
    this.#registerAttributes(o);
    this.#registerFiles(o);
    this.#registerPoll(o);
    this.#registerDirectories(o);
  }

  #registerNames(o: Operations): void {
    this.#set(
      LOWLEVEL_OPS.lookup,
      ["pointer", "u64", "pointer"],
      (req, parent, name) =>
        this.#answer(req, "lookup", (r) => o.lookup(r, Number(parent), readName(name))),
    );
    this.#set(
      LOWLEVEL_OPS.mknod,
      ["pointer", "u64", "pointer", "u32", "u64"],
      (req, parent, name, mode) =>
        this.#answer(req, "mknod", (r) => o.mknod(r, Number(parent), readName(name), mode)),
    );
    this.#set(
      LOWLEVEL_OPS.mkdir,
      ["pointer", "u64", "pointer", "u32"],
      (req, parent, name) =>
        this.#answer(req, "mkdir", (r) => o.makeOther(r, Number(parent), readName(name))),
    );
    this.#set(
      LOWLEVEL_OPS.symlink,
      ["pointer", "pointer", "u64", "pointer"],
      (req, _link, parent, name) =>
        this.#answer(req, "symlink", (r) => o.makeOther(r, Number(parent), readName(name))),
    );
    this.#set(
      LOWLEVEL_OPS.link,
      ["pointer", "u64", "u64", "pointer"],
      (req, _ino, parent, name) =>
        this.#answer(req, "link", (r) => o.makeOther(r, Number(parent), readName(name))),
    );
    this.#set(
      LOWLEVEL_OPS.unlink,
      ["pointer", "u64", "pointer"],
      (req, parent, name) =>
        this.#answer(req, "unlink", (r) => o.unlink(r, Number(parent), readName(name))),
    );
    this.#set(
      LOWLEVEL_OPS.rmdir,
      ["pointer", "u64", "pointer"],
      (req, parent, name) =>
        this.#answer(req, "rmdir", (r) => o.rmdir(r, Number(parent), readName(name))),
    );
    this.#set(
      LOWLEVEL_OPS.rename,
      ["pointer", "u64", "pointer", "u64", "pointer", "u32"],
      (req, parent, name, newParent, newName, flags) =>
        this.#answer(req, "rename", (r) =>
          o.rename(
            r,
            Number(parent),
            readName(name),
            Number(newParent),
            readName(newName),
            flags,
          )),
    );
  }

  #registerAttributes(o: Operations): void {
    this.#set(
      LOWLEVEL_OPS.getattr,
      ["pointer", "u64", "pointer"],
      (req, ino, fi) => this.#answer(req, "getattr", (r) => o.getattr(r, Number(ino), readFh(fi))),
    );
    this.#set(
      LOWLEVEL_OPS.setattr,
      ["pointer", "u64", "pointer", "i32", "pointer"],
      (req, ino, stat, toSet, fi) =>
        this.#answer(
          req,
          "setattr",
          (r) =>
            o.setattr(r, Number(ino), readChange(this.#shared.statLayout, stat, toSet), readFh(fi)),
        ),
    );
    this.#set(
      LOWLEVEL_OPS.statfs,
      ["pointer", "u64"],
      (req, ino) => this.#answer(req, "statfs", (r) => o.statfs(r, Number(ino))),
    );
    this.#set(
      LOWLEVEL_OPS.setxattr,
      ["pointer", "u64", "pointer", "pointer", "usize", "i32"],
      (req, ino, name, value, size) =>
        this.#answer(
          req,
          "setxattr",
          (r) => o.setxattr(r, Number(ino), readName(name), readBytes(value, Number(size))),
        ),
    );
    this.#set(
      LOWLEVEL_OPS.getxattr,
      ["pointer", "u64", "pointer", "usize"],
      (req, ino, name, size) =>
        this.#answer(
          req,
          "getxattr",
          (r) => o.getxattr(r, Number(ino), readName(name), Number(size)),
        ),
    );
    this.#set(
      LOWLEVEL_OPS.listxattr,
      ["pointer", "u64", "usize"],
      (req, ino, size) =>
        this.#answer(req, "listxattr", (r) => o.listxattr(r, Number(ino), Number(size))),
    );
    this.#set(
      LOWLEVEL_OPS.removexattr,
      ["pointer", "u64", "pointer"],
      (req, ino, name) =>
        this.#answer(req, "removexattr", (r) => o.removexattr(r, Number(ino), readName(name))),
    );
  }

  #registerFiles(o: Operations): void {
    this.#set(
      LOWLEVEL_OPS.create,
      ["pointer", "u64", "pointer", "u32", "pointer"],
      (req, parent, name, mode, fi) =>
        this.#answer(
          req,
          "create",
          (r) => o.create(r, Number(parent), readName(name), mode, readFlags(fi)),
        ),
    );
    this.#set(
      LOWLEVEL_OPS.open,
      ["pointer", "u64", "pointer"],
      (req, ino, fi) => this.#answer(req, "open", (r) => o.open(r, Number(ino), readFlags(fi))),
    );
    this.#set(
      LOWLEVEL_OPS.read,
      ["pointer", "u64", "usize", "i64", "pointer"],
      (req, ino, size, offset, fi) =>
        this.#answer(
          req,
          "read",
          (r) => o.read(r, Number(ino), readFh(fi) ?? 0, Number(offset), Number(size)),
        ),
    );
    this.#set(
      LOWLEVEL_OPS.write,
      ["pointer", "u64", "pointer", "usize", "i64", "pointer"],
      (req, ino, data, size, offset, fi) =>
        this.#answer(
          req,
          "write",
          (r) =>
            o.write(
              r,
              Number(ino),
              readFh(fi) ?? 0,
              Number(offset),
              readBytes(data, Number(size)),
              readFlags(fi),
            ),
        ),
    );
    this.#set(
      LOWLEVEL_OPS.flush,
      ["pointer", "u64", "pointer"],
      (req, ino, fi) => this.#answer(req, "flush", (r) => o.flush(r, Number(ino), readFh(fi) ?? 0)),
    );
    this.#set(
      LOWLEVEL_OPS.release,
      ["pointer", "u64", "pointer"],
      (req, ino, fi) =>
        this.#answer(req, "release", (r) => o.release(r, Number(ino), readFh(fi) ?? 0)),
    );
    this.#set(
      LOWLEVEL_OPS.fsync,
      ["pointer", "u64", "i32", "pointer"],
      (req, ino, _data, fi) =>
        this.#answer(req, "fsync", (r) => o.fsync(r, Number(ino), readFh(fi) ?? 0)),
    );
  }

  #registerPoll(o: Operations): void {
    this.#set(
      LOWLEVEL_OPS.poll,
      ["pointer", "u64", "pointer", "pointer"],
      (req, ino, fi, pointer) => {
        const handle = pointer === null ? null : this.pollHandle(pointer);
        this.#answer(req, "poll", (r) => o.poll(r, Number(ino), readFh(fi) ?? 0, handle));
      },
    );
  }

  #registerDirectories(o: Operations): void {
    this.#set(
      LOWLEVEL_OPS.opendir,
      ["pointer", "u64", "pointer"],
      (req, ino) => this.#answer(req, "opendir", (r) => o.opendir(r, Number(ino))),
    );
    for (const plus of [false, true]) {
      const operation = plus ? "readdirplus" : "readdir";
      this.#set(
        LOWLEVEL_OPS[operation],
        ["pointer", "u64", "usize", "i64", "pointer"],
        (req, ino, size, offset) =>
          this.#answer(
            req,
            operation,
            (r) => o.readdir(r, Number(ino), Number(offset), Number(size), plus),
          ),
      );
    }
    this.#set(
      LOWLEVEL_OPS.releasedir,
      ["pointer", "u64", "pointer"],
      (req) => this.#answer(req, "releasedir", (r) => r.ok()),
    );
    this.#set(
      LOWLEVEL_OPS.fsyncdir,
      ["pointer", "u64", "i32", "pointer"],
      (req, ino) => this.#answer(req, "fsyncdir", (r) => o.fsyncdir(r, Number(ino))),
    );
  }
}
