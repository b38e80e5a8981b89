/** Alarms and settling by a clock that the test moves. */
import assert from "node:assert/strict";
import { after, Alarm } from "../../scheduler/alarm.ts";
import { nextTurn, sleep } from "../../scheduler/clock.ts";
import { Settling } from "../../scheduler/settling.ts";
import type { JobId } from "../../store/job.ts";
import { ManualClock } from "./manual_clock.ts";

const HOUR = 3_600_000;
const [A, B, C] = [1, 2, 3] as JobId[] as [JobId, JobId, JobId];

function ringing() {
  const clock = new ManualClock();
  const rung: number[] = [];
  return { clock, rung, ring: () => void rung.push(clock.ticks()) };
}

Deno.test("Alarm rings at its moment, once", async () => {
  const { clock, rung, ring } = ringing();
  const alarm = new Alarm(ring, clock);
  alarm.set(50);
  await clock.pass(49);
  assert.deepEqual([rung, alarm.isSet], [[], true]);
  await clock.pass(1000);
  assert.deepEqual([rung, alarm.isSet], [[50], false]);
});

Deno.test("Alarm that is set anew forgets the time before", async () => {
  const { clock, rung, ring } = ringing();
  const alarm = new Alarm(ring, clock);
  alarm.set(50);
  alarm.set(20);
  alarm.set(70);
  await clock.pass(1000);
  assert.deepEqual(rung, [70]);
});

Deno.test("Alarm rings after an hour at the latest, and at once for what is over", async () => {
  for (
    const [delay, at] of [[86_400_000, HOUR], [Infinity, HOUR], [HOUR, HOUR], [-5, 0]] as const
  ) {
    const { clock, rung, ring } = ringing();
    new Alarm(ring, clock).set(delay);
    await clock.pass(2 * HOUR);
    assert.deepEqual(rung, [at], String(delay));
  }
});

Deno.test("Alarm may be set while it rings", async () => {
  const clock = new ManualClock();
  let rings = 0;
  const alarm: Alarm = new Alarm(() => {
    if (++rings < 3) alarm.set(10);
  }, clock);
  alarm.set(10);
  await clock.pass(1000);
  assert.equal(rings, 3);
});

Deno.test("after() rings once after weeks, and not when it was cancelled", async () => {
  const { clock, rung, ring } = ringing();
  const weeks = 60 * 86_400_000;
  after(weeks, ring, clock);
  const cancel = after(weeks, () => assert.fail("it rang"), clock);
  await clock.pass(weeks - 1);
  assert.deepEqual(rung, []);
  cancel();
  await clock.pass(weeks);
  assert.deepEqual([rung, clock.delays], [[weeks], []]);
});

Deno.test("after() goes by the clock that nobody can set", async () => {
  const { clock, rung, ring } = ringing();
  after(5 * HOUR, ring, clock);
  clock.wallMs += 24 * HOUR;
  await clock.pass(5 * HOUR - 1);
  assert.deepEqual(rung, []);
  clock.wallMs -= 48 * HOUR;
  await clock.pass(1);
  assert.deepEqual(rung, [5 * HOUR]);
});

Deno.test("sleep() and nextTurn() end by the clock", async () => {
  const clock = new ManualClock();
  const ended: string[] = [];
  void sleep(clock, 10).then(() => ended.push("sleep"));
  void nextTurn(clock).then(() => ended.push("turn"));
  await clock.pass(9);
  assert.deepEqual(ended, ["turn"]);
  await clock.pass(1);
  assert.deepEqual(ended, ["turn", "sleep"]);
});

function settling() {
  const clock = new ManualClock();
  const settled: [number, JobId[]][] = [];
  return {
    clock,
    settled,
    settling: new Settling((jobs) => settled.push([clock.ticks(), jobs]), clock),
  };
}

Deno.test("Settling has one timer, for the first of them", async () => {
  const { clock, settled, settling: all } = settling();
  all.add(A, 25);
  await clock.pass(10);
  for (const job of [B, C]) all.add(job, 25);
  assert.deepEqual(clock.delays, [15]);
  await clock.pass(100);
  assert.deepEqual(settled, [[25, [A]], [35, [B, C]]]);
  assert.deepEqual(clock.delays, []);
});

Deno.test("Settling begins anew at each touch", async () => {
  const { clock, settled, settling: all } = settling();
  for (let i = 0; i < 10; i++) {
    all.add(A, 25);
    await clock.pass(20);
  }
  assert.deepEqual(settled, []);
  await clock.pass(5);
  assert.deepEqual(settled, [[205, [A]]]);
});

Deno.test("Settling: a lower settle_ms counts for the next job, the others keep their time", async () => {
  const { clock, settled, settling: all } = settling();
  all.add(A, 1000);
  all.add(B, 500);
  all.add(C, 10);
  assert.deepEqual(clock.delays, [10]);
  await clock.pass(2000);
  assert.deepEqual(settled, [[10, [C]], [500, [B]], [1000, [A]]]);
});

Deno.test("Settling forgets all when it is stopped, and takes no more", async () => {
  const { clock, settled, settling: all } = settling();
  all.add(A, 10);
  all.stop();
  all.add(B, 10);
  await clock.pass(100);
  assert.deepEqual([settled, clock.delays], [[], []]);
});
