import assert from "node:assert/strict";
import fc from "fast-check";
import { Logs } from "../../fs/logs.ts";
import type { ReadyHandle } from "../../fs/handle.ts";
import {
  COMPLETE,
  FAILED,
  readAll,
  RETRY,
  sameText,
  type StoreFixture,
  storeTest,
} from "./store_fixture.ts";

const HEAD = ">>> true\n";
const MISSING = /\n\[(\d+) bytes of output are missing here\]\n/;
/** Bytes that the line in a hole may have. */
const LINE_MAX = 64;

/** Output in which every place looks different and nothing looks like a line of ours. */
function pattern(start: number, length: number): string {
  let text = "";
  for (let at = start; text.length < length; at++) text += `${at.toString(36)}\n`;
  return text.slice(0, length);
}

/** Output of `total` bytes, cut into parts of these sizes. */
function cut(sizes: readonly number[]): { output: string; parts: string[] } {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const output = pattern(0, total);
  let at = 0;
  return { output, parts: sizes.map((size) => output.slice(at, at += size)) };
}

const capArbitrary = fc.oneof(
  fc.integer({ min: 1024, max: 4096 }),
  fc.integer({ min: 4096, max: 90_000 }),
);
const partArbitrary = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 9000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 150_000 }) },
);
/** Batches of parts, each stored in one transaction. */
const batchesArbitrary = fc.array(fc.array(partArbitrary, { maxLength: 4 }), { maxLength: 12 });

/** Prefix half, a line with the right number, suffix half; or all of it where that is no longer. */
function checkFinished(shown: string, output: string, cap: number): void {
  const head = Math.ceil(cap / 2);
  const tail = cap - head;
  assert.ok(shown.length <= cap + LINE_MAX, `${shown.length} bytes are shown of at most ${cap}`);
  if (output.length <= cap) return sameText(shown, output);
  const found = MISSING.exec(shown);
  if (found === null) {
    assert.ok(output.length - cap <= LINE_MAX, "something is missing without a word");
    return sameText(shown, output);
  }
  sameText(shown.slice(0, found.index), output.slice(0, head));
  assert.equal(Number(found[1]), output.length - cap);
  sameText(shown.slice(found.index + found[0].length), output.slice(output.length - tail));
}

/** Runs a job that prints these batches. */
function run(f: StoreFixture, name: string, cap: number, batches: readonly (readonly number[])[]) {
  const { output, parts } = cut(batches.flat());
  f.submitted(name);
  const claim = f.claim(cap);
  let next = 0;
  const print = (batch: readonly number[]) => f.print(claim, ...batch.map(() => parts[next++]!));
  return { claim, output, print };
}

storeTest("a finished log shows the first and the last half of a long output", (f) => {
  let runs = 0;
  fc.assert(
    fc.property(capArbitrary, batchesArbitrary, (cap, batches) => {
      const name = `j${runs++}`;
      const { claim, output, print } = run(f, name, cap, batches);
      batches.forEach(print);
      f.finish(claim, COMPLETE);
      const log = f.log(f.job(name));
      assert.equal(log.slice(0, HEAD.length), HEAD);
      checkFinished(log.slice(HEAD.length), output, cap);
      const { logSize, logDropped } = f.job(name);
      assert.equal(logSize - logDropped, log.length, "the size that stat shows");
      f.store.moves.remove(f.job(name));
    }),
    { numRuns: 60, seed: 1 },
  );
});

storeTest("the log of a failed attempt ends with the reason, whatever was dropped", (f) => {
  const { claim, output, print } = run(f, "x", 2000, [[5000], [5000]]);
  print([0]);
  print([0]);
  f.finish(claim, FAILED, { kind: "exited", code: 7 });
  const end = `${output.endsWith("\n") ? "" : "\n"}\n[System Error]: exit status 7\n`;
  const log = f.log(f.job("x"));
  assert.ok(log.endsWith(end));
  checkFinished(log.slice(HEAD.length, -end.length), output, 2000);
});

storeTest("what is kept of a running job's output stays near its limit", (f) => {
  const cap = 16_384;
  const { claim, print } = run(f, "x", cap, Array(300).fill([1000]));
  for (let i = 0; i < 300; i++) {
    print([1000]);
    const kept = Number(f.value("SELECT sum(length(bytes)) FROM output"));
    assert.ok(kept <= HEAD.length + cap + cap / 8 + LINE_MAX, `${kept} bytes after ${i} parts`);
  }
  f.finish(claim, COMPLETE);
});

/** Goes on reading where it stopped, as `tail -f` does. */
class Follower {
  text = "";
  readonly #handle: ReadyHandle;
  #position = 0;

  constructor(handle: ReadyHandle) {
    this.#handle = handle;
  }

