import assert from "node:assert/strict";
import { Reply } from "../../ffi/reply.ts";
import { jobIno } from "../../fs/ino.ts";
import {
  Errno,
  errnoOf,
  type FileSystemFixture,
  fileSystemTest,
  O_RDWR,
  O_WRONLY,
} from "./file_system_fixture.ts";
import { RecorderSink } from "./recorder_sink.ts";
import { COMPLETE, FAILED, RETRY, text } from "./store_fixture.ts";

/** A read that is under way. */
class Reading {
  /** The text, or the name of an errno, once it is known. */
  result: string | null = null;
  readonly sink = new RecorderSink();
  readonly done: Promise<string>;

  constructor(f: FileSystemFixture, fh: number, offset = 0, size = 65_536) {
    this.done = this.#run(f, fh, offset, size).then((result) => this.result = result);
  }

  async #run(f: FileSystemFixture, fh: number, offset: number, size: number): Promise<string> {
    try {
      await f.fs.read(new Reply(this.sink), 0, fh, offset, size);
    } catch (error) {
      return new Errno(f.fs.errnoOf(error, "read")).code;
    }
    const [answer] = this.sink.answers;
    assert.ok(answer?.kind === "data" && this.sink.answers.length === 1);
    return text(answer.bytes);
  }
}

function open(f: FileSystemFixture, name = "x"): number {
  return f.open(jobIno(f.job(name).id, "wait"));
}

