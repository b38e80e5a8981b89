/** Lists of jobs, page by page: each job once, in order, from cursors that anybody may have written. */
import assert from "node:assert/strict";
import type { ListedState } from "../../store/job.ts";
import { listPage, PAGE, type Page } from "../../web/list.ts";
import type { Query } from "../../web/search_form.tsx";
import { BOOT, COMPLETE, FAILED, RETRY } from "./store_fixture.ts";
import { type WebFixture, webTest } from "./web_fixture.ts";

const NOTHING: Query = { text: "", state: null, queue: null };

/** All pages of a query. */
async function pages(f: WebFixture, query: Partial<Query>): Promise<Page[]> {
  const all: Page[] = [];
  for (let after: string | null = ""; after !== null;) {
    const page: Page = await listPage(f.site, { ...NOTHING, ...query }, after);
    assert.ok(page.jobs.length <= PAGE);
    assert.ok(!page.isUnfinished);
    all.push(page);
    after = page.next;
    assert.ok(all.length < 50, "it ends");
  }
  return all;
}

/** The names of all pages; no page is empty, and no job there twice. */
async function names(f: WebFixture, query: Partial<Query>): Promise<string[]> {
  const all = await pages(f, query);
  const found = all.flatMap(({ jobs }) => jobs.map(({ name }) => name));
  assert.equal(new Set(found).size, found.length, "none twice");
  assert.equal(
    all.length,
    Math.max(1, Math.ceil(found.length / PAGE)),
    "full pages, and none behind the last",
  );
  return found;
}

/** 130 jobs of each state, in two queues and none; pending ones of all kinds. */
function fill(f: WebFixture): void {
  const queue = (i: number) => ["", "queue=q ", "queue=p "][i % 3];
  f.store.db.transaction(() => {
    f.running("first");
    for (let i = 0; i < 130; i++) {
      f.running(`active-${i}`, `#QJ ${queue(i)}\n`);
      f.finish(f.running(`complete-${i}`, `#QJ ${queue(i)}\n`), COMPLETE);
      f.finish(f.running(`failed-${i}`, `#QJ ${queue(i)}\n`), FAILED);
      if (i % 4 === 0) f.nowMs += 1000;
    }
    for (let i = 0; i < 13; i++) {
      f.submitted(`backoff-${i}`, `#QJ ${queue(i)}\n`);
      const claim = f.store.attempts.claim(f.job(`backoff-${i}`), BOOT, 1024);
      f.finish(claim, { ...RETRY, retryAtMs: f.nowMs + 60_000 });
    }
    for (let i = 0; i < 130; i++) {
      f.submitted(`ready-${i}`, `#QJ ${queue(i)}priority=${i % 5 - 2}\n`);
    }
    for (let i = 0; i < 130; i++) f.submitted(`waits-${i}`, `#QJ ${queue(i)}delay=${60 + i % 3}\n`);
    for (let i = 0; i < 130; i++) f.submitted(`blocked-${i}`, `#QJ ${queue(i)}after=first\n`);
    for (let i = 0; i < 130; i++) f.written(`.draft-${i}`);
  });
}

webTest("listPage() comes to each job of a state once, in order, also of a queue", async (f) => {
  fill(f);
  const stored = (where: string) =>
    (f.store.db.prepare(`SELECT name FROM job WHERE ${where}`).all() as { name: string }[])
      .map(({ name }) => name);
  const order: Readonly<Record<ListedState, string>> = {
    active: "1 ORDER BY id",
    complete: "1 ORDER BY finished_ms DESC, id DESC",
    failed: "1 ORDER BY finished_ms DESC, id DESC",
    pending:
      `1 ORDER BY CASE phase WHEN 'ready' THEN 1 WHEN 'waiting' THEN 2 WHEN 'blocked' THEN 3 ELSE 4 END,
      iif(phase = 'ready', -priority, 0), iif(phase = 'ready', seq, 0), coalesce(wake_at_ms, 0), id`,
  };
  for (const [state, by] of Object.entries(order) as [ListedState, string][]) {
    const all = await names(f, { state });
    assert.deepEqual(all, stored(`state = '${state}' AND ${by}`), state);
    assert.ok(all.length >= 130);
    for (const queue of ["p", "q", "nobody"]) {
      const own = await names(f, { state, queue });
      const expected = stored(`state = '${state}' AND queue = '${queue}' AND ${by}`);
      assert.deepEqual(own.toSorted(), expected.toSorted(), `${state} ${queue}`);
    }
  }
  assert.deepEqual(await names(f, {}), stored("1 ORDER BY id DESC"));
  assert.deepEqual(await names(f, { queue: "q" }), stored("queue = 'q' ORDER BY id DESC"));
});

webTest("listPage() knows the last page, however many jobs there are", async (f) => {
  for (let n = 0; n <= 2 * PAGE + 1; n++) {
    if (n % PAGE <= 1 || n % PAGE === PAGE - 1) {
      const queries = [{ state: "pending" }, {}, { text: "job" }, { queue: "q" }, {
        state: "pending",
        queue: "q",
      }] as const;
      for (const query of queries) {
        assert.equal((await names(f, query)).length, n, `${n} ${JSON.stringify(query)}`);
      }
    }
    f.submitted(`job-${n}`, "#QJ queue=q\n");
  }
});

