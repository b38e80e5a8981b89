/** What the options of a script do to its job, from its hand-in to its end. */
import assert from "node:assert/strict";
import { type Job, timestamp } from "../../store/job.ts";
import { bytes, COMPLETE, RETRY, START_MS, type StoreFixture, storeTest } from "./store_fixture.ts";

const HOUR = 3_600_000;

function rewrite(f: StoreFixture, name: string, script: string): Job {
  const { id } = f.job(name);
  f.store.queue.hold(f.job(name));
  f.store.jobs.putScript(id, bytes(script), timestamp(f.nowMs), false);
  f.store.queue.release(id);
  f.store.moves.submit([id]);
  return f.byId(id);
}

/** Opens for writing and closes, without a write. */
function openAndClose(f: StoreFixture, name: string): Job {
  const { id } = f.job(name);
  f.store.queue.hold(f.job(name));
  f.store.queue.release(id);
  f.store.moves.submit([id]);
  return f.byId(id);
}

storeTest("options are read when a job is handed in", (f) => {
  const job = f.submitted("x", "#QJ priority=7 queue=video timeout=5\n");
  assert.deepEqual([job.phase, job.priority, job.queue], ["ready", 7, "video"]);
  assert.deepEqual(JSON.parse(job.options!), { priority: 7, queue: "video", timeoutSec: 5 });
  assert.equal(f.submitted("y").options, "{}");
});

storeTest("options of a draft are read when it is one no more", (f) => {
  f.written(".x", "#QJ nonsense\n");
  f.store.moves.submit([f.job(".x").id]);
  assert.deepEqual([f.job(".x").phase, f.job(".x").options], ["open", null]);
  f.store.moves.renamePending(f.job(".x"), "x", undefined);
  assert.equal(f.job("x").state, "failed");
});

storeTest("a wrong line sends the job to failed, with the line and the reason", (f) => {
  const job = f.submitted("x", "#!/bin/sh\n#QJ timeout=x\n");
  assert.equal(job.state, "failed");
  assert.match(job.error!, /^not run: line 2: timeout must be a time .*, not "x"$/);
  assert.equal(f.log(job), `[System Error]: ${job.error}\n`);
});

storeTest("a wrong line that is put right runs", (f) => {
  f.submitted("x", "#QJ timeout=x\n");
  f.store.moves.requeue(f.job("x"), ".x");
  const { id } = f.job(".x");
  f.store.jobs.putScript(id, bytes("#QJ timeout=1\n"), timestamp(f.nowMs), false);
  f.store.moves.renamePending(f.job(".x"), "x", undefined);
  assert.equal(f.job("x").phase, "ready");
});

storeTest("options behind the head of a long script are found", (f) => {
  const comments = `# ${"x".repeat(1000)}\n`.repeat(100);
  assert.equal(f.submitted("x", `${comments}#QJ queue=video\ntrue\n`).queue, "video");
  assert.match(f.submitted("y", `${comments}#QJ x\n`).error!, /line 101: unknown option "x"/);
});

storeTest("options that end behind the head are read to their end", (f) => {
  const script = `#QJ env=A=${"x".repeat(70_000)}\n#QJ queue=video\ntrue\n`;
  assert.equal(f.submitted("x", script).queue, "video");
});

storeTest("another text has other options", (f) => {
  f.submitted("x", "#QJ priority=7 queue=video at=2100-01-01\n");
  assert.equal(f.job("x").phase, "waiting");
  const job = rewrite(f, "x", "true\n");
  const { phase, priority, queue, atMs, options } = job;
  assert.deepEqual([phase, priority, queue, atMs, options], ["ready", 0, null, null, "{}"]);
});

storeTest("a job that was opened and not written keeps its options and its place", (f) => {
  const before = f.submitted("x", "#QJ priority=7 delay=60\n");
  f.nowMs += 10_000;
  assert.deepEqual(openAndClose(f, "x"), before);
});

storeTest("a priority that somebody has set comes before that of the script", (f) => {
  f.submitted("x", "#QJ priority=7\n");
  f.store.queue.setPriority(f.job("x"), -3);
  assert.equal(f.job("x").priority, -3);
  assert.equal(rewrite(f, "x", "#QJ priority=9\n").priority, -3);
  f.finish(f.claim(), COMPLETE);
  f.store.moves.requeue(f.job("x"), "x");
  assert.equal(f.job("x").priority, -3);
});

