/** State files of versions 1 and 2 become ones of version 3: nothing is lost, and they are like new ones. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { StoreError } from "../../store/errors.ts";
import { MIGRATIONS } from "../../store/schema.ts";
import { Store } from "../../store/store.ts";
import { COMPLETE, START_MS, StoreFixture, withStore } from "./store_fixture.ts";

type Row = Readonly<Record<string, string | number | null>>;

const SEC = START_MS / 1000;
const JOB: Row = {
  ...{ state: "pending", phase: "open", seq: null, priority: 0, attempts: 0, lost: 0 },
  ...{ start_at_ms: null, retry_at_ms: null, wake_at_ms: null, unflushed: 0, mode: 0o640 },
  ...{ uid: 5, gid: 6, atime_s: SEC, atime_ns: 1, mtime_s: SEC + 1, mtime_ns: 2 },
  ...{ log_mtime_s: SEC + 2, log_mtime_ns: 3, ctime_s: SEC + 3, ctime_ns: 4 },
  ...{ script_size: 5, log_size: 0, log_dropped: 0 },
};
const WAITS = { phase: "waiting", seq: 7, wake_at_ms: START_MS + 60_000 };
const JOBS: readonly Row[] = [
  { ...JOB, id: 3, name: ".draft", unflushed: 1 },
  { ...JOB, id: 4, name: "ready", phase: "ready", seq: 9, priority: 5, attempts: 2 },
  { ...JOB, id: 5, name: "waits", ...WAITS, start_at_ms: START_MS + 60_000 },
  { ...JOB, id: 6, name: "retries", ...WAITS, retry_at_ms: START_MS + 60_000, lost: 1 },
  { ...JOB, id: 7, name: "active", state: "active", phase: null, seq: 3 },
  { ...JOB, id: 8, name: "é", state: "complete", phase: null, seq: 4, log_size: 9, log_dropped: 2 },
  { ...JOB, id: 9, name: "failed", state: "failed", phase: null, seq: 5, priority: -7 },
  { ...JOB, id: 10, name: "gone", state: "removed", phase: null, seq: 6 },
];
const ATTEMPT: Row = {
  ...{
    id: 21,
    job_id: 8,
    job_name: "é",
    number: 1,
    token: "t",
    boot_id: "b",
    pid: 4711,
    pid_start: 1,
  },
  ...{
    started_ms: START_MS,
    ended_ms: START_MS + 9,
    outcome: "exited",
    exit_code: 0,
    signal: null,
  },
  ...{ error: null, log_start: 0, log_end: 9, hole_start: 3, hole_end: 5, live: 0 },
};
const LIVE: Row = {
  ...{ ...ATTEMPT, id: 22, job_id: 7, job_name: "active", live: 1, ended_ms: null, outcome: null },
  ...{ exit_code: null, log_end: null, hole_start: null, hole_end: null },
};
/** The last number that was given, to a job that is gone. */
const LAST_ID = 40;

function insert(db: DatabaseSync, table: string, row: Row): void {
  const marks = Object.keys(row).map(() => "?").join(", ");
  db.prepare(`INSERT INTO ${table} (${Object.keys(row).join(", ")}) VALUES (${marks})`)
    .run(...Object.values(row));
}

/** A file of that version; without jobs if `isEmpty`. */
function make(path: string, version: number, isEmpty = false): void {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA auto_vacuum = INCREMENTAL");
  for (const step of MIGRATIONS.slice(0, version)) db.exec(step);
  db.exec(`PRAGMA user_version = ${version}`);
  const added: Row = version < 2 ? {} : { created_ms: 5, error: null, queue: null };
  const finished = (row: Row): Row =>
    version < 2
      ? {}
      : { finished_ms: ["complete", "failed"].includes(row.state as string) ? 17 : null };
  if (!isEmpty) {
    for (const job of JOBS) {
      insert(db, "job", { ...job, ...added, ...finished(job) });
      db.prepare("INSERT INTO script VALUES (?, x'747275650a')").run(job["id"]!);
    }
    for (const attempt of [ATTEMPT, LIVE]) insert(db, "attempt", attempt);
    db.exec("INSERT INTO output VALUES (8, 0, x'616263'), (8, 5, x'64656667')");
    db.exec("INSERT INTO node VALUES (2, 1023, 0, 50), (128, 511, 0, 0)");
    db.exec(`INSERT INTO setting VALUES ('max_attempts', '7')`);
    if (version > 1) db.exec("INSERT INTO event VALUES (0, CAST('{\"seq\":1}' AS BLOB))");
  }
  insert(db, "job", { ...JOB, ...added, id: LAST_ID, name: "last" });
  db.exec(`DELETE FROM job WHERE id = ${LAST_ID}`);
  db.close();
}

