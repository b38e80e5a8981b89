/** What can be done with jobs from a page: what it says, and what it does. */
import assert from "node:assert/strict";
import { StoreError } from "../../store/errors.ts";
import type { Job } from "../../store/job.ts";
import { checkSettings } from "../../store/settings.ts";
import { handleOf, JOB_COMMANDS, type JobCommand, Refused } from "../../web/commands.ts";
import { BOOT, COMPLETE, ended, FAILED, RETRY, text } from "./store_fixture.ts";
import { SUBMITTER, type WebFixture, webTest } from "./web_fixture.ts";

/** Makes the job "x", and says where it is. */
const STATES = {
  pending: (f) => f.submitted("x"),
  active: (f) => f.running("x"),
  complete: (f) => f.ended("x"),
  failed: (f) => f.ended("x", FAILED),
} as const satisfies Record<string, (f: WebFixture) => unknown>;
type State = keyof typeof STATES;

/** A command on a job in each state: whether it is done, what it says, and where the job is then; null: nowhere. */
type Row = readonly [isDone: boolean, text: string, then: State | null];
const EACH: readonly (readonly [JobCommand, value: string, Readonly<Record<State, Row>>])[] = [
  ["retry", "", {
    pending: [false, "“x” has not ended; it waits in pending", "pending"],
    active: [false, "“x” has not ended; it is running", "active"],
    complete: [true, "“x” is queued again", "pending"],
    failed: [true, "“x” is queued again", "pending"],
  }],
  ["cancel", "", {
    pending: [false, "“x” is not running; it waits in pending", "pending"],
    active: [true, "“x” was cancelled, and is in failed", "failed"],
    complete: [false, "“x” is not running; it has completed", "complete"],
    failed: [false, "“x” is not running; it has failed", "failed"],
  }],
  ["park", "", {
    pending: [true, "“x” was parked in failed", "failed"],
    active: [false, "“x” is not pending; it is running", "active"],
    complete: [false, "“x” is not pending; it has completed", "complete"],
    failed: [false, "“x” is not pending; it has failed", "failed"],
  }],
  ["delete", "", {
    pending: [true, "“x” was deleted", null],
    active: [true, "“x” was stopped and deleted", null],
    complete: [true, "“x” was deleted", null],
    failed: [true, "“x” was deleted", null],
  }],
  ["priority", "5", {
    pending: [true, "“x” has priority 5", "pending"],
    active: [false, "Only a pending job has a place in the order; “x” is running", "active"],
    complete: [false, "Only a pending job has a place in the order; “x” has completed", "complete"],
    failed: [false, "Only a pending job has a place in the order; “x” has failed", "failed"],
  }],
  ["signal", "TERM", {
    pending: [false, "“x” is not running; it waits in pending", "pending"],
    active: [true, "SIGTERM was sent to “x”", "active"],
    complete: [false, "“x” is not running; it has completed", "complete"],
    failed: [false, "“x” is not running; it has failed", "failed"],
  }],
];

/** Takes the job "x" away, with all that may be left of it. */
function clear(f: WebFixture): void {
  const job = f.store.jobs.byName("x");
  if (job !== undefined) f.store.moves.remove(job);
  f.sql("UPDATE attempt SET live = 0");
}

for (const [command, value, rows] of EACH) {
  webTest(`${command} of a job in each state`, (f) => {
    f.store.changes.listen((change) => {
      if (change.kind === "signal") change.answer("sent");
    });
    for (const [state, [isDone, said, then]] of Object.entries(rows) as [State, Row][]) {
      STATES[state](f);
      const before = f.job("x");
      f.heard.length = f.logged.length = 0;
      assert.deepEqual(f.do(command, before, value), { isDone, text: said });
      assert.equal(f.store.jobs.byName("x")?.state ?? null, then);
      assert.deepEqual(f.logged, isDone ? [said] : []);
      // What the kernel keeps of a finished job is true no more.
      const hasLeft = isDone && (state === "complete" || state === "failed");
      assert.deepEqual(
        f.left.filter(({ finishedMs }) => finishedMs !== null),
        hasLeft ? [before] : [],
      );
      if (!isDone) assert.deepEqual(f.heard, []);
      const stops = isDone && state === "active" && command !== "signal";
      assert.equal(f.heard.some(({ kind }) => kind === "cancel"), stops);
      clear(f);
    }
  });
}

