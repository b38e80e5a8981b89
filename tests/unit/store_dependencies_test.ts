/** Jobs that wait for others: who waits, who is told of an end, and what it comes to. */
import assert from "node:assert/strict";
import { type Job, timestamp } from "../../store/job.ts";
import {
  BOOT,
  bytes,
  COMPLETE,
  ended,
  FAILED,
  RETRY,
  START_MS,
  type StoreFixture,
  storeTest,
} from "./store_fixture.ts";

function after(names: string, more = ""): string {
  return `#QJ after=${names} ${more}\ntrue\n`;
}

/** Tells all who wait, as the scheduler does when it looks for work. Returns in how many slices. */
function tellAll(f: StoreFixture): number {
  let slices = 0;
  while (f.store.moves.tellDependents()) slices++;
  return slices;
}

/** State or phase of jobs, by name. */
function where(f: StoreFixture, ...names: string[]): string[] {
  return names.map((name) => {
    const { state, phase } = f.job(name);
    return phase ?? state;
  });
}

/** Runs the job of that name, which is the only one that is ready. */
function run(f: StoreFixture, name: string, next = COMPLETE): void {
  const claim = f.claim();
  assert.equal(claim.job.name, name);
  f.finish(claim, next, { kind: "exited", code: next.to === "complete" ? 0 : 1 });
}

/** Writes another text into a job as an editor does that keeps the file. */
function edit(f: StoreFixture, name: string, script: string): Job {
  const { id } = f.job(name);
  f.store.queue.hold(f.job(name));
  f.store.jobs.putScript(id, bytes(script), timestamp(f.nowMs), false);
  f.store.queue.release(id);
  f.store.moves.submit([id]);
  return f.byId(id);
}

/** Renames one pending job over another. */
function renameOver(f: StoreFixture, name: string, over: string): void {
  f.store.moves.renamePending(f.job(name), over, f.job(over));
}

function waitsFor(f: StoreFixture, name: string): string[] {
  return f.store.dependencies.namesOf(f.job(name).id);
}

const NOTHING_LEFT =
  "SELECT (SELECT count(*) FROM dependency) + (SELECT count(*) FROM dependency_end)";

storeTest("a job waits until the other has completed", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  assert.deepEqual(where(f, "a", "b"), ["ready", "blocked"]);
  assert.deepEqual(waitsFor(f, "b"), ["a"]);
  const claim = f.claim();
  assert.equal(claim.job.name, "a");
  assert.equal(f.store.queue.next(), undefined);
  f.finish(claim, COMPLETE);
  assert.deepEqual(where(f, "a", "b"), ["complete", "blocked"]);
  assert.equal(tellAll(f), 1);
  assert.deepEqual(where(f, "b"), ["ready"]);
  run(f, "b");
  assert.equal(f.value(NOTHING_LEFT), 0);
});

storeTest("a job waits for all that it names, in whatever state they are", (f) => {
  f.ended("done");
  f.running("runs");
  f.submitted("waits", after("runs"));
  f.written("open");
  f.submitted("b", after("done,runs,waits,open", "after=done"));
  assert.deepEqual(waitsFor(f, "b"), ["runs", "waits", "open"]);
  assert.deepEqual(where(f, "b"), ["blocked"]);
});

storeTest("a job that waits for what has completed is ready at once", (f) => {
  f.ended("a");
  assert.equal(f.submitted("b", after("a")).phase, "ready");
});

storeTest("a job stays blocked until the last of those has completed", (f) => {
  for (const name of ["a", "b"]) f.submitted(name);
  f.submitted("c", after("a,b"));
  run(f, "a");
  tellAll(f);
  assert.deepEqual([where(f, "c"), waitsFor(f, "c")], [["blocked"], ["b"]]);
  run(f, "b");
  tellAll(f);
  assert.deepEqual(where(f, "c"), ["ready"]);
});

const REFUSED: Readonly<Record<string, (f: StoreFixture) => unknown>> = {
  'after="a": no job has this name': () => {},
  'after="a": it has failed': (f) => f.ended("a", FAILED),
};
for (const [reason, make] of Object.entries(REFUSED)) {
  storeTest(`a job is refused: ${reason}`, (f) => {
    make(f);
    const job = f.submitted("b", after("a"));
    assert.deepEqual([job.state, job.error], ["failed", `not run: ${reason}`]);
    assert.equal(f.log(job), `[System Error]: not run: ${reason}\n`);
    assert.equal(f.value(NOTHING_LEFT), 0);
  });
}

storeTest("a draft is no job that one can wait for", (f) => {
  f.written(".a");
  assert.match(f.submitted("b", after(".a")).error!, /no job has this name/);
});

