/** Deleting finished jobs by age, and what removed jobs leave behind, slice by slice. */
import assert from "node:assert/strict";
import type { Job } from "../../store/job.ts";
import { Logs } from "../../fs/logs.ts";
import { SWEPT_BYTES } from "../../store/jobs.ts";
import {
  COMPLETE,
  ended,
  FAILED,
  readAll,
  RETRY,
  type StoreFixture,
  storeTest,
} from "./store_fixture.ts";

const SEC = 1000;

/** A finished job with so many bytes of output. */
function printed(f: StoreFixture, name: string, size: number, next = COMPLETE): Job {
  f.submitted(name);
  const claim = f.claim(2 ** 30);
  const part = "x".repeat(65_536);
  f.store.db.transaction(() => {
    for (let at = 0; at < size; at += part.length) f.print(claim, part.slice(0, size - at));
  });
  f.finish(claim, next);
  return f.job(name);
}

function endMany(f: StoreFixture, count: number): void {
  f.store.db.transaction(() => {
    for (let i = 0; i < count; i++) f.ended(`j${i}`);
  });
}

function names(f: StoreFixture): string[] {
  const rows = f.store.db.prepare("SELECT name FROM job WHERE state <> 'removed' ORDER BY name")
    .all();
  return rows.map(({ name }) => String(name));
}

/** Calls until there is no more to do; how often there was. */
function count(step: () => boolean | number): number {
  let times = 0;
  while (step()) times++;
  return times;
}

const EMPTY = "SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM output) " +
  "+ (SELECT count(*) FROM attempt) + (SELECT count(*) FROM script)";

storeTest("without an age nothing is deleted", (f) => {
  f.ended("a");
  f.nowMs += 1e12;
  const { retention } = f.store;
  assert.deepEqual([retention.shortestMs, retention.nextMs(), retention.expire()], [null, null, 0]);
  assert.deepEqual(names(f), ["a"]);
});

storeTest("jobs are deleted at their age, to the millisecond, each state at its own", (f) => {
  f.store.settings.apply({ retain_complete_sec: 60, retain_failed_sec: 120 });
  f.ended("c");
  f.ended("f", FAILED);
  const { retention } = f.store;
  assert.deepEqual([retention.shortestMs, retention.nextMs()], [60 * SEC, f.nowMs + 60 * SEC]);
  f.nowMs += 60 * SEC - 1;
  assert.equal(retention.expire(), 0);
  f.nowMs += 1;
  assert.equal(retention.expire(), 1);
  assert.deepEqual([names(f), retention.nextMs()], [["f"], f.nowMs + 60 * SEC]);
  f.nowMs += 60 * SEC;
  assert.equal(retention.expire(), 1);
  assert.deepEqual([retention.nextMs(), f.value(EMPTY)], [null, 0]);
});

storeTest("an age of one state leaves the other alone", (f) => {
  f.store.settings.apply({ retain_failed_sec: 1 });
  f.ended("c");
  f.ended("f", FAILED);
  f.nowMs += 1e9;
  assert.equal(f.store.retention.expire(), 1);
  assert.deepEqual(names(f), ["c"]);
});

storeTest("an age of 0 deletes at once, and never what has not ended", (f) => {
  f.store.settings.apply({ retain_complete_sec: 0, retain_failed_sec: 0 });
  f.running("runs");
  f.submitted("waits");
  f.written(".draft");
  assert.deepEqual([f.store.retention.nextMs(), f.store.retention.expire()], [null, 0]);
  assert.deepEqual(names(f), [".draft", "runs", "waits"]);
});

storeTest("the age counts from the end, not from a former one", (f) => {
  f.store.settings.apply({ retain_complete_sec: 60 });
  f.ended("a");
  f.nowMs += 50 * SEC;
  f.store.moves.requeue(f.job("a"), "a");
  f.finish(f.claim(), COMPLETE);
  f.nowMs += 50 * SEC;
  assert.equal(f.store.retention.expire(), 0);
});

storeTest("what is deleted by age is told of, with the job as it was", (f) => {
  f.store.settings.apply({ retain_complete_sec: 0 });
  const job = f.ended("a");
  f.heard.length = 0;
  f.store.retention.expire();
  assert.deepEqual(f.heard, [{ kind: "over", job: job.id }, { kind: "left", job }]);
  const lines = new TextDecoder().decode(f.store.events.read(0, 1e6)).trim().split("\n");
  const { event, job: name, reason } = JSON.parse(lines.at(-1)!);
  assert.deepEqual([event, name, reason], ["removed", "a", "expired"]);
});

storeTest("a slice has at most fifty jobs, oldest first", (f) => {
  f.store.settings.apply({ retain_complete_sec: 0 });
  f.ended("young");
  f.sql("UPDATE job SET finished_ms = finished_ms + 1");
  endMany(f, 120);
  f.nowMs += 1;
  const { retention } = f.store;
  assert.deepEqual([retention.expire(), retention.expire()], [50, 50]);
  assert.ok(names(f).includes("young"));
  assert.deepEqual([retention.expire(), retention.expire()], [21, 0]);
});

storeTest("a slice with large logs has fewer jobs", (f) => {
  f.store.settings.apply({ retain_complete_sec: 0 });
  for (let i = 0; i < 12; i++) printed(f, `j${i}`, 900_000);
  const first = f.store.retention.expire();
  assert.ok(first >= 4 && first <= 6, String(first));
  assert.equal(first + f.store.retention.expire() + f.store.retention.expire(), 12);
});

