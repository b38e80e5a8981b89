/** Logs in parts, as pages and downloads read them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Claim } from "../../store/attempts.ts";
import { lastLine, type LogPart, readLog, tailStart } from "../../web/log_reader.ts";
import { attemptText, logText, scriptText } from "../../web/texts.ts";
import {
  bytes,
  COMPLETE,
  FAILED,
  RETRY,
  sameText,
  type StoreFixture,
  storeTest,
  text,
} from "./store_fixture.ts";

const HEAD = ">>> true\n";
const PART_BYTES = 65_536;

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** All parts that are there from an offset on. */
function partsOf(f: StoreFixture, name: string, from = 0, toEnd = true): LogPart[] {
  const parts: LogPart[] = [];
  for (let at = from;;) {
    const part = readLog(f.store, f.job(name), at, toEnd);
    if (part === null) return parts;
    assert.ok(part.end > at && part.bytes.length > 0 && part.bytes.length <= PART_BYTES);
    parts.push(part);
    at = part.end;
  }
}

function shown(f: StoreFixture, name: string, from = 0, toEnd = true): string {
  return text(joined(partsOf(f, name, from, toEnd).map(({ bytes }) => bytes)));
}

function printed(f: StoreFixture, claim: Claim, ...parts: Uint8Array[]): void {
  f.store.attempts.captureOutput(new Map([[claim.capture, parts]]));
}

/** A job that has run and printed this, of which so much is kept. */
function ran(f: StoreFixture, name: string, output: string, maxOutputBytes = 1_000_000): void {
  f.submitted(name);
  const claim = f.claim(maxOutputBytes);
  f.print(claim, output);
  f.finish(claim, COMPLETE);
}

async function all(stream: ReadableStream<Uint8Array> | null): Promise<string> {
  return text(joined(await Array.fromAsync(stream!)));
}

storeTest("readLog() ends a part that waits for more with a whole character", (f) => {
  const claim = f.running("x");
  const characters = bytes("aé日🎉b");
  let seen = shown(f, "x", 0, false);
  let at = f.job("x").logSize;
  const grown: string[] = [];
  for (const byte of characters) {
    printed(f, claim, new Uint8Array([byte]));
    const parts = partsOf(f, "x", at, false);
    at = parts.at(-1)?.end ?? at;
    grown.push(text(joined(parts.map(({ bytes }) => bytes))));
  }
  seen += grown.join("");
  assert.equal(seen, `${HEAD}aé日🎉b`);
  assert.deepEqual(grown, ["a", "", "é", "", "", "日", "", "", "", "🎉", "b"]);
});

storeTest("readLog() does not wait for the rest of a character at the end", (f) => {
  const claim = f.running("x");
  printed(f, claim, bytes("a🎉").subarray(0, 3));
  const [{ end }] = partsOf(f, "x", 0, false) as [LogPart];
  assert.equal(readLog(f.store, f.job("x"), end), null);
  f.finish(claim, COMPLETE);
  assert.equal(readLog(f.store, f.job("x"), end), null);
  assert.deepEqual([...readLog(f.store, f.job("x"), end, true)!.bytes], [0xf0, 0x9f]);
});

storeTest("readLog() cuts large logs between characters", (f) => {
  for (
    const [name, character] of [["one", "a"], ["two", "é"], ["three", "日"], [
      "four",
      "🎉",
    ]] as const
  ) {
    for (const before of ["", "x", "xx", "xxx"]) {
      const output = before + character.repeat(150_000 / bytes(character).length);
      ran(f, name + before, output);
      const parts = partsOf(f, name + before);
      assert.equal(parts.length, 3);
      const fatal = new TextDecoder("utf-8", { fatal: true });
      sameText(parts.map(({ bytes }) => fatal.decode(bytes)).join(""), HEAD + output);
      assert.ok(parts[0]!.bytes.length > PART_BYTES - 4);
    }
  }
});

storeTest("readLog() has nothing beyond the end, and nothing of a log that is empty", (f) => {
  f.submitted("x");
  assert.equal(readLog(f.store, f.job("x"), 0, true), null);
  ran(f, "x2", "a");
  const { logSize } = f.job("x2");
  for (const from of [logSize, logSize + 1, 1e15]) {
    assert.equal(readLog(f.store, f.job("x2"), from, true), null);
  }
});

