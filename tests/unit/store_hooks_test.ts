/** Which ends of jobs are noted for `on_complete` and `on_failed`, and what is noted. */
import assert from "node:assert/strict";
import { COMPLETE, FAILED, RETRY, type StoreFixture, storeTest } from "./store_fixture.ts";

function hookTest(name: string, body: (f: StoreFixture) => void): void {
  storeTest(name, (f) => {
    f.store.settings.apply({ on_complete: "true", on_failed: "false" });
    f.heard.length = 0;
    body(f);
  });
}

/** Takes all that are noted, in order: job, state, exit code and attempt. */
function takeAll(f: StoreFixture) {
  const all: (readonly [string, string, number | null, number])[] = [];
  for (let hook = f.store.hooks.next(); hook; hook = f.store.hooks.next()) {
    all.push([hook.job, hook.state, hook.exitCode, hook.attempt]);
    f.store.hooks.taken(hook.id);
  }
  return all;
}

hookTest("ends are noted in their order, and told of", (f) => {
  f.ended("a");
  assert.ok(f.heard.some(({ kind }) => kind === "hook"));
  f.finish(f.running("b"), FAILED, { kind: "exited", code: 3 });
  f.finish(f.running("c"), FAILED, { kind: "signaled", signal: "SIGKILL" });
  assert.deepEqual(takeAll(f), [
    ["a", "complete", 0, 1],
    ["b", "failed", 3, 1],
    ["c", "failed", null, 1],
  ]);
});

hookTest("a retry is no end; the attempt is the last one", (f) => {
  f.finish(f.running("a"), RETRY, { kind: "exited", code: 1 });
  assert.equal(f.store.hooks.next(), undefined);
  f.finish(f.claim(), { ...FAILED, attempts: 2 }, { kind: "exited", code: 2 });
  assert.deepEqual(takeAll(f), [["a", "failed", 2, 2]]);
});

hookTest("a job that is refused has no exit code and no attempt", (f) => {
  f.submitted("a", "#QJ nonsense\n");
  assert.deepEqual(takeAll(f), [["a", "failed", null, 0]]);
});

hookTest("a job that is refused when it is moved back does not have its former exit code", (f) => {
  f.submitted("a");
  f.submitted("b", "#QJ after=a\n");
  f.finish(f.claim(), COMPLETE);
  while (f.store.moves.tellDependents());
  f.finish(f.claim(), FAILED, { kind: "exited", code: 7 });
  f.store.moves.requeue(f.job("a"), "a");
  f.store.moves.park(f.job("a"), "a");
  takeAll(f);
  f.store.moves.requeue(f.job("b"), "b");
  assert.match(f.job("b").error!, /it has failed/);
  assert.deepEqual(takeAll(f), [["b", "failed", null, 0]]);
});

hookTest("what users move and remove is not noted", (f) => {
  f.submitted("a");
  f.store.moves.park(f.job("a"), "a");
  f.running("b");
  f.store.moves.park(f.job("b"), "b");
  f.submitted("c");
  f.store.moves.remove(f.job("c"));
  assert.deepEqual(takeAll(f), []);
});

hookTest("those that fail because of another are noted", (f) => {
  f.submitted("a");
  f.submitted("b", "#QJ after=a\n");
  f.store.moves.remove(f.job("a"));
  while (f.store.moves.tellDependents());
  assert.deepEqual(takeAll(f), [["b", "failed", null, 0]]);
});

hookTest("a lost attempt that was the last is noted", (f) => {
  f.running("a");
  const [left] = f.store.attempts.left();
  f.store.attempts.lose(left!, () => ({ to: "failed", attempts: 0, lost: 3, retryAtMs: null }));
  assert.deepEqual(takeAll(f), [["a", "failed", null, 0]]);
});

storeTest("only ends for which there is a command are noted", (f) => {
  f.ended("a");
  f.store.settings.apply({ on_failed: "x" });
  f.ended("b");
  f.ended("c", FAILED);
  assert.deepEqual(takeAll(f).map(([job]) => job), ["c"]);
  assert.deepEqual([f.store.hooks.commandFor("complete"), f.store.hooks.commandFor("failed")], [
    ...[null, "x"],
  ]);
});

hookTest("what is noted is there after a restart, until it is taken", (f) => {
  f.ended("a");
  f.store.moves.remove(f.job("a"));
  f.reopen();
  const hook = f.store.hooks.next()!;
  assert.equal(hook.job, "a");
  assert.deepEqual(f.store.hooks.next(), hook);
  f.store.hooks.taken(hook.id);
  f.reopen();
  assert.equal(f.store.hooks.next(), undefined);
});

hookTest("an end that is not committed is not noted", (f) => {
  const claim = f.running("a");
  const end = () =>
    f.store.db.transaction(() => {
      f.finish(claim, COMPLETE);
      throw new Error("no commit");
    });
  assert.throws(end, /no commit/);
  assert.equal(f.store.hooks.next(), undefined);
  assert.equal(f.heard.some(({ kind }) => kind === "hook"), false);
});
