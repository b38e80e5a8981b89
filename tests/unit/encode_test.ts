import assert from "node:assert/strict";
import { entryParamLayout, STAT, STATVFS } from "../../ffi/abi.ts";
import { encodeEntry, encodeStat, encodeStatvfs } from "../../ffi/encode.ts";
import type { Attr } from "../../ffi/operations.ts";

const ATTR: Attr = {
  ino: 2 ** 40 + 18,
  mode: 0o100644,
  nlink: 3,
  uid: 4_000_000_001,
  gid: 4_000_000_002,
  size: 2 ** 33 + 5,
  atime: { sec: -1, nsec: 999_999_999 },
  mtime: { sec: 1_800_000_000, nsec: 1 },
  ctime: { sec: 2 ** 34, nsec: 0 },
};

for (const arch of ["x86_64", "aarch64"] as const) {
  const layout = STAT[arch];

  Deno.test(`encodeStat() fills struct stat of ${arch}`, () => {
    const base = 16;
    const view = new DataView(new ArrayBuffer(base + layout.size));
    encodeStat(view, base, layout, ATTR);
    const word = (offset: number) => Number(view.getBigInt64(base + offset, true));
    const half = (offset: number) => view.getUint32(base + offset, true);
    assert.equal(word(layout.ino), ATTR.ino);
    assert.equal(layout.nlinkBytes === 8 ? word(layout.nlink) : half(layout.nlink), 3);
    assert.equal(half(layout.mode), ATTR.mode);
    assert.equal(half(layout.uid), ATTR.uid);
    assert.equal(half(layout.gid), ATTR.gid);
    assert.equal(word(layout.fileSize), ATTR.size);
    assert.equal(layout.blksizeBytes === 8 ? word(layout.blksize) : half(layout.blksize), 4096);
    assert.equal(word(layout.blocks), Math.ceil(ATTR.size / 512));
    for (const name of ["atime", "mtime", "ctime"] as const) {
      assert.equal(word(layout[name]), ATTR[name].sec, name);
      assert.equal(word(layout[name] + 8), ATTR[name].nsec, name);
    }
  });

  Deno.test(`encodeStat() touches nothing else in struct stat of ${arch}`, () => {
    const mark = 0xa5;
    const data = new Uint8Array(layout.size).fill(mark);
    encodeStat(new DataView(data.buffer), 0, layout, ATTR);
    const filled = new Set<number>();
    const fill = (at: number, length: number) => {
      for (let i = 0; i < length; i++) filled.add(at + i);
    };
    for (const at of [layout.ino, layout.fileSize, layout.blocks]) fill(at, 8);
    for (const at of [layout.mode, layout.uid, layout.gid]) fill(at, 4);
    for (const at of [layout.atime, layout.mtime, layout.ctime]) fill(at, 16);
    fill(layout.nlink, layout.nlinkBytes);
    fill(layout.blksize, layout.blksizeBytes);
    data.forEach((byte, at) => {
      if (!filled.has(at)) assert.equal(byte, mark, `byte ${at} was written`);
    });
  });

  Deno.test(`encodeStat() leaves nothing of the structure's last use on ${arch}`, () => {
    const once = new DataView(new ArrayBuffer(layout.size));
    const again = new DataView(new ArrayBuffer(layout.size));
    const zero: Attr = {
      ...ATTR,
      ino: 1,
      size: 0,
      nlink: 0,
      atime: { sec: 0, nsec: 0 },
      ctime: { sec: 0, nsec: 0 },
    };
    encodeStat(once, 0, layout, zero);
    encodeStat(again, 0, layout, ATTR);
    encodeStat(again, 0, layout, zero);
    assert.deepEqual(again, once);
  });

  Deno.test(`encodeEntry() fills struct fuse_entry_param of ${arch}`, () => {
    const entry = entryParamLayout(layout);
    const view = new DataView(new ArrayBuffer(entry.size));
    encodeEntry(view, entry, layout, { attr: ATTR, attrTimeoutSec: 0.5, entryTimeoutSec: 86_400 });
    assert.equal(Number(view.getBigUint64(entry.ino, true)), ATTR.ino);
    assert.equal(view.getBigUint64(entry.generation, true), 0n);
    assert.equal(view.getFloat64(entry.attrTimeout, true), 0.5);
    assert.equal(view.getFloat64(entry.entryTimeout, true), 86_400);
    const stat = new DataView(new ArrayBuffer(layout.size));
    encodeStat(stat, 0, layout, ATTR);
    assert.deepEqual(
      new Uint8Array(view.buffer, entry.attr, layout.size),
      new Uint8Array(stat.buffer),
    );
  });
}

Deno.test("encodeStatvfs() fills struct statvfs", () => {
  const view = new DataView(new ArrayBuffer(STATVFS.size));
  encodeStatvfs(view, {
    bsize: 4096,
    blocks: 2 ** 36,
    bfree: 2 ** 35,
    bavail: 2 ** 34,
    files: 1_000_003,
    ffree: 1_000_000,
    namemax: 255,
  });
  const expected = {
    bsize: 4096,
    frsize: 4096,
    blocks: 2 ** 36,
    bfree: 2 ** 35,
    bavail: 2 ** 34,
    files: 1_000_003,
    ffree: 1_000_000,
    favail: 1_000_000,
    flag: 0,
    namemax: 255,
  };
  for (const [name, value] of Object.entries(expected)) {
    const offset = STATVFS[name as keyof typeof expected];
    assert.equal(Number(view.getBigUint64(offset, true)), value, name);
  }
});