storeTest("a large log is swept in pieces, after the job is gone", (f) => {
  f.store.settings.apply({ retain_complete_sec: 0 });
  printed(f, "a", 5 * SWEPT_BYTES);
  f.heard.length = 0;
  assert.equal(f.store.retention.expire(), 1);
  assert.deepEqual(f.heard.map(({ kind }) => kind).sort(), ["garbage", "left", "over"]);
  assert.deepEqual(names(f), []);
  const chunks = Number(f.value("SELECT count(*) FROM output"));
  assert.ok(chunks > 64);
  assert.ok(f.store.retention.sweep());
  assert.equal(f.value("SELECT count(*) FROM output"), chunks - 32);
  assert.equal(1 + count(() => f.store.retention.sweep()), Math.floor(chunks / 32) + 1);
  assert.equal(f.value(EMPTY), 0);
});

storeTest("a large job that is removed by hand is swept too, also by the next daemon", (f) => {
  const { id } = printed(f, "a", 3 * SWEPT_BYTES);
  f.heard.length = 0;
  f.store.moves.remove(f.job("a"));
  assert.ok(f.heard.some(({ kind }) => kind === "garbage"));
  assert.equal(f.store.jobs.byId(id)?.state, "removed");
  assert.ok(f.store.retention.sweep());
  f.reopen();
  f.store.recoverOpenJobs();
  count(() => f.store.retention.sweep());
  assert.equal(f.value(EMPTY), 0);
});

storeTest("the name of a job that is being swept is free", (f) => {
  printed(f, "a", 2 * SWEPT_BYTES);
  f.store.moves.remove(f.job("a"));
  f.submitted("a");
  count(() => f.store.retention.sweep());
  assert.equal(f.job("a").phase, "ready");
});

storeTest("a log that somebody reads is there until its last descriptor is closed", (f) => {
  f.store.settings.apply({ retain_complete_sec: 0 });
  const job = printed(f, "a", 2 * SWEPT_BYTES);
  const small = f.ended("b");
  f.store.jobs.retain(small.id);
  const handle = new Logs(f.store).open(job);
  f.store.retention.expire();
  assert.equal(f.store.retention.sweep(), false);
  assert.equal(readAll(handle, 0, 65_536).length, job.logSize);
  handle.release?.();
  assert.equal(f.store.jobs.byId(small.id)?.state, "removed");
  f.store.jobs.drop(small.id);
  assert.equal(f.store.jobs.byId(small.id), undefined);
  assert.ok(count(() => f.store.retention.sweep()) > 0);
  assert.equal(f.value(EMPTY), 0);
});

storeTest("one that is read does not keep another from being swept", (f) => {
  for (const name of ["a", "b"]) printed(f, name, 2 * SWEPT_BYTES);
  f.store.jobs.retain(f.job("a").id);
  for (const name of ["a", "b"]) f.store.moves.remove(f.job(name));
  count(() => f.store.retention.sweep());
  assert.equal(f.value("SELECT group_concat(name) FROM job"), "a");
});

storeTest("a job that still has processes keeps its rows until they are gone", (f) => {
  f.store.settings.apply({ retain_failed_sec: 0 });
  const claim = f.running("a");
  f.store.attempts.finish(claim.capture, ended({ kind: "exited", code: 1 }, true), () => FAILED);
  assert.equal(f.store.retention.expire(), 1);
  assert.equal(f.store.retention.sweep(), false);
  assert.equal(f.store.jobs.byId(claim.job.id)?.state, "removed");
  f.store.attempts.gone(claim.attempt, claim.job.id);
  assert.equal(f.value(EMPTY), 0);
});

storeTest("who waits for a job that completed and was deleted is free", (f) => {
  f.store.settings.apply({ retain_complete_sec: 0 });
  f.submitted("a");
  f.submitted("b", "#QJ after=a\ntrue\n");
  f.finish(f.claim(), COMPLETE);
  f.store.retention.expire();
  while (f.store.moves.tellDependents());
  assert.equal(f.job("b").phase, "ready");
});

storeTest("a job in its retry is not finished", (f) => {
  f.store.settings.apply({ retain_complete_sec: 0, retain_failed_sec: 0 });
  f.finish(f.running("a"), { ...RETRY, retryAtMs: f.nowMs + 1 });
  f.nowMs += 1e9;
  assert.equal(f.store.retention.expire(), 0);
});

storeTest("the room is given back, so that the file is smaller after a checkpoint", (f) => {
  const size = () => {
    f.store.db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
    return Deno.statSync(f.path).size;
  };
  printed(f, "a", 8 * SWEPT_BYTES);
  f.store.moves.remove(f.job("a"));
  count(() => f.store.retention.sweep());
  const before = size();
  assert.ok(f.store.db.unusedPages > 1500);
  const unused = f.store.db.unusedPages;
  assert.ok(f.store.retention.giveBack());
  assert.equal(f.store.db.unusedPages, unused - 128);
  assert.ok(count(() => f.store.retention.giveBack()) > 5);
  assert.ok(f.store.db.unusedPages <= 256, "a little stays for what comes next");
  assert.ok(size() < before - 6 * SWEPT_BYTES);
  assert.equal(f.value("PRAGMA integrity_check"), "ok");
});

storeTest("hardly any unused room is left as it is", (f) => {
  f.ended("a");
  f.store.moves.remove(f.job("a"));
  assert.equal(f.store.retention.giveBack(), false);
});
