/** State files of earlier versions, made with their own schema, are brought up to date when they are opened. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Nodes } from "../../store/nodes.ts";
import { Logs } from "../../fs/logs.ts";
import { MIGRATIONS } from "../../store/schema.ts";
import { Store } from "../../store/store.ts";
import { COMPLETE, readAll, START_MS, StoreFixture, withStore } from "./store_fixture.ts";

type Row = Readonly<Record<string, string | number | null>>;

const SEC = START_MS / 1000;

/** What version 1 knew of a job that has no fault. */
const JOB: Row = {
  ...{ state: "pending", phase: "open", seq: null, wake_at_ms: null, script_size: 5 },
  ...{ mode: 0o640, uid: 5, gid: 6, atime_s: SEC, atime_ns: 250_000_000 },
  ...{ mtime_s: SEC + 1, mtime_ns: 0, log_mtime_s: SEC + 9, log_mtime_ns: 750_000_000 },
  ...{ ctime_s: SEC + 9, ctime_ns: 0, attempts: 0, lost: 0, unflushed: 0 },
  ...{ log_size: 0 },
};
const RAN = { phase: null, seq: START_MS * 1000, attempts: 1, log_size: 17 };

const JOBS: readonly Row[] = [
  { id: 3, name: ".draft" },
  { id: 4, name: "ready", phase: "ready", seq: START_MS * 1000 + 1, priority: 5 },
  { id: 5, name: "waits", phase: "waiting", seq: 7, wake_at_ms: START_MS + 60_000 },
  { id: 6, name: "active", state: "active", ...RAN },
  { id: 7, name: "complete", state: "complete", ...RAN },
  { id: 8, name: "failed", state: "failed", ...RAN, log_size: 41 },
  { id: 9, name: "removed", state: "removed", ...RAN },
];

const ATTEMPT: Row = {
  ...{ job_name: "complete", number: 1, token: "t", boot_id: "b", pid: 4711, pid_start: 1 },
  ...{ started_ms: START_MS, ended_ms: START_MS + 1000, outcome: "exited", exit_code: 0 },
  ...{ log_start: 0, log_end: 17, live: 0 },
};

