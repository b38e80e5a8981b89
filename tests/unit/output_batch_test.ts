import assert from "node:assert/strict";
import { OutputBatch } from "../../scheduler/output_batch.ts";
import { StoreError } from "../../store/errors.ts";
import type { AttemptId, JobId } from "../../store/job.ts";
import type { Capture } from "../../store/output.ts";
import { bytes, text } from "./store_fixture.ts";

const MANY = 262_144;

function capture(id: number): Capture {
  return {
    ...{ job: id as JobId, attempt: id as AttemptId, headLeft: 0, tailBytes: 0, chunkBytes: 1 },
    ...{ end: 0, tailStart: null, hole: null, endsWithNewline: true },
  };
}

/** A target that keeps what it is given, and fails while `broken`. */
class Target {
  broken = false;
  readonly stored: [number, string][][] = [];
  readonly failures: string[] = [];
  #tell: (() => void) | null = null;

  readonly batch = new OutputBatch({
    store: (batch) => {
      if (this.broken) throw new StoreError("full", "no room");
      this.stored.push([...batch].map(([c, parts]) => [c.job, parts.map(text).join("|")]));
      this.#tell?.();
    },
    failed: (error) => {
      this.failures.push((error as Error).message);
      this.#tell?.();
    },
  });

  /** Resolves when the target is asked the next time. */
  asked(): Promise<void> {
    return new Promise((resolve) => this.#tell = resolve);
  }
}

Deno.test("OutputBatch stores what all jobs have printed together", async () => {
  const target = new Target();
  const [a, b] = [capture(1), capture(2)];
  const asked = target.asked();
  await target.batch.add(a, bytes("one"));
  await target.batch.add(b, bytes("two"));
  await target.batch.add(a, bytes("three"));
  assert.deepEqual(target.stored, []);
  await asked;
  assert.deepEqual(target.stored, [[[1, "one|three"], [2, "two"]]]);
});

Deno.test("OutputBatch stores at once when much has come", async () => {
  const target = new Target();
  await target.batch.add(capture(1), new Uint8Array(MANY - 1));
  assert.equal(target.stored.length, 0);
  await target.batch.add(capture(1), new Uint8Array(1));
  assert.equal(target.stored.length, 1);
});

Deno.test("flush() stores what is there and is quick when there is nothing", async () => {
  const target = new Target();
  await target.batch.flush();
  assert.deepEqual(target.stored, []);
  await target.batch.add(capture(1), bytes("x"));
  await target.batch.flush();
  assert.deepEqual(target.stored, [[[1, "x"]]]);
});

Deno.test("OutputBatch makes the writer wait while nothing can be stored, and loses nothing", async () => {
  const target = new Target();
  target.broken = true;
  let resumed = 0;
  const one = capture(1);
  const waiting = [
    target.batch.add(one, new Uint8Array(MANY)).then(() => resumed++),
    target.batch.add(one, bytes("y")).then(() => resumed++),
    target.batch.flush().then(() => resumed++),
  ];
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(resumed, 0);
  assert.deepEqual(target.failures, ["no room"]);
  target.broken = false;
  await Promise.all(waiting);
  assert.equal(target.stored.length, 1);
  assert.match(target.stored[0]![0]![1], /\|y$/);
});

Deno.test("OutputBatch goes on after a failure", async () => {
  const target = new Target();
  target.broken = true;
  const asked = target.asked();
  await target.batch.add(capture(1), bytes("x"));
  await asked;
  target.broken = false;
  await target.batch.flush();
  await target.batch.add(capture(1), bytes("y"));
  await target.batch.flush();
  assert.deepEqual(target.stored, [[[1, "x"]], [[1, "y"]]]);
});
