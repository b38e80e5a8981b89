/**
 * Random things happen to a queue, 10,000 of them, with a clock that the test moves and processes that are none. What must
 * hold is in world.ts. QJ_MODEL_SEED and QJ_MODEL_RUNS repeat a run, or make more of them.
 */
import fc from "fast-check";
import { anyStep, type Step } from "./steps.ts";
import { World } from "./world.ts";

const STEPS = 200;
const RUNS = Number(Deno.env.get("QJ_MODEL_RUNS") ?? 50);
const SEED = Deno.env.get("QJ_MODEL_SEED");

async function inWorld(body: (world: World) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-scheduler-" });
  try {
    const world = new World(folder);
    try {
      await body(world);
    } finally {
      await world.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function take(world: World, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    await step.take(world);
    await world.clock.settle();
    world.noteWaiting();
    world.check();
  }
  await world.drain();
}

Deno.test({
  name: "scheduler: whatever happens, limits and order are kept, and everything comes to an end",
  // A scheduler that is dead by a crash of its world does not take its signal listener back.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: whateverHappens,
});

async function whateverHappens(): Promise<void> {
  let started = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyStep, { minLength: STEPS, maxLength: STEPS }),
      (steps) =>
        inWorld(async (world) => {
          await take(world, steps);
          started += world.started;
        }),
    ),
    {
      numRuns: RUNS,
      ...(SEED !== undefined && { seed: Number(SEED) }),
      endOnFailure: false,
      interruptAfterTimeLimit: 600_000,
      reporter: (details) => {
        if (!details.failed) return;
        const steps = (details.counterexample?.[0] ?? []).map(({ text }: Step) => `  ${text}`);
        throw new Error(
          `seed ${details.seed}\n${steps.join("\n")}\n${(details.errorInstance as Error)?.stack}`,
        );
      },
    },
  );
  // A world in which nothing runs would prove nothing.
  if (started < RUNS * 10) throw new Error(`only ${started} jobs were started`);
}
