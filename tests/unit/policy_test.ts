import assert from "node:assert/strict";
import { backoffMs, decide } from "../../scheduler/policy.ts";
import type { Outcome } from "../../store/attempts.ts";
import type { JobOptions } from "../../store/job_options.ts";
import { DEFAULT_SETTINGS, type Settings } from "../../store/settings.ts";
import { START_MS } from "./store_fixture.ts";

const BACKOFF = { backoff_base: 2, backoff_mult: 2, backoff_max_sec: 3600, backoff_jitter: 0 };

function next(
  outcome: Outcome,
  { attempts = 0, lost = 0, random = 0, options, ...settings }:
    & Partial<Settings>
    & { attempts?: number; lost?: number; random?: number; options?: JobOptions } = {},
) {
  return decide(
    { attempts, lost, options: options === undefined ? null : JSON.stringify(options) },
    {
      outcome,
      settings: { ...DEFAULT_SETTINGS, ...settings },
      nowMs: START_MS,
      random,
    },
  );
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

const FAILURE: Outcome = { kind: "exited", code: 1 };

Deno.test("decide() goes by the attempts that the job asks for, more or fewer", () => {
  const settings = { max_attempts: 3 };
  assert.equal(next(FAILURE, { ...settings, options: { maxAttempts: 1 } }).to, "failed");
  assert.equal(
    next(FAILURE, { ...settings, attempts: 8, options: { maxAttempts: 10 } }).to,
    "pending",
  );
  assert.equal(
    next(FAILURE, { ...settings, attempts: 9, options: { maxAttempts: 10 } }).to,
    "failed",
  );
});

Deno.test("decide() goes by the backoff that the job asks for, up to backoff_max_sec", () => {
  const wait = (options: JobOptions, settings: Partial<Settings> = {}) =>
    next(FAILURE, { ...settings, options }).retryAtMs! - START_MS;
  assert.equal(wait({ backoffBase: 5 }), 10_000);
  assert.equal(wait({ backoffMult: 3 }), 6000);
  assert.equal(wait({ backoffBase: 5, backoffMult: 0.5 }), 2500);
  assert.equal(wait({ backoffBase: 0 }), 0);
  assert.equal(wait({ backoffMult: 0 }), 0);
  assert.equal(wait({ backoffBase: 5000 }), 3_600_000);
  assert.equal(
    wait({ backoffBase: 5 }, { backoff_jitter: 1, random: 0.5 } as Partial<Settings>),
    5000,
  );
});

Deno.test("decide() fails a lost job at once if it asks for that, and not otherwise", () => {
  const lost: Outcome = { kind: "lost" };
  assert.deepEqual(next(lost, { max_lost: 3, attempts: 1, options: { onLost: "fail" } }), {
    ...{ to: "failed", attempts: 1, lost: 1, retryAtMs: null },
  });
  assert.equal(next(lost, { max_lost: 3, options: { onLost: "retry" } }).to, "pending");
  assert.equal(next(lost, { max_lost: 1, options: { onLost: "retry" } }).to, "failed");
  assert.equal(next(FAILURE, { options: { onLost: "fail" } }).to, "pending");
});

Deno.test("decide() leaves options that are about something else alone", () => {
  const options: JobOptions = { timeoutSec: 1, priority: 5, keepChildren: true };
  assert.deepEqual(next(FAILURE, { options }), next(FAILURE));
});
