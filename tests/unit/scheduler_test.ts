/** The scheduler with a clock that the test moves and attempts that run nothing. */
import assert from "node:assert/strict";
import type { Run, RunEnd } from "../../scheduler/attempt_run.ts";
import { Scheduler } from "../../scheduler/scheduler.ts";
import { timestamp } from "../../store/job.ts";
import { NO_LOG, NO_PROCESSES } from "../scheduler/surroundings.ts";
import { ManualClock } from "./manual_clock.ts";
import { bytes, type StoreFixture, storeTest } from "./store_fixture.ts";

/** An attempt that ends when the test says so. */
class TestRun implements Run {
  readonly claim: Run["claim"];
  readonly #end = Promise.withResolvers<RunEnd>();

  constructor(claim: Run["claim"]) {
    this.claim = claim;
  }

  end(code: number): void {
    this.#end.resolve({ outcome: { kind: "exited", code }, left: false, runMs: 1 });
  }

  run(): Promise<RunEnd> {
    return this.#end.promise;
  }

  stop(): void {
    this.#end.resolve({ outcome: { kind: "lost" }, left: false, runMs: 1 });
  }

  kill(): void {}

  signal(): "sent" {
    return "sent";
  }

  stopLeft(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

class World {
  readonly clock = new ManualClock();
  readonly runs: TestRun[] = [];
  readonly said: string[] = [];
  readonly scheduler: Scheduler;
  readonly #f: StoreFixture;

  constructor(f: StoreFixture) {
    this.#f = f;
    const { store, folder } = f;
    Deno.mkdirSync(`${folder}/run`);
    this.scheduler = new Scheduler({
      store,
      environment: { cwd: "/", env: {}, openFiles: 64, setpriv: [] },
      reaper: NO_PROCESSES,
      runFolder: `${folder}/run`,
      maxByDescriptors: Infinity,
      random: () => 0,
      clock: this.clock,
      makeRun: (claim) => {
        const run = new TestRun(claim);
        this.runs.push(run);
        return run;
      },
      log: {
        ...NO_LOG,
        storeFailed: (error) => this.said.push(error.message),
        clockSetBack: (ms) => this.said.push(`back by ${ms}`),
      },
    });
    this.scheduler.start();
  }

  /** The names of the jobs whose attempts have begun, in order. */
  get started(): string[] {
    return this.runs.map(({ claim }) => claim.job.name);
  }

  async end(name: string, code: number): Promise<void> {
    this.runs.findLast(({ claim }) => claim.job.name === name)!.end(code);
    await this.settle();
  }

  async settle(): Promise<void> {
    await this.clock.settle();
    await this.clock.settle();
  }

  async pass(ms: number): Promise<void> {
    this.#f.nowMs += ms;
    await this.clock.pass(ms);
    await this.settle();
  }
}

function schedulerTest(name: string, body: (f: StoreFixture, w: World) => Promise<void>): void {
  storeTest(name, async (f) => {
    const w = new World(f);
    try {
      await w.settle();
      await body(f, w);
      assert.deepEqual(w.said, []);
    } finally {
      const stopped = w.scheduler.stop(0);
      await w.pass(10);
      await stopped;
    }
  });
}

schedulerTest("a job that waits for another starts when that one has completed", async (f, w) => {
  f.submitted("a");
  f.submitted("b", "#QJ after=a\n");
  await w.settle();
  assert.deepEqual(w.started, ["a"]);
  await w.end("a", 0);
  assert.deepEqual(w.started, ["a", "b"]);
});

const ENDS: Readonly<Record<string, (f: StoreFixture) => void>> = {
  "is removed": (f) => f.store.moves.remove(f.job("a")),
  "is put aside": (f) => f.store.moves.park(f.job("a"), "a"),
};
for (const [how, end] of Object.entries(ENDS)) {
  schedulerTest(`a job fails soon when the one that it waits for ${how}`, async (f, w) => {
    f.store.settings.apply({ paused: true });
    f.submitted("a");
    f.submitted("b", "#QJ after=a\n");
    await w.settle();
    end(f);
    await w.settle();
    assert.equal(f.job("b").state, "failed");
  });
}

schedulerTest("a job fails soon when the one that it waits for cannot be run", async (f, w) => {
  f.submitted("a", "echo \0\n");
  f.submitted("b", "#QJ after=a\n");
  await w.settle();
  assert.deepEqual([f.job("a").state, f.job("b").state, w.started], ["failed", "failed", []]);
});

schedulerTest(
  "a job fails soon when its text is found wrong as it is about to start",
  async (f, w) => {
    f.store.settings.apply({ paused: true });
    const { id } = f.submitted("a");
    f.submitted("b", "#QJ after=a\n");
    f.store.jobs.putScript(id, bytes("#QJ nonsense\n"), timestamp(f.nowMs), false);
    f.store.settings.apply({ paused: false });
    await w.settle();
    assert.deepEqual([f.job("a").state, f.job("b").state, w.started], ["failed", "failed", []]);
  },
);

schedulerTest("a chain is told link by link while other jobs start", async (f, w) => {
  f.submitted("a");
  f.submitted("b", "#QJ after=a\n");
  f.submitted("c", "#QJ after=b\n");
  for (let i = 0; i < 20; i++) f.submitted(`other${i}`);
  f.store.moves.remove(f.job("a"));
  await w.settle();
  assert.deepEqual([f.job("b").state, f.job("c").state], ["failed", "failed"]);
  assert.equal(w.runs.length, 20);
});

schedulerTest("jobs of a full queue wait, others pass them", async (f, w) => {
  f.store.settings.apply({ queues: { video: { max_job_count: 1 } } });
  for (const name of ["v1", "v2"]) f.submitted(name, "#QJ queue=video priority=5\n");
  f.submitted("other");
  await w.settle();
  assert.deepEqual(w.started, ["v1", "other"]);
  await w.end("v1", 0);
  assert.deepEqual(w.started, ["v1", "other", "v2"]);
});

schedulerTest("options come before the settings at an end", async (f, w) => {
  f.submitted("once", "#QJ attempts=1\n");
  f.submitted("twice", "#QJ attempts=2 backoff-base=10 backoff-mult=3\n");
  await w.settle();
  await w.end("once", 1);
  await w.end("twice", 1);
  assert.deepEqual([f.job("once").state, f.job("twice").phase], ["failed", "waiting"]);
  assert.equal(f.store.queue.wake(), f.nowMs + 30_000);
  await w.pass(29_999);
  assert.equal(w.runs.length, 2);
  await w.pass(1);
  assert.equal(w.started.at(-1), "twice");
});

storeTest("a clock that is set back does not make a retry wait longer", async (f) => {
  const w = new World(f);
  f.submitted("a", "#QJ backoff-base=30\n");
  await w.settle();
  await w.end("a", 1);
  f.nowMs -= 3_600_000;
  w.clock.wallMs -= 3_600_000;
  f.submitted("b");
  await w.settle();
  assert.deepEqual(w.said, ["back by 3600000"]);
  assert.equal(f.store.queue.wake(), f.nowMs + 60_000);
  await w.pass(60_000);
  assert.deepEqual(w.started, ["a", "b", "a"]);
  const stopped = w.scheduler.stop(0);
  await w.pass(10);
  await stopped;
});