function insert(db: DatabaseSync, table: string, row: Row): void {
  const names = Object.keys(row);
  const marks = names.map(() => "?").join(", ");
  db.prepare(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${marks})`)
    .run(...Object.values(row));
}

function makeV1(path: string): void {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA auto_vacuum = INCREMENTAL");
  db.exec(MIGRATIONS[0]!);
  db.exec("PRAGMA user_version = 1");
  for (const job of JOBS) {
    insert(db, "job", { ...JOB, ...job });
    db.prepare("INSERT INTO script VALUES (?, CAST('true' || char(10) AS BLOB))").run(job.id!);
  }
  const ended: Row = { ...ATTEMPT, id: 20, job_id: 7 };
  insert(db, "attempt", ended);
  insert(db, "attempt", { ...ended, id: 21, job_id: 8, job_name: "failed", exit_code: 2 });
  const running = { ended_ms: null, outcome: null, exit_code: null, log_end: null, live: 1 };
  insert(db, "attempt", { ...ended, ...running, id: 22, job_id: 6, job_name: "active" });
  for (const id of [6, 7, 8]) {
    const text = ">>> true\nout of\n" + "\n";
    db.prepare("INSERT INTO output VALUES (?, 0, CAST(? AS BLOB))").run(id, text);
  }
  db.prepare("INSERT INTO output VALUES (8, 17, CAST(? AS BLOB))").run("[System Error]: exit st\n");
  db.exec(`INSERT INTO setting VALUES ('max_attempts', '7');
    INSERT INTO node VALUES (2, ${0o1777}, 0, 50);
    UPDATE counter SET value = 640 WHERE name = 'new_id'`);
  db.close();
}

/** A fixture over a file of version 1. */
class MigratedFixture extends StoreFixture {
  constructor(folder: string) {
    makeV1(`${folder}/state.db`);
    super(folder);
  }
}

function migrationTest(name: string, body: (f: MigratedFixture) => void | Promise<void>): void {
  Deno.test(name, () => withStore(body, (folder) => new MigratedFixture(folder)));
}

migrationTest("a file of version 1 is brought to the newest, and has all jobs", (f) => {
  assert.equal(f.value("PRAGMA user_version"), MIGRATIONS.length);
  assert.equal(f.value("PRAGMA integrity_check"), "ok");
  assert.equal(f.value("SELECT count(*) FROM job"), JOBS.length);
  for (const { name, state = "pending" } of JOBS) {
    if (state === "removed") continue;
    const job = f.job(String(name));
    assert.deepEqual([job.state, job.mode, job.uid, job.gid], [state, 0o640, 5, 6]);
    assert.equal(new TextDecoder().decode(f.store.jobs.script(job.id)), "true\n");
    assert.deepEqual([job.queue, job.error], [null, null]);
  }
  assert.equal(f.job("ready").priority, 5);
});

migrationTest(
  "jobs of version 1 were created at their atime, and finished at the log's mtime",
  (f) => {
    for (const { name, state = "pending" } of JOBS) {
      if (state === "removed") continue;
      const { createdMs, finishedMs } = f.job(String(name));
      const finished = state === "complete" || state === "failed" ? START_MS + 9750 : null;
      assert.deepEqual([createdMs, finishedMs], [START_MS + 250, finished], String(name));
    }
  },
);

migrationTest("the queue, the settings, modes and ids of version 1 go on", (f) => {
  assert.equal(f.store.queue.next()?.name, "ready");
  assert.equal(f.store.queue.wake(), START_MS + 60_000);
  assert.equal(f.store.settings.current.max_attempts, 7);
  assert.deepEqual(new Nodes(f.store.db).get(2), { mode: 0o1777, uid: 0, gid: 50 });
  assert.ok(f.written("new").id > 9);
  f.store.ids.next();
  assert.equal(f.value("SELECT value FROM counter WHERE name = 'new_id'"), 704);
  assert.equal(f.store.events.size, 0);
});

migrationTest("attempts of version 1 have sections, and no word on their output", (f) => {
  const job = f.job("failed");
  const attempt = f.store.history.newest(job.id)!;
  assert.deepEqual([attempt.exitCode, attempt.outputStart, attempt.outputEnd], [2, null, null]);
  const logs = new Logs(f.store);
  const shown = readAll(logs.openSection(job, attempt));
  assert.equal(shown, ">>> true\nout of\n\n");
  assert.equal(logs.sectionSize(job, attempt), shown.length);
  assert.equal(f.store.history.exitCode(job.id), 2);
});

migrationTest("what ran under version 1 is recovered and runs again", (f) => {
  const [left] = f.store.attempts.left();
  assert.equal(left?.jobName, "active");
  f.store.attempts.lose(left!, () => ({ to: "pending", attempts: 1, lost: 1, retryAtMs: null }));
  f.store.recoverOpenJobs();
  f.store.attempts.gone(left!.id, left!.jobId);
  assert.equal(f.value("SELECT count(*) FROM job WHERE state = 'removed'"), 0);
  assert.deepEqual([f.claim(), f.claim()].map(({ job }) => job.name), ["ready", "active"]);
  assert.equal(f.store.history.newest(f.job("active").id)?.number, 2);
});

migrationTest("a job of version 1 that is run again has what version 2 knows", (f) => {
  f.store.moves.requeue(f.job("complete"), "complete");
  f.sql("UPDATE job SET priority = 9 WHERE name = 'complete'");
  const claim = f.claim();
  f.print(claim, "new\n");
  f.finish(claim, COMPLETE);
  const attempt = f.store.history.newest(claim.job.id)!;
  assert.equal(attempt.outputEnd! - attempt.outputStart!, 4);
  assert.equal(f.job("complete").finishedMs, START_MS);
});

migrationTest("the file as it was is kept beside the new one", (f) => {
  const path = `${f.path}.before-v${MIGRATIONS.length}`;
  const old = new DatabaseSync(path, { readOnly: true });
  assert.deepEqual({ ...old.prepare("PRAGMA user_version").get() }, { user_version: 1 });
  assert.deepEqual({ ...old.prepare("SELECT count(*) AS n FROM job").get() }, { n: JOBS.length });
  old.close();
});

migrationTest("a file that is up to date is not copied", async (f) => {
  const path = `${f.path}.before-v${MIGRATIONS.length}`;
  await Deno.remove(path);
  f.reopen();
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

/** A test with a file of version 1 that nobody has opened yet. */
function fileTest(name: string, body: (path: string) => void | Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir({ prefix: "qj-store-" });
    try {
      makeV1(`${folder}/state.db`);
      await body(`${folder}/state.db`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

fileTest("who goes back to the copy, as it was before, can come again", async (path) => {
  new Store(path).close();
  await Deno.copyFile(`${path}.before-v${MIGRATIONS.length}`, path);
  const store = new Store(path);
  assert.equal(store.jobs.byName("ready")?.phase, "ready");
  store.close();
});

fileTest("a step that fails leaves the file at the version before", (path) => {
  const other = new DatabaseSync(path);
  other.exec("CREATE TABLE event (in_the_way)");
  assert.throws(() => new Store(path), /event/);
  assert.deepEqual({ ...other.prepare("PRAGMA user_version").get() }, { user_version: 1 });
  const columns = other.prepare("PRAGMA table_info(job)").all().map(({ name }) => name);
  assert.equal(columns.includes("finished_ms"), false);
  other.close();
});

fileTest("a step that has failed can be tried again", (path) => {
  const other = new DatabaseSync(path);
  other.exec("CREATE TABLE event (in_the_way)");
  assert.throws(() => new Store(path), /event/);
  other.exec("DROP TABLE event");
  other.close();
  new Store(path).close();
});

migrationTest("the modes of a job's nodes go with its row", (f) => {
  const { id } = f.job("complete");
  f.sql("INSERT INTO node VALUES (?, 511, 0, 0), (?, 511, 0, 0)", id * 16, id * 16 + 5);
  f.sql("INSERT INTO node VALUES (?, 511, 0, 0)", id * 16 + 16);
  f.store.moves.remove(f.job("complete"));
  assert.equal(f.value("SELECT count(*) FROM node WHERE ino > 15"), 1);
  assert.equal(f.value("SELECT count(*) FROM node WHERE ino = 2"), 1);
});
