/**
 * A process that makes system calls for a check: with exact flags, as any user, with the exact errno.
 *
 * Deno's own functions cannot say all of it (O_RDONLY with O_TRUNC, times before 1970, flags of rename), and a call of
 * its own on a mount that hangs would hang the test.
 */
import { constants } from "node:os";
import { TextLineStream } from "../mount/text_lines.ts";
import { type FileStat, parseStatx, STATX_SIZE } from "./stat.ts";

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
/** For utimensat(2): the time of the call, or none. */
export const UTIME_NOW = { sec: 0n, nsec: 0x3fffffff } as const;
export const UTIME_OMIT = { sec: 0n, nsec: 0x3ffffffe } as const;

export interface Time {
  readonly sec: bigint;
  readonly nsec: number;
}

const ERRNO_NAMES = new Map(
  Object.entries({ ...constants.errno, EILSEQ: 84 }).map(([name, number]) => [number, name]),
);

/** The errno of a call that failed, by name. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  readonly errno: string;

  constructor(call: string, number: number) {
    const errno = ERRNO_NAMES.get(number) ?? String(number);
    super(`${call}: ${errno}`);
    this.errno = errno;
  }
}

/** Where a call finds its file: by path, as text or as bytes that are no text, or by descriptor. */
export type Path = string | Uint8Array;
export type PathOrFd = Path | number;

const encoder = new TextEncoder();
const number = (value: number | bigint) => `n${value}`;
const text = (value: Path) =>
  `s${(typeof value === "string" ? encoder.encode(value) : value).toHex()}`;
const output = (size: number) => `o${size}`;
const NOTHING = "n0";

export class Client implements AsyncDisposable {
  readonly uid: number;
  readonly gid: number;
  readonly #child: Deno.ChildProcess;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;

  /** `program` is client.c, compiled. Only root can become another user than it is. */
  constructor(program: string, uid: number, gid: number, groups: readonly number[] = []) {
    this.uid = uid;
    this.gid = gid;
    this.#child = new Deno.Command(program, {
      args: [uid, gid, ...groups].map(String),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#requests = this.#child.stdin.getWriter();
    this.#answers = this.#child.stdout.pipeThrough(new TextLineStream()).getReader();
  }