webTest("a search begins with the job of that name, and shows it once", async (f) => {
  f.store.db.transaction(() => {
    f.submitted("job", "#QJ queue=q\n");
    for (let i = 0; i < 2 * PAGE + 10; i++) f.submitted(`job-${i}`, "#QJ queue=q\n");
    f.submitted("other");
  });
  const expected = [
    "job",
    ...Array.from({ length: 2 * PAGE + 10 }, (_, i) => `job-${i}`).toReversed(),
  ];
  assert.deepEqual(await names(f, { text: "job" }), expected);
  assert.deepEqual(await names(f, { text: "job", queue: "q", state: "pending" }), expected);
  assert.deepEqual((await names(f, { text: "JOB" })).toSorted(), expected.toSorted());
  // Not one of another state or queue.
  assert.deepEqual(await names(f, { text: "job", state: "failed" }), []);
  assert.deepEqual(await names(f, { text: "other", queue: "q" }), []);
  assert.deepEqual(await names(f, { text: "other" }), ["other"]);
  assert.deepEqual(await names(f, { text: "none" }), []);
});

webTest("a search does not show what was removed", async (f) => {
  f.running("job");
  f.store.moves.remove(f.job("job"));
  assert.deepEqual(await names(f, { text: "job" }), []);
  f.submitted("job");
  assert.deepEqual(await names(f, { text: "job" }), ["job"]);
});

/** Runs `body` with a clock that goes on by so many ms each time that somebody looks. */
async function withClock(stepMs: number, body: () => Promise<void>): Promise<void> {
  const { now } = performance;
  let ms = now.call(performance);
  performance.now = () => ms += stepMs;
  try {
    await body();
  } finally {
    performance.now = now;
  }
}

/** Rows that are quick to make. */
function manyJobs(f: WebFixture, count: number): void {
  f.written("template");
  const columns =
    "state, phase, mode, uid, gid, atime_s, atime_ns, mtime_s, mtime_ns, log_mtime_s, " +
    "log_mtime_ns, ctime_s, ctime_ns";
  f.sql(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
     INSERT INTO job (name, ${columns}) SELECT iif(i % 1000 = 0, 'needle-', 'job-') || i, ${columns}
       FROM n, job WHERE name = 'template'`,
    count,
  );
}

webTest("a search that takes long shows what it has found, and can go on", async (f) => {
  manyJobs(f, 10_000);
  const found: string[] = [];
  await withClock(1500, async () => {
    let unfinished = 0;
    for (let after: string | null = ""; after !== null;) {
      const page: Page = await listPage(f.site, { ...NOTHING, text: "needle" }, after);
      assert.equal(page.isUnfinished, page.next !== null);
      if (page.isUnfinished) unfinished++;
      found.push(...page.jobs.map(({ name }) => name));
      after = page.next;
    }
    assert.ok(unfinished >= 2, String(unfinished));
  });
  assert.deepEqual(found, Array.from({ length: 10 }, (_, i) => `needle-${10_000 - i * 1000}`));
});

webTest("a search lets others in between", async (f) => {
  manyJobs(f, 10_000);
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  try {
    await withClock(10, async () => {
      assert.deepEqual((await listPage(f.site, { ...NOTHING, text: "nothing" }, "")).jobs, []);
    });
  } finally {
    clearInterval(timer);
  }
  assert.ok(turns >= 3, String(turns));
});

webTest("a search for a whole name does not look long for others", async (f) => {
  manyJobs(f, 10_000);
  f.written("needle");
  await withClock(200, async () => {
    const page = await listPage(f.site, { ...NOTHING, text: "needle" }, "");
    assert.equal(page.jobs[0]?.name, "needle");
    assert.ok(page.isUnfinished);
  });
});

webTest("a cursor that is none begins at the beginning, and none is an error", async (f) => {
  for (let i = 0; i < 4; i++) {
    f.ended(`complete-${i}`, i % 2 === 0 ? COMPLETE : FAILED);
    f.running(`active-${i}`, "#QJ queue=q\n");
    f.submitted(`waits-${i}`, "#QJ queue=q delay=1\n");
  }
  for (let i = 0; i < 4; i++) f.submitted(`ready-${i}`, "#QJ queue=q\n");
  const big = "9".repeat(16);
  const cursors = [
    ...[
      "x",
      "-1",
      "0x5",
      " 5",
      "5 ",
      "1e9",
      "'",
      "r",
      "r.",
      "x.1.2",
      "1.",
      ".1",
      "1.2.3",
      "w.1.2.3",
    ],
    ...[`9${big}`, `r.5.9${big}`, "null", "%00", "\0", "r.a.1", "o.1.", "b.--1", "日"],
  ];
  const queries: readonly Partial<Query>[] = [
    {},
    { text: "a" },
    { queue: "q" },
    ...(["pending", "active", "complete", "failed"] as const).flatMap((
      state,
    ) => [{ state }, { state, queue: "q" }]),
  ];
  const ids = (jobs: Page["jobs"]) => jobs.map(({ id }) => id);
  for (const query of queries) {
    const whole = { ...NOTHING, ...query };
    const first = await listPage(f.site, whole, "");
    for (const cursor of cursors) {
      const { jobs } = await listPage(f.site, whole, cursor);
      assert.deepEqual(ids(jobs), ids(first.jobs), `${JSON.stringify(query)} ${cursor}`);
    }
    for (
      const cursor of [
        big,
        "0",
        `${big}.${big}`,
        "0.0",
        `r.${big}.${big}`,
        "r.-5.0",
        `w.-${big}.0`,
        `b.${big}`,
        "o.0",
      ]
    ) {
      await listPage(f.site, whole, cursor);
    }
  }
});
