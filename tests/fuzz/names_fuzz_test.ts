/** Any bytes as names: each is kept as it is or refused for its reason, and no two of them become one. */
import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { E, type ErrnoName } from "../../fs/errno.ts";
import { JOBS_INO, PENDING_INO } from "../../fs/ino.ts";
import { fileInfo } from "../unit/callbacks.ts";
import { fuzz } from "./cases.ts";
import type { Answer } from "./fake_libfuse.ts";
import { showBytes, strangeName } from "./hostile.ts";
import { cName } from "./kernel.ts";
import { inWorld, type World } from "./world.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The rule of names, on bytes. Control characters are one byte, or 0xc2 and one. */
function refusal(name: Bytes): ErrnoName | null {
  if (!isUtf8(name)) return "EILSEQ";
  if (name.length > 255) return "ENAMETOOLONG";
  const isControl = (byte: number, i: number) =>
    byte < 0x20 || byte === 0x7f || (name[i - 1] === 0xc2 && byte < 0xa0);
  if (name.some(isControl) || name.includes(0x2f)) return "EINVAL";
  return ["", "46", "46,46"].includes(name.join()) ? "EINVAL" : null;
}

/** Makes a job of each name; gives the inode numbers by name. */
function make(world: World, names: readonly Bytes[], viaMknod: boolean): Map<string, number> {
  const made = new Map<string, number>();
  for (const name of names) {
    const parent = BigInt(PENDING_INO);
    const answer: Answer = viaMknod
      ? world.request("mknod", [parent, cName(name), 0o100644, 0n])!
      : world.request("create", [parent, cName(name), 0o100644, fileInfo(0, 0o301)])!;
    const expected = refusal(name) ?? (made.has(name.join()) ? "EEXIST" : null);
    assert.equal(answer.errno, expected === null ? undefined : E[expected], showBytes(name));
    if (expected === null) made.set(name.join(), answer.ino!);
  }
  return made;
}

function check(world: World, names: readonly Bytes[], viaMknod: boolean, size: number): void {
  for (const entry of world.kernel.list(PENDING_INO).slice(2)) {
    world.request("unlink", [BigInt(PENDING_INO), cName(entry.name)]);
  }
  const made = make(world, names, viaMknod);
  assert.equal(new Set(made.values()).size, made.size, "two names are two jobs");
  for (const plus of [false, true]) {
    const listed = world.kernel.list(PENDING_INO, size, plus).slice(2);
    assert.deepEqual(new Map(listed.map(({ name, ino }) => [name.join(), ino])), made);
    assert.equal(listed.length, made.size);
    world.checkListing(JOBS_INO, size, plus);
  }
  for (const name of names) {
    const { ino, errno } = world.kernel.lookup(PENDING_INO, name);
    assert.equal(ino, made.get(name.join()), showBytes(name));
    if (ino !== undefined) continue;
    const tooLong = isUtf8(name) && name.length > 255;
    assert.equal(errno, tooLong ? E.ENAMETOOLONG : E.ENOENT, showBytes(name));
  }
}

/** One entry of any name fits. */
const MIN_SIZE = 128 + 24 + 256;

fuzz("every name is kept byte by byte or refused for its reason", {
  share: 0.05,
  arbitrary: fc.record({
    names: fc.array(strangeName, { minLength: 1, maxLength: 12 }),
    viaMknod: fc.boolean(),
    size: fc.integer({ min: MIN_SIZE, max: 4096 }),
  }),
  body: ({ names, viaMknod, size }) =>
    inWorld(async (world) => {
      check(world, names, viaMknod, size);
      await world.finishAll();
    }),
  show: ({ names, viaMknod, size }) =>
    `  ${viaMknod ? "mknod" : "create"}, listed in ${size} bytes:\n` +
    names.map((name) => `  ${showBytes(name)}`).join("\n"),
});
