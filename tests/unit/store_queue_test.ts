import assert from "node:assert/strict";
import { BOOT, ended, RETRY, START_MS, type StoreFixture, storeTest } from "./store_fixture.ts";

/** Claims and completes everything that is ready; gives the names in the order in which they started. */
function drain(f: StoreFixture): string[] {
  const names: string[] = [];
  for (let job = f.store.queue.next(); job !== undefined; job = f.store.queue.next()) {
    names.push(job.name);
    f.finish(f.store.attempts.claim(job, BOOT, 1024), {
      ...{ to: "complete", attempts: 1, lost: 0, retryAtMs: null },
    });
  }
  return names;
}

function prioritise(f: StoreFixture, name: string, priority: number): void {
  f.sql("UPDATE job SET priority = ? WHERE name = ?", priority, name);
}

storeTest("next() takes jobs in the order of submission", (f) => {
  const ids = ["c", "a", "b"].map((name) => f.written(name).id);
  f.store.moves.submit([ids[1]!]);
  f.nowMs += 10;
  f.store.moves.submit([ids[2]!, ids[0]!]);
  assert.deepEqual(drain(f), ["a", "b", "c"]);
});

storeTest("next() keeps the order of submission within a millisecond and a restart", (f) => {
  for (const name of ["c", "a"]) f.submitted(name);
  f.reopen();
  for (const name of ["d", "b"]) f.submitted(name);
  assert.deepEqual(drain(f), ["c", "a", "d", "b"]);
});

storeTest("next() keeps the order when the clock was set back", (f) => {
  f.submitted("first");
  f.nowMs -= 3_600_000;
  f.submitted("second");
  assert.deepEqual(drain(f), ["first", "second"]);
});

storeTest("next() keeps the order when the clock was set back while no daemon ran", (f) => {
  f.submitted("first");
  f.written(".draft");
  f.nowMs -= 3_600_000;
  f.reopen();
  f.submitted("second");
  assert.deepEqual(drain(f), ["first", "second"]);
});

storeTest("next() prefers the higher priority", (f) => {
  for (const name of ["a", "b", "c", "d"]) f.submitted(name);
  prioritise(f, "b", -5);
  prioritise(f, "d", 7);
  assert.deepEqual(drain(f), ["d", "a", "c", "b"]);
});

storeTest("next() skips a held job", (f) => {
  const { id } = f.submitted("x");
  assert.ok(f.store.queue.hold(f.byId(id)));
  assert.ok(f.store.queue.isHeld(id));
  assert.equal(f.store.queue.next(), undefined);
  f.store.moves.submit([id]);
  assert.equal(f.store.queue.next(), undefined);
});

storeTest("release() begins the time to settle, after which the job has its old place", (f) => {
  const { id } = f.submitted("x");
  f.submitted("y");
  f.store.queue.hold(f.byId(id));
  f.heard.length = 0;
  f.store.queue.release(id);
  assert.deepEqual(f.heard, [{ kind: "settle", job: id }]);
  assert.equal(f.store.queue.next()?.name, "y");
  f.store.moves.submit([id]);
  assert.deepEqual(drain(f), ["x", "y"]);
});

storeTest("hold() refuses a job that is not pending", (f) => {
  const claim = f.running("x");
  assert.equal(f.store.queue.hold(f.job("x")), false);
  assert.equal(f.store.queue.isHeld(claim.job.id), false);
});

storeTest("settle() says nothing of drafts, empty jobs and held jobs", (f) => {
  const held = f.written("held");
  f.store.queue.hold(held);
  f.heard.length = 0;
  for (const { id } of [f.written(".draft"), f.written("empty", ""), held]) {
    f.store.queue.settle(id);
  }
  assert.deepEqual(f.heard, []);
});

storeTest("submit() leaves drafts and empty jobs open", (f) => {
  for (const job of [f.written(".draft"), f.written("empty", "")]) {
    f.store.moves.submit([job.id]);
    assert.equal(f.byId(job.id).phase, "open");
    assert.equal(f.byId(job.id).seq, null);
  }
  assert.equal(f.store.queue.next(), undefined);
});

