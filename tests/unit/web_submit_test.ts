/** What is handed in from a page, and what else is changed there. */
import assert from "node:assert/strict";
import { StoreError } from "../../store/errors.ts";
import type { Job } from "../../store/job.ts";
import { checkSettings } from "../../store/settings.ts";
import { Refused } from "../../web/commands.ts";
import { COMPLETE, ended, FAILED, text } from "./store_fixture.ts";
import { clear, STATES, SUBMITTER, type WebFixture, webTest } from "./web_fixture.ts";

function submit(f: WebFixture, name: string, script = "true\n"): Job {
  return f.commands.submit(name, script, SUBMITTER, crypto.randomUUID());
}

/** The message with which a script is refused; nothing has come of it. */
function refused(f: WebFixture, name: string, script = "true\n"): string {
  const before = f.value("SELECT count(*) FROM job");
  f.logged.length = 0;
  try {
    submit(f, name, script);
  } catch (error) {
    assert.ok(error instanceof Refused, String(error));
    assert.deepEqual([f.value("SELECT count(*) FROM job"), f.logged], [before, []]);
    return error.message;
  }
  assert.fail(`${JSON.stringify(name)} was taken`);
}

webTest("submit() makes a job that may start at once, as the user of the daemon", (f) => {
  f.heard.length = 0;
  const job = submit(f, "x", "#QJ priority=7 queue=q\necho hi\n");
  assert.deepEqual(job, f.job("x"));
  const { state, phase, uid, gid, mode, priority, queue, unflushed } = job;
  assert.deepEqual([state, phase, uid, gid, mode & 0o777], ["pending", "ready", 1000, 100, 0o640]);
  assert.deepEqual([priority, queue, unflushed], [7, "q", 0]);
  assert.ok(f.heard.some(({ kind }) => kind === "queued"), "the scheduler is told");
  assert.deepEqual(f.logged, ["“x” was handed in"]);
  assert.equal(text(f.claim().script), "#QJ priority=7 queue=q\necho hi\n");
});

webTest("submit() gives a job without a name one that is free", (f) => {
  const names = ["", " ", "\t"].map((name) => submit(f, name).name);
  for (const name of names) assert.match(name, /^[a-z0-9]{5,9}$/);
  assert.equal(new Set(names).size, 3);
  // The same form makes the same name, so that a second job is refused, whatever is remembered of the first.
  const once = crypto.randomUUID();
  f.commands.submit("", "true", SUBMITTER, once);
  assert.throws(() => f.commands.submit("", "true", SUBMITTER, once), /a job of the name/);
});

webTest("submit() takes every name that a file can have, and no other", (f) => {
  const good = [
    "a",
    " a ",
    "é",
    "日本 🎉",
    "a.b~c",
    "#",
    "a#",
    "-x",
    "a\\b",
    "<b>",
    "%2e%2e",
    "“",
    "n".repeat(255),
  ];
  for (const name of [...good, "é".repeat(127)]) assert.equal(submit(f, name).name, name);
  for (
    const name of ["a/b", "/", "../x", "a\0", "a\n", "\x1b[1m", "\x7f", "\x85", "\ud800", "a\udc00"]
  ) {
    assert.equal(
      refused(f, name),
      "A name is that of a file: without slashes and control characters",
    );
  }
  for (const name of ["n".repeat(256), "é".repeat(128)]) {
    assert.equal(refused(f, name), "A name has at most 255 bytes");
  }
  for (const name of [".", "..", ".hidden", "x~", "#x#", "~"]) {
    assert.match(refused(f, name), /is the name of a draft, which does not run/);
  }
});

webTest("submit() takes scripts as they are, but for the line ends of the network", (f) => {
  const scripts: readonly (readonly [sent: string, stored: string])[] = [
    ["a\r\nb\r\n", "a\nb\n"],
    ["a\rb", "a\nb"],
    ["a\n\nb", "a\n\nb"],
    ["\r\n\r\n  a", "\n\n  a"],
    ["a\0b", "a\0b"],
    ["é 日 🎉", "é 日 🎉"],
    ["#!/usr/bin/env python3\r\nprint(1)", "#!/usr/bin/env python3\nprint(1)"],
  ];
  for (const [sent, stored] of scripts) {
    assert.equal(text(f.store.jobs.script(submit(f, "", sent).id)), stored);
  }
  for (const script of ["", "\n", " \t\r\n", "\0"]) {
    assert.equal(refused(f, "x", script), "The script is empty");
  }
});

webTest("submit() takes a script of as many bytes as the settings allow", (f) => {
  f.store.settings.apply({ max_script_bytes: 10 });
  assert.equal(submit(f, "fits", "é".repeat(5)).scriptSize, 10);
  assert.equal(submit(f, "crlf", "\r\n".repeat(9) + "x").scriptSize, 10);
  assert.equal(
    refused(f, "x", "é".repeat(6)),
    "The script has 12 bytes, and max_script_bytes allows 10",
  );
});

webTest("submit() does not take a name that is in use", (f) => {
  f.store.settings.apply({ replace_finished: true });
  for (const state of ["pending", "active"] as const) {
    STATES[state](f);
    const where = state === "pending" ? "waits in pending" : "is running";
    assert.equal(refused(f, "x"), `There is a job of the name “x” already; it ${where}`);
    clear(f);
  }
  f.store.settings.apply({ replace_finished: false });
  f.ended("x");
  assert.equal(refused(f, "x"), "There is a job of the name “x” already; it has completed");
});

