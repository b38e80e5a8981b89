/** Jobs as people look at them: in the order in which they will start, page by page, and by their names. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Browse, type Filter } from "../../store/browse.ts";
import type { Job, ListedState } from "../../store/job.ts";
import {
  BOOT,
  COMPLETE,
  FAILED,
  RETRY,
  START_MS,
  type StoreFixture,
  storeTest,
} from "./store_fixture.ts";

const ALL = 1_000_000;
const ANY: Filter = { state: null, queue: null };

function names(jobs: readonly Job[]): string[] {
  return jobs.map(({ name }) => name);
}

/** All pages, one after the other. `next` gives the page behind a job. */
function paged(limit: number, next: (last: Job | null) => readonly Job[]): Job[] {
  const jobs: Job[] = [];
  for (let last: Job | null = null;;) {
    const page = next(last);
    assert.ok(page.length <= limit);
    jobs.push(...page);
    if (page.length < limit) return jobs;
    last = page.at(-1)!;
  }
}

function pendingPages(browse: Browse, limit: number, queue: string | null = null): Job[] {
  const place = (last: Job | null) => last === null ? null : browse.placeOf(last);
  return paged(limit, (last) => browse.pending(place(last), limit, queue));
}

/** Claims and completes all that may start; their names in order. */
function drain(f: StoreFixture): string[] {
  const names: string[] = [];
  for (let job = f.store.queue.next(); job; job = f.store.queue.next()) {
    names.push(job.name);
    f.finish(f.store.attempts.claim(job, BOOT, 1024), COMPLETE);
  }
  return names;
}

const KINDS = [
  "ready",
  "ready",
  "at",
  "delay",
  "retry",
  "after",
  "edited",
  "draft",
  "empty",
] as const;
interface Wanted {
  readonly kind: (typeof KINDS)[number];
  readonly queue: string | null;
  readonly priority: number;
  /** Priority that is set afterwards. */
  readonly set: number | null;
  readonly sec: number;
}
const wanted: fc.Arbitrary<Wanted> = fc.record({
  kind: fc.constantFrom(...KINDS),
  queue: fc.constantFrom(null, "a", "b", "B.c"),
  priority: fc.integer({ min: -2, max: 2 }),
  set: fc.option(fc.integer({ min: -2, max: 2 }), { freq: 4 }),
  sec: fc.integer({ min: 1, max: 4 }),
});

/** A pending job of that kind. */
function make(f: StoreFixture, name: string, { kind, queue, priority, set, sec }: Wanted): void {
  const options = [
    `priority=${priority}`,
    ...queue === null ? [] : [`queue=${queue}`],
    ...kind === "at" ? [`at=${new Date(f.nowMs + sec * 1000).toISOString()}`] : [],
    ...kind === "delay" ? [`delay=${sec}`] : [],
    ...kind === "after" || kind === "edited" ? ["after=first"] : [],
  ];
  const script = `#QJ ${options.join(" ")}\ntrue\n`;
  if (kind === "draft") f.submitted(`.${name}`, script);
  else if (kind === "empty") f.submitted(name, "");
  else f.submitted(name, script);
  if (kind === "edited") f.store.queue.hold(f.job(name));
  if (kind === "retry") {
    const claim = f.store.attempts.claim(f.job(name), BOOT, 1024);
    f.finish(claim, { ...RETRY, retryAtMs: f.nowMs + sec * 1000 });
  }
  if (set !== null && kind !== "draft") f.store.queue.setPriority(f.job(name), set);
}

const PHASES = ["ready", "waiting", "blocked", "open"];

