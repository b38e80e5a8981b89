import assert from "node:assert/strict";
import { errorText, type Outcome } from "../../store/attempts.ts";
import { Logs } from "../../fs/logs.ts";
import {
  COMPLETE,
  ended,
  FAILED,
  readAll,
  RETRY,
  START_MS,
  type StoreFixture,
  storeTest,
  text,
} from "./store_fixture.ts";

const EXIT_1: Outcome = { kind: "exited", code: 1 };

Deno.test("errorText() has the words of every outcome", () => {
  const words: [Outcome, string | null][] = [
    [{ kind: "exited", code: 0 }, null],
    [{ kind: "exited", code: 3 }, "exit status 3"],
    [{ kind: "signaled", signal: "SIGKILL" }, "signal: SIGKILL"],
    [{ kind: "timeout", seconds: 1.5 }, "timed out after 1.5 s"],
    [{ kind: "cancelled" }, "cancelled"],
    [{ kind: "lost" }, "lost: the daemon stopped"],
    [{ kind: "error", reason: "cannot start: no" }, "cannot start: no"],
  ];
  for (const [outcome, expected] of words) assert.equal(errorText(outcome), expected);
});

storeTest("claim() moves a job to active and begins its section", (f) => {
  f.submitted("x", "echo a\necho b");
  const claim = f.claim();
  assert.equal(f.job("x").state, "active");
  assert.equal(f.log(f.job("x")), ">>> echo a\n>>> echo b\n");
  assert.equal(text(claim.script), "echo a\necho b");
  assert.match(claim.token, /^[0-9a-f-]{36}$/);
  assert.equal(f.store.queue.next(), undefined);
});

storeTest("claim() does nothing when the job is gone", (f) => {
  const job = f.submitted("x");
  f.store.moves.park(job, "x");
  assert.throws(() => f.store.attempts.claim(job, "boot", 1000));
  assert.equal(f.value("SELECT count(*) FROM attempt"), 0);
  assert.equal(f.job("x").logSize, 0);
});

storeTest("finish() of a success ends the log with the output", (f) => {
  const claim = f.running("x", "echo hello");
  f.print(claim, "hel", "lo\n");
  f.finish(claim, COMPLETE);
  assert.equal(f.job("x").state, "complete");
  assert.equal(f.log(f.job("x")), ">>> echo hello\nhello\n");
});

storeTest("finish() ends the log of a failure with an empty line and the reason", (f) => {
  for (
    const [name, output, shown] of [["none", "", ""], ["line", "a\n", "a\n"], ["part", "a", "a\n"]]
  ) {
    const claim = f.running(name!);
    f.print(claim, output!);
    f.finish(claim, FAILED, EXIT_1);
    assert.equal(f.log(f.job(name!)), `>>> true\n${shown}\n[System Error]: exit status 1\n`);
  }
});

storeTest("finish() records what happened", (f) => {
  const claim = f.running("x");
  f.nowMs += 3000;
  f.finish(claim, FAILED, EXIT_1);
  const row = f.store.db.prepare("SELECT * FROM attempt WHERE id = ?").get(claim.attempt)!;
  assert.deepEqual([row.outcome, row.exit_code, row.signal, row.error], ["exited", 1, null, null]);
  assert.deepEqual([row.started_ms, row.ended_ms], [START_MS, START_MS + 3000]);
  assert.deepEqual([row.log_start, row.log_end], [0, f.job("x").logSize]);
  assert.equal(row.live, 0);
});

storeTest("finish() sends a job to wait for its retry", (f) => {
  const claim = f.running("x");
  f.finish(claim, { ...RETRY, attempts: 1, retryAtMs: START_MS + 4000 }, EXIT_1);
  const job = f.job("x");
  assert.deepEqual([job.state, job.phase, job.attempts], ["pending", "waiting", 1]);
  assert.equal(f.store.queue.wake(), START_MS + 4000);
});

storeTest("the sections of a job's attempts follow each other", (f) => {
  f.finish(f.running("x"), RETRY, EXIT_1);
  const second = f.claim();
  f.print(second, "no newline");
  f.finish(second, COMPLETE);
  f.store.moves.requeue(f.job("x"), "x");
  const third = f.claim();
  f.finish(third, COMPLETE);
  assert.equal(
    f.log(f.job("x")),
    ">>> true\n\n[System Error]: exit status 1\n>>> true\nno newline\n>>> true\n",
  );
  assert.deepEqual(
    f.store.db.prepare("SELECT number FROM attempt ORDER BY id").all().map((row) => row.number),
    [1, 2, 3],
  );
});