webTest(
  "submit() takes the place of a finished job where the settings allow it, and tells the kernel",
  (f) => {
    f.store.settings.apply({ replace_finished: true });
    for (const state of ["complete", "failed"] as const) {
      STATES[state](f);
      const before = f.job("x");
      f.heard.length = 0;
      const job = submit(f, "x", "echo new\n");
      assert.notEqual(job.id, before.id);
      assert.deepEqual([job.phase, text(f.store.jobs.script(job.id))], ["ready", "echo new\n"]);
      assert.deepEqual(f.left, [before]);
      assert.equal(f.store.jobs.byId(before.id), undefined);
      f.store.moves.remove(job);
    }
  },
);

webTest("submit() of a script that cannot run says so", async (f) => {
  const job = submit(f, "bad", "#QJ timeout=never\ntrue\n");
  assert.equal(job.state, "failed");
  assert.match(job.error!, /line 1: timeout must be a time/);
  const { status, results } = await f.post("/submit", {
    name: "worse",
    script: "#QJ after=nobody\ntrue\n",
  });
  assert.equal(status, 303);
  const [result] = results;
  assert.match(result!.text, /“worse”.*no job has this name/);
  assert.equal(result!.isDone, false, "it is not told as a success");
});

webTest("submit() of a job that waits tells that it was handed in", async (f) => {
  f.running("first");
  for (const [name, option] of [["a", "after=first"], ["b", "delay=1h"], ["c", "priority=-5"]]) {
    const { results } = await f.post("/submit", { name: name!, script: `#QJ ${option}\r\ntrue` });
    assert.deepEqual(results, [{ isDone: true, text: `“${name}” was handed in` }]);
  }
  assert.deepEqual(["a", "b", "c"].map((name) => f.job(name).phase), [
    "blocked",
    "waiting",
    "ready",
  ]);
});

webTest(
  "submit() throws what a state file says that cannot be changed, and leaves nothing",
  async (f) => {
    f.store.settings.apply({ replace_finished: true });
    const before = f.ended("x");
    f.heard.length = 0;
    await f.locked(() => {
      for (const name of ["x", "new", ""]) {
        assert.throws(
          () => submit(f, name),
          (error) => error instanceof StoreError && error.kind === "busy",
        );
      }
    });
    assert.deepEqual([f.job("x"), f.left, f.value("SELECT count(*) FROM job")], [before, [], 1]);
    const { assertWritable } = f.store.db;
    let asked = 0;
    f.store.db.assertWritable = (bytes) => {
      asked = bytes ?? 0;
      throw new StoreError("full", "no room left on the file system of the state file");
    };
    assert.throws(
      () => submit(f, "x", "é\r\n"),
      (error) => error instanceof StoreError && error.kind === "full",
    );
    f.store.db.assertWritable = assertWritable;
    assert.equal(asked, 3, "asked for room for the script");
    assert.deepEqual([f.job("x"), f.value("SELECT count(*) FROM job")], [before, 1]);
  },
);

webTest("a script that could not be written whole is not run", (f) => {
  const { putScript } = f.store.jobs;
  f.store.jobs.putScript = () => {
    throw new StoreError("full", "database or disk is full");
  };
  assert.throws(() => submit(f, "x"), StoreError);
  f.store.jobs.putScript = putScript;
  assert.equal(f.store.jobs.byName("x"), undefined);
  assert.equal(f.store.directories.countOf("pending"), 0);
  assert.equal(submit(f, "x").phase, "ready");
});

webTest("configure() changes settings, and logs what has changed", (f) => {
  const change = checkSettings({ max_attempts: 5, paused: true, timeout_sec: 180 });
  assert.deepEqual(f.commands.configure(change), ["max_attempts", "paused"]);
  assert.deepEqual(f.commands.configure(change), []);
  assert.deepEqual(f.logged, ["max_attempts paused"]);
  assert.equal(f.store.settings.current.max_attempts, 5);
});

webTest("pause and resume say what is so", async (f) => {
  const said = async (command: string) =>
    (await f.post("/actions", { command })).results.map(({ text }) => text);
  assert.deepEqual(await said("pause"), ["The queue is paused: nothing more is started"]);
  assert.deepEqual(await said("pause"), ["The queue is paused already"]);
  assert.equal(f.store.settings.current.paused, true);
  assert.deepEqual(await said("resume"), ["The queue is running"]);
  assert.deepEqual(await said("resume"), ["The queue is running already"]);
});

webTest(
  "processes that are left of a job keep it from running again, not from being retried",
  (f) => {
    const claim = f.running("x");
    f.store.attempts.finish(claim.capture, ended({ kind: "exited", code: 1 }, true), () => FAILED);
    assert.equal(f.do("retry", f.job("x")).isDone, true);
    assert.equal(f.store.queue.next(), undefined);
    f.store.attempts.gone(claim.attempt, claim.job.id);
    assert.equal(f.store.queue.next()?.name, "x");
    f.finish(f.claim(), COMPLETE);
  },
);
