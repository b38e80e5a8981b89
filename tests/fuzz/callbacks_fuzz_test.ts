/** Sequences of requests, against the file system through the callbacks of libfuse. See settings.ts for how to run more. */
import fc from "fast-check";
import { fuzz } from "./cases.ts";
import { anyStep, type Step } from "./callback_steps.ts";
import { inWorld, type World } from "./world.ts";

const STEPS = 60;

async function take(world: World, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    await step.take(world);
    world.checkLog();
  }
  world.checkOpen();
  world.checkListings();
  world.checkFresh();
  await world.finishAll();
}

fuzz("every request has one answer that it may have, and the store stays whole", {
  share: 0.1,
  arbitrary: fc.array(anyStep, { minLength: 1, maxLength: STEPS, size: "max" }),
  body: (steps) => inWorld((world) => take(world, steps)),
  show: (steps) => steps.map(({ text }) => `  ${text}`).join("\n"),
});