  follow(size = 4096): void {
    const more = readAll(this.#handle, this.#position, size);
    this.#position += more.length;
    this.text += more;
  }
}

/** Every byte in order, but where a line says how many bytes are missing. */
function checkFollowed(seen: string, output: string, cap: number): void {
  assert.equal(seen.slice(0, HEAD.length), HEAD);
  let rest = seen.slice(HEAD.length);
  let at = 0;
  for (let found = MISSING.exec(rest); found !== null; found = MISSING.exec(rest)) {
    sameText(rest.slice(0, found.index), output.slice(at, at + found.index));
    const behind = Math.ceil(cap / 2) + Number(found[1]);
    assert.ok(behind >= at + found.index, "the reader is never sent back");
    at = behind;
    rest = rest.slice(found.index + found[0].length);
  }
  sameText(rest, output.slice(at));
}

storeTest("a reader of a live log sees every byte but those that a line counts", (f) => {
  let runs = 0;
  const steps = fc.array(fc.tuple(fc.array(partArbitrary, { maxLength: 3 }), fc.boolean()), {
    maxLength: 14,
  });
  fc.assert(
    fc.property(capArbitrary, steps, (cap, taken) => {
      const name = `j${runs++}`;
      const { claim, output, print } = run(f, name, cap, taken.map(([batch]) => batch));
      const handle = new Logs(f.store).open(f.job(name));
      const follower = new Follower(handle);
      for (const [batch, reads] of taken) {
        print(batch);
        if (reads) follower.follow();
      }
      f.finish(claim, COMPLETE);
      follower.follow();
      checkFollowed(follower.text, output, cap);
      handle.release?.();
      f.store.moves.remove(f.job(name));
    }),
    { numRuns: 80, seed: 2 },
  );
});

storeTest("a reader of a live log that is overtaken by few bytes sees the whole line", (f) => {
  const cap = 1024;
  for (let behind = 1; behind < LINE_MAX; behind++) {
    const name = `j${behind}`;
    // The second half may be this much longer while the job runs.
    const slack = cap / 2 + 256;
    const batches = [[cap / 2 + 200], [slack + behind]];
    const { claim, output, print } = run(f, name, cap, batches);
    const handle = new Logs(f.store).open(f.job(name));
    const follower = new Follower(handle);
    for (const batch of batches) {
      print(batch);
      follower.follow();
    }
    checkFollowed(follower.text, output, cap);
    handle.release?.();
    f.finish(claim, COMPLETE);
  }
});

storeTest("a reader that keeps up with a live log sees all of it", (f) => {
  const sizes = Array(200).fill([500]);
  const { claim, output, print } = run(f, "x", 16_384, sizes);
  const handle = new Logs(f.store).open(f.job("x"));
  const follower = new Follower(handle);
  for (const batch of sizes) {
    print(batch);
    follower.follow();
  }
  f.finish(claim, COMPLETE);
  follower.follow();
  sameText(follower.text, `${HEAD}${output}`);
  handle.release?.();
});

storeTest("a reader of a live log can go back to the beginning", (f) => {
  const { claim, print } = run(f, "x", 2000, [[20_000]]);
  print([20_000]);
  const handle = new Logs(f.store).open(f.job("x"));
  const once = readAll(handle);
  assert.match(once, MISSING);
  sameText(readAll(handle), once);
  handle.release?.();
  f.finish(claim, COMPLETE);
});

storeTest("a reader of a finished log that runs again sees what is added", (f) => {
  f.ended("x", FAILED);
  const handle = new Logs(f.store).open(f.job("x"));
  const follower = new Follower(handle);
  follower.follow();
  f.store.moves.requeue(f.job("x"), "x");
  const { attempts, queue } = f.store;
  const claim = attempts.claim(queue.next()!, "boot", 4096);
  const { output, parts } = cut(Array(200).fill(300));
  for (const part of parts) {
    f.print(claim, part);
    follower.follow();
  }
  f.finish(claim, COMPLETE);
  follower.follow();
  sameText(follower.text, `${HEAD}${HEAD}${output}`);
  handle.release?.();
});

storeTest("each attempt has its own hole", (f) => {
  const name = "x";
  const first = run(f, name, 2000, [[9000]]);
  first.print([9000]);
  f.finish(first.claim, RETRY);
  const claim = f.claim(3000);
  f.print(claim, pattern(7, 8000));
  f.finish(claim, COMPLETE);
  const log = f.log(f.job(name));
  const second = log.indexOf(HEAD, 1);
  const section = log.slice(HEAD.length, second);
  checkFinished(first.output.endsWith("\n") ? section : section.slice(0, -1), first.output, 2000);
  checkFinished(log.slice(second + HEAD.length), pattern(7, 8000), 3000);
});

storeTest("read() gives any part of a log", (f) => {
  const claim = f.running("x");
  const output = pattern(0, 200_000);
  f.print(claim, output);
  f.finish(claim, COMPLETE);
  const whole = `${HEAD}${output}`;
  const handle = new Logs(f.store).open(f.job("x"));
  fc.assert(
    fc.property(fc.nat(whole.length + 10), fc.nat(140_000), (at, size) => {
      const part = new TextDecoder().decode(handle.read(at, size));
      sameText(part, whole.slice(at, at + size));
    }),
    { numRuns: 60, seed: 3 },
  );
  handle.release?.();
});