storeTest(
  "pending() is the order in which jobs start, then the rest; pages have each once",
  (f) => {
    const browse = new Browse(f.store.db);
    f.running("first");
    fc.assert(
      fc.property(
        fc.array(wanted, { maxLength: 14 }),
        fc.integer({ min: 1, max: 5 }),
        (jobs, limit) => {
          f.store.db.transaction(() => {
            jobs.forEach((job, i) => make(f, `j${i}`, job));
            const all = browse.pending(null, ALL);
            assert.equal(all.length, f.value("SELECT count(*) FROM job WHERE state = 'pending'"));
            const phases = all.map(({ phase }) => PHASES.indexOf(phase!));
            assert.deepEqual(phases, phases.toSorted((a, b) => a - b));
            const waiting = all.filter(({ phase }) => phase === "waiting");
            const wakeAt = ({ id }: Job) =>
              Number(f.value("SELECT wake_at_ms FROM job WHERE id = ?", id));
            assert.deepEqual(
              waiting,
              waiting.toSorted((a, b) => wakeAt(a) - wakeAt(b) || a.id - b.id),
            );
            for (const some of ["blocked", "open"]) {
              const ids = all.filter(({ phase }) => phase === some).map(({ id }) => id);
              assert.deepEqual(ids, ids.toSorted((a, b) => a - b), some);
            }
            assert.deepEqual(names(pendingPages(browse, limit)), names(all));
            for (const queue of ["a", "b", "B.c", "nobody"]) {
              // Beyond what is ready by age.
              const own = all.filter((job) => job.queue === queue);
              const ready = own.filter(({ phase }) => phase === "ready");
              const others = PHASES.slice(1).flatMap((phase) =>
                own.filter((job) => job.phase === phase).toSorted((a, b) => a.id - b.id)
              );
              assert.deepEqual(
                names(pendingPages(browse, limit, queue)),
                names([...ready, ...others]),
              );
              assert.deepEqual(
                names(browse.pending(null, ALL, queue)),
                names([...ready, ...others]),
              );
            }
            const expected = names(all.filter(({ phase }) => phase === "ready"));
            assert.deepEqual(drain(f), expected);
            f.sql("DELETE FROM job WHERE name <> 'first'");
          });
        },
      ),
      { numRuns: 80 },
    );
  },
);

storeTest("pending() shows what waits for others, however many of those are being edited", (f) => {
  const browse = new Browse(f.store.db);
  f.running("first");
  for (let i = 0; i < 10; i++) {
    f.submitted(`edited${i}`, "#QJ after=first\n");
    f.store.queue.hold(f.job(`edited${i}`));
  }
  f.submitted("blocked", "#QJ after=first\n");
  for (const limit of [1, 2, 3, 5, 11]) {
    assert.equal(names(browse.pending(null, limit))[0], "blocked", String(limit));
    assert.equal(pendingPages(browse, limit).length, 11, String(limit));
  }
});

storeTest("pending() shows jobs of more named queues than are listed", (f) => {
  const browse = new Browse(f.store.db);
  f.store.db.transaction(() => {
    for (let i = 0; i < 250; i++) f.submitted(`j${i}`, `#QJ queue=q${i} priority=${i % 7}\n`);
  });
  assert.equal(browse.pending(null, ALL).length, 250);
  const pages = names(pendingPages(browse, 50));
  f.store.db.transaction(() => assert.deepEqual(pages, drain(f)));
});

storeTest("pending() goes on where it was, though jobs come and go meanwhile", (f) => {
  const browse = new Browse(f.store.db);
  for (const name of ["a", "b", "c", "d"]) f.submitted(name);
  const [, last] = browse.pending(null, 2);
  const place = browse.placeOf(last!);
  f.submitted("urgent", "#QJ priority=5\n");
  f.store.moves.remove(f.job("b"));
  f.store.moves.remove(f.job("c"));
  f.submitted("late");
  assert.deepEqual(names(browse.pending(place, 10)), ["d", "late"]);
});

storeTest("active() is by age, of all and of a queue", (f) => {
  const browse = new Browse(f.store.db);
  for (let i = 0; i < 7; i++) f.running(`j${i}`, i % 2 === 0 ? "true\n" : "#QJ queue=odd\n");
  f.submitted("waits", "#QJ queue=odd\n");
  for (const limit of [1, 2, 3, 7, 8]) {
    const pages = (queue: string | null) =>
      names(paged(limit, (last) => browse.active(last?.id ?? 0, limit, queue)));
    assert.deepEqual(pages(null), ["j0", "j1", "j2", "j3", "j4", "j5", "j6"]);
    assert.deepEqual(pages("odd"), ["j1", "j3", "j5"]);
    assert.deepEqual(pages("nobody"), []);
  }
});

