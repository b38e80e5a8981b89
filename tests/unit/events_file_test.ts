import assert from "node:assert/strict";
import type { PollHandle } from "../../ffi/operations.ts";
import { Reply } from "../../ffi/reply.ts";
import { CONFIG_INO, EVENTS_INO, scriptIno } from "../../fs/ino.ts";
import {
  errnoOf,
  type FileSystemFixture,
  fileSystemTest,
  O_RDWR,
  O_WRONLY,
} from "./file_system_fixture.ts";
import { RecorderSink } from "./recorder_sink.ts";

/** As in poll(2). */
const READABLE = 0x041;
const ALWAYS_READY = 0x145;

/** A handle that keeps what was done with it. */
class Waiting implements PollHandle {
  readonly uses: string[] = [];

  notify(): void {
    this.uses.push("notify");
  }

  drop(): void {
    this.uses.push("drop");
  }
}

function poll(f: FileSystemFixture, fh: number, handle: PollHandle | null = null): number {
  const sink = new RecorderSink();
  f.fs.poll(new Reply(sink), 0, fh, handle);
  const [answer] = sink.answers;
  assert.ok(answer?.kind === "poll" && sink.answers.length === 1);
  return answer.revents;
}

fileSystemTest("poll on what is not open gives its handle back", (f) => {
  const waiting = new Waiting();
  const ask = () => f.fs.poll(new Reply(new RecorderSink()), EVENTS_INO, 99, waiting);
  assert.throws(ask, { errno: "EBADF" });
  assert.deepEqual(waiting.uses, ["drop"]);
});

function happens(f: FileSystemFixture): void {
  f.store.events.record("config_changed", null);
}

fileSystemTest("events shows what was recorded, and its size is its length", (f) => {
  f.submitted("x");
  const fh = f.open(EVENTS_INO);
  const text = f.read(fh);
  assert.match(text, /^\{"seq":1,.*"event":"submitted","job":"x".*\}\n$/);
  assert.equal(f.getattr(EVENTS_INO).size, text.length);
  assert.equal(f.read(fh, text.length), "");
  happens(f);
  assert.match(f.read(fh, text.length), /^\{"seq":2,.*\}\n$/);
  assert.equal(f.read(fh, 8, 5), text.slice(8, 13));
  f.close(fh);
});

fileSystemTest("the mtime of events is that of the newest event", (f) => {
  f.nowMs += 5000;
  const before = f.getattr(EVENTS_INO).mtime;
  happens(f);
  const { mtime } = f.getattr(EVENTS_INO);
  assert.equal(mtime.sec, f.nowMs / 1000);
  assert.notDeepEqual(mtime, before);
});

fileSystemTest("events and metrics cannot be written", (f) => {
  for (const name of ["events", "metrics"]) {
    const { ino, mode } = f.lookup(1, name).attr;
    assert.equal(mode, 0o100444, name);
    for (const flags of [O_WRONLY, O_RDWR]) {
      assert.equal(errnoOf(() => f.open(ino, flags)), "EPERM", name);
    }
  }
});

fileSystemTest("events is ready when there is more than the last read has reached", (f) => {
  happens(f);
  const fh = f.open(EVENTS_INO);
  assert.equal(poll(f, fh), READABLE, "nothing was read yet");
  const { length } = f.read(fh, 0, 10);
  assert.equal(poll(f, fh), READABLE);
  f.read(fh, length);
  assert.equal(poll(f, fh), 0);
  f.read(fh, f.getattr(EVENTS_INO).size);
  assert.equal(poll(f, fh), 0, "a read at the end counts");
  happens(f);
  assert.equal(poll(f, fh), READABLE);
  f.read(fh, 0, 10);
  assert.equal(poll(f, fh), READABLE, "whoever reads the beginning again has the rest before them");
});

fileSystemTest("an empty events is not ready", (f) => {
  assert.equal(poll(f, f.open(EVENTS_INO)), 0);
});

fileSystemTest("each descriptor of events is ready by itself", (f) => {
  happens(f);
  const [one, two] = [f.open(EVENTS_INO), f.open(EVENTS_INO)];
  f.read(one);
  assert.deepEqual([poll(f, one), poll(f, two)], [0, READABLE]);
});

fileSystemTest("who waits for events is told once, of the first", (f) => {
  const fh = f.open(EVENTS_INO);
  const handle = new Waiting();
  assert.equal(poll(f, fh, handle), 0);
  assert.deepEqual(handle.uses, []);
  happens(f);
  happens(f);
  assert.deepEqual(handle.uses, ["notify"]);
  f.close(fh);
  assert.deepEqual(handle.uses, ["notify"], "it is not given back a second time");
});

fileSystemTest("who waits is told of what is committed, not of what is rolled back", (f) => {
  const handle = new Waiting();
  poll(f, f.open(EVENTS_INO), handle);
  assert.throws(() =>
    f.store.db.transaction(() => {
      happens(f);
      throw new Error("no");
    })
  );
  assert.deepEqual(handle.uses, []);
  f.store.db.transaction(() => {
    happens(f);
    assert.deepEqual(handle.uses, []);
  });
  assert.deepEqual(handle.uses, ["notify"]);
});

fileSystemTest("the newest handle of a descriptor takes the place of the one before", (f) => {
  const fh = f.open(EVENTS_INO);
  const [first, second] = [new Waiting(), new Waiting()];
  poll(f, fh, first);
  poll(f, fh, second);
  poll(f, fh);
  happens(f);
  assert.deepEqual([first.uses, second.uses], [["drop"], ["notify"]]);
});

fileSystemTest("the last close drops the handle, and others are told", (f) => {
  const [one, two] = [f.open(EVENTS_INO), f.open(EVENTS_INO)];
  const [first, second] = [new Waiting(), new Waiting()];
  poll(f, one, first);
  poll(f, two, second);
  f.close(one);
  happens(f);
  assert.deepEqual([first.uses, second.uses], [["drop"], ["notify"]]);
});

fileSystemTest("files without a say are always ready, and keep no handle", (f) => {
  const script = scriptIno(f.submitted("x").id);
  for (const ino of [CONFIG_INO, script]) {
    const handle = new Waiting();
    const fh = f.open(ino);
    assert.equal(poll(f, fh, handle), ALWAYS_READY);
    assert.equal(poll(f, fh), ALWAYS_READY);
    assert.deepEqual(handle.uses, ["drop"]);
    f.close(fh);
  }
});

fileSystemTest("nothing that an open descriptor of events has read may go", (f) => {
  const filler = "x".repeat(1_000_000);
  const fill = (count: number) => {
    for (let i = 0; i < count; i++) f.store.events.record("config_changed", null, { filler });
  };
  fill(1);
  const fh = f.open(EVENTS_INO);
  const start = f.read(fh, 0, 60);
  fill(20);
  assert.equal(f.read(fh, 0, 60), start);
  const { size } = f.getattr(EVENTS_INO);
  assert.ok(size > 20_000_000);
  f.close(fh);
  happens(f);
  assert.ok(f.getattr(EVENTS_INO).size < size / 2 + 2_000_000);
});
