/** Reads of every file at any offset, of any size: what is given is what stands there, and no more than was asked for. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { E } from "../../fs/errno.ts";
import { CONFIG_INO, EVENTS_INO, METRICS_INO, NEW_ID_INO } from "../../fs/ino.ts";
import { fileInfo } from "../unit/callbacks.ts";
import { text } from "../unit/store_fixture.ts";
import { fuzz } from "./cases.ts";
import { askedSize, int64 } from "./hostile.ts";
import { inWorld, type World } from "./world.ts";

/** Bytes of one read of a whole file. */
const PAGE = 8192n;

/** Jobs of the world: 1 is complete and its log has a hole, 2 failed, 7 is pending. */
const FILES: Readonly<Record<string, bigint>> = {
  "config.json": BigInt(CONFIG_INO),
  "new-id": BigInt(NEW_ID_INO),
  metrics: BigInt(METRICS_INO),
  events: BigInt(EVENTS_INO),
  "the script of a complete job": 16n + 1n,
  "a log with a hole": 16n + 2n,
  "the status of a complete job": 16n + 4n,
  "the wait of a failed job": 32n + 6n,
  "the section of an attempt with a hole": 2n ** 52n + 1n,
  "the log of a failed job": 32n + 2n,
  "the script of a pending job": 7n * 16n + 1n,
};

interface Read {
  readonly offset: bigint;
  readonly size: number;
}

class OpenFile {
  readonly fh: bigint;
  readonly ino: bigint;
  readonly #world: World;

  constructor(world: World, ino: bigint) {
    this.#world = world;
    this.ino = ino;
    const opened = world.request("open", [ino, fileInfo(0, 0)]);
    assert.ok(opened?.fh !== undefined, `${ino} can be opened`);
    this.fh = opened.fh;
  }

  read(offset: bigint, size: bigint): Uint8Array | number {
    const answer = this.#world.request("read", [this.ino, size, offset, fileInfo(this.fh)]);
    return answer!.bytes ?? answer!.errno!;
  }

  whole(): Uint8Array {
    const parts: number[] = [];
    for (;;) {
      const part = this.read(BigInt(parts.length), PAGE);
      assert.ok(part instanceof Uint8Array);
      if (part.length === 0) return Uint8Array.from(parts);
      parts.push(...part);
    }
  }

  close(): void {
    assert.equal(this.#world.request("release", [this.ino, fileInfo(this.fh)])!.errno, 0);
  }
}

function checkRead(file: OpenFile, whole: Uint8Array, { offset, size }: Read): void {
  const bytes = file.read(offset, BigInt(size));
  if (offset < 0n) return assert.equal(bytes, E.EINVAL);
  assert.ok(bytes instanceof Uint8Array, `errno ${bytes}`);
  const from = Math.min(Number(offset), whole.length);
  const there = whole.subarray(from, Math.min(from + size, whole.length));
  // A log may give less at once, as long as it goes on.
  assert.ok(there.length === 0 || bytes.length > 0, "no end before the end");
  assert.deepEqual(Uint8Array.from(bytes), Uint8Array.from(there.subarray(0, bytes.length)));
}

let world: World;
const ids = new Set<string>();

fuzz("what is read is what stands there", {
  share: 0.15,
  around: (cases) =>
    inWorld(async (made) => {
      world = made;
      await cases();
    }),
  arbitrary: fc.record({
    file: fc.constantFrom(...Object.keys(FILES)),
    first: fc.boolean(),
    reads: fc.array(fc.record({ offset: int64, size: askedSize }), { minLength: 1, maxLength: 8 }),
  }),
  body: ({ file, first, reads }) => {
    const opened = new OpenFile(world, FILES[file]!);
    // Before anything else was read there is nothing to compare with.
    if (first) { for (const { offset, size } of reads) opened.read(offset, BigInt(size)); }
    const whole = opened.whole();
    for (const read of reads) checkRead(opened, whole, read);
    opened.close();
    if (file !== "new-id") return;
    assert.match(text(whole), /^[0-9a-z]{4,}\n$/);
    assert.ok(!ids.has(text(whole)), "no id is given twice");
    ids.add(text(whole));
  },
  show: ({ file, first, reads }) =>
    `  ${file}${first ? ", and before it is read as a whole" : ""}: ` +
    reads.map(({ offset, size }) => `${size} bytes at ${offset}`).join(", "),
});