storeTest(
  "finished() begins with those that have ended last, or of a queue were made last",
  (f) => {
    const browse = new Browse(f.store.db);
    // Ends in another order than they were made, some of them in the same millisecond.
    const claims = Array.from(
      { length: 8 },
      (_, i) => f.running(`j${i}`, i < 4 ? "#QJ queue=q\n" : "true\n"),
    );
    for (const [sec, i] of [[1, 3], [1, 0], [2, 7], [3, 2], [3, 5], [4, 4], [5, 1]] as const) {
      f.nowMs = START_MS + sec * 1000;
      f.finish(claims[i]!, i === 4 ? FAILED : COMPLETE);
    }
    f.store.moves.remove(f.job("j7"));
    for (const limit of [1, 2, 3, 10]) {
      const pages = (state: "complete" | "failed", queue: string | null) =>
        names(paged(limit, (last) => {
          const before = last && { finishedMs: last.finishedMs!, id: last.id };
          return browse.finished(state, before, limit, queue);
        }));
      assert.deepEqual(pages("complete", null), ["j1", "j5", "j2", "j3", "j0"]);
      assert.deepEqual(pages("complete", "q"), ["j3", "j2", "j1", "j0"]);
      assert.deepEqual(pages("failed", null), ["j4"]);
      assert.deepEqual(pages("failed", "q"), []);
    }
  },
);

storeTest("newest() has jobs of all states, the newest first, and none that was removed", (f) => {
  const browse = new Browse(f.store.db);
  f.ended("complete");
  f.ended("failed", FAILED);
  f.running("removed");
  f.store.moves.remove(f.job("removed"));
  f.running("active");
  f.submitted("pending");
  f.written(".draft");
  assert.equal(f.value("SELECT count(*) FROM job WHERE state = 'removed'"), 1);
  for (const limit of [1, 2, 10]) {
    const pages = paged(limit, (last) => browse.newest(last?.id ?? ALL, limit));
    assert.deepEqual(names(pages), [".draft", "pending", "active", "failed", "complete"]);
  }
});

/** All that a search finds, step by step. */
function found(browse: Browse, text: string, filter: Filter = ANY, limit = 3): string[] {
  const jobs: Job[] = [];
  for (let below: number | null = ALL; below !== null;) {
    const step = browse.search(text, filter, below, limit);
    assert.ok(step.jobs.length <= limit);
    assert.ok(step.below === null || step.below < below, "it goes on");
    jobs.push(...step.jobs);
    below = step.below;
  }
  assert.equal(new Set(jobs.map(({ id }) => id)).size, jobs.length, "none twice");
  return names(jobs);
}

const NAMED = [
  "Report.sh",
  "report-2",
  "100%",
  "a_b",
  "axb",
  "it's",
  "é",
  "É",
  "日本",
  "[x]*?",
  "a b",
  'q"',
  "\\n",
];
const SEARCHED: readonly (readonly [text: string, names: readonly string[]])[] = [
  ["", NAMED.toReversed()],
  ["report", ["report-2", "Report.sh"]],
  ["REPORT", ["report-2", "Report.sh"]],
  ["rt.s", ["Report.sh"]],
  ["%", ["100%"]],
  ["_", ["a_b"]],
  ["'", ["it's"]],
  ["é", ["é"]],
  ["É", ["É"]],
  ["本", ["日本"]],
  ["*", ["[x]*?"]],
  ["[x", ["[x]*?"]],
  ["?", ["[x]*?"]],
  [" ", ["a b"]],
  ['"', ['q"']],
  ["\\", ["\\n"]],
  ["\n", []],
  ["none", []],
  ["'; DROP TABLE job; --", []],
];

