import assert from "node:assert/strict";
import type { Attr, Entry } from "../../ffi/operations.ts";
import { Reply } from "../../ffi/reply.ts";
import { RecorderSink } from "./recorder_sink.ts";

const time = { sec: 1, nsec: 2 };
const ATTR: Attr = {
  ...{ ino: 17, mode: 0o100644, nlink: 1, uid: 0, gid: 0, size: 3 },
  ...{ atime: time, mtime: time, ctime: time },
};
const ENTRY: Entry = { attr: ATTR, attrTimeoutSec: 0, entryTimeoutSec: 0 };
const STATFS = { bsize: 1, blocks: 1, bfree: 1, bavail: 1, files: 1, ffree: 1, namemax: 255 };

/** Every way to answer. */
const USES: Readonly<Record<string, (reply: Reply) => void>> = {
  ok: (reply) => reply.ok(),
  error: (reply) => reply.error(5),
  entry: (reply) => reply.entry(ENTRY),
  attr: (reply) => reply.attr(ATTR, 0),
  open: (reply) => void reply.open(1),
  create: (reply) => void reply.create(ENTRY, 1),
  written: (reply) => reply.written(1),
  data: (reply) => reply.data(new Uint8Array(1)),
  statfs: (reply) => reply.statfs(STATFS),
  poll: (reply) => reply.poll(0x41),
  "xattr with its size": (reply) => reply.xattr(new Uint8Array(1), 0, 34),
  "xattr with its value": (reply) => reply.xattr(new Uint8Array(1), 1, 34),
  "xattr that is too small": (reply) => reply.xattr(new Uint8Array(2), 1, 34),
  sendDirectory: (reply) => reply.sendDirectory(reply.directory(100, false)),
};

for (const [first, use] of Object.entries(USES)) {
  Deno.test(`Reply refuses a second use after ${first}`, () => {
    const sink = new RecorderSink();
    const reply = new Reply(sink);
    assert.equal(reply.used, false);
    use(reply);
    assert.equal(reply.used, true);
    for (const [second, again] of Object.entries(USES)) {
      assert.throws(() => again(reply), /answered twice/, second);
    }
    assert.equal(sink.answers.length, 1);
  });
}

Deno.test("Reply is not used up by caller and directory()", () => {
  const sink = new RecorderSink();
  const reply = new Reply(sink);
  assert.equal(reply.caller, sink.caller());
  reply.directory(100, true);
  assert.equal(reply.used, false);
  assert.deepEqual(sink.answers, []);
});

Deno.test("an interrupt is listened to until the answer, and no longer", () => {
  const sink = new RecorderSink();
  const reply = new Reply(sink);
  let interrupts = 0;
  reply.onInterrupt(() => interrupts++);
  assert.equal(reply.used, false);
  sink.interrupt!();
  assert.equal(interrupts, 1);
  reply.error(4);
  assert.equal(sink.interrupt, null);
});

Deno.test("open() and create() say when the caller was interrupted", () => {
  for (const taken of [true, false]) {
    const sink = new RecorderSink();
    sink.taken = taken;
    assert.equal(new Reply(sink).open(1), taken);
    assert.equal(new Reply(sink).create(ENTRY, 1), taken);
  }
});

Deno.test("xattr() answers with the size, the value or too small", () => {
  const value = new Uint8Array([1, 2, 3]);
  const answers = [0, 3, 4, 2].map((size) => {
    const sink = new RecorderSink();
    new Reply(sink).xattr(value, size, 34);
    return sink.answers;
  });
  assert.deepEqual(answers, [
    [{ kind: "xattrSize", size: 3 }],
    [{ kind: "data", bytes: value }],
    [{ kind: "data", bytes: value }],
    [{ kind: "error", errno: 34 }],
  ]);
});
