/** Which moves of a job make which events. */
import assert from "node:assert/strict";
import { RETRY, START_MS, type StoreFixture, storeTest, text } from "./store_fixture.ts";

type Event = Record<string, unknown>;

function events(f: StoreFixture): Event[] {
  const lines = text(f.store.events.read(0, f.store.events.size)).split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line));
}

/** The events that `act` makes, without what all of them have. */
function made(f: StoreFixture, act: () => void): Event[] {
  const before = events(f).length;
  act();
  return events(f).slice(before).map((event) => {
    const { seq: _, time: __, job_id: ___, ...rest } = event;
    return rest;
  });
}

storeTest("submit() of a job that waits says until when", (f) => {
  const { id } = f.written("x");
  f.store.jobs.setStartAt(id, START_MS + 60_000);
  assert.deepEqual(made(f, () => f.store.moves.submit([id])), [{
    event: "submitted",
    job: "x",
    priority: 0,
    not_before: new Date(START_MS + 60_000).toISOString(),
  }]);
});

storeTest("a job is submitted once, however often it is written or its times change", (f) => {
  const { id } = f.submitted("x");
  assert.deepEqual(
    made(f, () => {
      f.store.queue.hold(f.byId(id));
      f.store.queue.release(id);
      f.store.moves.submit([id]);
      f.store.jobs.setStartAt(id, START_MS + 60_000);
      f.store.moves.reschedule(id);
    }),
    [],
  );
});

storeTest("claim and a success", (f) => {
  f.submitted("x");
  assert.deepEqual(made(f, () => f.claim()), [{
    event: "started",
    job: "x",
    attempt: 1,
    waited_sec: 0,
  }]);
  f.reopen();
  f.submitted("y");
  const claim = f.claim();
  f.nowMs += 2500;
  assert.deepEqual(
    made(f, () => f.finish(claim, { to: "complete", attempts: 1, lost: 0, retryAtMs: null })),
    [
      {
        ...{ event: "attempt_ended", job: "y", attempt: 1, outcome: "exited" },
        ...{ exit_code: 0, run_time_sec: 2.5 },
      },
      { event: "completed", job: "y" },
    ],
  );
});

const ENDS = [
  [{ kind: "exited", code: 7 }, { exit_code: 7 }, "exit status 7"],
  [{ kind: "signaled", signal: "SIGSEGV" }, { signal: "SIGSEGV" }, "signal: SIGSEGV"],
  [{ kind: "timeout", seconds: 9 }, {}, "timed out after 9 s"],
  [{ kind: "cancelled" }, {}, "cancelled"],
  [{ kind: "lost" }, {}, "lost: the daemon stopped"],
  [{ kind: "error", reason: "no fork" }, { error: "no fork" }, "no fork"],
] as const;

for (const [outcome, fields, reason] of ENDS) {
  storeTest(`the last attempt of a job, ${outcome.kind}`, (f) => {
    const claim = f.running("x");
    const next = { to: "failed", attempts: 1, lost: 0, retryAtMs: null } as const;
    assert.deepEqual(made(f, () => f.finish(claim, next, outcome)), [
      {
        ...{ event: "attempt_ended", job: "x", attempt: 1, outcome: outcome.kind },
        ...{ ...fields, run_time_sec: 0 },
      },
      { event: "failed", job: "x", reason },
    ]);
  });
}

storeTest(
  "an attempt after which another comes says when, and the job is not submitted anew",
  (f) => {
    const claim = f.running("x");
    const next = { ...RETRY, retryAtMs: START_MS + 4000 };
    assert.deepEqual(made(f, () => f.finish(claim, next, { kind: "exited", code: 1 })), [{
      ...{ event: "attempt_ended", job: "x", attempt: 1, outcome: "exited", exit_code: 1 },
      ...{ run_time_sec: 0, retry_at: new Date(START_MS + 4000).toISOString() },
    }]);
    f.nowMs += 4000;
    f.store.queue.wake();
    assert.deepEqual(made(f, () => f.claim()), [{
      event: "started",
      job: "x",
      attempt: 2,
      waited_sec: 0,
    }]);
  },
);

storeTest("an attempt that another daemon has left is lost", (f) => {
  f.running("x");
  f.reopen();
  const [left] = f.store.attempts.left();
  f.nowMs += 3000;
  const next = { ...RETRY, attempts: 0, lost: 1 };
  assert.deepEqual(made(f, () => f.store.attempts.lose(left!, () => next)), [{
    ...{ event: "attempt_ended", job: "x", attempt: 1, outcome: "lost", run_time_sec: 3 },
  }]);
  assert.deepEqual(made(f, () => f.store.attempts.lose(left!, () => next)), []);
});

storeTest("reject() fails a job with its reason", (f) => {
  f.submitted("x");
  assert.deepEqual(made(f, () => f.store.moves.reject(f.job("x"), "not run: no")), [
    { event: "failed", job: "x", reason: "not run: no" },
  ]);
});

