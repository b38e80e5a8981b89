import assert from "node:assert/strict";
import { ClockJumps } from "../../scheduler/clock_jumps.ts";
import { ManualClock } from "./manual_clock.ts";

function make() {
  const clock = new ManualClock();
  return { clock, jumps: new ClockJumps(clock.now, clock) };
}

Deno.test("ClockJumps says nothing while time passes", async () => {
  const { clock, jumps } = make();
  assert.equal(jumps.look(), 0);
  await clock.pass(10 * 86_400_000);
  assert.equal(jumps.look(), 0);
});

Deno.test("ClockJumps tells of a clock that was set back, until somebody has followed", async () => {
  const { clock, jumps } = make();
  clock.wallMs -= 3_600_000;
  assert.equal(jumps.look(), -3_600_000);
  await clock.pass(5000);
  assert.equal(jumps.look(), -3_600_000);
  jumps.followed();
  assert.equal(jumps.look(), 0);
});

Deno.test("ClockJumps adds up what is set back before somebody has followed", () => {
  const { clock, jumps } = make();
  clock.wallMs -= 60_000;
  assert.equal(jumps.look(), -60_000);
  clock.wallMs -= 60_000;
  assert.equal(jumps.look(), -120_000);
  clock.wallMs += 120_000;
  assert.equal(jumps.look(), 0);
});

Deno.test("ClockJumps tells of a clock that was set forward once", () => {
  const { clock, jumps } = make();
  clock.wallMs += 3_600_000;
  assert.equal(jumps.look(), 3_600_000);
  assert.equal(jumps.look(), 0);
});

Deno.test("ClockJumps measures a step back from where the clock was set forward to", () => {
  const { clock, jumps } = make();
  clock.wallMs += 3_600_000;
  jumps.look();
  clock.wallMs -= 3_600_000;
  assert.equal(jumps.look(), -3_600_000);
});

Deno.test("ClockJumps takes two seconds for a jump, and less for a drift", () => {
  for (const [ms, jump] of [[-1999, 0], [-2000, -2000], [1999, 0], [2000, 2000]] as const) {
    const { clock, jumps } = make();
    clock.wallMs += ms;
    assert.equal(jumps.look(), jump, String(ms));
  }
});

Deno.test("ClockJumps follows a drift, however far it comes", () => {
  const { clock, jumps } = make();
  for (const drift of [-1500, 1500]) {
    for (let i = 0; i < 100; i++) {
      clock.wallMs += drift;
      assert.equal(jumps.look(), 0);
    }
  }
});
