/** The scheduler where the system has no process to spare: the spawner says so, the rest is real. */
import assert from "node:assert/strict";
import { Scheduler } from "../../scheduler/scheduler.ts";
import { spawnHere, type SpawnRequest } from "../../scheduler/spawner.ts";
import { NO_LOG, NO_PROCESSES } from "../scheduler/surroundings.ts";
import { type StoreFixture, storeTest } from "./store_fixture.ts";

/** Runs job "a"; making its process fails with these errors first. Resolves when the job is in `complete/` or `failed/`. */
async function runWith(f: StoreFixture, errors: readonly string[], script: string): Promise<void> {
  const { store, folder } = f;
  Deno.mkdirSync(`${folder}/run`);
  store.settings.apply({ max_attempts: 1 });
  f.submitted("a", script);
  const left = [...errors];
  const over = Promise.withResolvers<void>();
  const unlisten = store.changes.listen(() => {
    if (["complete", "failed"].includes(f.job("a").state)) over.resolve();
  });
  const scheduler = new Scheduler({
    store,
    environment: { cwd: "/", env: {}, openFiles: 64, setpriv: [] },
    reaper: NO_PROCESSES,
    spawner: {
      spawn: (request: SpawnRequest) => {
        const error = left.shift();
        if (error !== undefined) throw new Error(error);
        return spawnHere(request);
      },
    },
    runFolder: `${folder}/run`,
    maxByDescriptors: Infinity,
    log: {
      ...NO_LOG,
      storeFailed: (error) => over.reject(error),
    },
  });
  scheduler.start();
  try {
    await over.promise;
  } finally {
    unlisten();
    await scheduler.stop(0);
  }
  assert.deepEqual([...Deno.readDirSync(`${folder}/run`)], []);
}

for (const number of [11, 12, 24]) {
  storeTest(`a job starts when the system has processes again: errno ${number}`, async (f) => {
    const error = `Failed to spawn '/usr/bin/setsid': no more of it (os error ${number})`;
    await runWith(f, [error, error], "#!/bin/sh\nexit 0\n");
    const { state, attempts } = f.job("a");
    assert.deepEqual([state, attempts], ["complete", 1]);
  });
}

storeTest("what else keeps a process from being made fails the attempt at once", async (f) => {
  await runWith(f, ["Failed to spawn: Permission denied (os error 13)"], "true\n");
  assert.equal(f.job("a").state, "failed");
});
