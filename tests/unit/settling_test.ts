import assert from "node:assert/strict";
import { after, Alarm } from "../../scheduler/alarm.ts";
import { Settling } from "../../scheduler/settling.ts";
import type { JobId } from "../../store/job.ts";

const [A, B, C] = [1, 2, 3] as JobId[] as [JobId, JobId, JobId];

/** What settles, and a promise of the moment at which `count` jobs have. */
function watch(count: number) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const settled: JobId[] = [];
  const settling = new Settling((jobs) => {
    settled.push(...jobs);
    if (settled.length >= count) resolve();
  });
  return { settling, settled, done: promise };
}

Deno.test("Settling tells of a job when its time is over", async () => {
  const { settling, settled, done } = watch(1);
  const start = performance.now();
  settling.add(A, 20);
  assert.deepEqual(settled, []);
  await done;
  assert.deepEqual(settled, [A]);
  assert.ok(performance.now() - start >= 18);
});

Deno.test("Settling tells of each job once, in the order in which they were closed", async () => {
  const { settling, settled, done } = watch(3);
  for (const job of [B, A, C]) settling.add(job, 5);
  await done;
  assert.deepEqual(settled, [B, A, C]);
});

Deno.test("Settling begins anew for a job that is touched", async () => {
  const { settling, settled, done } = watch(2);
  settling.add(A, 15);
  settling.add(B, 15);
  settling.add(A, 15);
  await done;
  assert.deepEqual(settled, [B, A]);
});

Deno.test("Settling does not keep a job waiting for one with a longer time", async () => {
  const { settling, settled, done } = watch(1);
  settling.add(A, 60_000);
  settling.add(B, 5);
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const deadline = setTimeout(resolve, 500);
  await Promise.race([done, late]);
  clearTimeout(deadline);
  settling.stop();
  assert.deepEqual(settled, [B]);
});

Deno.test("Settling forgets all when it is stopped", async () => {
  const { settling, settled } = watch(1);
  settling.add(A, 0);
  settling.stop();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(settled, []);
});

Deno.test("Alarm rings once for the last time it was set", async () => {
  let rings = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const alarm = new Alarm(() => {
    rings++;
    resolve();
  });
  alarm.set(0);
  alarm.set(5);
  assert.ok(alarm.isSet);
  await promise;
  assert.equal(rings, 1);
  assert.ok(!alarm.isSet);
});

Deno.test("Alarm takes any delay", async () => {
  const alarm = new Alarm(() => assert.fail("it rang"));
  for (const delay of [2 ** 40, Number.MAX_SAFE_INTEGER, Infinity]) {
    alarm.set(delay);
    await new Promise((resolve) => setTimeout(resolve, 2));
    assert.ok(alarm.isSet);
  }
  alarm.clear();
  assert.ok(!alarm.isSet);
  await new Promise<void>((resolve) => new Alarm(resolve).set(-5));
});

Deno.test("after() rings once, and not when it was cancelled", async () => {
  await new Promise<void>((resolve) => after(3, resolve));
  const cancel = after(0, () => assert.fail("it rang"));
  cancel();
  await new Promise((resolve) => setTimeout(resolve, 5));
});