storeTest("park() of a pending job", (f) => {
  f.submitted("x");
  assert.deepEqual(made(f, () => f.store.moves.park(f.job("x"), "x")), [
    { event: "failed", job: "x", reason: "moved to failed" },
  ]);
});

storeTest("park() of a running job under a new name, and the end of its attempt", (f) => {
  const claim = f.running("x");
  assert.deepEqual(made(f, () => f.store.moves.park(f.job("x"), "y")), [
    { event: "renamed", job: "y", from: "x" },
    { event: "failed", job: "y", reason: "moved to failed" },
  ]);
  // The attempt is known by the name that the job had when it began.
  assert.deepEqual(made(f, () => f.finish(claim, RETRY, { kind: "cancelled" })), [{
    ...{ event: "attempt_ended", job: "x", attempt: 1, outcome: "cancelled", run_time_sec: 0 },
  }]);
});

storeTest("requeue() submits a job anew", (f) => {
  f.ended("x");
  f.nowMs += 1000;
  assert.deepEqual(made(f, () => f.store.moves.requeue(f.job("x"), "x")), [
    { event: "submitted", job: "x", priority: 0 },
  ]);
  const claim = f.claim();
  assert.deepEqual(made(f, () => f.store.moves.requeue(f.job("x"), "y")), [
    { event: "renamed", job: "y", from: "x" },
    { event: "submitted", job: "y", priority: 0 },
  ]);
  assert.equal(claim.job.name, "x");
});

for (const state of ["pending", "active", "complete", "failed"] as const) {
  storeTest(`remove() of a job in ${state}`, (f) => {
    if (state === "pending") f.submitted("x");
    else if (state === "active") f.running("x");
    else f.ended("x", { to: state, attempts: 1, lost: 0, retryAtMs: null });
    assert.deepEqual(made(f, () => f.store.moves.remove(f.job("x"))), [
      { event: "removed", job: "x" },
    ]);
  });
}

storeTest("what was never submitted has no events", (f) => {
  assert.deepEqual(
    made(f, () => {
      f.written(".x");
      f.store.moves.renamePending(f.job(".x"), ".y", undefined);
      f.store.moves.remove(f.job(".y"));
      f.written("empty", "");
      f.store.moves.renamePending(f.job("empty"), "empty2", undefined);
      f.store.moves.remove(f.job("empty2"));
    }),
    [],
  );
});

storeTest("a draft that gets its name is submitted, not renamed", (f) => {
  f.written(".x");
  assert.deepEqual(
    made(f, () => f.store.moves.renamePending(f.job(".x"), "x", undefined)),
    [{ event: "submitted", job: "x", priority: 0 }],
  );
});

storeTest("a job that becomes a draft and a job again is renamed", (f) => {
  f.submitted("x");
  assert.deepEqual(
    made(f, () => {
      f.store.moves.renamePending(f.job("x"), "x~", undefined);
      f.store.moves.renamePending(f.job("x~"), "y", undefined);
    }),
    [{ event: "renamed", job: "x~", from: "x" }, { event: "renamed", job: "y", from: "x~" }],
  );
});

storeTest("a finished job that becomes a draft is told of until it is gone", (f) => {
  f.ended("x");
  assert.deepEqual(
    made(f, () => {
      f.store.moves.requeue(f.job("x"), ".x");
      f.store.moves.renamePending(f.job(".x"), ".y", undefined);
      f.store.moves.remove(f.job(".y"));
    }).map(({ event, job }) => [event, job]),
    [["renamed", ".x"], ["renamed", ".y"], ["removed", ".y"]],
  );
});

storeTest("rename in complete/, and to the same name", (f) => {
  f.ended("x");
  assert.deepEqual(made(f, () => f.store.moves.renameFinished(f.job("x"), "y")), [
    { event: "renamed", job: "y", from: "x" },
  ]);
  assert.deepEqual(made(f, () => f.store.moves.renameFinished(f.job("y"), "y")), []);
});

storeTest("a job that takes the name of another: that one is removed", (f) => {
  f.submitted("x");
  f.written(".x");
  assert.deepEqual(
    made(f, () => f.store.moves.renamePending(f.job(".x"), "x", f.job("x"))),
    [{ event: "removed", job: "x" }, { event: "submitted", job: "x", priority: 0 }],
  );
});

storeTest("a new job that takes the name of a finished one: that one is removed", (f) => {
  f.ended("y");
  assert.deepEqual(
    made(
      f,
      () => f.store.moves.create({ name: "y", mode: 0, uid: 0, gid: 0 }, f.job("y")),
    ),
    [{ event: "removed", job: "y" }],
  );
});

storeTest("settings that stay as they are make no event", (f) => {
  assert.deepEqual(
    made(f, () => {
      f.store.settings.apply({ paused: false });
      f.store.settings.apply({ max_job_count: 3, paused: true });
    }),
    [{ event: "config_changed", keys: ["max_job_count", "paused"] }],
  );
});
