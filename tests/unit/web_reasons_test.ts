/** Why a pending job waits, in the words of the pages. */
import assert from "node:assert/strict";
import { Slots } from "../../scheduler/slots.ts";
import type { AttemptId } from "../../store/job.ts";
import { type Reason, reasonOf } from "../../web/reasons.ts";
import { COMPLETE, ended, RETRY, START_MS } from "./store_fixture.ts";
import { type WebFixture, webTest } from "./web_fixture.ts";

/** Makes the job "x" wait for some reason. */
type Case = readonly [what: string, make: (f: WebFixture) => void, reason: Reason];

function take(f: WebFixture, n: number, queue: string | null = null): void {
  const first = f.slots.count;
  for (let i = 0; i < n; i++) f.slots.take(first + i + 1 as AttemptId, queue, null);
}

const LATER = START_MS + 60_000;

const CASES: readonly Case[] = [
  ["a draft", (f) => f.submitted(".x"), { text: "a draft: it runs when it is renamed" }],
  ["a draft that is being written", (f) => {
    f.written(".x");
    f.store.queue.hold(f.job(".x"));
  }, { text: "a draft: it runs when it is renamed" }],
  ["being written", (f) => {
    f.submitted("x");
    f.store.queue.hold(f.job("x"));
  }, { text: "being written" }],
  ["being written, and empty yet", (f) => {
    f.store.queue.hold(f.written("x", ""));
  }, { text: "being written" }],
  ["empty", (f) => f.submitted("x", ""), { text: "empty" }],
  ["not settled yet", (f) => f.written("x"), { text: "just written" }],
  ["for one other", (f) => {
    f.running("a");
    f.submitted("x", "#QJ after=a\n");
  }, { text: "after", jobs: ["a"] }],
  ["for five others", (f) => {
    for (const name of ["a", "b", "c", "d", "e"]) f.running(name);
    f.submitted("x", "#QJ after=e,d,c,b,a\n");
  }, { text: "after", jobs: ["a", "b", "c", "d", "e"] }],
  ["for many others", (f) => {
    for (const name of ["a", "b", "c", "d", "e", "f", "g"]) f.running(name);
    f.submitted("x", "#QJ after=a,b,c,d,e,f,g\n");
  }, { text: "after 7 jobs, of them", jobs: ["a", "b", "c", "d", "e"] }],
  ["only for those that have not completed", (f) => {
    f.ended("a");
    f.running("b");
    f.submitted("x", "#QJ after=a,b\n");
  }, { text: "after", jobs: ["b"] }],
  ["backoff", (f) => {
    f.finish(f.running("x"), { ...RETRY, retryAtMs: LATER });
  }, { text: "backoff until", untilMs: LATER }],
  ["delay", (f) => f.submitted("x", "#QJ delay=60\n"), { text: "not before", untilMs: LATER }],
  ["at", (f) => f.submitted("x", `#QJ at=${new Date(LATER).toISOString()}\n`), {
    text: "not before",
    untilMs: LATER,
  }],
  ["an mtime that was set", (f) => {
    const { id } = f.written("x");
    f.store.jobs.setStartAt(id, LATER);
    f.store.moves.submit([id]);
  }, { text: "not before", untilMs: LATER }],
  ["a backoff that ends before another moment", (f) => {
    f.finish(f.running("x"), { ...RETRY, retryAtMs: LATER });
    f.store.jobs.setStartAt(f.job("x").id, LATER + 1);
    f.store.moves.reschedule(f.job("x").id);
  }, { text: "not before", untilMs: LATER + 1 }],
  ["paused, whatever else", (f) => {
    f.store.settings.apply({ paused: true, max_job_count: 0 });
    f.submitted("x");
  }, { text: "the queue is paused" }],
  ["processes of its last run", (f) => {
    const claim = f.running("x");
    f.store.attempts.finish(claim.capture, ended({ kind: "exited", code: 1 }, true), () => RETRY);
  }, { text: "processes of its last run, or of its name, are left" }],
  ["processes of one of its name", (f) => {
    f.running("x");
    f.store.moves.remove(f.job("x"));
    f.submitted("x");
  }, { text: "processes of its last run, or of its name, are left" }],
  ["its queue is full", (f) => {
    f.store.settings.apply({ queues: { q: { max_job_count: 2 } } });
    take(f, 2, "q");
    f.submitted("x", "#QJ queue=q\n");
  }, { text: "the queue q is full (2 of 2)" }],
  ["its queue has more than it may, since that was changed", (f) => {
    take(f, 5, "q");
    f.store.settings.apply({ queues: { q: { max_job_count: 2 } } });
    f.submitted("x", "#QJ queue=q\n");
  }, { text: "the queue q is full (5 of 2)" }],
  ["its queue is stopped", (f) => {
    f.store.settings.apply({ queues: { q: { max_job_count: 0 } } });
    f.submitted("x", "#QJ queue=q\n");
  }, { text: "the queue q is stopped (max_job_count 0)" }],
  ["another queue is full", (f) => {
    f.store.settings.apply({ queues: { q: { max_job_count: 1 } } });
    take(f, 1, "q");
    f.submitted("x", "#QJ queue=p\n");
  }, { text: "starts now" }],
  ["a queue without a limit, of any name", (f) => {
    f.submitted("x", "#QJ queue=constructor\n");
  }, { text: "starts now" }],
  ["no free slot", (f) => {
    f.store.settings.apply({ max_job_count: 3 });
    take(f, 3);
    f.submitted("x");
  }, { text: "no free slot (3 of 3 in use)" }],
  ["no slot at all", (f) => {
    f.store.settings.apply({ max_job_count: 0 });
    f.submitted("x");
  }, { text: "no free slot (0 of 0 in use)" }],
  ["as many as the limit of open files allows", (f) => {
    f.store.settings.apply({ max_job_count: 51 });
    take(f, 50);
    f.submitted("x");
  }, { text: "no free slot (50 of 50 in use, as many as the limit of open files allows)" }],
  ["nothing", (f) => f.submitted("x"), { text: "starts now" }],
  ["nothing any more", (f) => {
    f.submitted("x", "#QJ delay=60\n");
    f.nowMs = LATER;
    f.store.queue.wake();
  }, { text: "starts now" }],
];

