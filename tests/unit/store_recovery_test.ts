import assert from "node:assert/strict";
import { Scripts } from "../../fs/scripts.ts";
import { decide } from "../../scheduler/policy.ts";
import type { Next } from "../../store/attempts.ts";
import type { Job } from "../../store/job.ts";
import { bytes, ended, RETRY, type StoreFixture, storeTest } from "./store_fixture.ts";

const nobody = () => ({ uid: 0, gid: 0, pid: 1, umask: 0 });

/** Restarts the daemon as the scheduler does. Gives the names of the attempts that were left. */
function restart(f: StoreFixture): string[] {
  f.reopen();
  const settings = f.store.settings.current;
  const next = (job: Job): Next =>
    decide(job, { outcome: { kind: "lost" }, settings, nowMs: f.nowMs, random: 0 });
  const left = f.store.attempts.left();
  for (const attempt of left) f.store.attempts.lose(attempt, next);
  f.store.recoverOpenJobs();
  for (const { id, jobId } of left) f.store.attempts.gone(id, jobId);
  return left.map((attempt) => attempt.jobName);
}

storeTest("recoverOpenJobs() submits what was flushed", (f) => {
  f.written("x", "true\n");
  restart(f);
  assert.equal(f.job("x").phase, "ready");
});

storeTest("recoverOpenJobs() sends what was not flushed to failed, with the reason", (f) => {
  const handle = new Scripts(f.store, "/nonexistent").open(f.written("x", ""), {
    ...{ write: true, truncate: false },
  });
  handle.write!(0, bytes("echo half"), nobody);
  restart(f);
  assert.equal(f.job("x").state, "failed");
  assert.match(f.log(f.job("x")), /^\[System Error\]: .*not written to its end\n$/);
});

storeTest("recoverOpenJobs() runs what was written and flushed, though it was open", (f) => {
  const handle = new Scripts(f.store, "/nonexistent").open(f.written("x", ""), {
    ...{ write: true, truncate: false },
  });
  handle.write!(0, bytes("echo whole\n"), nobody);
  handle.flush!();
  restart(f);
  assert.equal(f.job("x").phase, "ready");
  assert.deepEqual(f.store.jobs.script(f.job("x").id), bytes("echo whole\n"));
});

storeTest("recoverOpenJobs() leaves the old text of a script that was only emptied", (f) => {
  const handle = new Scripts(f.store, "/nonexistent").open(f.submitted("x", "old\n"), {
    ...{ write: true, truncate: true },
  });
  handle.flush!();
  restart(f);
  assert.equal(f.job("x").phase, "ready");
  assert.deepEqual(f.store.jobs.script(f.job("x").id), bytes("old\n"));
});

storeTest("recoverOpenJobs() leaves drafts and empty files as they are", (f) => {
  f.written(".draft");
  f.written("empty", "");
  f.store.jobs.markUnflushed(f.written(".half").id);
  restart(f);
  for (const name of [".draft", "empty", ".half"]) {
    assert.deepEqual([f.job(name).state, f.job(name).phase], ["pending", "open"], name);
  }
  f.store.moves.renamePending(f.job(".half"), "half", undefined);
  assert.equal(f.job("half").state, "failed");
});

storeTest("recoverOpenJobs() purges removed jobs", (f) => {
  const { id } = f.submitted("x");
  f.store.jobs.retain(id);
  f.store.moves.remove(f.job("x"));
  assert.ok(f.store.jobs.byId(id));
  restart(f);
  assert.equal(f.store.jobs.byId(id), undefined);
});

storeTest("lose() queues a job whose attempt was cut off, without counting it", (f) => {
  f.submitted("x");
  f.sql("UPDATE job SET attempts = 1");
  const claim = f.claim();
  f.print(claim, "out");
  assert.deepEqual(restart(f), ["x"]);
  const job = f.job("x");
  assert.deepEqual([job.state, job.phase], ["pending", "ready"]);
  assert.deepEqual([job.attempts, job.lost], [1, 1]);
  assert.equal(f.log(job), ">>> true\nout\n\n[System Error]: lost: the daemon stopped\n");
});

storeTest("lose() fails a job that was cut off max_lost times in a row", (f) => {
  f.store.settings.apply({ max_lost: 3 });
  f.running("x");
  const seen: [string, number][] = [];
  for (let i = 0; i < 3; i++) {
    restart(f);
    seen.push([f.job("x").state, f.job("x").lost]);
    if (i < 2) f.claim();
  }
  assert.deepEqual(seen, [["pending", 1], ["pending", 2], ["failed", 3]]);
});

storeTest("lose() keeps the attempt until its processes are gone", (f) => {
  f.running("x");
  f.reopen();
  const [left] = f.store.attempts.left();
  assert.ok(left);
  f.store.attempts.lose(left, () => ({ ...RETRY, attempts: 0, lost: 1 }));
  assert.equal(f.store.queue.next(), undefined);
  assert.equal(f.store.attempts.left()[0]?.outcome, "lost");
  f.store.attempts.gone(left.id, left.jobId);
  assert.equal(f.store.queue.next()?.name, "x");
  assert.deepEqual(f.store.attempts.left(), []);
});

storeTest("lose() leaves a job that was parked before the end of the daemon", (f) => {
  f.running("x");
  f.store.moves.park(f.job("x"), "x");
  restart(f);
  assert.equal(f.job("x").state, "failed");
  assert.match(f.log(f.job("x")), /lost: the daemon stopped\n$/);
});

storeTest("lose() forgets a job that was removed before the end of the daemon", (f) => {
  const { job } = f.running("x");
  f.store.moves.remove(f.job("x"));
  restart(f);
  assert.equal(f.store.jobs.byId(job.id), undefined);
});

storeTest("lose() records nothing twice for an attempt that had ended", (f) => {
  const claim = f.running("x");
  f.store.attempts.finish(claim.capture, ended({ kind: "exited", code: 1 }, true), () => RETRY);
  const before = f.log(f.job("x"));
  restart(f);
  assert.equal(f.log(f.job("x")), before);
  assert.equal(f.job("x").lost, 0);
});

storeTest("left() says how to find the processes", (f) => {
  const claim = f.running("x");
  f.store.attempts.setProcess(claim.attempt, 4711, 99);
  f.reopen();
  const [left] = f.store.attempts.left();
  assert.deepEqual(
    [left?.pid, left?.pidStart, left?.token, left?.jobName],
    [4711, 99, claim.token, "x"],
  );
});
