import assert from "node:assert/strict";
import fc from "fast-check";
import { START_MS, type StoreFixture, storeTest, text } from "./store_fixture.ts";

type Event = Record<string, unknown>;

const MIB = 1024 * 1024;

function file(f: StoreFixture): string {
  return text(f.store.events.read(0, f.store.events.size));
}

function events(f: StoreFixture): Event[] {
  return file(f).split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

storeTest(
  "an event says which, when, and of which job, with numbers that follow each other",
  (f) => {
    f.nowMs += 2000;
    const { id } = f.submitted("x");
    f.store.settings.apply({ paused: true });
    const time = new Date(START_MS + 2000).toISOString();
    assert.deepEqual(events(f), [
      { seq: 1, time, event: "submitted", job: "x", job_id: id, priority: 0 },
      { seq: 2, time, event: "config_changed", keys: ["paused"] },
    ]);
  },
);

storeTest("an event names the queue of its job, if it has one", (f) => {
  f.submitted("x");
  f.sql("UPDATE job SET queue = 'video'");
  f.store.moves.remove(f.job("x"));
  const { event, queue } = events(f).at(-1)!;
  assert.deepEqual([event, queue], ["removed", "video"]);
});

storeTest("record() is told once for a transaction, after its commit", (f) => {
  const sizes: number[] = [];
  f.store.changes.listen(({ kind }) => {
    if (kind === "events") sizes.push(f.store.events.size);
  });
  f.store.db.transaction(() => {
    f.store.events.record("config_changed", null);
    f.store.events.record("config_changed", null);
    assert.equal(f.store.events.size, 0, "not before the commit");
    assert.deepEqual(sizes, []);
  });
  assert.deepEqual(sizes, [file(f).length]);
  assert.equal(events(f).length, 2);
});

storeTest(
  "record() is rolled back with its transaction, and its number and place are free",
  (f) => {
    f.store.events.record("config_changed", null, { keys: ["a"] });
    const before = file(f);
    let told = 0;
    f.store.changes.listen(({ kind }) => told += kind === "events" ? 1 : 0);
    assert.throws(() =>
      f.store.db.transaction(() => {
        f.store.events.record("config_changed", null, { keys: ["b"] });
        throw new Error("no");
      })
    );
    assert.deepEqual([file(f), told], [before, 0]);
    f.store.events.record("config_changed", null, { keys: ["c"] });
    assert.deepEqual(events(f).map(({ seq, keys }) => [seq, keys]), [[1, ["a"]], [2, ["c"]]]);
  },
);

storeTest("what could not be stored is no event", (f) => {
  f.sql("CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT raise(ABORT, 'full'); END");
  assert.throws(() => f.submitted("x"), /full/);
  assert.equal(f.job("x").phase, "open", "the change goes with its event");
  f.sql("DROP TRIGGER full");
  f.store.moves.submit([f.job("x").id]);
  assert.deepEqual(events(f).map(({ seq, event }) => [seq, event]), [[1, "submitted"]]);
});

storeTest("numbers and the text are kept when the state file is opened again", (f) => {
  f.submitted("x");
  f.submitted("é日");
  const before = file(f);
  f.reopen();
  assert.equal(file(f), before);
  f.store.moves.remove(f.job("x"));
  assert.ok(file(f).startsWith(before));
  assert.deepEqual(events(f).map(({ seq }) => seq), [1, 2, 3]);
});

/** Stores many events in one transaction. */
function fill(f: StoreFixture, count: number, bytes = 10): void {
  const filler = "x".repeat(bytes);
  f.store.db.transaction(() => {
    for (let i = 0; i < count; i++) f.store.events.record("config_changed", null, { filler });
  });
}

storeTest("a new daemon begins with the newest 1,000 events", (f) => {
  fill(f, 999);
  f.reopen();
  assert.equal(events(f).length, 999);
  fill(f, 2);
  assert.equal(events(f).length, 1001, "it only grows");
  f.reopen();
  assert.deepEqual([events(f).length, events(f)[0]!.seq], [1000, 2]);
  fill(f, 1);
  assert.deepEqual([events(f).length, events(f)[0]!.seq, events(f).at(-1)!.seq], [1001, 2, 1002]);
});

storeTest("events from before the file begins are deleted bit by bit", (f) => {
  fill(f, 1500);
  f.reopen();
  fill(f, 1);
  const left = Number(f.value("SELECT count(*) FROM event"));
  assert.ok(left < 1501 && left > 1001, `${left} rows`);
  for (let i = 0; i < 40; i++) fill(f, 1);
  assert.equal(f.value("SELECT count(*) FROM event"), 1041);
  assert.deepEqual([events(f).length, events(f)[0]!.seq], [1041, 501]);
});

storeTest("a state file whose events were all deleted goes on", (f) => {
  fill(f, 3);
  f.sql("DELETE FROM event");
  f.reopen();
  assert.deepEqual([f.store.events.size, file(f)], [0, ""]);
  fill(f, 1);
  assert.equal(events(f).length, 1);
});

storeTest("past 16 MiB the older half goes, at the beginning of a line", (f) => {
  fill(f, 16, MIB - 200);
  assert.equal(events(f).length, 16);
  fill(f, 2, MIB - 200);
  const left = events(f);
  assert.ok(left.length >= 8 && left.length <= 10, `${left.length} are left`);
  assert.equal(left.at(-1)!.seq, 18);
  assert.ok(f.store.events.size < 10 * MIB);
  const size = f.store.events.size;
  fill(f, 1);
  assert.ok(f.store.events.size > size, "it grows again");
  f.reopen();
  assert.ok(f.store.events.size <= size + 1000, "what is gone does not come back");
});

storeTest("past 16 MiB nothing goes while somebody reads", (f) => {
  const { events: e } = f.store;
  fill(f, 2);
  e.retain();
  e.retain();
  const start = text(e.read(0, 40));
  fill(f, 18, MIB);
  e.release();
  fill(f, 1);
  assert.ok(e.size > 18 * MIB);
  assert.equal(text(e.read(0, 40)), start);
  e.release();
  fill(f, 1);
  assert.ok(e.size < 10 * MIB);
});

storeTest("read() gives any part of the file", (f) => {
  for (let i = 0; i < 40; i++) f.submitted(`${"é".repeat(i % 7)}${i}`);
  const all = f.store.events.read(0, f.store.events.size);
  assert.equal(all.length, f.store.events.size);
  fc.assert(
    fc.property(fc.nat(all.length + 100), fc.nat(3000), (offset, size) => {
      assert.deepEqual(f.store.events.read(offset, size), all.subarray(offset, offset + size));
    }),
    { seed: 1, numRuns: 300 },
  );
  assert.equal(f.store.events.read(all.length, 100).length, 0);
  assert.equal(f.store.events.read(0, 0).length, 0);
});

storeTest("read() gives any part of a file that does not begin with the first event", (f) => {
  fill(f, 1200, 30);
  f.reopen();
  const all = file(f);
  assert.equal(all.split("\n").length, 1001);
  for (const [offset, size] of [[0, 5], [1, 500], [117, 1], [all.length - 3, 100]] as const) {
    assert.equal(text(f.store.events.read(offset, size)), all.slice(offset, offset + size));
  }
});
