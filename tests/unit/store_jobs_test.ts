import assert from "node:assert/strict";
import { StoreError } from "../../store/errors.ts";
import { isDraft, type JobId, timestamp, toMs } from "../../store/job.ts";
import { bytes, START_MS, storeTest, text } from "./store_fixture.ts";

Deno.test("isDraft() knows the names that editors and rsync use", () => {
  for (const name of [".x", ".x.swp", "x~", "~", "#x#", "##", "."]) assert.ok(isDraft(name), name);
  for (const name of ["x", "#x", "x#", "#", "x.y", "~x", "a~b"]) assert.ok(!isDraft(name), name);
});

Deno.test("timestamp() and toMs() are inverse for whole milliseconds", () => {
  for (const ms of [0, 1, 999, 1000, -1, -1000, -1001, START_MS + 7]) {
    const { sec, nsec } = timestamp(ms);
    assert.ok(nsec >= 0 && nsec < 1e9, String(ms));
    assert.equal(toMs({ sec, nsec }), ms);
  }
});

Deno.test("toMs() rounds up, so that nothing starts before its time", () => {
  assert.equal(toMs({ sec: 1, nsec: 1 }), 1001);
  assert.equal(toMs({ sec: -1, nsec: 999_999_999 }), 0);
});

storeTest("create() makes an empty open job of the caller", (f) => {
  const job = f.store.moves.create({ name: "é x", mode: 0o640, uid: 12, gid: 34 }, undefined);
  assert.deepEqual(f.job("é x"), job);
  assert.equal(job.state, "pending");
  assert.equal(job.phase, "open");
  assert.equal(job.seq, null);
  assert.equal(job.scriptSize, 0);
  assert.deepEqual([job.mode, job.uid, job.gid], [0o640, 12, 34]);
  assert.deepEqual([job.mtimeSec, job.atimeSec, job.ctimeSec], Array(3).fill(START_MS / 1000));
  assert.equal(f.store.jobs.script(job.id).length, 0);
});

storeTest("putScript() commits text, size and times", (f) => {
  const { id } = f.store.moves.create({ name: "x", mode: 0o644, uid: 0, gid: 0 }, undefined);
  f.nowMs += 5000;
  f.store.jobs.putScript(id, bytes("échoed\n"), { sec: -7, nsec: 8 }, false);
  const job = f.byId(id);
  assert.equal(text(f.store.jobs.script(id)), "échoed\n");
  assert.equal(job.scriptSize, bytes("échoed\n").length);
  assert.deepEqual([job.mtimeSec, job.mtimeNsec], [-7, 8]);
  assert.equal(job.ctimeSec, START_MS / 1000 + 5);
  f.reopen();
  assert.equal(text(f.store.jobs.script(id)), "échoed\n");
});

storeTest("putScript() keeps every byte", (f) => {
  const { id } = f.written("x");
  const all = Uint8Array.from({ length: 70_000 }, (_, i) => i % 256);
  f.store.jobs.putScript(id, all, { sec: 0, nsec: 0 }, false);
  assert.deepEqual(f.store.jobs.script(id), all);
  assert.deepEqual(f.store.jobs.scriptHead(id), all.subarray(0, 65_536));
});

storeTest("putScript() takes the mark of markUnflushed() away unless writing failed", (f) => {
  const { id } = f.written("x");
  const { jobs } = f.store;
  jobs.markUnflushed(id);
  assert.equal(f.byId(id).unflushed, 1);
  jobs.putScript(id, bytes("a"), { sec: 0, nsec: 0 }, true);
  assert.equal(f.byId(id).unflushed, 1);
  jobs.putScript(id, bytes("ab"), { sec: 0, nsec: 0 }, false);
  assert.equal(f.byId(id).unflushed, 0);
});

storeTest("setAttributes() changes what is given", (f) => {
  const before = f.written("x");
  f.nowMs += 9000;
  f.store.jobs.setAttributes(before, { mode: 0o600, mtime: { sec: 5, nsec: 6 } });
  const after = f.byId(before.id);
  const changed = { mode: 0o600, mtimeSec: 5, mtimeNsec: 6, ctimeSec: f.nowMs / 1000 };
  assert.deepEqual({ ...after }, { ...before, ...changed });
});