for (const [what, make, reason] of CASES) {
  webTest(`a job waits: ${what}`, (f) => {
    make(f);
    const job = f.store.jobs.byName("x") ?? f.job(".x");
    assert.equal(job.state, "pending");
    assert.deepEqual(reasonOf(f.store, f.slots, job), reason);
  });
}

webTest("a job that was lost does not wait for a backoff", (f) => {
  f.running("x");
  f.reopen();
  const [left] = f.store.attempts.left();
  f.store.attempts.lose(left!, () => ({ ...RETRY, attempts: 0, lost: 1 }));
  const slots = new Slots(f.store.settings, 50, { tooFewDescriptors: () => {} });
  assert.match(reasonOf(f.store, slots, f.job("x")).text, /^processes of its last run/);
  f.store.attempts.gone(left!.id, left!.jobId);
  assert.equal(reasonOf(f.store, slots, f.job("x")).text, "starts now");
});

webTest("a job that waited for others does so no more when they have completed", (f) => {
  const claim = f.running("a");
  f.submitted("x", "#QJ after=a\n");
  f.finish(claim, COMPLETE);
  while (f.store.moves.tellDependents());
  assert.deepEqual(reasonOf(f.store, f.slots, f.job("x")), { text: "starts now" });
});

webTest("a job whose others are gone says so until it is told", (f) => {
  f.submitted("a");
  f.submitted("x", "#QJ after=a\n");
  f.store.moves.remove(f.job("a"));
  const { text, jobs = [] } = reasonOf(f.store, f.slots, f.job("x"));
  assert.ok(text !== "after" || jobs.length > 0, "no sentence without an end");
});