webTest("a retried job begins anew, at the end of the queue", (f) => {
  const claim = f.running("x");
  f.finish(claim, { ...FAILED, attempts: 3, lost: 1 }, { kind: "exited", code: 1 });
  f.submitted("y");
  f.do("retry", f.job("x"));
  const { attempts, lost, phase, finishedMs } = f.job("x");
  assert.deepEqual([attempts, lost, phase, finishedMs], [0, 0, "ready", null]);
  assert.deepEqual([f.claim().job.name, f.claim().job.name], ["y", "x"]);
});

webTest("a cancelled job is kept in failed with its reason, a parked one too", (f) => {
  f.running("active");
  f.submitted("pending");
  f.do("cancel", f.job("active"));
  f.do("park", f.job("pending"));
  for (const name of ["active", "pending"]) {
    assert.deepEqual([f.job(name).state, f.job(name).error], ["failed", "moved to failed"]);
  }
});

webTest("a form that is sent twice, or late, does no harm", (f) => {
  /** What the second one is told. */
  const second: Readonly<Record<JobCommand, readonly [State, string]>> = {
    retry: ["failed", "“x” has been handed in again since this was shown; it waits in pending"],
    cancel: ["active", "“x” is not running; it has failed"],
    park: ["pending", "“x” is not pending; it has failed"],
    delete: ["pending", "The job is gone already"],
    priority: ["pending", "“x” has priority 7"],
    signal: ["active", "SIGHUP was sent to “x”"],
  };
  f.store.changes.listen((change) => {
    if (change.kind === "signal") change.answer("sent");
  });
  for (const command of JOB_COMMANDS) {
    const [state, said] = second[command];
    STATES[state](f);
    const shown = f.job("x");
    const value = command === "priority" ? "7" : "HUP";
    assert.equal(f.do(command, shown, value).isDone, true);
    const after = f.store.jobs.byId(shown.id);
    assert.equal(f.do(command, shown, value).text, said);
    assert.equal(f.store.jobs.byId(shown.id)?.state, after?.state);
    clear(f);
  }
});

webTest("a job that was handed in again is another one than the one that was shown", (f) => {
  const shown = f.ended("x", FAILED);
  f.do("retry", shown);
  const said = (where: string) => ({
    isDone: false,
    text: `“x” has been handed in again since this was shown; it ${where}`,
  });
  for (const command of ["retry", "cancel", "park", "signal"] as const) {
    assert.deepEqual(f.do(command, shown, "TERM"), said("waits in pending"), command);
  }
  f.finish(f.claim(), FAILED, { kind: "exited", code: 1 });
  assert.deepEqual(f.do("retry", shown), said("has failed"));
  assert.equal(f.job("x").state, "failed");
  // The next attempt of the same hand-in is no other one.
  f.do("retry", f.job("x"));
  const queued = f.job("x");
  f.finish(f.claim(), RETRY, { kind: "exited", code: 1 });
  assert.equal(f.do("park", queued).isDone, true);
});

webTest("what has begun meanwhile is not stopped by a form that meant something else", (f) => {
  const waiting = f.submitted("x");
  const first = f.claim();
  assert.deepEqual(f.do("delete", waiting), {
    isDone: false,
    text: "“x” has changed since this was shown; it is running",
  });
  const running = f.job("x");
  f.finish(first, RETRY, { kind: "exited", code: 1 });
  f.claim();
  for (const command of ["cancel", "signal", "delete"] as const) {
    assert.deepEqual(f.do(command, running, "KILL"), {
      isDone: false,
      text: "“x” has begun another attempt since this was shown; it is running",
    });
  }
  assert.equal(f.job("x").state, "active");
});

webTest("a job that is gone is told to be gone", (f) => {
  const removed = f.running("x").job;
  f.store.moves.remove(f.job("x"));
  assert.equal(f.byId(removed.id).state, "removed");
  const other = f.submitted("x");
  for (const handle of [handleOf(removed), "99.5", "0.0", `${removed.id}.0`]) {
    for (const command of JOB_COMMANDS) {
      const { isDone, text } = f.do(command, handle, "5");
      assert.deepEqual(
        [isDone, text],
        command === "delete"
          ? [true, "The job is gone already"]
          : [false, "The job is gone: it was deleted"],
      );
    }
  }
  assert.deepEqual(f.job("x"), other, "another one of its name is left alone");
});

