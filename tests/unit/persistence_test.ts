import assert from "node:assert/strict";
import { Persistence, STORE_RETRY_MS } from "../../scheduler/persistence.ts";
import { StoreError } from "../../store/errors.ts";
import { Health } from "../../store/health.ts";
import { ManualClock } from "./manual_clock.ts";

const FULL = new StoreError("full", "database or disk is full");

function make() {
  const clock = new ManualClock();
  const health = new Health();
  const said: string[] = [];
  const ending = { stop: false, kill: false };
  const failed = (error: Error) => void said.push(error.message);
  const persistence = new Persistence(clock, health, { failed, ending });
  return { clock, health, said, ending, persistence };
}

function fails(error: unknown = new Error("no")) {
  return () => {
    throw error;
  };
}

Deno.test("Persistence makes a change at once", async () => {
  const { persistence, clock } = make();
  let made = 0;
  await persistence.make(() => made++);
  assert.deepEqual([made, clock.delays], [1, []]);
});

Deno.test("Persistence tries a second later, until it works", async () => {
  const { persistence, clock, said } = make();
  let tries = 0;
  let isMade = false;
  const change = () => {
    if (++tries < 4) throw FULL;
  };
  void persistence.make(change).then(() => isMade = true);
  await clock.pass(3 * STORE_RETRY_MS - 1);
  assert.deepEqual([tries, isMade], [3, false]);
  await clock.pass(1);
  assert.deepEqual([tries, isMade, clock.delays], [4, true, []]);
  assert.deepEqual(said, [FULL.message]);
});

Deno.test("Persistence does not try for ever when the daemon is killed", async () => {
  const { persistence, clock, ending } = make();
  let isGivenUp = false;
  void persistence.make(fails()).then(() => isGivenUp = true);
  await clock.pass(10 * STORE_RETRY_MS);
  ending.stop = true;
  await clock.pass(10 * STORE_RETRY_MS);
  assert.equal(isGivenUp, false, "an end that is not in a hurry waits");
  ending.kill = true;
  await clock.pass(STORE_RETRY_MS);
  assert.ok(isGivenUp);
});

Deno.test("Persistence gives up at the end when the state file is gone", async () => {
  const { persistence, clock, ending, health } = make();
  health.failed(new StoreError("gone", "deleted"));
  let isGivenUp = false;
  void persistence.make(fails()).then(() => isGivenUp = true);
  await clock.pass(10 * STORE_RETRY_MS);
  assert.equal(isGivenUp, false);
  ending.stop = true;
  await clock.pass(STORE_RETRY_MS);
  assert.ok(isGivenUp);
});

Deno.test("try() says whether it worked", () => {
  const { persistence } = make();
  assert.deepEqual([persistence.try(() => {}), persistence.try(fails())], [true, false]);
});

Deno.test("Persistence says the same failure once a minute", async () => {
  const { persistence, clock, said } = make();
  for (let second = 0; second < 120; second++) {
    persistence.try(fails());
    if (second === 5) persistence.try(fails(new Error("other")));
    await clock.pass(1000);
  }
  assert.deepEqual(said, ["no", "other", "no"]);
});

Deno.test("Persistence does not say what the store's health has told of", () => {
  const { persistence, health, said } = make();
  health.failed(FULL);
  persistence.try(fails(new StoreError("full", "another message")));
  assert.deepEqual(said, []);
  persistence.try(fails(new StoreError("io", "disk I/O error")));
  persistence.try(fails(new Error("a bug")));
  assert.deepEqual(said, ["disk I/O error", "a bug"]);
});

Deno.test("Persistence says what is no error too", () => {
  const { persistence, said } = make();
  persistence.try(fails("text"));
  assert.deepEqual(said, ["text"]);
});
