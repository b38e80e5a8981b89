import assert from "node:assert/strict";
import { StoreError, type StoreErrorKind } from "../../store/errors.ts";
import { MOVES, type State } from "../../store/job.ts";
import {
  bytes,
  COMPLETE,
  FAILED,
  RETRY,
  START_MS,
  type StoreFixture,
  storeTest,
} from "./store_fixture.ts";

function isKind(kind: StoreErrorKind) {
  return (error: unknown) => error instanceof StoreError && error.kind === kind;
}

/** A job in a state. */
function jobIn(f: StoreFixture, state: State, name = "x") {
  if (state === "pending") return f.submitted(name);
  if (state === "complete") return f.ended(name, COMPLETE);
  if (state === "failed") return f.ended(name, FAILED);
  f.running(name);
  if (state === "removed") f.store.moves.remove(f.job(name));
  return f.store.jobs.byId(f.value("SELECT max(id) FROM job") as ReturnType<typeof f.job>["id"])!;
}

const STATES = Object.keys(MOVES) as State[];

for (const from of STATES) {
  storeTest(`move() makes the legal moves from ${from} and no others`, (f) => {
    for (const to of STATES) {
      const job = jobIn(f, from, `to-${to}`);
      assert.equal(job.state, from);
      if (MOVES[from].includes(to)) {
        f.store.moves.move(job, to);
        assert.equal(f.byId(job.id).state, to);
      } else {
        assert.throws(() => f.store.moves.move(job, to), isKind("forbidden"), `to ${to}`);
        assert.deepEqual(f.byId(job.id), job);
      }
      f.sql("UPDATE attempt SET live = 0");
      f.sql("UPDATE job SET priority = -1");
    }
  });
}

storeTest("move() throws stale when the job has left its state", (f) => {
  const seen = f.submitted("x");
  f.claim();
  assert.throws(() => f.store.moves.move(seen, "failed"), isKind("stale"));
  assert.equal(f.job("x").state, "active");
});

storeTest("remove() forgets a job with all rows", (f) => {
  const { id } = f.ended("x", FAILED);
  f.store.moves.remove(f.byId(id));
  for (const table of ["job", "script", "attempt", "output"]) {
    assert.equal(f.value(`SELECT count(*) FROM ${table}`), 0, table);
  }
});

storeTest("remove() of an active job frees the name and cancels the attempt", (f) => {
  const claim = f.running("x");
  f.heard.length = 0;
  f.store.moves.remove(f.job("x"));
  assert.deepEqual(f.heard, [
    { kind: "over", job: claim.job.id },
    { kind: "cancel", attempt: claim.attempt },
  ]);
  assert.equal(f.store.jobs.byName("x"), undefined);
  assert.equal(f.submitted("x").state, "pending");
});

storeTest("park() keeps a pending job as failed", (f) => {
  f.submitted("x");
  f.store.moves.park(f.job("x"), "y");
  assert.equal(f.job("y").state, "failed");
  assert.equal(f.store.jobs.byName("x"), undefined);
  assert.equal(f.store.queue.next(), undefined);
});

storeTest("park() stops what runs", (f) => {
  const claim = f.running("x");
  f.heard.length = 0;
  f.store.moves.park(f.job("x"), "x");
  assert.deepEqual(f.heard, [
    { kind: "over", job: claim.job.id },
    { kind: "cancel", attempt: claim.attempt },
  ]);
  assert.equal(f.job("x").state, "failed");
});

storeTest("park() clears the time before which a job did not start", (f) => {
  const { id } = f.written("x");
  f.store.jobs.setStartAt(id, START_MS + 5000);
  f.store.moves.submit([id]);
  f.store.moves.park(f.job("x"), "x");
  f.store.moves.requeue(f.job("x"), "x");
  assert.equal(f.job("x").phase, "ready");
});

storeTest("requeue() runs a job again at once, at the end of the queue", (f) => {
  f.submitted("other");
  f.sql("UPDATE job SET priority = -1");
  f.finish(f.running("x"), { ...RETRY, to: "failed", attempts: 3, lost: 2 });
  f.sql("UPDATE job SET priority = 0");
  f.store.moves.requeue(f.job("x"), "again");
  const job = f.job("again");
  assert.deepEqual([job.state, job.phase], ["pending", "ready"]);
  assert.deepEqual([job.attempts, job.lost, job.retryAtMs], [0, 0, null]);
  assert.equal(f.store.queue.next()?.name, "other");
});

storeTest("requeue() of a job that waits inside an attempt's stop says so", (f) => {
  const claim = f.running("x");
  f.heard.length = 0;
  f.store.moves.requeue(f.job("x"), "x");
  assert.deepEqual(f.heard, [{ kind: "cancel", attempt: claim.attempt }, { kind: "queued" }]);
});