storeTest("next() skips a job with a live attempt", (f) => {
  const claim = f.running("x");
  f.store.moves.requeue(f.job("x"), "x");
  assert.equal(f.job("x").phase, "ready");
  assert.equal(f.store.queue.next(), undefined);
  f.store.attempts.finish(claim.capture, ended({ kind: "cancelled" }, true), () => RETRY);
  assert.equal(f.store.queue.next(), undefined, "processes are left");
  f.store.attempts.gone(claim.attempt, claim.job.id);
  assert.equal(f.store.queue.next()?.name, "x");
});

storeTest("next() skips a job with the name of a live attempt", (f) => {
  const claim = f.running("x");
  f.store.moves.remove(f.job("x"));
  f.submitted("x");
  f.submitted("y");
  assert.equal(f.store.queue.next()?.name, "y");
  f.finish(claim, RETRY);
  assert.equal(f.store.queue.next()?.name, "x");
});

storeTest("next() skips a job with the former name of one that still runs", (f) => {
  const claim = f.running("x");
  f.store.moves.park(f.job("x"), "parked");
  f.submitted("x");
  assert.equal(f.store.queue.next(), undefined);
  f.finish(claim, RETRY);
  assert.equal(f.store.queue.next()?.name, "x");
});

storeTest("wake() makes waiting jobs ready when they are due, in the order of submission", (f) => {
  const due = { a: 3000, b: 1000, c: 2000 };
  for (const [name, delay] of Object.entries(due)) {
    const { id } = f.written(name);
    f.store.jobs.setStartAt(id, START_MS + delay);
    f.store.moves.submit([id]);
    assert.equal(f.byId(id).phase, "waiting");
  }
  assert.equal(f.store.queue.next(), undefined);
  assert.equal(f.store.queue.wake(), START_MS + 1000);
  f.nowMs = START_MS + 999;
  assert.equal(f.store.queue.wake(), START_MS + 1000);
  assert.equal(f.store.queue.next(), undefined);
  f.nowMs = START_MS + 1000;
  assert.equal(f.store.queue.wake(), START_MS + 2000);
  assert.deepEqual(drain(f), ["b"]);
  f.nowMs = START_MS + 60_000;
  assert.equal(f.store.queue.wake(), null);
  assert.deepEqual(drain(f), ["a", "c"]);
});

storeTest("wake() keeps waiting jobs over a restart", (f) => {
  const { id } = f.written("x");
  f.store.jobs.setStartAt(id, START_MS + 5000);
  f.store.moves.submit([id]);
  f.reopen();
  assert.equal(f.store.queue.wake(), START_MS + 5000);
  f.nowMs += 5000;
  f.store.queue.wake();
  assert.equal(f.store.queue.next()?.name, "x");
});

storeTest("schedule() waits for the later of the time set and the retry", (f) => {
  const claim = f.running("x");
  f.finish(claim, { ...RETRY, retryAtMs: START_MS + 2000 });
  const { id } = claim.job;
  assert.equal(f.store.queue.wake(), START_MS + 2000);
  f.store.jobs.setStartAt(id, START_MS + 9000);
  f.store.moves.reschedule(id);
  assert.equal(f.store.queue.wake(), START_MS + 9000);
  f.store.jobs.setStartAt(id, null);
  f.store.moves.reschedule(id);
  assert.equal(f.store.queue.wake(), START_MS + 2000);
});

storeTest("a job that retries keeps its place", (f) => {
  const claim = f.running("first");
  f.submitted("second");
  f.finish(claim, { ...RETRY, retryAtMs: START_MS + 1000 });
  f.nowMs += 1000;
  f.store.queue.wake();
  assert.deepEqual(drain(f), ["first", "second"]);
});

storeTest("openJobs() gives what has not been submitted", (f) => {
  f.submitted("ready");
  f.written("x");
  f.written(".draft");
  f.written("empty", "");
  assert.deepEqual(f.store.queue.openJobs().map((job) => job.name), ["x", ".draft", "empty"]);
});