storeTest(
  "search() finds a text in names, whatever the case of its letters, and takes it as it is",
  (f) => {
    const browse = new Browse(f.store.db);
    for (const name of NAMED) f.submitted(name);
    for (const [text, expected] of SEARCHED) {
      for (const limit of [1, 2, 13, 14]) {
        assert.deepEqual(
          found(browse, text, ANY, limit),
          expected,
          text,
        );
      }
    }
  },
);

storeTest("search() looks in one state, in one queue, in both", (f) => {
  const browse = new Browse(f.store.db);
  const made: [string, ListedState, string | null][] = [];
  for (const queue of [null, "q", "Q"]) {
    const script = queue === null ? "true\n" : `#QJ queue=${queue}\n`;
    for (const state of ["active", "complete", "failed", "pending"] as const) {
      const name = `job-${state}-${queue}`;
      made.push([name, state, queue]);
      if (state === "pending") f.submitted(name, script);
      else {
        const claim = f.running(name, script);
        if (state !== "active") f.finish(claim, state === "complete" ? COMPLETE : FAILED);
      }
    }
    while (f.store.queue.next()) f.store.queue.hold(f.store.queue.next()!);
  }
  f.running("job-removed", "#QJ queue=q\n");
  f.store.moves.remove(f.job("job-removed"));
  for (const state of [null, "pending", "active", "complete", "failed"] as const) {
    for (const queue of [null, "q", "Q", "nobody"]) {
      const expected = made
        .filter((job) => (state ?? job[1]) === job[1] && (queue ?? job[2]) === job[2])
        .map(([name]) => name).toReversed();
      for (const text of ["JOB", ""]) {
        assert.deepEqual(found(browse, text, { state, queue }), expected, `${state} ${queue}`);
      }
    }
  }
});

storeTest("search() of many jobs looks through some at once, and comes to all", (f) => {
  const browse = new Browse(f.store.db);
  f.store.db.transaction(() => {
    f.written("template");
    const columns =
      "state, phase, mode, uid, gid, atime_s, atime_ns, mtime_s, mtime_ns, log_mtime_s, " +
      "log_mtime_ns, ctime_s, ctime_ns";
    f.sql(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
       INSERT INTO job (name, ${columns}) SELECT iif(i % 1000 = 0, 'Needle-', 'job-') || i, ${columns}
         FROM n, job WHERE name = 'template'`,
    );
    f.sql("DELETE FROM job WHERE id % 7 = 3");
  });
  const expected =
    (f.store.db.prepare("SELECT name FROM job ORDER BY id DESC").all() as { name: string }[])
      .map(({ name }) => name);
  assert.deepEqual(found(browse, "", ANY, 50), expected);
  const needles = expected.filter((name) => name.startsWith("Needle"));
  assert.ok(needles.length > 5);
  for (const limit of [1, 2, 50]) assert.deepEqual(found(browse, "needle", ANY, limit), needles);
  const step = browse.search("none", ANY, ALL, 50);
  assert.ok(step.jobs.length === 0 && step.below !== null, "a step ends though nothing was found");
  assert.deepEqual(browse.search("", ANY, 1, 50), { jobs: [], below: null });
});

storeTest("queues() are the named queues of all jobs, in order", (f) => {
  const browse = new Browse(f.store.db);
  assert.deepEqual(browse.queues(), []);
  f.submitted("none");
  for (const [name, queue] of [["1", "b"], ["2", "a"], ["3", "b"], ["4", "B"]]) {
    f.submitted(name!, `#QJ queue=${queue}\n`);
  }
  f.finish(f.store.attempts.claim(f.job("2"), BOOT, 1024), COMPLETE);
  assert.deepEqual(browse.queues(), ["B", "a", "b"]);
  f.store.moves.remove(f.job("4"));
  assert.deepEqual(browse.queues(), ["a", "b"]);
  f.store.db.transaction(() => {
    for (let i = 0; i < 250; i++) f.submitted(`j${i}`, `#QJ queue=q${i}\n`);
  });
  assert.equal(browse.queues().length, 200, "not more than a page can show");
});
