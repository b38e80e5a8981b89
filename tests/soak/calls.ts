/**
 * System calls whose result is known for sure, close(2)'s too, and that do not hold up who makes them: a daemon that is
 * killed in the middle of one ends it with an error. True: it has returned without one.
 */
const libc = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32", "u32"], result: "i32", nonblocking: true },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
  fsync: { parameters: ["i32"], result: "i32", nonblocking: true },
  close: { parameters: ["i32"], result: "i32", nonblocking: true },
  rename: { parameters: ["buffer", "buffer"], result: "i32", nonblocking: true },
  unlink: { parameters: ["buffer"], result: "i32", nonblocking: true },
}).symbols;

const O_WRONLY_CREAT_EXCL = 0o301;
const O_WRONLY_TRUNC = 0o1001;

const encode = (text: string) => new TextEncoder().encode(text);
const path = (text: string) => encode(`${text}\0`);

/** The descriptor of a new file, or null. */
export async function create(file: string): Promise<number | null> {
  const fd = await libc.open(path(file), O_WRONLY_CREAT_EXCL, 0o644);
  return fd < 0 ? null : fd;
}

export async function openToRewrite(file: string): Promise<number | null> {
  const fd = await libc.open(path(file), O_WRONLY_TRUNC, 0);
  return fd < 0 ? null : fd;
}

export async function write(fd: number, text: string): Promise<boolean> {
  const bytes = encode(text);
  return Number(await libc.write(fd, bytes, BigInt(bytes.length))) === bytes.length;
}

export async function fsync(fd: number): Promise<boolean> {
  return await libc.fsync(fd) === 0;
}

export async function close(fd: number): Promise<boolean> {
  return await libc.close(fd) === 0;
}

export async function rename(from: string, to: string): Promise<boolean> {
  return await libc.rename(path(from), path(to)) === 0;
}

export async function unlink(file: string): Promise<boolean> {
  return await libc.unlink(path(file)) === 0;
}

/** Writes a new file as most programs do. */
export async function submit(file: string, text: string): Promise<boolean> {
  const fd = await create(file);
  if (fd === null) return false;
  const isWritten = await write(fd, text);
  return await close(fd) && isWritten;
}
