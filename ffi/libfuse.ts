/**
 * Opens libfuse3 and libc. Importing this module opens nothing.
 *
 * libfuse3 has two sonames: `libfuse3.so.3` up to 3.16 and `libfuse3.so.4` from 3.17 on. What qj uses has the same
 * binary interface in both (see `abi.ts`), so the newest one that is installed is taken.
 */
import { LIBC_SYMBOLS, LIBFUSE_SYMBOLS } from "./symbols.ts";

const SONAMES = ["libfuse3.so.4", "libfuse3.so.3"] as const;

export type LibfuseSymbols = Deno.DynamicLibrary<typeof LIBFUSE_SYMBOLS>["symbols"];
export type LibcSymbols = Deno.DynamicLibrary<typeof LIBC_SYMBOLS>["symbols"];

export interface Libfuse {
  readonly symbols: LibfuseSymbols;
  readonly soname: string;
  /** As `fuse_pkgversion()` says, for example "3.14.0". */
  readonly version: string;
}

/** No libfuse3 that qj can use is installed. The message says which package to install. */
export class LibfuseMissing extends Error {
  override readonly name = "LibfuseMissing";
}

/** Opens the newest installed libfuse3. Throws {@linkcode LibfuseMissing}. */
export function openLibfuse(): Libfuse {
  const reasons: string[] = [];
  for (const soname of SONAMES) {
    try {
      const { symbols } = Deno.dlopen(soname, LIBFUSE_SYMBOLS);
      const text = symbols.fuse_pkgversion();
      const version = text === null ? "unknown" : new Deno.UnsafePointerView(text).getCString();
      return { symbols, soname, version };
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new LibfuseMissing(
    `cannot load libfuse3 (${SONAMES.join(" or ")}): install the package fuse3, which brings it ` +
      `(Debian, Ubuntu: apt-get install fuse3; Fedora: dnf install fuse3; Arch: pacman -S fuse3). ` +
      `The loader said: ${reasons.join("; ")}`,
  );
}

/** Opens the C library, which is there on every system that Deno runs on. */
export function openLibc(): LibcSymbols {
  return Deno.dlopen("libc.so.6", LIBC_SYMBOLS).symbols;
}

/** linux/close_range.h */
const CLOSE_RANGE_CLOEXEC = 4;

/** Keeps descriptors that this process was started with from its children: jobs get 0, 1 and 2 only. */
export function withholdDescriptors(libc: LibcSymbols): void {
  libc.close_range?.(3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC);
}

/** A C string: UTF-8 bytes and a NUL. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