webTest("a handle that is none means no job", (f) => {
  const { id, seq } = f.submitted("x");
  const before = f.job("x");
  for (
    const handle of [
      ...[
        "",
        "x",
        `${id}`,
        `${id}.`,
        `.${seq}`,
        `-${id}.${seq}`,
        `${id}.${seq}.0`,
        `${id}.${seq} `,
        `0x${id}.${seq}`,
      ],
      ...[`${id}.1e99`, `${"9".repeat(30)}.${seq}`, `${id}.${"9".repeat(30)}`, `${id}\n.${seq}`],
    ]
  ) {
    assert.equal(f.do("park", handle).isDone, false, handle);
    assert.equal(f.do("priority", handle, "5").isDone, false, handle);
  }
  assert.deepEqual(f.job("x"), before);
});

webTest("a priority is a whole number in its limits", (f) => {
  f.submitted("x");
  for (
    const [value, priority] of [
      ...[["5", 5], ["-1000", -1000], ["1000", 1000], ["+7", 7], [" 8 ", 8], ["007", 7], ["0", 0], [
        "-0",
        0,
      ]],
    ] as const
  ) {
    assert.deepEqual(f.do("priority", f.job("x"), value as string), {
      isDone: true,
      text: `“x” has priority ${priority}`,
    });
    assert.deepEqual([f.job("x").priority, f.job("x").setPriority], [priority, priority]);
    assert.ok(!Object.is(f.job("x").priority, -0));
  }
  for (
    const value of [
      "",
      "  ",
      "5.5",
      "1e3",
      "0x5",
      "1001",
      "-1001",
      "99999999",
      "five",
      "--5",
      "5 5",
      "∞",
    ]
  ) {
    const { isDone, text } = f.do("priority", f.job("x"), value);
    assert.equal(isDone, false, value);
    assert.equal(text, `A priority is a whole number from -1000 to 1000, not “${value}”`);
  }
  assert.equal(f.job("x").priority, 0);
});

webTest("a priority of a page comes before that of the script, and moves the job at once", (f) => {
  f.submitted("a", "#QJ priority=9\n");
  f.submitted("b");
  f.written("draft", "#QJ priority=3\n");
  f.do("priority", f.job("b"), "10");
  f.do("priority", f.job("draft"), "11");
  assert.equal(f.store.queue.next()?.name, "b");
  f.store.moves.submit([f.job("draft").id]);
  assert.equal(f.store.queue.next()?.name, "draft");
});

webTest("a signal is sent to what runs", (f) => {
  let answer: "sent" | "gone" | "denied" = "sent";
  const sent: string[] = [];
  f.store.changes.listen((change) => {
    if (change.kind !== "signal") return;
    sent.push(`${change.signal} ${change.attempt}`);
    change.answer(answer);
  });
  const claim = f.running("x");
  for (const name of ["TERM", "SIGUSR1", "sigkill", " int "]) f.do("signal", f.job("x"), name);
  assert.deepEqual(
    sent,
    ["SIGTERM", "SIGUSR1", "SIGKILL", "SIGINT"].map((name) => `${name} ${claim.attempt}`),
  );
  for (
    const value of ["", "SIG", "NOPE", "9", "SIGTERM SIGKILL", "ſigterm", "constructor", "TERM\0"]
  ) {
    const { isDone, text } = f.do("signal", f.job("x"), value);
    assert.equal(isDone, false);
    assert.match(text, /^No signal has the name “/);
  }
  answer = "denied";
  assert.deepEqual(f.do("signal", f.job("x"), "TERM"), {
    isDone: false,
    text: "The processes of “x” may not be signalled",
  });
  answer = "gone";
  assert.equal(f.do("signal", f.job("x"), "TERM").isDone, false);
});

webTest("what cannot run after a retry says why", (f) => {
  f.submitted("x", "#QJ nonsense\n");
  const refused = f.job("x");
  assert.equal(refused.state, "failed");
  const { isDone, text } = f.do("retry", refused);
  assert.equal(isDone, false);
  assert.match(text, /^“x” cannot run: (?!not run).*unknown option "nonsense"/);
  assert.equal(f.job("x").state, "failed");
  assert.deepEqual(f.left, [refused], "its log has changed");
});

