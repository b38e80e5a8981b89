/**
 * The same work again and again, with a state file that fails at another statement each time: whatever a client was told
 * has been done is done, everything runs, and nothing runs twice.
 */
import assert from "node:assert/strict";
import { StoreError } from "../../store/errors.ts";
import { Faults, SQLITE } from "./faults.ts";
import { World } from "./world.ts";

/** Every so many statements one fails; QJ_FAULT_STRIDE=1 makes it each of them, which takes longer. */
const STRIDE = Number(Deno.env.get("QJ_FAULT_STRIDE") ?? 3);

type Act = (world: World) => void | Promise<void>;

/** What clients and processes do. A client tries again what did not work. */
const WORK: readonly Act[] = [
  (world) => world.configure({ settle_ms: 0, max_job_count: 2, max_attempts: 2 }),
  (world) => world.write("first", "true"),
  (world) => world.write("second", "#QJ priority=5\ntrue"),
  (world) => world.write("waits", "#QJ after=first,second\ntrue"),
  (world) => world.write("queued", "#QJ queue=one\ntrue"),
  (world) => world.write(".draft", "true"),
  (world) => world.clock.advance(50),
  (world) => world.end(0, 1, false),
  (world) => world.rename("pending", 0, "pending", null),
  (world) => world.write("third", "#QJ delay=5\ntrue"),
  (world) => world.clock.advance(10_000),
  (world) => world.end(0, 0, true),
  (world) => world.clock.advance(50),
  (world) => void world.endLeft(0),
  (world) => world.end(0, 0, false),
  (world) => world.clock.advance(10_000),
];

async function tried(act: Act, world: World): Promise<void> {
  for (let i = 0;; i++) {
    try {
      return await act(world);
    } catch (error) {
      if (!(error instanceof StoreError) || i === 5) throw error;
      await world.clock.advance(1000);
    }
  }
}

/** Does the work while one statement fails. Returns how many statements there were, and whether one failed. */
async function work(faults: Faults, after: number, code: number, length: number) {
  const folder = await Deno.makeTempDir({ prefix: "qj-faults-" });
  try {
    const world = new World(folder);
    world.mayFail = true;
    world.watching = faults.without;
    const from = faults.count;
    faults.after(after, code, length);
    try {
      for (const act of WORK) {
        await tried(act, world);
        await world.clock.settle();
        world.check();
      }
      const count = faults.count - from;
      const hasFailed = faults.clear();
      await world.clock.advance(5000);
      await world.drain();
      const rows = world.store.db.prepare(
        `SELECT name, state, (SELECT count(*) FROM attempt WHERE job_id = job.id) AS attempts
         FROM job WHERE state <> 'removed' ORDER BY name`,
      ).all();
      const states = Object.fromEntries(rows.map(({ name, state }) => [name, state]));
      const { first, second, queued, third, waits } = states;
      assert.deepEqual([first, second, queued, third, waits], Array(5).fill("complete"));
      const attempts = rows.reduce((sum, row) => sum + Number(row.attempts), 0);
      assert.equal(attempts, world.started, "attempts that were recorded and that were made");
      return { count, hasFailed };
    } finally {
      faults.clear();
      await world.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const [kind, code] of Object.entries(SQLITE)) {
  Deno.test(`scheduler: with a state file that fails once at the n-th statement (${kind}) nothing is lost or doubled`, async () => {
    using faults = new Faults();
    const { count } = await work(faults, Infinity, code, 1);
    assert(count > 200, `${count} statements`);
    let failed = 0;
    // Each kind of failure begins elsewhere, so that together they meet more of the statements.
    for (let n = code % STRIDE; n < count; n += STRIDE) {
      try {
        if ((await work(faults, n, code, 1 + n % 3)).hasFailed) failed++;
      } catch (error) {
        throw new Error(`at statement ${n} of ${count}`, { cause: error });
      }
    }
    assert(failed > count / STRIDE / 2, `${failed} have failed`);
  });
}
