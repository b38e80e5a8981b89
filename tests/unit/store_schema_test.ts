import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { StoreError } from "../../store/errors.ts";
import { MIGRATIONS } from "../../store/schema.ts";
import { Store } from "../../store/store.ts";
import { storeTest } from "./store_fixture.ts";

/** Columns of a pending job that has no fault. */
const JOB: Readonly<Record<string, string | number | null>> = {
  ...{ name: "x", state: "pending", phase: "open", seq: null, wake_at_ms: null, script_size: 0 },
  ...{ mode: 0, uid: 0, gid: 0, atime_s: 0, atime_ns: 0, mtime_s: 0, mtime_ns: 0 },
  ...{ log_mtime_s: 0, log_mtime_ns: 0, ctime_s: 0, ctime_ns: 0 },
  ...{ attempts: 0, lost: 0, unflushed: 0 },
};
const ATTEMPT: Readonly<Record<string, string | number | null>> = {
  ...{ job_id: 1, job_name: "x", number: 1, token: "t", boot_id: "b", started_ms: 1, log_start: 0 },
  ...{ live: 1, outcome: null, ended_ms: null, hole_start: null, hole_end: null },
};
const READY = { phase: "ready", seq: 1, script_size: 1 };

function insert(table: string, row: Readonly<Record<string, string | number | null>>) {
  const names = Object.keys(row);
  const marks = names.map(() => "?").join(", ");
  const sql = `INSERT INTO ${table} (${names.join(", ")}) VALUES (${marks})`;
  return [sql, ...Object.values(row)] as const;
}

const LEGAL_JOBS = [
  {},
  READY,
  { phase: "waiting", seq: 1, script_size: 1, wake_at_ms: 5 },
  { state: "active", phase: null },
  { state: "removed", phase: null },
];

const IMPOSSIBLE_JOBS: Readonly<Record<string, Record<string, string | number | null>>> = {
  "a pending job without a phase": { phase: null },
  "an active job with a phase": { state: "active" },
  "a removed job with a phase": { state: "removed", ...READY },
  "an unknown state": { state: "lost", phase: null },
  "an unknown phase": { phase: "held" },
  "a waiting job without a moment": { phase: "waiting", seq: 1, script_size: 1 },
  "an open job with a moment": { wake_at_ms: 5 },
  "a ready job with a moment": { ...READY, wake_at_ms: 5 },
  "a ready job without a place": { ...READY, seq: null },
  "a ready job without a script": { ...READY, script_size: 0 },
  "a job without a name": { name: "" },
  "negative attempts": { attempts: -1 },
  "negative losses": { lost: -1 },
  "a third kind of unflushed": { unflushed: 2 },
  "a mode that is a text": { mode: "rw" },
};

storeTest("job takes every row that is possible", (f) => {
  LEGAL_JOBS.forEach((change, i) => f.sql(...insert("job", { ...JOB, ...change, name: `j${i}` })));
});

for (const [what, change] of Object.entries(IMPOSSIBLE_JOBS)) {
  storeTest(`job refuses ${what}`, (f) => {
    const [statement, ...values] = insert("job", { ...JOB, ...change });
    assert.throws(() => f.sql(statement, ...values), /constraint failed|cannot store TEXT/);
  });
}

storeTest("job refuses a name that is in use, unless that job is removed", (f) => {
  f.sql(...insert("job", JOB));
  for (const change of [{}, { state: "failed", phase: null }]) {
    assert.throws(() => f.sql(...insert("job", { ...JOB, ...change })), /UNIQUE/);
  }
  f.sql("UPDATE job SET state = 'removed', phase = NULL");
  f.sql(...insert("job", JOB));
  f.sql(...insert("job", { ...JOB, state: "removed", phase: null }));
});

storeTest("job never uses an id again", (f) => {
  f.sql(...insert("job", JOB));
  const id = Number(f.value("SELECT max(id) FROM job"));
  f.sql("DELETE FROM job");
  f.sql(...insert("job", JOB));
  assert.ok(Number(f.value("SELECT max(id) FROM job")) > id);
});

const IMPOSSIBLE_ATTEMPTS: Readonly<Record<string, Record<string, string | number | null>>> = {
  "an outcome without an end": { outcome: "exited" },
  "an end without an outcome": { ended_ms: 2 },
  "an unknown outcome": { outcome: "vanished", ended_ms: 2 },
  "half a hole": { hole_start: 5 },
  "the other half of a hole": { hole_end: 5 },
  "being half alive": { live: 2 },
  "a job that does not exist": { job_id: 99 },
};

for (const [what, change] of Object.entries(IMPOSSIBLE_ATTEMPTS)) {
  storeTest(`attempt refuses ${what}`, (f) => {
    f.sql(...insert("job", { ...JOB, id: 1 }));
    f.sql(...insert("attempt", ATTEMPT));
    assert.throws(
      () => f.sql(...insert("attempt", { ...ATTEMPT, ...change })),
      /constraint failed/,
    );
  });
}

storeTest("output refuses two chunks at one offset", (f) => {
  f.sql(...insert("job", { ...JOB, id: 1 }));
  f.sql("INSERT INTO output VALUES (1, 0, x'61')");
  assert.throws(() => f.sql("INSERT INTO output VALUES (1, 0, x'62')"), /UNIQUE/);
  assert.throws(() => f.sql("INSERT INTO output VALUES (1, -1, x'62')"), /CHECK/);
});

storeTest("a job takes its script, attempts and log with it", (f) => {
  f.sql(...insert("job", { ...JOB, id: 1 }));
  f.sql("INSERT INTO script VALUES (1, x'61')");
  f.sql(...insert("attempt", ATTEMPT));
  f.sql("INSERT INTO output VALUES (1, 0, x'61')");
  f.sql("DELETE FROM job");
  for (const table of ["script", "attempt", "output"]) {
    assert.equal(f.value(`SELECT count(*) FROM ${table}`), 0, table);
  }
});

storeTest("a new state file has all steps and the promised pragmas", (f) => {
  assert.equal(f.value("PRAGMA user_version"), MIGRATIONS.length);
  assert.equal(f.value("PRAGMA journal_mode"), "wal");
  assert.equal(f.value("PRAGMA synchronous"), 1);
  assert.equal(f.value("PRAGMA foreign_keys"), 1);
  assert.equal(f.value("PRAGMA auto_vacuum"), 2);
});

storeTest("a state file of a newer version is refused and left as it is", (f) => {
  f.submitted("x");
  f.store.close();
  const newer = MIGRATIONS.length + 1;
  const other = new DatabaseSync(f.path);
  other.exec(`PRAGMA user_version = ${newer}`);
  assert.throws(
    () => new Store(f.path),
    (error) => error instanceof StoreError && error.message.includes(`format ${newer}`),
  );
  assert.deepEqual({ ...other.prepare("PRAGMA user_version").get() }, { user_version: newer });
  assert.deepEqual({ ...other.prepare("SELECT name FROM job").get() }, { name: "x" });
  other.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  other.close();
  f.store = new Store(f.path);
  assert.equal(f.job("x").phase, "ready");
});

storeTest("opening a state file again changes nothing", (f) => {
  f.submitted("x", "echo x\n");
  const before = f.job("x");
  f.reopen();
  assert.deepEqual(f.job("x"), before);
  assert.equal(f.value("PRAGMA user_version"), MIGRATIONS.length);
});