storeTest("readLog() passes over what was dropped, as a reader of the file does", (f) => {
  for (
    const [limit, printed] of [[1024, 1030], [1024, 3000], [1024, 200_000], [4096, 9001], [
      200_000,
      500_001,
    ]] as const
  ) {
    const name = `${limit}-${printed}`;
    const lines = Array.from({ length: printed / 8 }, (_, i) => String(i).padStart(7) + "\n");
    ran(f, name, lines.join(""), limit);
    const whole = f.log(f.job(name));
    sameText(shown(f, name), whole);
    assert.equal(/bytes of output are missing here/.test(whole), f.job(name).logDropped > 0);
    assert.equal(f.job(name).logDropped > 0, printed > 1030);
    // From inside the hole on: what is behind it.
    for (const { start, end } of f.store.output.holes(f.job(name).id)) {
      for (const from of [start, start + 1, end - 1]) {
        const rest = shown(f, name, from);
        assert.match(rest, /^\n\[\d+ bytes of output are missing here\]\n/);
        assert.ok(whole.endsWith(rest));
      }
    }
  }
});

storeTest("readLog() passes over the holes of all attempts", (f) => {
  f.submitted("x");
  for (const next of [RETRY, RETRY, FAILED]) {
    const claim = f.claim(1024);
    f.print(claim, "日".repeat(5000), "é".repeat(5000));
    f.finish(claim, next, { kind: "exited", code: 1 });
  }
  const whole = f.log(f.job("x"));
  assert.equal(whole.match(/bytes of output are missing here/g)?.length, 3);
  sameText(shown(f, "x"), whole);
});

storeTest("a reader that follows goes on behind a hole that overtakes it", (f) => {
  f.submitted("x");
  const claim = f.claim(1024);
  let at = 0;
  let seen = "";
  for (let i = 0; i < 100; i++) {
    f.print(claim, `${i}`.padStart(99) + "\n");
    if (i % 30 !== 0) continue;
    for (const part of partsOf(f, "x", at, false)) {
      seen += text(part.bytes);
      at = part.end;
    }
  }
  f.finish(claim, COMPLETE);
  seen += shown(f, "x", at);
  const numbers = seen.match(/^ +\d+$/gm)!.map(Number);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].toSorted((a, b) => a - b),
    "in order, none twice",
  );
  assert.equal(numbers[0], 0);
  assert.equal(numbers.at(-1), 99);
  assert.match(seen, /\[\d+ bytes of output are missing here\]/);
});

const pieces = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    fc.string({ unit: "grapheme", maxLength: 6 }).map(bytes),
    fc.constantFrom([0xf0], [0x9f], [0xc3], [0xff], [0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80])
      .map((list) => new Uint8Array(list)),
  ),
  { maxLength: 12 },
);

storeTest("all bytes of a log come out in order, wherever it was cut", (f) => {
  let n = 0;
  fc.assert(
    fc.property(pieces, fc.boolean(), (parts, isFollowed) => {
      const name = `j${n++}`;
      const claim = f.running(name);
      const seen: Uint8Array[] = [];
      let at = 0;
      const read = (toEnd: boolean) => {
        for (const part of partsOf(f, name, at, toEnd)) {
          seen.push(part.bytes);
          at = part.end;
        }
      };
      for (const part of parts) {
        printed(f, claim, part);
        if (isFollowed) read(false);
      }
      f.finish(claim, COMPLETE);
      read(true);
      assert.deepEqual(joined(seen), joined([bytes(HEAD), ...parts]));
      assert.equal(at, f.job(name).logSize);
    }),
    { numRuns: 60 },
  );
});

storeTest("tailStart() begins at the beginning of a line near", (f) => {
  const lines = Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join("");
  ran(f, "lines", lines);
  const job = f.job("lines");
  const whole = HEAD + lines;
  for (const size of [1, 2, 50, 1000, 5000, job.logSize - 1]) {
    const start = tailStart(f.store, job, size);
    const rest = whole.slice(start);
    assert.ok(rest.length <= size && rest.length > size - 10, `${rest.length} of ${size}`);
    assert.equal(whole[start - 1], "\n");
    assert.equal(shown(f, "lines", start), rest);
  }
  for (const size of [job.logSize, job.logSize + 1, 1e9]) {
    assert.equal(tailStart(f.store, job, size), 0);
  }
});

storeTest("tailStart() does not look far for a line, nor cut a character", (f) => {
  ran(f, "long", `${"日".repeat(10_000)}\nend\n`);
  const job = f.job("long");
  for (const size of [20_000, 20_001, 20_002]) {
    const start = tailStart(f.store, job, size);
    assert.ok(start >= job.logSize - size && start < job.logSize - size + 4096);
    assert.match(shown(f, "long", start), /^日+\nend\n$/);
  }
});

