import assert from "node:assert/strict";
import fc from "fast-check";
import { RETRY, START_MS, type StoreFixture, storeTest, text } from "./store_fixture.ts";

type Event = Record<string, unknown>;

const MIB = 1024 * 1024;

function file(f: StoreFixture): string {
  return text(f.store.events.read(0, f.store.events.size));
}

function events(f: StoreFixture): Event[] {
  return file(f).split("\n").slice(0, -1).map((line) => JSON.parse(line));
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
  assert.deepEqual(made(f, () => f.store.moves.remove(f.job("x"))), [
    { event: "removed", job: "x", queue: "video" },
  ]);
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

// Which moves make which events --------------------------------------------------------------------------------

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
  assert.deepEqual(made(f, () => f.claim()), [{ event: "started", job: "x", attempt: 1 }]);
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
    assert.deepEqual(made(f, () => f.claim()), [{ event: "started", job: "x", attempt: 2 }]);
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
