import assert from "node:assert/strict";
import type { Run } from "../../scheduler/attempt_run.ts";
import { Slots } from "../../scheduler/slots.ts";
import type { AttemptId } from "../../store/job.ts";
import type { Settings } from "../../store/settings.ts";
import { type StoreFixture, storeTest } from "./store_fixture.ts";

const [A, B, C] = [1, 2, 3] as AttemptId[] as [AttemptId, AttemptId, AttemptId];

function make(f: StoreFixture, change: Partial<Settings>, maxByDescriptors = Infinity) {
  f.store.settings.apply(change);
  const said: number[] = [];
  const log = { tooFewDescriptors: (limit: number) => void said.push(limit) };
  return { slots: new Slots(f.store.settings, maxByDescriptors, log), said };
}

storeTest("Slots are as many as max_job_count says, at once when it changes", (f) => {
  const { slots } = make(f, { max_job_count: 1 });
  assert.ok(slots.hasFree);
  slots.take(A, null, null);
  assert.equal(slots.hasFree, false);
  f.store.settings.apply({ max_job_count: 2 });
  assert.ok(slots.hasFree);
  slots.take(B, null, null);
  f.store.settings.apply({ max_job_count: 1 });
  slots.free(A);
  assert.deepEqual([slots.count, slots.hasFree], [1, false]);
  slots.free(B);
  assert.deepEqual([slots.count, slots.hasFree], [0, true]);
});

storeTest("Slots: none is free while all is paused or max_job_count is 0", (f) => {
  const { slots } = make(f, { paused: true });
  assert.equal(slots.hasFree, false);
  f.store.settings.apply({ paused: false, max_job_count: 0 });
  assert.equal(slots.hasFree, false);
});

storeTest("Slots are at most what the limit of open files allows, which is said once", (f) => {
  const { slots, said } = make(f, { max_job_count: 5 }, 1);
  assert.ok(slots.hasFree);
  assert.deepEqual(said, []);
  slots.take(A, null, null);
  assert.equal(slots.hasFree || slots.hasFree, false);
  assert.deepEqual(said, [1]);
});

storeTest("Slots do not blame the open files when max_job_count is reached", (f) => {
  const { slots, said } = make(f, { max_job_count: 1 }, 1);
  slots.take(A, null, null);
  assert.equal(slots.hasFree, false);
  assert.deepEqual(said, []);
});

storeTest("Slots of a named queue are full when as many of it run", (f) => {
  const queues = {
    video: { max_job_count: 2 },
    mail: { max_job_count: 1 },
    off: { max_job_count: 0 },
  };
  const { slots } = make(f, { queues });
  assert.deepEqual(slots.fullQueues, ["off"]);
  slots.take(A, "video", null);
  slots.take(B, "mail", null);
  assert.deepEqual(slots.fullQueues, ["mail", "off"]);
  slots.take(C, "video", null);
  assert.deepEqual(slots.fullQueues, ["video", "mail", "off"]);
  slots.free(A);
  slots.free(B);
  assert.deepEqual(slots.fullQueues, ["off"]);
});

storeTest("Slots of a queue without a limit are counted, for the day on which it has one", (f) => {
  const { slots } = make(f, {});
  slots.take(A, "video", null);
  slots.take(B, "constructor", null);
  assert.deepEqual(slots.fullQueues, []);
  f.store.settings.apply({ queues: { video: { max_job_count: 1 } } });
  assert.deepEqual(slots.fullQueues, ["video"]);
});

storeTest("Slots may be freed twice", (f) => {
  const { slots } = make(f, { queues: { video: { max_job_count: 1 } } });
  slots.take(A, "video", null);
  slots.take(B, "video", null);
  slots.free(A);
  slots.free(A);
  assert.deepEqual([slots.count, slots.fullQueues], [1, ["video"]]);
});

storeTest("Slots know what runs, without what an earlier daemon has left", (f) => {
  const { slots } = make(f, {});
  const run = {} as Run;
  slots.take(A, null, run);
  slots.take(B, null, null);
  assert.deepEqual([slots.runs(), slots.run(A), slots.run(B), slots.run(C)], [
    [run],
    run,
    null,
    null,
  ]);
  assert.equal(slots.count, 2);
});