storeTest("a priority of 0 that somebody has set counts", (f) => {
  f.submitted("x", "#QJ priority=7\n");
  f.store.queue.setPriority(f.job("x"), 0);
  assert.equal(rewrite(f, "x", "#QJ priority=9\n").priority, 0);
});

storeTest("a priority that is set on a draft counts when it is handed in", (f) => {
  f.written(".x", "#QJ priority=7\n");
  f.store.queue.setPriority(f.job(".x"), 5);
  f.store.moves.renamePending(f.job(".x"), "x", undefined);
  assert.equal(f.job("x").priority, 5);
});

storeTest("at= is a bound beside the mtime: the later one counts", (f) => {
  const at = (ms: number) => `#QJ at=${new Date(ms).toISOString()}\n`;
  f.submitted("x", at(START_MS + HOUR));
  assert.equal(f.store.queue.wake(), START_MS + HOUR);
  const { id } = f.job("x");
  f.store.jobs.setStartAt(id, START_MS + 2 * HOUR);
  f.store.moves.reschedule(id);
  assert.equal(f.store.queue.wake(), START_MS + 2 * HOUR);
  f.store.jobs.setStartAt(id, null);
  f.store.moves.reschedule(id);
  assert.equal(f.store.queue.wake(), START_MS + HOUR);
  f.nowMs += HOUR;
  f.store.queue.wake();
  assert.equal(f.store.queue.next()?.name, "x");
  assert.equal(f.submitted("past", at(START_MS)).phase, "ready");
  assert.equal(f.submitted("long ago", "#QJ at=1900-01-01\n").phase, "ready");
});

storeTest("at= holds for a job that is moved back too", (f) => {
  f.submitted("x", `#QJ at=${new Date(START_MS + HOUR).toISOString()}\n`);
  f.store.moves.park(f.job("x"), "x");
  f.store.moves.requeue(f.job("x"), "x");
  assert.equal(f.store.queue.wake(), START_MS + HOUR);
});

storeTest("delay= counts from when the job was handed in", (f) => {
  f.written("x", "#QJ delay=60\n");
  f.nowMs += 5000;
  f.store.moves.submit([f.job("x").id]);
  assert.equal(f.store.queue.wake(), START_MS + 65_000);
});

storeTest("delay= counts anew for another text, and not for a move back", (f) => {
  f.submitted("x", "#QJ delay=60\n");
  f.nowMs += 50_000;
  rewrite(f, "x", "#QJ delay=90\n");
  assert.equal(f.store.queue.wake(), f.nowMs + 90_000);
  f.store.moves.park(f.job("x"), "x");
  f.store.moves.requeue(f.job("x"), "x");
  assert.equal(f.job("x").phase, "ready");
});

storeTest("delay= is no wait before a retry, and a new one does not take that away", (f) => {
  f.submitted("x", "#QJ delay=60\n");
  f.nowMs += 60_000;
  f.store.queue.wake();
  f.finish(f.claim(), { ...RETRY, retryAtMs: f.nowMs + 4000 });
  assert.equal(f.store.queue.wake(), f.nowMs + 4000);
  rewrite(f, "x", "#QJ delay=90\n");
  assert.equal(f.store.queue.wake(), f.nowMs + 4000);
});

storeTest("on a retry that must not run, the job goes to failed", (f) => {
  const claim = f.running("x");
  f.store.admission.doubt(claim.job.id, "no room");
  f.finish(claim, RETRY, { kind: "exited", code: 1 });
  assert.deepEqual([f.job("x").state, f.job("x").error], ["failed", "not run: no room"]);
});

storeTest("admit() reads the options of a job that has none yet", (f) => {
  f.submitted("x", "#QJ queue=video\n");
  f.sql("UPDATE job SET options = NULL, queue = NULL");
  assert.equal(f.store.moves.admit(f.store.queue.next()!), false);
  assert.equal(f.job("x").queue, "video");
  assert.ok(f.store.moves.admit(f.store.queue.next()!));
});

storeTest("the queue of an attempt is that of its start", (f) => {
  f.submitted("x", "#QJ queue=video keep-children\n");
  const { attempt } = f.claim();
  const [left] = f.store.attempts.left();
  assert.deepEqual([left?.id, left?.queue, left?.keepsChildren], [attempt, "video", 1]);
});

storeTest("options survive a restart", (f) => {
  const before = f.submitted("x", "#QJ queue=video env=A=1\n");
  f.reopen();
  assert.deepEqual(f.job("x"), before);
  assert.deepEqual(f.claim().options, { queue: "video", env: { A: "1" } });
});