storeTest("requeue() to the name of a draft does not run it", (f) => {
  f.ended("x");
  f.store.moves.requeue(f.job("x"), ".x");
  assert.equal(f.job(".x").phase, "open");
});

storeTest("renamePending() gives a new name and keeps the place", (f) => {
  const { seq } = f.submitted("x");
  f.store.moves.renamePending(f.job("x"), "y", undefined);
  assert.deepEqual([f.job("y").phase, f.job("y").seq], ["ready", seq]);
});

storeTest("renamePending() from a draft makes a job runnable at once", (f) => {
  f.written(".x");
  f.heard.length = 0;
  f.store.moves.renamePending(f.job(".x"), "x", undefined);
  assert.equal(f.job("x").phase, "ready");
  assert.deepEqual(f.heard, [{ kind: "queued" }]);
});

storeTest("renamePending() from a draft keeps the time before which it does not start", (f) => {
  const { id } = f.written(".x");
  f.store.jobs.setStartAt(id, START_MS + 5000);
  f.store.moves.renamePending(f.job(".x"), "x", undefined);
  assert.equal(f.job("x").phase, "waiting");
});

storeTest("renamePending() to a draft takes a job out of the queue", (f) => {
  f.submitted("x");
  f.store.moves.renamePending(f.job("x"), "x~", undefined);
  assert.equal(f.job("x~").phase, "open");
  assert.equal(f.store.queue.next(), undefined);
});

storeTest("renamePending() begins the time to settle anew", (f) => {
  const { id } = f.written("x");
  f.heard.length = 0;
  f.store.moves.renamePending(f.job("x"), "y", undefined);
  assert.deepEqual(f.heard, [{ kind: "settle", job: id }, { kind: "queued" }]);
  assert.equal(f.job("y").phase, "open");
});

storeTest("renamePending() replaces a job in one transaction", (f) => {
  f.submitted("x", "old\n");
  f.written(".x", "new\n");
  const replaced = f.job("x");
  f.store.moves.renamePending(f.job(".x"), "x", replaced);
  assert.equal(f.store.jobs.byId(replaced.id), undefined);
  assert.deepEqual(f.store.jobs.script(f.job("x").id), bytes("new\n"));
  assert.equal(f.job("x").phase, "ready");
});

storeTest("renameFinished() keeps the state", (f) => {
  f.ended("x");
  f.store.moves.renameFinished(f.job("x"), "y");
  assert.equal(f.job("y").state, "complete");
});

storeTest("a move that fails changes nothing and tells nobody", (f) => {
  f.submitted("x");
  f.submitted("y");
  const before = f.job("x");
  f.heard.length = 0;
  assert.throws(() => f.store.moves.park(before, "y"), /UNIQUE/);
  assert.deepEqual(f.job("x"), before);
  assert.deepEqual(f.heard, []);
});

storeTest("reject() gives the reason in the log", (f) => {
  f.store.moves.reject(f.submitted("x"), "not run: it is Sunday");
  assert.equal(f.job("x").state, "failed");
  assert.equal(f.log(f.job("x")), "[System Error]: not run: it is Sunday\n");
});

storeTest("submit() sends a text that is a log to failed", (f) => {
  const job = f.submitted("x", ">>> true\n");
  assert.equal(job.state, "failed");
  assert.match(f.log(job), /^\[System Error\]: not run: this is the log of a job.*mv/);
});

storeTest("submit() sends a script whose writing failed to failed", (f) => {
  const { id } = f.written("x");
  f.store.admission.doubt(id, "writing the script failed: no room");
  f.store.moves.submit([id]);
  assert.equal(f.byId(id).state, "failed");
  assert.match(f.log(f.byId(id)), /not run: writing the script failed: no room\n$/);
});

storeTest("doubt() is taken back by a complete rewrite", (f) => {
  const { id } = f.written("x");
  f.store.admission.doubt(id, "no room");
  f.store.admission.doubt(id, null);
  f.store.moves.submit([id]);
  assert.equal(f.byId(id).phase, "ready");
});

storeTest("doubt() survives a submission that could not be committed", (f) => {
  const { id } = f.written("x");
  f.store.admission.doubt(id, "no room");
  const submit = () =>
    f.store.db.transaction(() => {
      f.store.moves.submit([id]);
      throw new Error("the commit failed");
    });
  assert.throws(submit, /the commit failed/);
  assert.equal(f.byId(id).phase, "open");
  f.store.moves.submit([id]);
  assert.equal(f.byId(id).state, "failed", "a script that was not written to its end must not run");
});
