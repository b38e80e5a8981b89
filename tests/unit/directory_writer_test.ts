/** Directory answers byte by byte, made by the installed libfuse: `struct fuse_dirent` of linux/fuse.h. */
import assert from "node:assert/strict";
import { openLibfuse } from "../../ffi/libfuse.ts";
import { LibfuseSink, SinkBuffers } from "../../ffi/libfuse_sink.ts";
import type { Entry } from "../../ffi/operations.ts";

const DIRENT = { ino: 0, off: 8, namelen: 16, type: 20, name: 24 };
/** `struct fuse_entry_out` before the dirent of readdirplus. */
const ENTRY_OUT = 128;
const DT_REG = 8;

function entry(ino: number): Entry {
  const time = { sec: 1, nsec: 2 };
  const attr = {
    ...{ ino, mode: 0o100644, nlink: 1, uid: 1, gid: 2, size: 3 },
    ...{ atime: time, mtime: time, ctime: time },
  };
  return { attr, attrTimeoutSec: 0, entryTimeoutSec: 0 };
}

/** libfuse stays loaded for as long as the process lives. */
function libraryTest(name: string, fn: () => void): void {
  Deno.test({ name, sanitizeResources: false, fn });
}

function writer(size: number, plus: boolean) {
  return new LibfuseSink(new SinkBuffers(openLibfuse().symbols), null).directory(size, plus);
}

for (const plus of [false, true]) {
  const before = plus ? ENTRY_OUT : 0;

  libraryTest(`directory() ${plus ? "with" : "without"} attributes writes dirents`, () => {
    const made = writer(4096, plus);
    const names = ["x", "é".repeat(127), ".hidden~"];
    names.forEach((name, i) => assert.ok(made.add(name, entry(100 + i), 2 ** 40 + i)));
    const view = new DataView(made.bytes.buffer, 0, made.length);
    let at = 0;
    names.forEach((name, i) => {
      const dirent = at + before;
      const length = view.getUint32(dirent + DIRENT.namelen, true);
      if (plus) assert.equal(Number(view.getBigUint64(at, true)), 100 + i, "nodeid");
      assert.equal(Number(view.getBigUint64(dirent + DIRENT.ino, true)), 100 + i);
      assert.equal(Number(view.getBigUint64(dirent + DIRENT.off, true)), 2 ** 40 + i);
      assert.equal(view.getUint32(dirent + DIRENT.type, true), DT_REG);
      const bytes = made.bytes.subarray(dirent + DIRENT.name, dirent + DIRENT.name + length);
      assert.equal(new TextDecoder().decode(bytes), name);
      at += before + Math.ceil((DIRENT.name + length) / 8) * 8;
    });
    assert.equal(at, made.length);
  });

  libraryTest(`directory() ${plus ? "with" : "without"} attributes is full when it is full`, () => {
    const one = before + 32;
    const made = writer(2 * one + 8, plus);
    assert.deepEqual([1, 2, 3].map((i) => made.add("name", entry(i), i)), [true, true, false]);
    assert.equal(made.length, 2 * one);
    const none = writer(0, plus);
    assert.equal(none.add("name", entry(1), 1), false);
    assert.equal(none.length, 0);
  });
}
