/** What has happened in the last day, as the charts show it, and how long attempts have waited. */
import assert from "node:assert/strict";
import { StoreError } from "../../store/errors.ts";
import { Activity, longest, median, type Minute, type Times } from "../../web/activity.ts";
import {
  COMPLETE,
  FAILED,
  RETRY,
  START_MS,
  type StoreFixture,
  storeTest,
  text,
} from "./store_fixture.ts";

const SEC = 1000;
const MINUTE = 60 * SEC;
const HOUR = 60 * MINUTE;

/** Spans that have something in them: when they begin, after the start of the test in minutes, and what is in them. */
function found(activity: Activity, bars = 60, width = 1): (readonly [minute: number, Minute[]])[] {
  return activity.spans(bars, width)
    .filter(({ counts }) => counts.length > 0)
    .map(({ startMs, counts }) => [(startMs - START_MS) / MINUTE, counts]);
}

/** Of each of these spans: complete, failed, waits and runs. */
function summed(activity: Activity, bars = 60, width = 1): number[][] {
  return found(activity, bars, width).map(([minute, counts]) => [
    minute,
    counts.reduce((sum, { complete }) => sum + complete, 0),
    counts.reduce((sum, { failed }) => sum + failed, 0),
    counts.reduce((sum, { waited }) => sum + waited.count, 0),
    counts.reduce((sum, { ran }) => sum + ran.count, 0),
  ]);
}

