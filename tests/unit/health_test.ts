/** What is told of a state file that cannot be changed: by a clock that the test moves. */
import assert from "node:assert/strict";
import { StoreError } from "../../store/errors.ts";
import { Health } from "../../store/health.ts";
import { Presence } from "../../store/presence.ts";
import { storeTest } from "./store_fixture.ts";

const FULL = new StoreError("full", "database or disk is full");
const LOCKED = new StoreError("busy", "database is locked");

/** Runs `body` with a clock for `performance.now()` that stands still unless it is told to pass. */
async function withClock(
  body: (pass: (ms: number) => void) => void | Promise<void>,
): Promise<void> {
  const real = performance.now;
  // Whole milliseconds, so that sums are exact.
  let now = Math.floor(real.call(performance));
  performance.now = () => now;
  try {
    await body((ms) => now += ms);
  } finally {
    performance.now = real;
  }
}

function make() {
  const health = new Health();
  const told: (string | null)[] = [];
  health.onChange((failure) => told.push(failure?.message ?? null));
  return { health, told };
}

Deno.test("Health tells of a failure once, however often it comes", async () => {
  await withClock((pass) => {
    const { health, told } = make();
    health.succeeded();
    for (let i = 0; i < 100; i++) {
      health.failed(FULL);
      pass(1000);
    }
    assert.deepEqual([told, health.failure], [[FULL.message], FULL]);
  });
});

Deno.test("Health is well again after two seconds without a failure", async () => {
  await withClock((pass) => {
    const { health, told } = make();
    health.failed(FULL);
    pass(1999);
    health.succeeded();
    assert.equal(health.failure, FULL);
    health.failed(FULL);
    pass(1999);
    health.succeeded();
    assert.equal(health.failure, FULL, "the newest failure counts");
    pass(1);
    health.succeeded();
    assert.deepEqual([told, health.failure], [[FULL.message, null], null]);
    health.failed(FULL);
    assert.deepEqual(told, [FULL.message, null, FULL.message]);
  });
});

Deno.test("Health tells when it fails in another way", () => {
  const { health, told } = make();
  health.failed(FULL);
  health.failed(LOCKED);
  assert.deepEqual([told, health.failure], [[FULL.message, LOCKED.message], LOCKED]);
});

storeTest("a state file that cannot be changed is told of, and that it can again", async (f) => {
  await withClock((pass) => {
    const told: (string | null)[] = [];
    f.store.db.health.onChange((failure) => told.push(failure?.kind ?? null));
    f.submitted("a");
    Deno.renameSync(f.path, `${f.path}.away`);
    pass(1000);
    for (let i = 0; i < 3; i++) assert.throws(() => f.submitted("b"), isGone);
    assert.deepEqual(told, ["gone"]);
    assert.equal(f.store.jobs.byName("b"), undefined);
    Deno.renameSync(`${f.path}.away`, f.path);
    pass(2000);
    f.submitted("b");
    assert.deepEqual(told, ["gone", null]);
  });
});

storeTest("an error of one statement is none of the state file", (f) => {
  assert.throws(() => f.store.moves.park({ ...f.submitted("a"), name: "b" }, "x/y"));
  assert.equal(f.store.db.health.failure, null);
});

function isGone(error: unknown): boolean {
  return error instanceof StoreError && error.kind === "gone" &&
    /state\.db" was deleted or replaced while qj runs/.test(error.message);
}

/** A file, and somebody who looks whether it is there. */
async function present(
  body: (path: string, presence: Presence, pass: (ms: number) => void) => void,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-presence-" });
  try {
    const path = `${folder}/state.db`;
    await Deno.writeTextFile(path, "");
    await withClock((pass) => body(path, new Presence(path), pass));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Presence notices that the file was deleted, and that it is back", async () => {
  await present((path, presence, pass) => {
    presence.check();
    Deno.renameSync(path, `${path}.away`);
    presence.check();
    pass(999);
    presence.check();
    pass(1);
    assert.throws(() => presence.check(), isGone);
    Deno.renameSync(`${path}.away`, path);
    assert.throws(() => presence.check(), isGone, "it looks once a second");
    pass(1000);
    presence.check();
  });
});

Deno.test("Presence notices that another file has its place", async () => {
  await present((path, presence, pass) => {
    Deno.writeTextFileSync(`${path}.new`, "");
    Deno.renameSync(`${path}.new`, path);
    assert.throws(() => presence.check(), isGone);
    pass(10_000);
    assert.throws(() => presence.check(), isGone);
  });
});

Deno.test("Presence does not mind what is done to the file in its place", async () => {
  await present((path, presence, pass) => {
    Deno.writeTextFileSync(path, "longer");
    Deno.chmodSync(path, 0o400);
    Deno.linkSync(path, `${path}.link`);
    pass(1000);
    presence.check();
  });
});