  async #ask(call: string, args: readonly string[]): Promise<{ result: number; bytes: string }> {
    await this.#requests.write(encoder.encode(`${[call, ...args].join(" ")}\n`));
    const { value } = await this.#answers.read();
    if (value === undefined) throw new Error(`The client has ended during ${call}`);
    const [result, bytes] = value.split(" ");
    // No result of these calls but an address is larger, and an address is not looked at.
    if (Number(result) < 0) throw new SystemCallError(call, -Number(result));
    return { result: Number(result), bytes: bytes ?? "" };
  }

  async #call(call: string, ...args: string[]): Promise<number> {
    return (await this.#ask(call, args)).result;
  }

  #at(path: Path): [string, string] {
    return [number(AT_FDCWD), text(path)];
  }

  // Open files -------------------------------------------------------------------------------------------------

  open(path: Path, flags: number, mode = 0o644): Promise<number> {
    return this.#call("openat", ...this.#at(path), number(flags), number(mode));
  }

  close(fd: number): Promise<number> {
    return this.#call("close", number(fd));
  }

  async read(fd: number, size: number, at?: number): Promise<string> {
    const rest = at === undefined ? [] : [number(at)];
    const call = at === undefined ? "read" : "pread64";
    const { result, bytes } = await this.#ask(call, [
      number(fd),
      output(size),
      number(size),
      ...rest,
    ]);
    return new TextDecoder().decode(Uint8Array.fromHex(bytes).subarray(0, result));
  }

  write(fd: number, data: string, at?: number): Promise<number> {
    const bytes = encoder.encode(data);
    const args = [number(fd), text(bytes), number(bytes.length)];
    return at === undefined
      ? this.#call("write", ...args)
      : this.#call("pwrite64", ...args, number(at));
  }

  seek(fd: number, offset: number, whence: number): Promise<number> {
    return this.#call("lseek", number(fd), number(offset), number(whence));
  }

  fsync(fd: number): Promise<number> {
    return this.#call("fsync", number(fd));
  }

  fallocate(fd: number, mode: number, offset: number, length: number): Promise<number> {
    return this.#call("fallocate", number(fd), ...[mode, offset, length].map(number));
  }

  mmap(fd: number, length: number, protection: number, flags: number): Promise<number> {
    const args = [length, protection, flags, fd, 0].map(number);
    return this.#call("mmap", NOTHING, ...args);
  }

  // Attributes -------------------------------------------------------------------------------------------------

  async stat(file: PathOrFd): Promise<FileStat> {
    const [fd, path, flags] = typeof file === "number"
      ? [file, "", AT_EMPTY_PATH]
      : [AT_FDCWD, file, AT_SYMLINK_NOFOLLOW];
    const mask = STATX_BASIC_STATS;
    const { bytes } = await this.#ask("statx", [
      number(fd),
      text(path),
      number(flags),
      number(mask),
      output(STATX_SIZE),
    ]);
    return parseStatx(Uint8Array.fromHex(bytes));
  }

  chmod(file: PathOrFd, mode: number): Promise<number> {
    if (typeof file === "number") return this.#call("fchmod", number(file), number(mode));
    return this.#call("fchmodat", ...this.#at(file), number(mode));
  }

  /** -1 keeps an id. */
  chown(file: PathOrFd, uid: number, gid: number): Promise<number> {
    const ids = [number(uid), number(gid)];
    if (typeof file === "number") return this.#call("fchown", number(file), ...ids);
    return this.#call("fchownat", ...this.#at(file), ...ids, NOTHING);
  }

  truncate(file: PathOrFd, size: number): Promise<number> {
    if (typeof file === "number") return this.#call("ftruncate", number(file), number(size));
    return this.#call("truncate", text(file), number(size));
  }

  utimens(file: PathOrFd, atime: Time, mtime: Time): Promise<number> {
    const times = `t${[atime.sec, atime.nsec, mtime.sec, mtime.nsec].join(",")}`;
    const where = typeof file === "number" ? [number(file), NOTHING] : this.#at(file);
    return this.#call("utimensat", ...where, times, NOTHING);
  }

  /** Sets what follows for the files that it makes, and returns what was set: 0 at first. */
  umask(mask: number): Promise<number> {
    return this.#call("umask", number(mask));
  }

  // Names ------------------------------------------------------------------------------------------------------

  unlink(path: Path): Promise<number> {
    return this.#call("unlinkat", ...this.#at(path), NOTHING);
  }

  rename(from: Path, to: Path, flags = 0): Promise<number> {
    return this.#call("renameat2", ...this.#at(from), ...this.#at(to), number(flags));
  }

  mkdir(path: Path, mode = 0o755): Promise<number> {
    return this.#call("mkdirat", ...this.#at(path), number(mode));
  }

  rmdir(path: Path): Promise<number> {
    return this.#call("unlinkat", ...this.#at(path), number(AT_REMOVEDIR));
  }

  mknod(path: Path, mode: number, device = 0): Promise<number> {
    return this.#call("mknodat", ...this.#at(path), number(mode), number(device));
  }

  link(from: Path, to: Path): Promise<number> {
    return this.#call("linkat", ...this.#at(from), ...this.#at(to), NOTHING);
  }

  symlink(target: string, path: Path): Promise<number> {
    return this.#call("symlinkat", text(target), ...this.#at(path));
  }

  /** A socket as a file; the path may not be longer than 107 bytes. */
  bind(path: Path): Promise<number> {
    return this.#call("bind", text(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#requests.abort().catch(() => {});
    await this.#answers.cancel();
  }
}
