/** Directory answers, byte by byte beside those that the installed libfuse makes, and what is particular to ours. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { DIRENT, ENTRY_OUT, entryParamLayout, hostStatLayout } from "../../ffi/abi.ts";
import { DirectoryBuffer, entryBytes } from "../../ffi/directory_buffer.ts";
import { encodeEntry, encodeStat } from "../../ffi/encode.ts";
import { cString, openLibfuse } from "../../ffi/libfuse.ts";
import type { Entry } from "../../ffi/operations.ts";

/** lib/fuse_lowlevel.c of libfuse 3: adds one entry, and returns how many bytes it needs. */
const SYMBOLS = {
  fuse_add_direntry: {
    parameters: ["pointer", "buffer", "usize", "buffer", "buffer", "i64"],
    result: "usize",
  },
  fuse_add_direntry_plus: {
    parameters: ["pointer", "buffer", "usize", "buffer", "buffer", "i64"],
    result: "usize",
  },
} as const;

const layout = hostStatLayout();
const entryLayout = entryParamLayout(layout);

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

function libfuseAnswer(
  lib: Library,
  entries: readonly { name: string; entry: Entry; next: number }[],
  size: number,
  plus: boolean,
): Uint8Array {
  const bytes = new Uint8Array(size);
  let length = 0;
  for (const { name, entry, next } of entries) {
    const rest = bytes.subarray(length);
    const room = BigInt(rest.length);
    const param = new Uint8Array(plus ? entryLayout.size : layout.size);
    const view = new DataView(param.buffer);
    if (plus) encodeEntry(view, entryLayout, layout, entry);
    else encodeStat(view, 0, layout, entry.attr);
    const add = plus ? lib.fuse_add_direntry_plus : lib.fuse_add_direntry;
    const added = Number(add(null, rest, room, cString(name), param, BigInt(next)));
    if (added > rest.length) break;
    length += added;
  }
  return bytes.slice(0, length);
}

const timeArbitrary = fc.record({
  sec: fc.integer({ min: -(2 ** 33), max: 2 ** 33 }),
  nsec: fc.nat(999_999_999),
});
const entryArbitrary: fc.Arbitrary<Entry> = fc.record({
  attr: fc.record({
    ino: fc.maxSafeNat(),
    mode: fc.constantFrom(0o100644, 0o040755, 0o104755),
    nlink: fc.nat(2 ** 31 - 1),
    uid: fc.nat(2 ** 32 - 1),
    gid: fc.nat(2 ** 32 - 1),
    size: fc.maxSafeNat(),
    atime: timeArbitrary,
    mtime: timeArbitrary,
    ctime: timeArbitrary,
  }),
  attrTimeoutSec: fc.constantFrom(0, 86_400, 0.5),
  entryTimeoutSec: fc.constantFrom(0, 86_400, 1.25),
});
const nameArbitrary = fc.oneof(
  fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 60 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 60 }),
).filter((name) => !/[\0/]/.test(name));

for (const plus of [false, true]) {
  const kind = plus ? "with attributes" : "without attributes";
  const before = plus ? ENTRY_OUT.size : 0;

  Deno.test({
    name: `DirectoryBuffer ${kind} makes the bytes that libfuse makes`,
    sanitizeResources: false, // libfuse stays loaded for as long as the process lives
    fn: () => {
      const { symbols } = Deno.dlopen(openLibfuse().soname, SYMBOLS);
      const buffer = new DirectoryBuffer();
      fc.assert(
        fc.property(
          fc.array(
            fc.record({ name: nameArbitrary, entry: entryArbitrary, next: fc.maxSafeNat() }),
            { maxLength: 12 },
          ),
          fc.nat(2000),
          (entries, size) => {
            const answer = buffer.writer(size, plus);
            entries.every(({ name, entry, next }) => answer.add(name, entry, next));
            assert.deepEqual(answer.bytes, libfuseAnswer(symbols, entries, size, plus));
          },
        ),
        { numRuns: 300, seed: 1 },
      );
    },
  });

  Deno.test(`DirectoryBuffer ${kind} is full when it is full`, () => {
    const time = { sec: 1, nsec: 2 };
    const attr = { ino: 9, mode: 0o100644, nlink: 1, uid: 1, gid: 2, size: 3 };
    const entry: Entry = {
      attr: { ...attr, atime: time, mtime: time, ctime: time },
      attrTimeoutSec: 0,
      entryTimeoutSec: 0,
    };
    const one = before + DIRENT.name + 8;
    assert.equal(entryBytes(4, plus), one);
    const buffer = new DirectoryBuffer();
    const answer = buffer.writer(2 * one + 8, plus);
    assert.deepEqual([1, 2, 3].map((i) => answer.add("name", entry, i)), [true, true, false]);
    assert.equal(answer.bytes.length, 2 * one);
    for (const name of ["name", "é".repeat(127)]) {
      for (const size of [0, 8, before + DIRENT.name + 1]) {
        const none = buffer.writer(size, plus);
        assert.equal(none.add(name, entry, 1), false);
        assert.equal(none.bytes.length, 0);
      }
    }
  });
}