storeTest("tailStart() of a log with a hole is where as much is left as one wants", (f) => {
  const lines = Array.from({ length: 10_000 }, (_, i) => `line ${i}\n`).join("");
  ran(f, "x", lines, 4096);
  const job = f.job("x");
  const kept = job.logSize - job.logDropped;
  assert.equal(tailStart(f.store, job, kept), 0, "all that is there fits");
  const tail = shown(f, "x", tailStart(f.store, job, 1000));
  assert.ok(tail.length > 900 && tail.length <= 1000 && lines.endsWith(tail));
  assert.ok(shown(f, "x", tailStart(f.store, job, 3000)).length <= 3000);
});

const LAST: readonly (readonly [output: string, line: string | null])[] = [
  ["", null],
  ["\n\n \t\n", null],
  ["one", "one"],
  ["one\ntwo\n", "two"],
  ["one\ntwo\n\n  \n", "two"],
  ["one\r\ntwo\r\n", "two"],
  ["10%\r100%\r", "100%"],
  ["  indented  \n", "indented"],
  ["日本\n", "日本"],
  [`${"x".repeat(5000)}\nend`, "end"],
  [`${"\n".repeat(100)}end${"\n".repeat(100)}`, "end"],
];

storeTest("lastLine() is what the processes printed last, not what qj says of it", (f) => {
  for (const [i, [output, line]] of LAST.entries()) {
    const claim = f.running(`j${i}`);
    f.print(claim, output);
    assert.equal(lastLine(f.store, claim.job.id), null, "while it runs it changes");
    f.finish(claim, FAILED, { kind: "exited", code: 1 });
    assert.equal(lastLine(f.store, claim.job.id), line, JSON.stringify(output));
  }
  assert.equal(lastLine(f.store, f.submitted("new").id), null);
});

storeTest("lastLine() is of the newest attempt", (f) => {
  f.submitted("x");
  for (const output of ["first\n", ""]) {
    const claim = f.claim();
    f.print(claim, output);
    f.finish(claim, RETRY, { kind: "exited", code: 1 });
    assert.equal(lastLine(f.store, claim.job.id), output === "" ? null : "first");
  }
});

storeTest("lastLine() is the last one also where most of the output was dropped", (f) => {
  for (const limit of [1024, 1500, 2047, 2048, 3000, 100_000]) {
    for (const printed of [1040, 1200, 1400, 1600, 2100, 2500, 5000, 300_000]) {
      const name = `${limit}-${printed}`;
      ran(f, name, `${"12345678\n".repeat(printed / 9)}the last one\n`, limit);
      assert.equal(lastLine(f.store, f.job(name).id), "the last one", name);
    }
  }
});

storeTest("logText() is the whole log, attemptText() the section of one attempt", async (f) => {
  f.submitted("x", "echo 日");
  const outputs = ["one\n", "é".repeat(100_000), "🎉".repeat(2000)];
  const sections: string[] = [];
  for (const output of outputs) {
    const before = f.log(f.job("x"));
    const claim = f.claim(150_000);
    f.print(claim, output);
    f.finish(claim, RETRY, { kind: "exited", code: 1 });
    sections.push(f.log(f.job("x")).slice(before.length));
  }
  const job = f.job("x");
  sameText(await all(logText(f.store, job)), sections.join(""));
  for (const [i, section] of sections.entries()) {
    sameText(await all(attemptText(f.store, job, i + 1)), section);
  }
  assert.equal(attemptText(f.store, job, 4), null);
  assert.equal(await all(scriptText(f.store, job)), "echo 日");
});

storeTest("texts of what runs end where it was when they were asked for", async (f) => {
  const claim = f.running("x");
  f.print(claim, "before\n");
  const job = f.job("x");
  const streams = [logText(f.store, job), attemptText(f.store, job, 1)];
  f.print(claim, "after\n");
  for (const stream of streams) assert.equal(await all(stream), `${HEAD}before\n`);
});

storeTest("texts of a job that goes meanwhile end", async (f) => {
  ran(f, "x", "a".repeat(200_000));
  const reader = logText(f.store, f.job("x")).getReader();
  assert.equal((await reader.read()).value?.length, PART_BYTES);
  f.store.moves.remove(f.job("x"));
  assert.deepEqual(await reader.read(), { value: undefined, done: true });
});

storeTest("scriptText() is the whole script", async (f) => {
  const script = `#!/bin/sh\n${"# é日🎉\n".repeat(12_000)}`;
  f.submitted("x", script);
  sameText(await all(scriptText(f.store, f.job("x"))), script);
});