/** A job that has completed now, told of in so many bytes. */
function completed(f: StoreFixture, times = 1, bytes = 0): void {
  const job = f.store.jobs.byName("x") ?? f.written("x");
  f.store.db.transaction(() => {
    for (let i = 0; i < times; i++) {
      f.store.events.record("completed", job, { pad: "x".repeat(bytes) });
    }
  });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

storeTest("Activity counts ends, waits and runs of each minute", async (f) => {
  const activity = new Activity(f.store);
  f.submitted("a");
  f.submitted("b");
  f.nowMs += 30 * SEC;
  const a = f.claim();
  f.nowMs += 15 * SEC;
  const b = f.claim();
  f.nowMs += 15 * SEC; // the next minute begins
  f.finish(a, COMPLETE);
  f.nowMs += MINUTE - 1;
  f.finish(b, FAILED, { kind: "exited", code: 1 });
  f.nowMs += 5 * MINUTE;
  f.store.moves.park(f.submitted("parked"), "parked");
  f.ended("c");
  await activity.upToDate();
  const minutes = Object.fromEntries(found(activity).map(([at, [counts]]) => [at, counts!]));
  const times = (of: "waited" | "ran") =>
    Object.entries(minutes).map(([minute, counts]) => [Number(minute), ...counts[of].kept]);
  assert.deepEqual(summed(activity), [[0, 0, 0, 2, 0], [1, 1, 1, 0, 2], [6, 1, 1, 1, 1]]);
  assert.deepEqual(times("waited"), [[0, 30, 45], [1], [6, 0]]);
  assert.deepEqual(times("ran"), [[0], [1, 30, 74.999], [6, 0]]);
  assert.deepEqual([minutes[1]!.ran.max, minutes[0]!.ran.max], [74.999, 0]);
});

storeTest(
  "Activity counts an attempt that is followed by another one, and each end once",
  async (f) => {
    const activity = new Activity(f.store);
    f.submitted("x");
    for (const next of [RETRY, RETRY, COMPLETE]) {
      f.finish(f.claim(), next, {
        kind: "exited",
        code: 1,
      });
    }
    f.store.moves.requeue(f.job("x"), "x");
    f.finish(f.claim(), COMPLETE);
    f.store.moves.remove(f.job("x"));
    for (let i = 0; i < 3; i++) await activity.upToDate();
    assert.deepEqual(summed(activity), [[0, 2, 0, 4, 4]]);
  },
);

storeTest(
  "spans() are whole multiples of their width, the last one is the one that runs",
  async (f) => {
    const activity = new Activity(f.store);
    f.nowMs = START_MS + 7 * MINUTE + 59_999;
    const hour = activity.spans(60, 1);
    assert.equal(hour.length, 60);
    assert.deepEqual([hour[0]!.startMs, hour[59]!.startMs], [
      START_MS - 52 * MINUTE,
      START_MS + 7 * MINUTE,
    ]);
    const day = activity.spans(96, 15);
    assert.equal(day.length, 96);
    assert.deepEqual([day[0]!.startMs, day[95]!.startMs], [START_MS - 95 * 15 * MINUTE, START_MS]);
    for (const ms of [0, 14 * MINUTE + 59_999, 15 * MINUTE, 29 * MINUTE + 59_999, 30 * MINUTE]) {
      f.nowMs = START_MS + ms;
      completed(f);
    }
    await activity.upToDate();
    assert.deepEqual(summed(activity, 96, 15).map(([at, n]) => [at, n]), [[0, 2], [15, 2], [
      30,
      1,
    ]]);
    assert.deepEqual(summed(activity).map(([at, n]) => [at, n]), [
      [0, 1],
      [14, 1],
      [15, 1],
      [29, 1],
      [30, 1],
    ]);
    assert.deepEqual(
      summed(activity, 16, 1).map(([at]) => at),
      [15, 29, 30],
      "none before the first",
    );
  },
);

storeTest("spans() of a day have all of the oldest one", async (f) => {
  const activity = new Activity(f.store);
  for (let i = 0; i < 15; i++) {
    completed(f);
    f.nowMs += MINUTE;
  }
  for (const later of [23 * HOUR + 44 * MINUTE + 59_999, 0]) {
    f.nowMs = START_MS + (later || 23 * HOUR + 45 * MINUTE);
    await activity.upToDate();
    assert.deepEqual(summed(activity, 96, 15).map(([at, n]) => [at, n]), [[0, 15]]);
  }
  f.nowMs = START_MS + 24 * HOUR;
  assert.deepEqual(summed(activity, 96, 15), []);
});

storeTest("Activity forgets what is older than a day", async (f) => {
  const activity = new Activity(f.store);
  completed(f);
  await activity.upToDate();
  f.nowMs += 24 * HOUR;
  completed(f);
  await activity.upToDate();
  // As it was seen then, from a moment at which both would be there.
  f.nowMs -= MINUTE;
  assert.deepEqual(summed(activity, 2000, 1).map(([at]) => at), [], "of the future, and forgotten");
  f.nowMs += MINUTE;
  assert.deepEqual(summed(activity, 2000, 1).map(([at]) => at), [1440]);
  const late = new Activity(f.store);
  await late.upToDate();
  assert.deepEqual(summed(late, 2000, 1).map(([at]) => at), [1440], "nor does it begin with that");
});

storeTest("Activity knows after a restart what the events still tell", async (f) => {
  completed(f, 1500);
  f.nowMs += MINUTE;
  f.reopen();
  const activity = new Activity(f.store);
  completed(f, 20);
  await activity.upToDate();
  assert.deepEqual(summed(activity).map(([at, n]) => [at, n]), [[0, 1000], [1, 20]]);
});

storeTest("Activity reads nothing while nobody asks, until it is much", async (f) => {
  const activity = new Activity(f.store);
  completed(f, 1000, 900);
  await turn();
  assert.deepEqual(found(activity), []);
  completed(f, 100, 900);
  for (let i = 0; i < 100 && summed(activity)[0]?.[1] !== 1100; i++) await turn();
  assert.deepEqual(summed(activity).map(([at, n]) => [at, n]), [[0, 1100]]);
});

storeTest("Activity counts also what is dropped before anybody asks", async (f) => {
  const activity = new Activity(f.store);
  for (let i = 0; i < 20; i++) {
    completed(f, 20, 60_000);
    await turn();
  }
  assert.ok(f.store.events.size < 17 * 1024 * 1024, "the older half is dropped");
  await activity.upToDate();
  assert.equal(summed(activity)[0]![1], 400);
});

storeTest("Activity reads many events in turns, so that others come in between", async (f) => {
  const activity = new Activity(f.store);
  completed(f, 3000);
  let turns = 0;
  let isRead = false;
  const reading = activity.upToDate().then(() => isRead = true);
  while (!isRead) {
    await turn();
    turns++;
  }
  await reading;
  assert.ok(turns >= 5, String(turns));
  assert.equal(summed(activity)[0]![1], 3000);
});

storeTest(
  "upToDate() resolves when all up to its call is counted, whoever else has called",
  async (f) => {
    const activity = new Activity(f.store);
    completed(f, 700);
    const first = activity.upToDate();
    completed(f, 1);
    const second = activity.upToDate();
    await Promise.all([first, second]);
    assert.equal(summed(activity)[0]![1], 701);
    completed(f, 1);
    void activity.upToDate();
    completed(f, 1);
    await activity.upToDate();
    assert.equal(summed(activity)[0]![1], 703);
  },
);

storeTest("upToDate() says what the store says, and goes on when that is over", async (f) => {
  const activity = new Activity(f.store);
  const { linesFrom } = f.store.events;
  f.store.events.linesFrom = () => {
    throw new StoreError("io", "disk I/O error");
  };
  completed(f, 10);
  await assert.rejects(activity.upToDate(), /^StoreError: disk I\/O error$/);
  completed(f, 2000, 900); // read by itself, which must not end the program
  await turn();
  f.store.events.linesFrom = linesFrom;
  await activity.upToDate();
  assert.equal(summed(activity)[0]![1], 2010);
});

function times(...kept: number[]): Times {
  return { kept, count: kept.length, max: Math.max(0, ...kept) };
}

const MEDIANS:
  readonly (readonly [times: readonly Times[], median: number | null, longest: number | null])[] = [
    [[], null, null],
    [[times()], null, null],
    [[times(0)], 0, 0],
    [[times(5)], 5, 5],
    [[times(3, 1, 2)], 2, 3],
    [[times(4, 3, 1, 2)], 2, 4],
    [[times(1), times(), times(9, 9)], 9, 9],
    [[times(10, 9, 8), times(1, 2)], 8, 10],
    // A minute of which a part is kept counts as much as it had.
    [[{ kept: [1, 1], count: 200, max: 7 }, times(5, 5, 5, 5, 5)], 1, 7],
    [[{ kept: [1, 9], count: 4, max: 9 }, times(5, 6, 7)], 6, 9],
  ];

Deno.test("median() and longest() are of all times together", () => {
  for (const [some, middle, most] of MEDIANS) {
    assert.deepEqual([median(some), longest(some)], [middle, most], JSON.stringify(some));
  }
});

storeTest("of many times in a minute some are kept, whichever came first", async (f) => {
  const activity = new Activity(f.store);
  const job = f.written("x");
  f.store.db.transaction(() => {
    // Long ones first, short ones last, and the longest somewhere.
    for (let i = 0; i < 4000; i++) {
      const waited = i === 1234 ? 5000 : i < 400 ? 1000 : 1;
      f.store.events.record("started", job, { waited_sec: waited });
    }
  });
  await activity.upToDate();
  const [[, [{ waited }]]] = found(activity) as [[number, [Minute]]];
  assert.deepEqual([waited.count, waited.max, waited.kept.length], [4000, 5000, 64]);
  assert.deepEqual([median([waited]), longest([waited])], [1, 5000]);
  assert.ok(waited.kept.filter((sec) => sec === 1000).length < 40, "not only the first");
});

/** What the newest event says of how long the attempt had waited. */
function waited(f: StoreFixture): number {
  f.store.queue.wake();
  f.claim();
  const { event, waited_sec } = JSON.parse(
    text(f.store.events.read(0, f.store.events.size)).trim().split("\n").at(-1)!,
  );
  assert.equal(event, "started");
  return waited_sec;
}

/** A job that has run once, and was lost. */
function lost(f: StoreFixture): void {
  f.running("x");
  f.nowMs += 100 * SEC;
  f.reopen();
  const [left] = f.store.attempts.left();
  f.store.attempts.lose(left!, () => ({ ...RETRY, attempts: 0, lost: 1 }));
  f.store.attempts.gone(left!.id, left!.jobId);
}

/** What comes before the last 10 seconds of a job that waits, and how long that is, if not 10 seconds. */
const WAITS: Readonly<Record<string, readonly [before: (f: StoreFixture) => void, sec?: number]>> =
  {
    "since it was handed in": [(f) => f.submitted("x")],
    "not while it was written": [(f) => {
      const { id } = f.written("x");
      f.nowMs += HOUR;
      f.store.moves.submit([id]);
    }],
    "since a backoff was over": [(f) => {
      f.finish(f.running("x"), { ...RETRY, retryAtMs: f.nowMs + 300 * SEC });
      f.nowMs += 300 * SEC;
    }],
    "since it came back without one": [(f) => {
      const claim = f.running("x");
      f.nowMs += 300 * SEC;
      f.finish(claim, { ...RETRY, retryAtMs: f.nowMs });
    }],
    "since the moment of at": [(f) => {
      f.submitted("x", `#QJ at=${new Date(f.nowMs + 300 * SEC).toISOString()}\n`);
      f.nowMs += 300 * SEC;
    }],
    "since the delay was over": [(f) => {
      f.submitted("x", "#QJ delay=300\n");
      f.nowMs += 300 * SEC;
    }],
    "since the mtime that was set": [(f) => {
      const { id } = f.written("x");
      f.store.jobs.setStartAt(id, f.nowMs + 300 * SEC);
      f.store.moves.submit([id]);
      f.nowMs += 300 * SEC;
    }],
    "since it was retried": [(f) => {
      f.ended("x", FAILED);
      f.nowMs += 300 * SEC;
      f.store.moves.requeue(f.job("x"), "x");
    }],
    "since it was lost": [lost],
    "with another priority all the same": [(f) => {
      f.submitted("x");
      f.nowMs += 300 * SEC;
      f.store.queue.setPriority(f.job("x"), 5);
    }, 310],
    "with another name all the same": [(f) => {
      f.submitted("y");
      f.nowMs += 300 * SEC;
      f.store.moves.renamePending(f.job("y"), "x", undefined);
    }, 310],
    "lost, with another priority all the same": [(f) => {
      lost(f);
      f.nowMs += 300 * SEC;
      f.store.queue.setPriority(f.job("x"), 5);
    }, 310],
    "lost, with another mode all the same": [(f) => {
      lost(f);
      f.nowMs += 300 * SEC;
      f.store.jobs.setAttributes(f.job("x"), { mode: 0o600 });
    }, 310],
    "not less than nothing": [(f) => {
      f.submitted("x");
      f.nowMs -= HOUR;
    }, 0],
  };

for (const [what, [before, sec = 10]] of Object.entries(WAITS)) {
  storeTest(`a started event says how long the job has waited: ${what}`, (f) => {
    before(f);
    f.nowMs += 10 * SEC;
    assert.equal(waited(f), sec);
  });
}

storeTest("how long a job has waited is told in milliseconds", (f) => {
  f.submitted("x");
  f.nowMs += 1234;
  assert.equal(waited(f), 1.234);
});