storeTest("a job that is refused waits for nobody, also of those that it named before", (f) => {
  f.submitted("a");
  f.submitted("b", after("a,nobody"));
  assert.deepEqual([where(f, "b"), f.value(NOTHING_LEFT)], [["failed"], 0]);
});

const ENDS: Readonly<Record<string, readonly [(f: StoreFixture) => void, string]>> = {
  "fails": [(f) => run(f, "a", FAILED), "it has failed"],
  "is put aside": [(f) => f.store.moves.park(f.job("a"), "a"), "it has failed"],
  "is removed": [(f) => f.store.moves.remove(f.job("a")), "it was removed"],
  "is removed while it runs": [(f) => {
    f.claim();
    f.store.moves.remove(f.job("a"));
  }, "it was removed"],
  "is refused": [(f) => edit(f, "a", "#QJ x\n"), "it has failed"],
};
for (const [how, [end, reason]] of Object.entries(ENDS)) {
  storeTest(`when the other ${how}, those that wait fail, one after the other`, (f) => {
    f.submitted("a");
    f.submitted("b", after("a"));
    f.submitted("c", after("b"));
    end(f);
    assert.deepEqual(where(f, "b", "c"), ["blocked", "blocked"]);
    tellAll(f);
    assert.deepEqual(where(f, "b", "c"), ["failed", "failed"]);
    assert.equal(f.job("b").error, `not run: after="a": ${reason}`);
    assert.equal(f.job("c").error, 'not run: after="b": it has failed');
    assert.equal(f.value(NOTHING_LEFT), 0);
  });
}

storeTest("a retry of the other is no end", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  run(f, "a", { ...RETRY, retryAtMs: START_MS + 1000 });
  assert.equal(tellAll(f), 0);
  assert.deepEqual(where(f, "a", "b"), ["waiting", "blocked"]);
});

storeTest("the other is waited for by whatever name it has later", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  f.store.moves.renamePending(f.job("a"), "z", undefined);
  f.submitted("a");
  f.store.moves.remove(f.job("a"));
  assert.equal(tellAll(f), 0);
  assert.deepEqual(waitsFor(f, "b"), ["z"]);
  run(f, "z");
  tellAll(f);
  assert.deepEqual(where(f, "b"), ["ready"]);
});

storeTest("a job that has waited does not wait again at its retries", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  run(f, "a");
  tellAll(f);
  f.store.moves.remove(f.job("a"));
  run(f, "b", RETRY);
  assert.deepEqual(where(f, "b"), ["ready"]);
  run(f, "b", { ...RETRY, attempts: 0, lost: 1 });
  assert.deepEqual(where(f, "b"), ["ready"]);
});

storeTest("a job that waits for its retry does not ask again when it is opened", (f) => {
  f.ended("a");
  f.submitted("b", after("a"));
  run(f, "b", { ...RETRY, retryAtMs: START_MS + 1000 });
  f.store.moves.remove(f.job("a"));
  const { id } = f.job("b");
  f.store.queue.hold(f.job("b"));
  f.store.queue.release(id);
  f.store.moves.submit([id]);
  assert.deepEqual(where(f, "b"), ["waiting"]);
});

storeTest("a job that has run and is run again no longer needs those that are gone", (f) => {
  f.ended("a");
  f.submitted("b", after("a"));
  run(f, "b");
  f.store.moves.remove(f.job("a"));
  f.store.moves.requeue(f.job("b"), "b");
  assert.deepEqual(where(f, "b"), ["ready"]);
});

storeTest("a job that is run again asks again for those that are there", (f) => {
  f.ended("a");
  f.submitted("b", after("a"));
  run(f, "b");
  f.store.moves.requeue(f.job("a"), "a");
  f.store.moves.requeue(f.job("b"), "b");
  assert.deepEqual(where(f, "a", "b"), ["ready", "blocked"]);
});

storeTest(
  "a blocked job that is put aside waits for nobody, and asks again when it is back",
  (f) => {
    f.submitted("a");
    f.submitted("b", after("a"));
    f.store.moves.park(f.job("b"), "b");
    assert.equal(f.value(NOTHING_LEFT), 0);
    f.store.moves.requeue(f.job("b"), "b");
    assert.deepEqual([where(f, "b"), waitsFor(f, "b")], [["blocked"], ["a"]]);
  },
);

storeTest("another text has other jobs to wait for", (f) => {
  for (const name of ["a", "b"]) f.submitted(name);
  f.submitted("c", after("a"));
  edit(f, "c", after("b"));
  assert.deepEqual(waitsFor(f, "c"), ["b"]);
  edit(f, "c", "true\n");
  assert.deepEqual([where(f, "c"), waitsFor(f, "c")], [["ready"], []]);
});

