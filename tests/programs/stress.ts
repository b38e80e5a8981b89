/**
 * A mount under stress. Afterwards nothing that the contract does not name has gone wrong, nothing is left, and the state
 * file is consistent.
 *
 * A run of the tests takes one round of each. QJ_STRESS_SECONDS=600 begins new rounds, each on the state file of the one
 * before, until 10 minutes are over; a test by itself: `deno test --allow-all --filter=fio tests/programs/`.
 */
import assert from "node:assert/strict";
import { Qj } from "../mount/qj.ts";
import { assertConsistent } from "./store_invariants.ts";
import { lacks } from "./tools.ts";

const SECONDS = Number(Deno.env.get("QJ_STRESS_SECONDS") ?? 0);

/** Registers a test. `round` is run on a paused queue, and leaves nothing. */
export function testStress(
  title: string,
  needs: readonly string[],
  round: (qj: Qj, t: Deno.TestContext) => Promise<void>,
): void {
  Deno.test({
    name: `stress: ${title}`,
    ignore: lacks(needs),
    async fn(t) {
      const folder = await Deno.makeTempDir({ prefix: "qj-stress-" });
      try {
        const end = performance.now() + SECONDS * 1000;
        do await oneRound(folder, (qj) => round(qj, t)); while (performance.now() < end);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

async function oneRound(folder: string, round: (qj: Qj) => Promise<void>): Promise<void> {
  await using qj = await Qj.start({ folder, settings: { paused: true } });
  await round(qj);
  for (const directory of ["pending", "active", "complete", "failed"]) {
    assert.deepEqual(await qj.ls(directory), []);
  }
  await qj.configure({ paused: false });
  await qj.submit("after", "true");
  await qj.in("complete", "after");
  await qj.sh("rm complete/after");
  assert.equal(await qj.end(), 0);
  assert.doesNotMatch(qj.log, /^\S+ qj (warning|error|fatal): /m);
  assertConsistent(qj.stateFile);
}

/** Runs a command in the mountpoint. Throws with all that it said unless it exits 0; returns that. */
export async function run(qj: Qj, command: string): Promise<string> {
  const { code, stdout, stderr } = await qj.sh(command);
  assert.equal(code, 0, `${command}\n${stdout}${stderr}`);
  return stdout + stderr;
}
