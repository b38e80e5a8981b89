import assert from "node:assert/strict";
import { Janitor } from "../../scheduler/janitor.ts";
import { Persistence } from "../../scheduler/persistence.ts";
import { SWEPT_BYTES } from "../../store/jobs.ts";
import { ManualClock } from "./manual_clock.ts";
import { COMPLETE, FAILED, type StoreFixture, storeTest } from "./store_fixture.ts";

const HOUR = 3_600_000;

/** A janitor as the scheduler has one; time passes by {@linkcode World.pass} only. */
class World {
  readonly clock = new ManualClock();
  readonly expired: number[] = [];
  readonly failures: string[] = [];
  readonly janitor: Janitor;
  readonly #f: StoreFixture;

  constructor(f: StoreFixture) {
    this.#f = f;
    const { store } = f;
    this.janitor = new Janitor({
      retention: store.retention,
      clock: this.clock,
      persistence: new Persistence(this.clock, store.db.health, {
        failed: (error) => this.failures.push(error.message),
        ending: { stop: false, kill: false },
      }),
      now: () => this.clock.wallMs,
      expired: (count) => this.expired.push(count),
    });
    store.changes.listen(({ kind }) => {
      if (kind === "config" || kind === "garbage") this.janitor.look();
      if (kind === "over") this.janitor.noteEnd();
    });
  }

  /** In small steps, so that the store's clock is right whenever the janitor looks. */
  async pass(ms: number, step = ms): Promise<void> {
    for (let at = 0; at < ms; at += step) {
      this.#f.nowMs += step;
      await this.clock.pass(step);
    }
  }
}

function count(f: StoreFixture): unknown {
  return f.value("SELECT count(*) FROM job");
}

storeTest("Janitor has nothing to wait for without an age", async (f) => {
  const w = new World(f);
  f.ended("a");
  w.janitor.start();
  f.ended("b");
  await w.clock.settle();
  assert.deepEqual([w.clock.delays, count(f)], [[], 2]);
});

storeTest("Janitor deletes at the start what became too old meanwhile", async (f) => {
  f.store.settings.apply({ retain_complete_sec: 60 });
  f.ended("a");
  f.nowMs += 60_000;
  f.ended("b");
  const w = new World(f);
  w.clock.wallMs = f.nowMs;
  w.janitor.start();
  await w.pass(1000, 100);
  assert.deepEqual([w.expired, count(f)], [[1], 1]);
  assert.deepEqual(w.clock.delays, [59_000]);
});

storeTest("Janitor sets its alarm for the next job that will be too old", async (f) => {
  f.store.settings.apply({ retain_complete_sec: 60, retain_failed_sec: 30 });
  const w = new World(f);
  w.janitor.start();
  await w.clock.settle();
  assert.deepEqual(w.clock.delays, []);
  f.ended("a");
  await w.pass(10_000);
  f.ended("b", FAILED);
  await w.pass(30_100, 100);
  assert.deepEqual([w.expired, f.job("a").state], [[1], "complete"]);
  await w.pass(20_000, 100);
  assert.deepEqual([w.expired, count(f)], [[1, 1], 0]);
});

storeTest("Janitor with an age of 0 deletes each job soon, not only the first", async (f) => {
  f.store.settings.apply({ retain_complete_sec: 0 });
  const w = new World(f);
  w.janitor.start();
  for (const name of ["a", "b", "c"]) {
    f.ended(name);
    await w.pass(100, 5);
    assert.equal(count(f), 0, name);
  }
  assert.deepEqual(w.expired, [1, 1, 1]);
  await w.pass(1000, 100);
  assert.deepEqual(w.clock.delays, []);
});

storeTest("Janitor looks at the new age when the settings change", async (f) => {
  const w = new World(f);
  w.janitor.start();
  f.ended("a");
  await w.pass(60_000);
  f.store.settings.apply({ retain_complete_sec: 120 });
  await w.clock.settle();
  assert.deepEqual(w.clock.delays, [60_000]);
  f.store.settings.apply({ retain_complete_sec: 7200 });
  await w.clock.settle();
  assert.deepEqual(w.clock.delays, [HOUR], "the alarm rings after an hour to look at the clock");
  f.store.settings.apply({ retain_complete_sec: 30 });
  await w.pass(100, 10);
  assert.equal(count(f), 0);
});

storeTest("Janitor does one slice at a time, with pauses for others", async (f) => {
  f.store.settings.apply({ retain_complete_sec: 60 });
  const w = new World(f);
  f.store.db.transaction(() => {
    for (let i = 0; i < 120; i++) f.ended(`j${i}`);
  });
  w.clock.wallMs = f.nowMs += 60_000;
  w.janitor.start();
  assert.equal(count(f), 70);
  await w.pass(10);
  assert.equal(count(f), 20);
  await w.pass(10);
  assert.equal(count(f), 0);
  assert.deepEqual(w.expired, []);
  await w.pass(1000, 10);
  assert.deepEqual(w.expired, [120]);
});

storeTest("Janitor sweeps up a large job and gives its room back", async (f) => {
  const w = new World(f);
  w.janitor.start();
  f.submitted("a");
  const claim = f.claim(2 ** 30);
  f.store.db.transaction(() => {
    for (let i = 0; i < 64; i++) f.print(claim, "x".repeat(65_536));
  });
  f.finish(claim, COMPLETE);
  assert.ok(claim.capture.end > SWEPT_BYTES);
  f.store.moves.remove(f.job("a"));
  await w.pass(2000, 10);
  assert.deepEqual([count(f), f.value("SELECT count(*) FROM output")], [0, 0]);
  assert.ok(f.store.db.unusedPages <= 256);
  assert.deepEqual(w.expired, []);
});

storeTest("Janitor tries again when the store fails", async (f) => {
  f.store.settings.apply({ retain_complete_sec: 0 });
  f.ended("a");
  f.sql("CREATE TRIGGER broken BEFORE DELETE ON job BEGIN SELECT raise(ABORT, 'broken'); END");
  const w = new World(f);
  w.janitor.start();
  await w.pass(5000, 100);
  assert.deepEqual([w.failures, count(f)], [["broken"], 1]);
  f.sql("DROP TRIGGER broken");
  await w.pass(1100, 100);
  assert.deepEqual([w.expired, count(f)], [[1], 0]);
});

storeTest("Janitor that is stopped does nothing more", async (f) => {
  f.store.settings.apply({ retain_complete_sec: 0 });
  const w = new World(f);
  f.store.db.transaction(() => {
    for (let i = 0; i < 120; i++) f.ended(`j${i}`);
  });
  w.janitor.start();
  w.janitor.stop();
  await w.pass(1000, 10);
  assert.equal(count(f), 70);
  f.ended("later");
  w.janitor.look();
  await w.pass(1000, 10);
  assert.equal(count(f), 71);
  assert.deepEqual(w.clock.delays, []);
});
