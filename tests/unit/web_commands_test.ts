/** What can be done with jobs from a page: what it says, and what it does. */
import assert from "node:assert/strict";
import { StoreError } from "../../store/errors.ts";
import { handleOf, JOB_COMMANDS, type JobCommand } from "../../web/commands.ts";
import { BOOT, FAILED, RETRY } from "./store_fixture.ts";
import { clear, type State, STATES, webTest } from "./web_fixture.ts";

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
