/** A short soak: `deno task soak` is the long one. QJ_SOAK_SEED repeats a run. */
import { soak } from "./soak.ts";

const KILLS = 20;
const seed = Number(Deno.env.get("QJ_SOAK_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);

Deno.test(`soak: killed ${KILLS} times with SIGKILL, it loses no job and runs none twice at a time`, async () => {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-soak-" });
  try {
    await soak({ seed, kills: KILLS, folder });
  } catch (error) {
    throw new Error(`QJ_SOAK_SEED=${seed}`, { cause: error });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
