/** A file system over a real store, asked as the kernel asks it, without a mount. */
import assert from "node:assert/strict";
import { constants } from "node:fs";
import type {
  Attr,
  AttrChange,
  Caller,
  Entry,
  FileSystemStat,
  Result,
} from "../../ffi/operations.ts";
import { Reply } from "../../ffi/reply.ts";
import { E } from "../../fs/errno.ts";
import { FileSystem } from "../../fs/file_system.ts";
import { DIRECTORY_INO, PENDING_INO } from "../../fs/ino.ts";
import type { ListedState } from "../../store/job.ts";
import { type Answer, type Listed, RecorderSink } from "./recorder_sink.ts";
import { bytes, StoreFixture, text, withStore } from "./store_fixture.ts";

export const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND } = constants;

/** Nobody that the daemon runs as. */
export const STRANGER: Caller = { uid: 54_321, gid: 54_321, pid: 1, umask: 0o022 };

/** An answer that is an error, by the errno's name. */
export class Errno extends Error {
  readonly code: string;

  constructor(errno: number) {
    const names = Object.entries(E).filter(([, value]) => value === errno).map(([name]) => name);
    // Of two names for a number, the one that the manuals use.
    const code = names.includes("ENOTSUP") ? "ENOTSUP" : names[0] ?? String(errno);
    super(code);
    this.code = code;
  }
}

/** The name of the errno that `body` fails with, or "ok". */
export function errnoOf(body: () => unknown): string {
  try {
    body();
    return "ok";
  } catch (error) {
    if (error instanceof Errno) return error.code;
    throw error;
  }
}

type Of<K extends Answer["kind"]> = Extract<Answer, { kind: K }>;

export class FileSystemFixture extends StoreFixture {
  /** Of open(2), by descriptor: the kernel sends them with each write. */
  readonly #flags = new Map<number, number>();
  readonly logged: string[] = [];
  fs = this.#make();
  caller: Caller | null = null;
  /** False: every answer meets a caller that was interrupted. */
  taken = true;