storeTest("a blocked job that is being written asks again when it is handed in", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  const { id } = f.job("b");
  f.store.queue.hold(f.job("b"));
  f.store.moves.park(f.job("a"), "a");
  tellAll(f);
  assert.deepEqual(where(f, "b"), ["open"]);
  f.store.queue.release(id);
  f.store.moves.submit([id]);
  assert.match(f.byId(id).error!, /after="a": it has failed/);
});

storeTest("a blocked job keeps its other bounds", (f) => {
  f.submitted("a");
  f.submitted("b", after("a", "delay=60"));
  run(f, "a");
  tellAll(f);
  assert.deepEqual(where(f, "b"), ["waiting"]);
  assert.equal(f.store.queue.wake(), START_MS + 60_000);
});

storeTest("what is submitted says for whom it waits", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  const lines = new TextDecoder().decode(f.store.events.read(0, 10_000)).trim().split("\n");
  assert.deepEqual(JSON.parse(lines.at(-1)!).after, ["a"]);
  assert.equal(JSON.parse(lines[0]!).after, undefined);
});

storeTest("a job that waits for itself is refused", (f) => {
  const reason = 'not run: after="a": it waits for this job itself';
  assert.equal(f.submitted("a", after("a")).error, reason);
});

storeTest("two jobs that would wait for each other: the later one is refused", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  assert.match(edit(f, "a", after("b")).error!, /after="b": it waits for this job itself/);
  tellAll(f);
  assert.deepEqual(where(f, "b"), ["failed"]);
});

storeTest("a circle of three is refused where it closes", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  f.submitted("c", after("b"));
  assert.match(edit(f, "a", after("c")).error!, /after="c": it waits for this job itself/);
});

storeTest("two ways to one job are no circle", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  f.submitted("c", after("a"));
  f.submitted("d", after("b,c,a"));
  assert.deepEqual(where(f, "d"), ["blocked"]);
});

storeTest("who waits for a job that is replaced by a rename waits for the new one", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  f.written(".a", "echo new\n");
  renameOver(f, ".a", "a");
  assert.equal(tellAll(f), 0);
  assert.deepEqual([where(f, "b"), waitsFor(f, "b")], [["blocked"], ["a"]]);
  run(f, "a");
  tellAll(f);
  assert.deepEqual(where(f, "b"), ["ready"]);
});

storeTest("who waits for a job and for what replaces it waits for that one only", (f) => {
  f.submitted("a");
  f.submitted("b");
  f.submitted("c", after("a,b"));
  renameOver(f, "b", "a");
  tellAll(f);
  assert.deepEqual([where(f, "c"), waitsFor(f, "c")], [["blocked"], ["a"]]);
  run(f, "a");
  tellAll(f);
  assert.deepEqual(where(f, "c"), ["ready"]);
});

storeTest("a job that takes the name of the one it waits for is refused", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  renameOver(f, "b", "a");
  assert.match(f.job("a").error!, /after="a": it waits for this job itself/);
  tellAll(f);
  assert.equal(f.value(NOTHING_LEFT), 0);
});

storeTest("a draft that takes the name of the one it waits for is refused", (f) => {
  f.submitted("a");
  f.written(".a", after("a"));
  renameOver(f, ".a", "a");
  assert.match(f.job("a").error!, /it waits for this job itself/);
});

for (const length of [2, 3]) {
  storeTest(`a rename that closes a circle of ${length} is refused`, (f) => {
    const names = ["a", "b", "c"].slice(0, length);
    names.forEach((name, i) => f.submitted(name, i === 0 ? "true\n" : after(names[i - 1]!)));
    f.submitted("x", after(names.at(-1)!));
    renameOver(f, "x", "a");
    assert.match(f.job("a").error!, /it waits for this job itself/);
    tellAll(f);
    assert.deepEqual(where(f, ...names), names.map(() => "failed"));
    assert.equal(f.value(NOTHING_LEFT), 0);
  });
}

storeTest("a thousand who wait are told in slices", (f) => {
  f.submitted("a");
  const ids = Array.from({ length: 1000 }, (_, i) => f.written(`b${i}`, after("a")).id);
  f.store.moves.submit(ids);
  run(f, "a");
  assert.ok(f.store.moves.tellDependents());
  assert.equal(f.value("SELECT count(*) FROM job WHERE phase = 'ready'"), 100);
  assert.equal(tellAll(f), 10, "the last one finds nobody");
  assert.equal(f.value("SELECT count(*) FROM job WHERE phase = 'ready'"), 1000);
  assert.equal(f.value(NOTHING_LEFT), 0);
});

