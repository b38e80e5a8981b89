import assert from "node:assert/strict";
import type { AttemptId, JobId } from "../../store/job.ts";
import {
  COMPLETE,
  FAILED,
  RETRY,
  START_MS,
  type StoreFixture,
  storeTest,
} from "./store_fixture.ts";

/** A job whose attempts have ended with these codes. */
function tried(f: StoreFixture, name: string, ...codes: number[]) {
  f.submitted(name);
  codes.forEach((code, i) => {
    const next = i < codes.length - 1 ? RETRY : FAILED;
    f.finish(f.claim(), next, { kind: "exited", code });
  });
  return f.job(name);
}

storeTest("an attempt while it runs", (f) => {
  const claim = f.running("x", "echo\n");
  assert.deepEqual({ ...f.store.history.newest(claim.job.id) }, {
    ...{ id: claim.attempt, jobId: claim.job.id, number: 1, startedMs: START_MS, endedMs: null },
    ...{ outcome: null, exitCode: null, runMs: null, signal: null, error: null, pid: null },
    ...{ logStart: 0, logEnd: null, outputStart: 9, outputEnd: null },
  });
  f.store.attempts.setProcess(claim.attempt, 4711, 1);
  assert.equal(f.store.history.newest(claim.job.id)?.pid, 4711);
});

storeTest("an attempt that has ended says when, how, and where its output is", (f) => {
  const claim = f.running("x", "echo\n");
  f.print(claim, "out\n");
  f.nowMs += 1500;
  f.finish(claim, FAILED, { kind: "exited", code: 3 });
  const attempt = f.store.history.byId(claim.attempt)!;
  const { startedMs, endedMs, outcome, exitCode, signal, error } = attempt;
  assert.deepEqual([startedMs, endedMs], [START_MS, START_MS + 1500]);
  assert.deepEqual([outcome, exitCode, signal, error], ["exited", 3, null, null]);
  const { logStart, outputStart, outputEnd, logEnd } = attempt;
  const log = f.log(f.job("x"));
  assert.equal(log.slice(logStart, outputStart!), ">>> echo\n");
  assert.equal(log.slice(outputStart!, outputEnd!), "out\n");
  assert.equal(log.slice(outputEnd!, logEnd!), "\n[System Error]: exit status 3\n");
});

for (
  const [outcome, expected] of [
    [{ kind: "signaled", signal: "SIGSEGV" }, ["signaled", null, "SIGSEGV", null]],
    [{ kind: "timeout", seconds: 5 }, ["timeout", null, null, null]],
    [{ kind: "cancelled" }, ["cancelled", null, null, null]],
    [{ kind: "error", reason: "no fork" }, ["error", null, null, "no fork"]],
    [{ kind: "exited", code: 0 }, ["exited", 0, null, null]],
  ] as const
) {
  storeTest(`an attempt that has ended: ${outcome.kind}`, (f) => {
    const claim = f.running("x");
    f.finish(claim, FAILED, outcome);
    const { outcome: kind, exitCode, signal, error } = f.store.history.byId(claim.attempt)!;
    assert.deepEqual([kind, exitCode, signal, error], expected);
  });
}

storeTest("an attempt that another daemon has left", (f) => {
  const claim = f.running("x");
  f.print(claim, "half");
  f.reopen();
  f.store.attempts.lose(f.store.attempts.left()[0]!, () => RETRY);
  const attempt = f.store.history.byId(claim.attempt)!;
  assert.equal(attempt.outcome, "lost");
  const log = f.log(f.job("x"));
  assert.equal(log.slice(attempt.outputStart!, attempt.outputEnd!), "half");
  assert.equal(attempt.logEnd, log.length);
});

storeTest("numbers follow each other, through a retry and when the job is queued again", (f) => {
  const { id } = tried(f, "x", 1, 2);
  f.store.moves.requeue(f.job("x"), "x");
  f.finish(f.claim(), COMPLETE);
  const attempts = f.store.history.page(id, 0, 10);
  assert.deepEqual(attempts.map(({ number }) => number), [1, 2, 3]);
  assert.deepEqual(attempts.map(({ exitCode }) => exitCode), [1, 2, 0]);
  assert.equal(f.store.history.newest(id)?.number, 3);
  assert.deepEqual(f.store.history.byNumber(id, 2), attempts[1]);
});

storeTest("page() gives a part, of one job only", (f) => {
  tried(f, "other", 9, 9);
  const { id } = tried(f, "x", 1, 2, 3, 4, 5);
  const page = (after: number, limit: number) =>
    f.store.history.page(id, after, limit).map(({ number }) => number);
  assert.deepEqual(page(0, 2), [1, 2]);
  assert.deepEqual(page(2, 2), [3, 4]);
  assert.deepEqual(page(4, 100), [5]);
  assert.deepEqual(page(5, 100), []);
});

storeTest("what is not there is undefined", (f) => {
  const { id } = f.submitted("x");
  const { history } = f.store;
  assert.equal(history.newest(id), undefined);
  assert.equal(history.byNumber(id, 1), undefined);
  assert.equal(history.byId(99 as AttemptId), undefined);
  assert.equal(history.exitCode(id), undefined);
  assert.deepEqual(history.page(99 as JobId, 0, 10), []);
});

storeTest("exitCode() is that of the newest attempt that has one", (f) => {
  const { id } = f.submitted("x");
  f.finish(f.claim(), RETRY, { kind: "exited", code: 0 });
  f.finish(f.claim(), RETRY, { kind: "exited", code: 7 });
  f.finish(f.claim(), RETRY, { kind: "signaled", signal: "SIGTERM" });
  assert.equal(f.store.history.exitCode(id), 7);
});

storeTest("a job says since when it is finished, and why it has failed", (f) => {
  const told = () => {
    const { state, finishedMs, error } = f.job("x");
    return [state, finishedMs, error];
  };
  f.nowMs += 1000;
  f.submitted("x");
  assert.deepEqual(told(), ["pending", null, null]);
  f.finish(f.claim(), RETRY, { kind: "exited", code: 4 });
  assert.deepEqual(told(), ["pending", null, "exit status 4"]);
  const claim = f.claim();
  f.nowMs += 1000;
  f.finish(claim, FAILED, { kind: "timeout", seconds: 9 });
  assert.deepEqual(told(), ["failed", START_MS + 2000, "timed out after 9 s"]);
  f.store.moves.requeue(f.job("x"), "x");
  assert.deepEqual(told().slice(0, 2), ["pending", null]);
  f.finish(f.claim(), COMPLETE);
  assert.deepEqual(told(), ["complete", START_MS + 2000, null]);
});

storeTest("a parked and a rejected job say why", (f) => {
  f.submitted("x");
  f.store.moves.park(f.job("x"), "x");
  assert.equal(f.job("x").error, "moved to failed");
  f.submitted("y");
  f.store.moves.reject(f.job("y"), "not run: no");
  assert.equal(f.job("y").error, "not run: no");
});

storeTest("createdMs is when the file was made, whatever comes after", (f) => {
  f.submitted("x");
  f.nowMs += 5000;
  f.finish(f.claim(), COMPLETE);
  f.store.moves.requeue(f.job("x"), "y");
  assert.equal(f.job("y").createdMs, START_MS);
});

storeTest("the attempts go with their job", (f) => {
  const claim = f.running("x");
  f.finish(claim, COMPLETE);
  f.store.moves.remove(f.job("x"));
  assert.equal(f.store.history.byId(claim.attempt), undefined);
});
