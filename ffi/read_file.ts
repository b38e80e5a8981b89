/**
 * Reads a file wholly on threads of Deno's pool. Deno.readFile() opens the file on the calling thread, and opening some of
 * /proc can take as long as somebody else likes.
 */
import { Buffer } from "node:buffer";
import { cString, type LibcSymbols } from "./libfuse.ts";

const O_CLOEXEC = 0o2000000;
/** Files of /proc are mostly much smaller. */
const CHUNK = 16 * 1024;

/**
 * The content; null: it is not there, or may not be read. Takes one thread of the pool for as long as it lasts. Rejects when
 * there is no descriptor to read it with.
 */
export async function readFile(path: string, libc: LibcSymbols): Promise<Uint8Array | null> {
  const fd = await libc.open_nonblocking(cString(path), O_CLOEXEC);
  if (fd < 0) return noDescriptor();
  try {
    const chunks: Uint8Array[] = [];
    for (;;) {
      const chunk = new Uint8Array(CHUNK);
      const count = Number(await libc.read_nonblocking(fd, chunk, BigInt(CHUNK)));
      if (count < 0) return null;
      chunks.push(chunk.subarray(0, count));
      // Files of /proc are read from memory: less than was asked for is the end.
      if (count < CHUNK) return Buffer.concat(chunks);
    }
  } finally {
    libc.close(fd);
  }
}

/** The other thread's errno cannot be seen: where no descriptor is to be had, another file cannot be opened either. */
function noDescriptor(): null {
  Deno.openSync("/dev/null").close();
  return null;
}