class MigratedFixture extends StoreFixture {
  constructor(folder: string, version: number, isEmpty: boolean) {
    make(`${folder}/state.db`, version, isEmpty);
    super(folder);
  }

  /** The rows of a table, by its first column. */
  rows(table: string): Row[] {
    return this.store.db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all() as Row[];
  }
}

/** A test of a file of each older version. */
function versions(
  name: string,
  body: (f: MigratedFixture, version: number) => void | Promise<void>,
  isEmpty = false,
): void {
  for (const version of [1, 2]) {
    Deno.test(`version ${version}: ${name}`, () =>
      withStore(
        (f: MigratedFixture) => body(f, version),
        (folder) => new MigratedFixture(folder, version, isEmpty),
      ));
  }
}

/** What the schema has, by name, as SQLite keeps it. */
function schema(db: Store["db"]): Record<string, unknown> {
  const rows = db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name")
    .all();
  return Object.fromEntries(rows.map(({ name, ...rest }) => [String(name), rest]));
}

versions("all columns of all jobs are as they were", (f, version) => {
  const rows = f.rows("job");
  assert.deepEqual(rows.map(({ id }) => id), JOBS.map(({ id }) => id));
  JOBS.forEach((job, i) => {
    for (const [column, value] of Object.entries(job)) {
      assert.equal(rows[i]![column], value, `${job["name"]}: ${column}`);
    }
    const { options, at_ms, queue, error, created_ms, finished_ms } = rows[i]!;
    assert.deepEqual([options, at_ms, queue, error], [null, null, null, null]);
    assert.equal(created_ms, version === 1 ? START_MS : 5);
    const isFinished = job["state"] === "complete" || job["state"] === "failed";
    assert.equal(finished_ms, isFinished ? (version === 1 ? START_MS + 2000 : 17) : null);
  });
});

versions("a priority other than 0 was set by somebody", (f) => {
  const set = Object.fromEntries(f.rows("job").map((row) => [row["name"], row["set_priority"]]));
  assert.deepEqual([set["ready"], set["failed"], set["waits"]], [5, -7, null]);
});

versions("what refers to jobs is there", (f) => {
  assert.deepEqual(f.rows("script").map(({ job_id }) => job_id), JOBS.map(({ id }) => id));
  assert.equal(f.value("SELECT count(*) FROM script WHERE content = x'747275650a'"), JOBS.length);
  const attempts = f.rows("attempt");
  [ATTEMPT, LIVE].forEach((attempt, i) => {
    for (const [column, value] of Object.entries(attempt)) {
      assert.equal(attempts[i]![column], value, column);
    }
    const { queue, run_ms, keeps_children } = attempts[i]!;
    assert.deepEqual([queue, run_ms, keeps_children], [null, null, 0]);
  });
  assert.equal(f.value("SELECT group_concat(hex(bytes)) FROM output"), "616263,64656667");
  assert.deepEqual(f.rows("node").map(({ ino }) => ino), [2, 128]);
  assert.equal(f.store.settings.current.max_attempts, 7);
});

versions("the file is whole", (f) => {
  assert.equal(f.value("PRAGMA integrity_check"), "ok");
  assert.equal(f.value("PRAGMA foreign_key_check"), undefined);
  assert.equal(f.value("PRAGMA foreign_keys"), 1);
  assert.equal(f.value("PRAGMA user_version"), 3);
});