storeTest("setAttributes() keeps the times of log and script apart", (f) => {
  const job = f.written("x");
  f.store.jobs.setAttributes(job, { mtime: { sec: 5, nsec: 6 }, log: true });
  const after = f.byId(job.id);
  assert.deepEqual([after.logMtimeSec, after.logMtimeNsec], [5, 6]);
  assert.equal(after.mtimeSec, job.mtimeSec);
});

storeTest("page() goes through a directory by id", (f) => {
  const ids = ["a", "b", "c", "d", "e"].map((name) => f.submitted(name).id);
  f.finish(f.claim(), { to: "complete", attempts: 1, lost: 0, retryAtMs: null });
  const names = (after: number, limit: number) =>
    f.store.listing.page("pending", after, limit).map((job) => job.name);
  assert.deepEqual(names(0, 10), ["b", "c", "d", "e"]);
  assert.deepEqual(names(0, 2), ["b", "c"]);
  assert.deepEqual(names(ids[2]!, 2), ["d", "e"]);
  assert.deepEqual(names(ids[4]!, 2), []);
});

storeTest("count is the number of jobs in all directories", (f) => {
  const { directories, moves } = f.store;
  f.submitted("a");
  f.written("b");
  assert.equal(directories.count, 2);
  moves.remove(f.job("b"));
  assert.equal(directories.count, 1);
  f.written("c");
  f.written(".d");
  moves.renamePending(f.job(".d"), "c", f.job("c"));
  assert.equal(directories.count, 2);
  f.reopen();
  assert.equal(f.store.directories.count, 2);
});

storeTest("require() throws stale for a job that is gone", (f) => {
  assert.throws(
    () => f.store.jobs.require(99 as JobId),
    (error) => error instanceof StoreError && error.kind === "stale",
  );
});

storeTest("changedAtMs() follows what comes, goes and is renamed", (f) => {
  const { directories, moves } = f.store;
  const times = () =>
    (["pending", "active", "complete", "failed"] as const)
      .map((state) => (directories.changedAtMs(state) - START_MS) / 1000);
  const at = (seconds: number) => void (f.nowMs = START_MS + 1000 * seconds);
  at(1);
  f.submitted("x");
  assert.deepEqual(times(), [1, 0, 0, 0]);
  at(2);
  const claim = f.claim();
  assert.deepEqual(times(), [2, 2, 0, 0]);
  at(3);
  f.finish(claim, { to: "complete", attempts: 1, lost: 0, retryAtMs: null });
  assert.deepEqual(times(), [2, 3, 3, 0]);
  at(4);
  moves.renameFinished(f.job("x"), "y");
  assert.deepEqual(times(), [2, 3, 4, 0]);
  at(5);
  moves.remove(f.job("y"));
  assert.deepEqual(times(), [2, 3, 5, 0]);
});

storeTest("drop() lets a removed job go with the last descriptor", (f) => {
  const { jobs, moves } = f.store;
  const { id } = f.submitted("x");
  jobs.retain(id);
  jobs.retain(id);
  moves.remove(f.job("x"));
  assert.equal(jobs.byName("x"), undefined);
  assert.equal(jobs.byId(id)?.state, "removed");
  jobs.drop(id);
  assert.equal(text(jobs.script(id)), "true\n");
  jobs.drop(id);
  assert.equal(jobs.byId(id), undefined);
});

storeTest("drop() keeps a job that is not removed", (f) => {
  const { id } = f.submitted("x");
  f.store.jobs.retain(id);
  f.store.jobs.drop(id);
  assert.equal(f.byId(id).name, "x");
});

storeTest("purge() keeps a removed job whose processes may be alive", (f) => {
  const claim = f.running("x");
  const { id } = claim.job;
  f.store.moves.remove(f.job("x"));
  f.store.jobs.purge(id);
  assert.equal(f.byId(id).state, "removed");
  f.store.attempts.gone(claim.attempt, id);
  assert.equal(f.store.jobs.byId(id), undefined);
});

storeTest("nodes keep modes and owners over a restart", (f) => {
  assert.equal(f.store.nodes.get(2), undefined);
  f.store.nodes.set(2, { mode: 0o1777, uid: 1, gid: 2 });
  f.store.nodes.set(2, { mode: 0o1770, uid: 3, gid: 4 });
  assert.deepEqual(f.store.nodes.get(2), { mode: 0o1770, uid: 3, gid: 4 });
  f.reopen();
  assert.deepEqual({ ...f.store.nodes.get(2) }, { mode: 0o1770, uid: 3, gid: 4 });
});