/** What a user can do to a job while it runs, and the state in which that leaves it. */
const MEANWHILE: Readonly<Record<string, [(f: StoreFixture) => void, string]>> = {
  parked: [(f) => f.store.moves.park(f.job("x"), "x"), "failed"],
  "queued again": [(f) => f.store.moves.requeue(f.job("x"), "x"), "pending"],
  "queued again and held": [(f) => {
    f.store.moves.requeue(f.job("x"), "x");
    f.store.queue.hold(f.job("x"));
  }, "pending"],
};

for (const [what, [act, state]] of Object.entries(MEANWHILE)) {
  storeTest(`finish() leaves a job that was ${what} where it is`, (f) => {
    const claim = f.running("x");
    f.print(claim, "out\n");
    act(f);
    const { phase } = f.job("x");
    f.store.attempts.finish(claim.capture, ended({ kind: "cancelled" }, false), () => {
      throw new Error("nobody decides about it");
    });
    assert.deepEqual([f.job("x").state, f.job("x").phase], [state, phase]);
    assert.equal(f.log(f.job("x")), ">>> true\nout\n\n[System Error]: cancelled\n");
  });
}

storeTest("finish() forgets a job that was removed", (f) => {
  const claim = f.running("x");
  f.store.moves.remove(f.job("x"));
  f.print(claim, "more\n");
  f.finish(claim, COMPLETE, { kind: "cancelled" });
  assert.equal(f.store.jobs.byId(claim.job.id), undefined);
  assert.equal(f.value("SELECT count(*) FROM output"), 0);
});

storeTest("a descriptor on a removed log reads to its end", (f) => {
  const claim = f.running("x");
  const handle = new Logs(f.store).open(f.job("x"));
  f.store.moves.remove(f.job("x"));
  f.print(claim, "last words\n");
  f.finish(claim, COMPLETE, { kind: "cancelled" });
  assert.equal(readAll(handle), ">>> true\nlast words\n\n[System Error]: cancelled\n");
  handle.release?.();
  assert.equal(f.store.jobs.byId(claim.job.id), undefined);
});

storeTest("finish() with processes left keeps the attempt alive until gone()", (f) => {
  const claim = f.running("x");
  f.store.moves.remove(f.job("x"));
  f.store.attempts.finish(claim.capture, ended({ kind: "cancelled" }, true), () => COMPLETE);
  assert.equal(f.byId(claim.job.id).state, "removed");
  f.store.attempts.gone(claim.attempt, claim.job.id);
  assert.equal(f.store.jobs.byId(claim.job.id), undefined);
});

storeTest("finish() follows a job that was rejected while its attempt was stopped", (f) => {
  const claim = f.running("x");
  f.print(claim, "out\n");
  f.store.moves.requeue(f.job("x"), "x");
  // A writer opens it and fails, while the old attempt still prints.
  f.store.queue.hold(f.job("x"));
  f.store.admission.doubt(claim.job.id, "no room");
  f.store.queue.release(claim.job.id);
  f.store.moves.submit([claim.job.id]);
  f.print(claim, "more\n");
  f.finish(claim, RETRY, { kind: "cancelled" });
  const log = f.log(f.job("x"));
  for (const part of [">>> true\nout\n", "more\n", "[System Error]: cancelled\n"]) {
    assert.ok(log.includes(part), `${JSON.stringify(part)} is in ${JSON.stringify(log)}`);
  }
});

storeTest("finish() that fails leaves capture and job as they were", (f) => {
  const claim = f.running("x");
  f.print(claim, "out\n");
  const before = { capture: { ...claim.capture }, job: f.job("x") };
  const fail = () =>
    f.store.attempts.finish(claim.capture, ended(EXIT_1, false), () => {
      throw new Error("no decision");
    });
  assert.throws(fail, /no decision/);
  assert.deepEqual({ capture: { ...claim.capture }, job: f.job("x") }, before);
  f.finish(claim, FAILED, EXIT_1);
  assert.equal(f.log(f.job("x")), ">>> true\nout\n\n[System Error]: exit status 1\n");
});

storeTest("captureOutput() takes all jobs' output or none", (f) => {
  const a = f.running("a");
  const b = f.running("b");
  const whole = { ...b.capture };
  // As if something else had taken the place in the second log.
  f.sql("INSERT INTO output VALUES (?, ?, x'00')", b.job.id, b.capture.end);
  const part = [new TextEncoder().encode("out\n")];
  assert.throws(() =>
    f.store.attempts.captureOutput(new Map([[a.capture, part], [b.capture, part]]))
  );
  assert.deepEqual({ ...b.capture }, whole);
  f.sql("DELETE FROM output WHERE bytes = x'00'");
  f.store.attempts.captureOutput(new Map([[a.capture, part], [b.capture, part]]));
  assert.equal(f.log(f.job("a")), ">>> true\nout\n");
  assert.equal(f.log(f.job("b")), ">>> true\nout\n");
});