webTest("drafts and empty files are retried for what they are, and are not parked", (f) => {
  f.store.moves.renameFinished(f.ended("x", FAILED), "x~");
  assert.deepEqual(f.do("retry", f.job("x~")), {
    isDone: true,
    text: "“x~” is in pending, a draft: it runs when it is renamed",
  });
  assert.deepEqual(f.do("park", f.job("x~")), {
    isDone: false,
    text: "“x~” is a draft, which is no job yet",
  });
  assert.equal(f.job("x~").state, "pending");
  assert.equal(f.do("delete", f.job("x~")).isDone, true);
  f.written("empty", "");
  assert.equal(f.do("park", f.job("empty")).isDone, true);
  const { text } = f.do("retry", f.job("empty"));
  assert.equal(f.job("empty").phase, "open");
  assert.match(text, /empty”.*\bempty\b/, "it does not run as it is");
});

webTest("names are quoted, and cannot look like something else", (f) => {
  const name = "a\n“b”\u202e";
  assert.equal(f.do("delete", f.submitted(name)).text, "“a\\u000a“b”\\u202e” was deleted");
});

webTest("a job that changes in between is told of, and stays", (f) => {
  f.submitted("x");
  const { byId } = f.store.jobs;
  const shown = f.job("x");
  // Read before, and claimed since.
  f.store.jobs.byId = () => shown;
  f.store.attempts.claim(shown, BOOT, 1024);
  const { require } = f.store.jobs;
  f.store.jobs.require = () => shown;
  const result = f.do("park", shown);
  Object.assign(f.store.jobs, { byId, require });
  assert.deepEqual(result, { isDone: false, text: "“x” has changed meanwhile" });
  assert.equal(f.job("x").state, "active");
});

webTest(
  "run() throws what a state file says that cannot be changed, and does nothing",
  async (f) => {
    f.ended("failed", FAILED);
    f.submitted("pending");
    f.running("active", "#QJ priority=1\n");
    const all = () => JSON.stringify(f.store.db.prepare("SELECT * FROM job ORDER BY id").all());
    const before = all();
    await f.locked(() => {
      for (
        const [command, name] of [
          ...[["retry", "failed"], ["delete", "failed"], ["park", "pending"], [
            "priority",
            "pending",
          ]],
          ...[["cancel", "active"], ["delete", "active"]],
        ] as const
      ) {
        assert.throws(
          () => f.do(command as JobCommand, f.job(name!), "5"),
          (error) => error instanceof StoreError && error.kind === "busy",
          `${command} ${name}`,
        );
      }
    });
    assert.equal(all(), before);
    assert.deepEqual([f.logged, f.left], [[], []]);
    assert.equal(f.do("retry", f.job("failed")).isDone, true, "later it works");
  },
);

webTest("a page tells what a state file says that cannot be changed", async (f) => {
  f.ended("a", FAILED);
  const handle = handleOf(f.job("a"));
  const told = /^The state file cannot be changed: database is locked$/;
  await f.locked(async () => {
    const acted = await f.post("/actions", { command: "retry", job: handle });
    assert.deepEqual([acted.status, acted.results.map(({ isDone }) => isDone)], [303, [false]]);
    assert.match(acted.results[0]!.text, told);
    const paused = await f.post("/actions", { command: "pause" });
    assert.match(paused.results[0]!.text, told);
    const submitted = await f.post("/submit", { name: "n", script: "echo mine\n" });
    assert.equal(submitted.status, 422);
    assert.match(submitted.html, /The state file cannot be changed: database is locked/);
    assert.match(submitted.html, /echo mine/, "what was typed is kept");
    const set = await f.post("/settings", { was_max_attempts: "3", max_attempts: "4" });
    assert.equal(set.status, 422);
    assert.match(set.html, /The state file cannot be changed: database is locked/);
  });
  assert.equal(f.store.settings.current.max_attempts, 3);
  assert.equal(
    (await f.post("/actions", { command: "retry", job: handle })).results[0]!.isDone,
    true,
  );
});

// Handing in -------------------------------------------------------------------------------------------------

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