  #make(): FileSystem {
    return new FileSystem(this.store, {
      refused: (reason) => this.logged.push(`refused: ${reason}`),
      changed: (keys) => this.logged.push(`changed: ${keys.join(", ")}`),
      unexpected: (operation, error) => this.logged.push(`unexpected: ${operation}: ${error}`),
      storeFailed: (operation, error) => this.logged.push(`storeFailed: ${operation}: ${error}`),
      forgotten: (operation) => this.logged.push(`forgotten: ${operation}`),
    }, { version: "1.2.3", spillFolder: this.path.replace(/\/[^/]*$/, "") });
  }

  override end(): void {
    this.fs.close();
    super.end();
  }

  override reopen(): void {
    super.reopen();
    this.fs = this.#make();
  }

  #sink(): RecorderSink {
    const sink = new RecorderSink();
    sink.taken = this.taken;
    if (this.caller !== null) sink.caller_ = this.caller;
    return sink;
  }

  /** Asks, and gives the answer; an error is thrown as {@linkcode Errno}. */
  #ask<K extends Answer["kind"]>(
    kind: K,
    operation: string,
    handler: (reply: Reply) => Result,
  ): Of<K> {
    const sink = this.#sink();
    try {
      assert.equal(handler(new Reply(sink)), undefined, `${operation} answers at once`);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      throw new Errno(this.fs.errnoOf(error, operation));
    }
    return this.#only(kind, sink);
  }

  async #askLater<K extends Answer["kind"]>(
    kind: K,
    operation: string,
    handler: (reply: Reply) => Result,
  ): Promise<Of<K>> {
    const sink = this.#sink();
    try {
      await handler(new Reply(sink));
    } catch (error) {
      throw new Errno(this.fs.errnoOf(error, operation));
    }
    return this.#only(kind, sink);
  }

  #only<K extends Answer["kind"]>(kind: K, sink: RecorderSink): Of<K> {
    assert.equal(sink.answers.length, 1, "one answer");
    const [answer] = sink.answers;
    if (answer!.kind === "error" && answer.errno !== 0) throw new Errno(answer.errno);
    assert.equal(answer!.kind, kind);
    return answer as Of<K>;
  }

  lookup(parent: number, name: string | null): Entry {
    return this.#ask("entry", "lookup", (reply) => this.fs.lookup(reply, parent, name)).entry;
  }

  getattr(ino: number): Attr {
    return this.#ask("attr", "getattr", (reply) => this.fs.getattr(reply, ino)).attr;
  }

  setattr(ino: number, change: AttrChange, fh?: number): Attr {
    return this.#ask("attr", "setattr", (reply) => this.fs.setattr(reply, ino, change, fh)).attr;
  }

  mknod(parent: number, name: string | null, mode = 0o100644): Entry {
    return this.#ask("entry", "mknod", (reply) => this.fs.mknod(reply, parent, name, mode)).entry;
  }

  create(
    name: string | null,
    { flags = O_WRONLY, mode = 0o644, parent = PENDING_INO } = {},
  ): { readonly entry: Entry; readonly fh: number } {
    return this.#ask(
      "create",
      "create",
      (reply) => this.fs.create(reply, parent, name, mode, flags | O_CREAT),
    );
  }

  open(ino: number, flags: number = O_RDONLY): number {
    const { fh } = this.#ask("open", "open", (reply) => this.fs.open(reply, ino, flags));
    this.#flags.set(fh, flags);
    return fh;
  }

  read(fh: number, offset = 0, size = 65_536): string {
    return text(this.#ask("data", "read", (r) => this.fs.read(r, 0, fh, offset, size)).bytes);
  }

  write(fh: number, content: string, offset = 0): number {
    return this.writeBytes(fh, bytes(content), offset);
  }

  writeBytes(fh: number, data: Uint8Array, offset = 0): number {
    const flags = this.#flags.get(fh) ?? O_WRONLY;
    return this.#ask("written", "write", (r) => this.fs.write(r, 0, fh, offset, data, flags)).count;
  }

  flush(fh: number): void {
    this.#ask("error", "flush", (reply) => this.fs.flush(reply, 0, fh));
  }

  release(fh: number): void {
    this.#ask("error", "release", (reply) => this.fs.release(reply, 0, fh));
  }

  /** close(2) of the only descriptor: release comes whatever flush says. */
  close(fh: number): void {
    try {
      this.flush(fh);
    } finally {
      this.release(fh);
    }
  }

  async fsync(ino: number, fh: number): Promise<void> {
    await this.#askLater("error", "fsync", (reply) => this.fs.fsync(reply, ino, fh));
  }

  unlink(parent: number, name: string | null): void {
    this.#ask("error", "unlink", (reply) => this.fs.unlink(reply, parent, name));
  }

  rename(from: ListedState, name: string, to: ListedState, newName = name, flags = 0): void {
    this.renameAt(DIRECTORY_INO[from], name, DIRECTORY_INO[to], newName, flags);
  }

  renameAt(from: number, name: string | null, to: number, newName: string | null, flags = 0): void {
    this.#ask(
      "error",
      "rename",
      (reply) => this.fs.rename(reply, from, name, to, newName, flags),
    );
  }

  readdir(ino: number, offset = 0, size = 4096, plus = false): readonly Listed[] {
    return this.#ask("directory", "readdir", (r) => this.fs.readdir(r, ino, offset, size, plus))
      .entries;
  }

  async statfs(): Promise<FileSystemStat> {
    return (await this.#askLater("statfs", "statfs", (reply) => this.fs.statfs(reply))).stat;
  }

  getxattr(ino: number, name: string, size = 4096): string {
    const answer = this.#ask("data", "getxattr", (r) => this.fs.getxattr(r, ino, name, size));
    return text(answer.bytes);
  }

  xattrSize(ino: number, name: string): number {
    return this.#ask("xattrSize", "getxattr", (r) => this.fs.getxattr(r, ino, name, 0)).size;
  }

  listxattr(ino: number, size = 4096): string {
    return text(this.#ask("data", "listxattr", (r) => this.fs.listxattr(r, ino, size)).bytes);
  }

  /** Writes a whole script as a shell does, without waiting for it to settle. */
  put(name: string, content: string): number {
    const { entry, fh } = this.create(name);
    this.write(fh, content);
    this.close(fh);
    return entry.attr.ino;
  }

  /** All names of a directory, dots left out, read in pages of `size` bytes. */
  names(ino: number, size = 4096): string[] {
    const names: string[] = [];
    for (let offset = 0;;) {
      const page = this.readdir(ino, offset, size);
      if (page.length === 0) return names.filter((name) => name !== "." && name !== "..");
      names.push(...page.map((listed) => listed.name));
      offset = page.at(-1)!.next;
    }
  }
}

/** A test with a file system over a new store. */
export function fileSystemTest(
  name: string,
  body: (fixture: FileSystemFixture) => void | Promise<void>,
): void {
  Deno.test(name, () => withStore(body, (folder) => new FileSystemFixture(folder)));
}
