import assert from "node:assert/strict";
import { backoffMs, decide } from "../../scheduler/policy.ts";
import type { Outcome } from "../../store/attempts.ts";
import { DEFAULT_SETTINGS, type Settings } from "../../store/settings.ts";
import { START_MS } from "./store_fixture.ts";

const BACKOFF = { backoff_base: 2, backoff_mult: 2, backoff_max_sec: 3600, backoff_jitter: 0 };

function next(
  outcome: Outcome,
  { attempts = 0, lost = 0, random = 0, ...settings }:
    & Partial<Settings>
    & { attempts?: number; lost?: number; random?: number } = {},
) {
  return decide({ attempts, lost, options: null }, {
    outcome,
    settings: { ...DEFAULT_SETTINGS, ...settings },
    nowMs: START_MS,
    random,
  });
}

const FAILURES: readonly Outcome[] = [
  { kind: "exited", code: 1 },
  { kind: "signaled", signal: "SIGKILL" },
  { kind: "timeout", seconds: 1 },
  { kind: "error", reason: "no" },
];

Deno.test("backoffMs() is base times mult to the power of the attempts made", () => {
  assert.deepEqual([1, 2, 3].map((n) => backoffMs(BACKOFF, n, 0)), [4000, 8000, 16_000]);
  assert.equal(backoffMs({ ...BACKOFF, backoff_mult: 1.5 }, 2, 0), 4500);
  assert.equal(backoffMs({ ...BACKOFF, backoff_mult: 0 }, 1, 0), 0);
});

Deno.test("backoffMs() is at most backoff_max_sec", () => {
  assert.equal(backoffMs(BACKOFF, 40, 0), 3_600_000);
  assert.equal(backoffMs(BACKOFF, 100_000, 0), 3_600_000);
});

Deno.test("backoffMs() of a base of 0 is 0 after any number of attempts", () => {
  assert.equal(backoffMs({ ...BACKOFF, backoff_base: 0 }, 3, 0), 0);
  assert.equal(backoffMs({ ...BACKOFF, backoff_base: 0, backoff_mult: 1000 }, 200, 0), 0);
});

Deno.test("backoffMs() draws the share backoff_jitter of the wait", () => {
  const wait = (jitter: number, random: number) =>
    backoffMs({ ...BACKOFF, backoff_jitter: jitter }, 1, random);
  assert.equal(wait(0, 0.9), 4000);
  assert.equal(wait(0.5, 0), 4000);
  assert.equal(wait(0.5, 0.5), 3000);
  assert.equal(wait(1, 0.75), 1000);
});

Deno.test("decide() completes a job that exited 0", () => {
  assert.deepEqual(next({ kind: "exited", code: 0 }, { attempts: 2, lost: 2 }), {
    ...{ to: "complete", attempts: 3, lost: 0, retryAtMs: null },
  });
});

for (const outcome of FAILURES) {
  Deno.test(`decide() tries again after ${outcome.kind}, until max_attempts`, () => {
    const limit = { max_attempts: 3, lost: 2 };
    assert.deepEqual(next(outcome, { ...limit, attempts: 0 }), {
      ...{ to: "pending", attempts: 1, lost: 0, retryAtMs: START_MS + 4000 },
    });
    assert.deepEqual(next(outcome, { ...limit, attempts: 1 }), {
      ...{ to: "pending", attempts: 2, lost: 0, retryAtMs: START_MS + 8000 },
    });
    assert.deepEqual(next(outcome, { ...limit, attempts: 2 }), {
      ...{ to: "failed", attempts: 3, lost: 0, retryAtMs: null },
    });
  });
}

Deno.test("decide() fails a job at once when max_attempts is 1 or was lowered", () => {
  const failure: Outcome = { kind: "exited", code: 1 };
  assert.equal(next(failure, { max_attempts: 1 }).to, "failed");
  assert.equal(next(failure, { max_attempts: 2, attempts: 7 }).to, "failed");
});

Deno.test("decide() never tries a cancelled job again", () => {
  assert.equal(next({ kind: "cancelled" }).to, "failed");
});

Deno.test("decide() counts a lost attempt by itself, without a wait", () => {
  assert.deepEqual(next({ kind: "lost" }, { attempts: 2, lost: 0, max_attempts: 3 }), {
    ...{ to: "pending", attempts: 2, lost: 1, retryAtMs: null },
  });
  assert.equal(next({ kind: "lost" }, { lost: 1, max_lost: 3 }).to, "pending");
  assert.equal(next({ kind: "lost" }, { lost: 2, max_lost: 3 }).to, "failed");
  assert.equal(next({ kind: "lost" }, { lost: 0, max_lost: 1 }).to, "failed");
});

Deno.test("decide() gives whole milliseconds", () => {
  const { retryAtMs } = next({ kind: "exited", code: 1 }, { backoff_base: 0.0003, random: 0.1 });
  assert.ok(Number.isInteger(retryAtMs));
});
