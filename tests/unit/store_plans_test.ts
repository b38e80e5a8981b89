/** No statement of the store looks through all jobs or attempts, however many there are. */
import assert from "node:assert/strict";
import { Browse } from "../../store/browse.ts";
import { Database } from "../../store/database.ts";
import { Store } from "../../store/store.ts";

/** All that a store prepares when it is opened, with SQLite's plan for each. */
async function plans(): Promise<ReadonlyMap<string, readonly string[]>> {
  const folder = await Deno.makeTempDir({ prefix: "qj-store-" });
  const { prepare } = Database.prototype;
  const statements: string[] = [];
  Database.prototype.prepare = function (sql: string) {
    statements.push(sql);
    return prepare.call(this, sql);
  };
  try {
    const store = new Store(`${folder}/state.db`);
    new Browse(store.db);
    const found = statements.map((sql) => {
      const rows = prepare.call(store.db, `EXPLAIN QUERY PLAN ${sql}`).all();
      return [sql.replace(/\s+/g, " "), rows.map(({ detail }) => String(detail))] as const;
    });
    store.close();
    return new Map(found);
  } finally {
    Database.prototype.prepare = prepare;
    await Deno.remove(folder, { recursive: true });
  }
}

const all = await plans();

/** The plan of the one statement that has this text in it. */
function planOf(text: string): string {
  const found = [...all].filter(([sql]) => sql.includes(text));
  assert.equal(found.length, 1, `statements with ${text}`);
  return found[0]![1].join("\n");
}

/** Where it is meant, over an index that has only the rows that are looked for, or once at the start. */
const MEANT: Readonly<Record<string, string>> = {
  "SELECT state, count(*) AS n FROM job WHERE state <> 'removed' GROUP BY state":
    "SCAN job USING COVERING INDEX job_listing",
};

Deno.test("no statement scans all jobs, attempts, scripts or output", () => {
  assert.ok(all.size > 80, String(all.size));
  const partial = /USING (COVERING )?INDEX (job_open|job_wake|attempt_live_job|attempt_live_name)$/;
  for (const [sql, plan] of all) {
    for (const step of plan) {
      if (!/^SCAN (job|attempt|script|output|event)\b/.test(step) || partial.test(step)) continue;
      if (step === MEANT[sql] || / FROM event ORDER BY position DESC LIMIT 1/.test(sql)) continue;
      assert.fail(`${sql}\n${plan.join("\n")}`);
    }
  }
});

Deno.test("what is small is scanned only where the first row will do", () => {
  for (const [sql, plan] of all) {
    for (const step of plan) {
      if (!/^SCAN (dependency|dependency_end|hook)\b/.test(step)) continue;
      assert.match(sql, / LIMIT 1$/);
      assert.doesNotMatch(sql, / WHERE /);
    }
  }
});

Deno.test("nothing but what is small is sorted", () => {
  const sorted = [...all].filter(([, plan]) => plan.some((step) => step.includes("TEMP B-TREE")));
  // The first ready job of each queue, and the holes of one log.
  const small = / first \(id\) AS |^SELECT hole_start/;
  assert.deepEqual(sorted.map(([sql]) => sql).filter((sql) => !small.test(sql)), []);
  assert.equal(sorted.length, 2);
});

const INDEXES: Readonly<Record<string, readonly string[]>> = {
  "first (id) AS": [
    "SEARCH job USING COVERING INDEX job_ready (queue>?)",
    "SEARCH job USING INDEX job_ready (queue=?)",
    "USING COVERING INDEX attempt_live_job (job_id=?)",
    "USING COVERING INDEX attempt_live_name (job_name=?)",
    "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
  ],
  "SELECT min(wake_at_ms)": ["job_wake"],
  "AND wake_at_ms <= ?": [
    "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "SEARCH job USING COVERING INDEX job_wake (wake_at_ms<?)",
  ],
  "SELECT min(seq) AS seq": ["USING INDEX job_oldest"],
  "SELECT min(finished_ms)": ["USING COVERING INDEX job_finished (state=? AND finished_ms>?)"],
  "finished_ms <= ?": ["SEARCH job USING INDEX job_finished (state=? AND finished_ms<?)"],
  "state = 'removed' AND NOT EXISTS": [
    "SEARCH job USING COVERING INDEX job_listing (state=?)",
    "attempt_live_job (job_id=?)",
  ],
  "DELETE FROM output WHERE rowid IN": ["SEARCH output USING", "(job_id=?)", "(rowid=?)"],
  "UPDATE OR REPLACE dependency": ["SEARCH dependency USING", "INDEX dependency_on (on_id=?)"],
  "SELECT job_id AS id FROM dependency": ["INDEX dependency_on (on_id=?)"],
  "SELECT 1 FROM dependency WHERE job_id": ["SEARCH dependency USING PRIMARY KEY (job_id=?)"],
  "WITH RECURSIVE reached": ["SEARCH dependency USING PRIMARY KEY (job_id=?)"],
  "FROM dependency JOIN job": [
    "SEARCH dependency USING PRIMARY KEY (job_id=?)",
    "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
  ],
  "SELECT 1 FROM attempt WHERE job_id = ? LIMIT 1": ["INDEX attempt_job (job_id=?)"],
  "FROM job WHERE queue IS NOT NULL AND state <> 'removed'": ["INDEX job_queue"],
};

for (const [text, steps] of Object.entries(INDEXES)) {
  Deno.test(`the statement with ${text} uses its index`, () => {
    const plan = planOf(text);
    for (const step of steps) assert.ok(plan.includes(step), `${step} is not in\n${plan}`);
  });
}
