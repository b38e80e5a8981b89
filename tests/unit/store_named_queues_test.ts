/** Named queues: which job starts next when some of them are full, and clocks that are set. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BOOT, COMPLETE, RETRY, START_MS, type StoreFixture, storeTest } from "./store_fixture.ts";

/** Claims and completes all that may start; their names in order. */
function drain(f: StoreFixture, full: readonly string[] = []): string[] {
  const names: string[] = [];
  for (let job = f.store.queue.next(full); job; job = f.store.queue.next(full)) {
    names.push(job.name);
    f.finish(f.store.attempts.claim(job, BOOT, 1024), COMPLETE);
  }
  return names;
}

function put(f: StoreFixture, name: string, queue: string | null, priority = 0): void {
  const option = queue === null ? "" : `queue=${queue} `;
  f.submitted(name, `#QJ ${option}priority=${priority}\n`);
}

storeTest("next() takes jobs of all queues by priority, then in the order of submission", (f) => {
  put(f, "1", "b");
  put(f, "2", null);
  put(f, "3", "a");
  put(f, "4", "c", 5);
  put(f, "5", null, 7);
  put(f, "6", "a", 5);
  put(f, "7", "b", -1);
  assert.deepEqual(drain(f), ["5", "4", "6", "1", "2", "3", "7"]);
});

storeTest("next() passes over full queues, with jobs of whatever priority", (f) => {
  put(f, "1", "a", 9);
  put(f, "2", "b");
  put(f, "3", null, -9);
  assert.deepEqual(drain(f, ["a"]), ["2", "3"]);
  assert.equal(f.store.queue.next(["a"]), undefined);
  assert.deepEqual(drain(f, ["b", "nobody"]), ["1"]);
});

storeTest("next() does not take names of queues for text", (f) => {
  for (const queue of ["A", "a", "0", "00"]) put(f, queue, queue);
  assert.deepEqual(drain(f, ["A", "0"]), ["a", "00"]);
});

storeTest("next() of a queue passes over jobs that still have processes", (f) => {
  put(f, "1", "a");
  put(f, "2", "a");
  f.claim();
  f.store.moves.requeue(f.job("1"), "1");
  f.sql("UPDATE job SET priority = 9 WHERE name = '1'");
  assert.equal(f.store.queue.next()?.name, "2");
});

storeTest("next() agrees with the plainest choice", (f) => {
  const job = fc.record({
    queue: fc.constantFrom(null, "a", "b", "c"),
    priority: fc.integer({ min: -2, max: 2 }),
  });
  const full = fc.subarray(["a", "b", "c", "d"]);
  fc.assert(
    fc.property(fc.array(job, { minLength: 1, maxLength: 12 }), full, (jobs, full) => {
      f.store.db.transaction(() => {
        jobs.forEach(({ queue, priority }, i) => put(f, `j${i}`, queue, priority));
        const open = jobs.map((job, i) => ({ ...job, name: `j${i}` }))
          .filter(({ queue }) => queue === null || !full.includes(queue));
        const expected = open.toSorted((a, b) => b.priority - a.priority).map(({ name }) => name);
        assert.deepEqual(drain(f, full), expected);
        f.sql("DELETE FROM job");
      });
    }),
    { numRuns: 60, seed: 1 },
  );
});

storeTest("setPriority() moves a job in the order at once, and tells it", (f) => {
  for (const name of ["1", "2"]) put(f, name, "a");
  f.heard.length = 0;
  f.store.queue.setPriority(f.job("2"), 1);
  assert.deepEqual(f.heard, [{ kind: "queued" }]);
  assert.deepEqual(drain(f), ["2", "1"]);
});

storeTest("setPriority() leaves a job that is not pending alone", (f) => {
  f.ended("x");
  f.store.queue.setPriority(f.job("x"), 5);
  assert.equal(f.job("x").priority, 0);
});

function waitingFor(f: StoreFixture, name: string): number {
  return Number(f.value("SELECT wake_at_ms FROM job WHERE name = ?", name)) - START_MS;
}

/** A job that waits for its retry. */
function retrying(f: StoreFixture, name: string, ms: number, script = "true\n"): void {
  f.finish(f.running(name, script), { ...RETRY, retryAtMs: START_MS + ms });
}

storeTest("shiftWaits() moves waits that began at some moment, and no moments", (f) => {
  retrying(f, "retry", 60_000);
  f.submitted("delay", "#QJ delay=90\n");
  const at = START_MS + 50_000;
  f.submitted("at", `#QJ at=${new Date(at).toISOString()}\n`);
  retrying(f, "both", 60_000, "#QJ priority=1\n");
  f.store.jobs.setStartAt(f.job("both").id, START_MS + 55_000);
  f.store.moves.reschedule(f.job("both").id);
  f.store.queue.shiftWaits(-20_000.5);
  assert.deepEqual(["retry", "delay", "at", "both"].map((name) => waitingFor(f, name)), [
    ...[40_000, 70_000, 50_000, 55_000],
  ]);
  f.store.moves.reschedule(f.job("retry").id);
  assert.equal(waitingFor(f, "retry"), 40_000);
});

storeTest("limitBackoffs() shortens waits for a retry, and no others", (f) => {
  retrying(f, "long", 7_200_000);
  retrying(f, "short", 60_000);
  f.submitted("delay", "#QJ delay=2h\n");
  f.submitted("at", `#QJ at=${new Date(START_MS + 7_200_000).toISOString()}\n`);
  f.store.queue.limitBackoffs(3_600_000);
  assert.deepEqual(["long", "short", "delay", "at"].map((name) => waitingFor(f, name)), [
    ...[3_600_000, 60_000, 7_200_000, 7_200_000],
  ]);
});

storeTest("limitBackoffs() leaves the time that somebody has set", (f) => {
  retrying(f, "x", 7_200_000);
  f.store.jobs.setStartAt(f.job("x").id, START_MS + 7_000_000);
  f.store.moves.reschedule(f.job("x").id);
  f.store.queue.limitBackoffs(3_600_000);
  assert.equal(waitingFor(f, "x"), 7_000_000);
});