/** Everything that was to happen at once has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

function statusOf(f: FileSystemFixture, name: string): string {
  const fh = f.open(jobIno(f.job(name).id, "status"));
  const shown = f.read(fh);
  f.close(fh);
  return shown;
}

for (const next of [COMPLETE, FAILED]) {
  fileSystemTest(`wait of a job in ${next.to} gives its status at once`, (f) => {
    f.ended("x", next);
    const fh = open(f);
    assert.equal(f.read(fh), statusOf(f, "x"));
    assert.equal(f.read(fh, 3, 5), statusOf(f, "x").slice(3, 8));
    assert.equal(f.read(fh, statusOf(f, "x").length), "");
  });

  fileSystemTest(`wait of a job that comes to ${next.to} gives its status then`, async (f) => {
    f.submitted("x");
    const reading = new Reading(f, open(f));
    await settled();
    const claim = f.claim();
    await settled();
    assert.equal(reading.result, null);
    f.finish(claim, next);
    await reading.done;
    assert.equal(reading.result, statusOf(f, "x"));
    assert.equal(reading.sink.interrupt, null, "nobody listens any more");
  });
}

fileSystemTest("wait goes on through retries", async (f) => {
  f.submitted("x");
  const reading = new Reading(f, open(f));
  for (let i = 0; i < 3; i++) {
    f.finish(f.claim(), RETRY, { kind: "exited", code: 1 });
    await settled();
    assert.equal(reading.result, null);
  }
  f.finish(f.claim(), COMPLETE);
  assert.equal(JSON.parse(await reading.done).attempts.length, 4);
});

fileSystemTest("wait ends when the job is put aside, or cannot run", async (f) => {
  f.submitted("x");
  f.submitted("y");
  const [x, y] = [new Reading(f, open(f)), new Reading(f, open(f, "y"))];
  f.rename("pending", "x", "failed");
  f.store.moves.reject(f.job("y"), "not run: no");
  assert.equal(JSON.parse(await x.done).last_error, "moved to failed");
  assert.equal(JSON.parse(await y.done).last_error, "not run: no");
});

fileSystemTest("wait goes on when the job gets another name", async (f) => {
  f.submitted("x");
  const reading = new Reading(f, open(f));
  f.rename("pending", "x", "pending", "y");
  f.finish(f.claim(), COMPLETE);
  assert.equal(JSON.parse(await reading.done).name, "y");
});

fileSystemTest("wait of a job that ends and is queued again at once ends", async (f) => {
  const claim = f.running("x");
  const reading = new Reading(f, open(f));
  await settled();
  f.finish(claim, FAILED, { kind: "exited", code: 1 });
  f.rename("failed", "x", "pending");
  assert.equal(JSON.parse(await reading.done).state, "pending");
});

fileSystemTest("wait ends with ESTALE when the job is removed, in any way", async (f) => {
  f.running("active");
  f.submitted("pending");
  f.submitted("replaced");
  f.written(".new");
  const names = ["active", "pending", "replaced"];
  const readings = names.map((name) => new Reading(f, open(f, name)));
  await settled();
  f.store.moves.remove(f.job("active"));
  f.store.moves.remove(f.job("pending"));
  f.rename("pending", ".new", "pending", "replaced");
  for (const reading of readings) assert.equal(await reading.done, "ESTALE");
});

fileSystemTest("wait of a draft ends when it has run", async (f) => {
  f.written(".x");
  const reading = new Reading(f, open(f, ".x"));
  await settled();
  assert.equal(reading.result, null);
  f.rename("pending", ".x", "pending", "x");
  f.finish(f.claim(), COMPLETE);
  assert.equal(JSON.parse(await reading.done).state, "complete");
});

fileSystemTest("wait of a job that was removed before the read: ESTALE", async (f) => {
  f.running("x");
  const fh = open(f);
  f.store.moves.remove(f.job("x"));
  assert.equal(errnoOf(() => f.read(fh)), "ESTALE");
  assert.equal(await new Reading(f, fh).done, "ESTALE");
});

fileSystemTest("an interrupted reader gets EINTR, the others go on", async (f) => {
  f.submitted("x");
  const fh = open(f);
  const [first, second] = [new Reading(f, fh), new Reading(f, fh)];
  const other = new Reading(f, open(f));
  await settled();
  first.sink.interrupt!();
  assert.equal(await first.done, "EINTR");
  await settled();
  assert.deepEqual([second.result, other.result], [null, null]);
  f.finish(f.claim(), COMPLETE);
  assert.equal(await second.done, statusOf(f, "x"));
  assert.equal(await other.done, statusOf(f, "x"));
});

fileSystemTest("an interrupted reader can read again", async (f) => {
  f.submitted("x");
  const fh = open(f);
  const reading = new Reading(f, fh);
  reading.sink.interrupt!();
  assert.equal(await reading.done, "EINTR");
  const again = new Reading(f, fh);
  await settled();
  assert.equal(again.result, null);
  f.finish(f.claim(), COMPLETE);
  assert.equal(await again.done, statusOf(f, "x"));
});

fileSystemTest("an interrupt that comes with the request ends it at once", async (f) => {
  f.submitted("x");
  const sink = new RecorderSink();
  sink.onInterrupt = (listener) => listener();
  const fh = open(f);
  const read = async () => await f.fs.read(new Reply(sink), 0, fh, 0, 100);
  await assert.rejects(read, { errno: "EINTR" });
});

fileSystemTest("an interrupt after the end changes nothing", async (f) => {
  f.submitted("x");
  const reading = new Reading(f, open(f));
  await settled();
  const { interrupt } = reading.sink;
  f.finish(f.claim(), COMPLETE);
  interrupt!();
  assert.equal(await reading.done, statusOf(f, "x"));
});

fileSystemTest("the end of the daemon is ENOTCONN for all that wait", async (f) => {
  for (const name of ["x", "y"]) f.submitted(name);
  const readings = [open(f), open(f), open(f, "y")].map((fh) => new Reading(f, fh));
  await settled();
  f.fs.endWaiting();
  for (const reading of readings) assert.equal(await reading.done, "ENOTCONN");
  f.fs.endWaiting();
});

fileSystemTest("a descriptor shows the end that it has waited for", async (f) => {
  f.submitted("x");
  const fh = open(f);
  const reading = new Reading(f, fh, 0, 10);
  f.finish(f.claim(), COMPLETE);
  const start = await reading.done;
  const whole = statusOf(f, "x");
  assert.equal(start, whole.slice(0, 10));
  f.rename("complete", "x", "pending");
  assert.equal(await new Reading(f, fh, 10).done, whole.slice(10));
});

fileSystemTest("wait is read only and has no size", (f) => {
  f.submitted("x");
  const ino = jobIno(f.job("x").id, "wait");
  for (const flags of [O_WRONLY, O_RDWR]) assert.equal(errnoOf(() => f.open(ino, flags)), "EPERM");
  assert.equal(f.getattr(ino).size, 0);
});