storeTest("telling goes on after a restart", (f) => {
  f.submitted("a");
  const ids = Array.from({ length: 150 }, (_, i) => f.written(`b${i}`, after("a")).id);
  f.store.moves.submit(ids);
  f.store.moves.remove(f.job("a"));
  f.reopen();
  assert.ok(f.store.moves.tellDependents());
  f.reopen();
  assert.equal(f.value("SELECT count(*) FROM job WHERE state = 'failed'"), 100);
  tellAll(f);
  assert.equal(f.value("SELECT count(*) FROM job WHERE state = 'failed'"), 150);
  assert.equal(f.value(NOTHING_LEFT), 0);
});

storeTest("blocked jobs are blocked after a restart, and told", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  f.reopen();
  f.store.recoverOpenJobs();
  assert.deepEqual([where(f, "b"), waitsFor(f, "b")], [["blocked"], ["a"]]);
  run(f, "a");
  tellAll(f);
  assert.deepEqual(where(f, "b"), ["ready"]);
});

storeTest("a chain of a thousand runs from its beginning to its end", (f) => {
  f.store.db.transaction(() => {
    f.submitted("0");
    for (let i = 1; i < 1000; i++) f.submitted(String(i), after(String(i - 1)));
  });
  assert.equal(f.value("SELECT count(*) FROM job WHERE phase = 'ready'"), 1);
  f.store.db.transaction(() => {
    for (let i = 0; i < 1000; i++) {
      run(f, String(i));
      tellAll(f);
    }
  });
  assert.equal(f.value("SELECT count(*) FROM job WHERE state = 'complete'"), 1000);
});

storeTest("a chain of a thousand does not become a circle, and fails as a whole", (f) => {
  f.store.db.transaction(() => {
    f.submitted("0");
    for (let i = 1; i < 1000; i++) f.submitted(String(i), after(String(i - 1)));
  });
  assert.match(edit(f, "0", after("999")).error!, /it waits for this job itself/);
  f.store.db.transaction(() => tellAll(f));
  assert.equal(f.value("SELECT count(*) FROM job WHERE state = 'failed'"), 1000);
});

storeTest("who waits for a job that has completed and was removed is free", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  run(f, "a");
  f.store.moves.remove(f.job("a"));
  tellAll(f);
  assert.deepEqual(where(f, "b"), ["ready"]);
});

const REQUEUED = [[COMPLETE, "ready"], [FAILED, "failed"]] as const;
for (const [next, phase] of REQUEUED) {
  storeTest(`a job that was ${next.to} and is run again: who waited is told of its end`, (f) => {
    f.submitted("a");
    const ids = Array.from({ length: 101 }, (_, i) => f.written(`b${i}`, after("a")).id);
    f.store.moves.submit(ids);
    run(f, "a", next);
    f.store.moves.requeue(f.job("a"), "a");
    assert.equal(f.value("SELECT count(*) FROM dependency"), 0);
    const column = phase === "ready" ? "phase" : "state";
    assert.equal(
      f.value(`SELECT count(*) FROM job WHERE ${column} = ? AND name <> 'a'`, phase),
      101,
    );
    f.submitted("c", after("a"));
    assert.deepEqual([where(f, "c"), tellAll(f)], [["blocked"], 0]);
  });
}

storeTest(
  "a blocked job whose former attempt still has processes fails when they are gone",
  (f) => {
    f.ended("a");
    f.submitted("b", after("a"));
    const claim = f.claim();
    f.store.moves.requeue(f.job("a"), "a");
    f.store.moves.requeue(f.job("b"), "b");
    assert.deepEqual(where(f, "b"), ["blocked"]);
    f.store.moves.park(f.job("a"), "a");
    tellAll(f);
    assert.deepEqual([f.job("b").state, f.store.queue.next()], ["pending", undefined]);
    f.store.attempts.finish(claim.capture, ended({ kind: "cancelled" }), () => RETRY);
    const job = f.store.queue.next()!;
    assert.equal(f.store.moves.admit(job), false);
    assert.match(f.job("b").error!, /after="a": it has failed/);
  },
);

storeTest("a transaction that fails tells nobody", (f) => {
  f.submitted("a");
  f.submitted("b", after("a"));
  const removal = () =>
    f.store.db.transaction(() => {
      f.store.moves.remove(f.job("a"));
      throw new Error("no commit");
    });
  assert.throws(removal, /no commit/);
  assert.equal(tellAll(f), 0);
  assert.deepEqual(where(f, "a", "b"), ["ready", "blocked"]);
  f.store.attempts.claim(f.store.queue.next()!, BOOT, 1024);
});
