/**
 * Random operations of several processes on a real mount, beside a plain model of it.
 *
 * By hand: QJ_MODEL_COMMANDS=N runs N commands, QJ_MODEL_SEED=N begins with the run of that seed, which a failure
 * names together with the commands that are left of the run when it has been made as short as the time allows.
 */
import fc from "fast-check";
import { step } from "./commands.ts";
import { compileClient } from "./clients.ts";
import { Shell } from "./shell.ts";
import { Step } from "./step.ts";
import { World } from "./world.ts";

const COMMANDS = Number(Deno.env.get("QJ_MODEL_COMMANDS") ?? 1_000);
const SEED = Number(Deno.env.get("QJ_MODEL_SEED") ?? Date.now() % 1_000_000_000);
/** At most: it is drawn. */
const COMMANDS_OF_RUN = 200;
/** How long a failure may be shortened, in ms. */
const SHRINK_MS = 240_000;

Deno.test("model: what random operations leave behind is what the model says", async () => {
  const folder = await Deno.makeTempDir({ prefix: "qj-model-" });
  try {
    await Deno.mkdir(`${folder}/scratch`);
    const program = await compileClient(folder);
    const shell = new Shell(`${folder}/scratch`);
    const commands = fc.commands([step], { maxCommands: COMMANDS_OF_RUN, size: "max" });
    const property = fc.asyncProperty(commands, async (steps) => {
      await using world = await World.start(program, shell);
      await fc.asyncModelRun(() => ({ model: world.model, real: world }), steps);
      await world.finish();
    });
    for (let seed = SEED; Step.count < COMMANDS; seed++) {
      await fc.assert(property, { seed, numRuns: 1, interruptAfterTimeLimit: SHRINK_MS });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