versions("the schema is that of a new file", async (f) => {
  const migrated = schema(f.store.db);
  await withStore((fresh) => {
    assert.deepEqual(Object.keys(migrated), Object.keys(schema(fresh.store.db)));
    assert.deepEqual(migrated, schema(fresh.store.db));
  }, (folder) => new StoreFixture(folder));
});

versions("no number is given again, also that of a job which was gone", (f) => {
  assert.ok(f.written("new").id > LAST_ID);
});

versions("no number is given again in a file without jobs", (f) => {
  assert.ok(f.written("new").id > LAST_ID);
  assert.equal(f.value("SELECT count(*) FROM sqlite_sequence WHERE name LIKE '%job'"), 1);
}, true);

versions("triggers and references work", (f) => {
  f.store.moves.remove(f.job("é"));
  for (const table of ["script", "attempt", "output"]) {
    assert.equal(f.value(`SELECT count(*) FROM ${table} WHERE job_id = 8`), 0, table);
  }
  assert.deepEqual(f.rows("node").map(({ ino }) => ino), [2]);
  assert.throws(() => f.sql("UPDATE job SET name = 'a/b' WHERE id = 9"), /cannot have this name/);
  assert.throws(() => f.sql("UPDATE job SET name = 'ready' WHERE id = 9"), /UNIQUE/);
  assert.throws(() => f.sql("INSERT INTO script VALUES (99, x'00')"), /FOREIGN KEY/);
  f.sql("INSERT INTO dependency VALUES (4, 7)");
  f.store.moves.remove(f.job("ready"));
  assert.equal(f.value("SELECT count(*) FROM dependency"), 0);
});

versions("the copy beside it is the file as it was", (f, version) => {
  const old = new DatabaseSync(`${f.path}.before-v3`, { readOnly: true });
  const value = (query: string) => Object.values(old.prepare(query).get() ?? {})[0];
  assert.equal(value("PRAGMA user_version"), version);
  assert.equal(value("PRAGMA integrity_check"), "ok");
  assert.equal(
    value("SELECT group_concat(name) FROM (SELECT name FROM job ORDER BY id)"),
    [
      ...JOBS.map(({ name }) => name),
    ].join(),
  );
  assert.throws(() => value("SELECT options FROM job"), /no such column/);
  old.close();
  assert.throws(() => Deno.statSync(`${f.path}.before-v3.part`), Deno.errors.NotFound);
});

versions("its jobs run, with options that were comments before", (f) => {
  const mtime = { sec: SEC, nsec: 0 };
  f.store.jobs.putScript(
    f.job("ready").id,
    new TextEncoder().encode("#QJ queue=video\n"),
    mtime,
    false,
  );
  assert.equal(f.store.moves.admit(f.store.queue.next()!), false);
  const claim = f.claim();
  assert.deepEqual([claim.job.name, claim.job.queue, claim.job.priority], ["ready", "video", 5]);
  f.finish(claim, COMPLETE);
  f.nowMs += 60_000;
  f.store.queue.wake();
  assert.equal(f.store.queue.next()?.name, "waits");
});

Deno.test("a step to version 3 that fails leaves the file at version 2", async () => {
  const folder = await Deno.makeTempDir({ prefix: "qj-store-" });
  try {
    const path = `${folder}/state.db`;
    make(path, 2);
    const other = new DatabaseSync(path);
    other.exec("CREATE TABLE hook (in_the_way)");
    assert.throws(
      () => new Store(path),
      (error) => !(error instanceof StoreError) && /hook/.test(String(error)),
    );
    assert.deepEqual({ ...other.prepare("PRAGMA user_version").get() }, { user_version: 2 });
    assert.equal(other.prepare("SELECT count(*) AS n FROM job").get()!["n"], JOBS.length);
    other.exec("DROP TABLE hook");
    other.close();
    const store = new Store(path);
    assert.equal(store.jobs.byName("ready")?.phase, "ready");
    store.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
