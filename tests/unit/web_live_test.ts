/** Telling pages that something has changed: not too often, and nothing while nobody looks. */
import assert from "node:assert/strict";
import { Live } from "../../web/live.ts";
import { FAILED, type StoreFixture, storeTest } from "./store_fixture.ts";

/** Timers and a clock that only the test moves. */
class Timers {
  readonly #real = [globalThis.setTimeout, globalThis.clearTimeout, performance.now] as const;
  readonly #timers = new Map<number, { readonly at: number; readonly ring: () => void }>();
  #next = 1;
  #now = 10_000;

  constructor() {
    globalThis.setTimeout = ((ring: () => void, ms = 0) => {
      this.#timers.set(this.#next, { at: this.#now + ms, ring });
      return this.#next++;
    }) as typeof setTimeout;
    globalThis.clearTimeout = (id) => void this.#timers.delete(id!);
    performance.now = () => this.#now;
  }

  end(): void {
    [globalThis.setTimeout, globalThis.clearTimeout, performance.now] = this.#real;
  }

  /** In how many ms each rings. */
  get waiting(): number[] {
    return [...this.#timers.values()].map(({ at }) => at - this.#now);
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) =>
        at <= end
      ).sort(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].ring();
    }
    this.#now = end;
  }
}

function liveTest(name: string, body: (f: StoreFixture, live: Live, timers: Timers) => void): void {
  storeTest(name, (f) => {
    const timers = new Timers();
    try {
      body(f, new Live(f.store), timers);
    } finally {
      timers.end();
    }
  });
}

function change(f: StoreFixture): void {
  f.store.changes.emit({ kind: "queued" });
}

liveTest("with nobody looking there is no timer", (f, live, timers) => {
  change(f);
  f.ended("x");
  assert.deepEqual(timers.waiting, []);
  const stop = live.watch(() => assert.fail("told of what was before"));
  assert.deepEqual(timers.waiting, []);
  change(f);
  assert.deepEqual(timers.waiting, [0]);
  stop();
  assert.deepEqual(timers.waiting, []);
  change(f);
  assert.deepEqual(timers.waiting, []);
});

liveTest("one who looks is told at once, and then once in a pause", (f, live, timers) => {
  const told: number[] = [];
  live.watch(() => told.push(performance.now() - 10_000));
  for (let ms = 0; ms < 1000; ms += 10) {
    change(f);
    change(f);
    assert.equal(timers.waiting.length, 1);
    timers.pass(10);
  }
  assert.deepEqual(told, [0, 275, 550, 825]);
  timers.pass(10_000);
  assert.equal(told.length, 5, "also of the last one");
  timers.pass(10_000);
  assert.equal(told.length, 5, "and of nothing more");
  change(f);
  timers.pass(0);
  assert.equal(told.length, 6, "after a long time at once");
});

liveTest("the more look, the longer is the pause", (f, live, timers) => {
  const told = Array<number>(30).fill(0);
  told.forEach((_, i) => live.watch(() => told[i]!++));
  change(f);
  timers.pass(0);
  change(f);
  assert.deepEqual(timers.waiting, [250 + 30 * 25]);
  timers.pass(999);
  assert.deepEqual(new Set(told), new Set([1]));
  timers.pass(1);
  assert.deepEqual(new Set(told), new Set([2]));
});

liveTest("who stops to look is told no more, and others are", (f, live, timers) => {
  const told = [0, 0, 0];
  const stops = told.map((_, i) => live.watch(() => told[i]!++));
  change(f);
  stops[1]!();
  assert.equal(timers.waiting.length, 1, "for the others");
  timers.pass(0);
  assert.deepEqual(told, [1, 0, 1]);
  stops[1]!();
  change(f);
  stops[0]!();
  stops[2]!();
  assert.deepEqual(timers.waiting, []);
  timers.pass(10_000);
  assert.deepEqual(told, [1, 0, 1]);
});

liveTest("one may stop, and another begin, while all are told", (f, live, timers) => {
  const told: string[] = [];
  const stop = live.watch(() => {
    told.push("first");
    stop();
    live.watch(() => told.push("late"));
  });
  live.watch(() => told.push("second"));
  change(f);
  timers.pass(0);
  assert.deepEqual(told.slice(0, 2), ["first", "second"]);
  told.length = 0;
  change(f);
  timers.pass(1000);
  assert.deepEqual(told, ["second", "late"]);
});

/** What a page shows, and what is no part of it. */
const CHANGES: Readonly<
  Record<string, readonly [change: (f: StoreFixture) => unknown, isShown: boolean]>
> = {
  "a job is handed in": [(f) => f.submitted("x"), true],
  "a draft is made": [(f) => f.written(".x"), true],
  "a job starts": [(f) => f.claim(), true],
  "a job ends": [(f) => f.finish(f.claim(), FAILED), true],
  "a job is removed": [(f) => f.store.moves.remove(f.job("ready")), true],
  "a job is renamed": [(f) => f.store.moves.renamePending(f.job("ready"), "y", undefined), true],
  "a job has another priority": [(f) => f.store.queue.setPriority(f.job("ready"), 5), true],
  "the settings change": [(f) => f.store.settings.apply({ paused: true }), true],
  "a job that is handed in is written again": [(f) => f.store.queue.hold(f.job("ready")), true],
  "a job has waited long enough": [(f) => {
    f.nowMs += 1000;
    f.store.queue.wake();
  }, true],
  "nothing": [() => {}, false],
  "the settings are set to what they are": [
    (f) => f.store.settings.apply({ paused: false }),
    false,
  ],
};

for (const [what, [change, isShown]] of Object.entries(CHANGES)) {
  liveTest(`the version changes with what pages show: ${what}`, (f, live, timers) => {
    f.submitted("ready");
    f.submitted("waits", "#QJ delay=1\n");
    let told = 0;
    live.watch(() => told++);
    const { version } = live;
    assert.equal(live.version, version);
    change(f);
    assert.equal(live.version !== version, isShown);
    timers.pass(1000);
    assert.equal(told, isShown ? 1 : 0);
  });
}

liveTest("output is no change: logs have streams of their own", (f, live) => {
  const claim = f.running("x");
  const { version } = live;
  f.print(claim, "hello\n");
  assert.equal(live.version, version);
});

liveTest("the version of another daemon is another one", (f, live) => {
  change(f);
  const other = new Live(f.store);
  change(f);
  assert.notEqual(other.version, live.version);
  assert.notEqual(other.version.split(".")[0], live.version.split(".")[0]);
  assert.match(live.version, /^[0-9a-f]{8}\.2$/);
});
