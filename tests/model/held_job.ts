/**
 * A job that stays in `active/` until it is let go, so that other commands meet it there: one at a time, while the
 * queue is paused for all others. It waits for a line from a FIFO; where there is none, its script just ends, which is
 * what happens whenever it runs again.
 */
import { mkfifo } from "../mount/helpers.ts";
import { type Bytes, fromHex, quoted } from "./bytes.ts";
import type { HeldJob, Job } from "./model.ts";
import { sectionEnd, sectionHead } from "./running.ts";
import type { World } from "./world.ts";

/** What it prints before it waits. */
const PRINTED = "begin\n";

export function heldScript(number: number): Bytes {
  return `echo begin; test ! -p gate${number} || read -r x < gate${number}\n`;
}

/** Starts a job with {@linkcode heldScript} that waits in pending. */
export async function hold(world: World, job: Job, number: number): Promise<void> {
  const gate = `${world.qj.folder}/gate${number}`;
  await mkfifo(gate);
  world.model.held = { job, gate };
  const log = job.log + sectionHead(job) + PRINTED;
  await world.configure({ paused: false });
  await world.until(
    `${quoted(job.name)} begins`,
    async () => fromHex((await world.look("cat", world.path("active", job.name))).gave) === log,
  );
  await world.configure({ paused: true });
  world.applySince();
  world.model.move(job, "active");
  job.log = log;
}

/** It ends by itself. */
export async function letGo(world: World, held: HeldJob): Promise<void> {
  const { job, gate } = held;
  await Deno.writeTextFile(gate, "\n");
  const path = world.path("complete", job.name);
  await world.until(
    `${quoted(job.name)} ends`,
    async () => (await world.look("stat", path)).error === null,
  );
  await over(world, held);
  world.model.move(job, "complete");
}

/** If it was removed, parked or queued again: waits until it is stopped, which the daemon's log from `from` on tells. */
export async function settleHeld(world: World, from: number): Promise<void> {
  const { held } = world.model;
  if (held === null || held.job.directory === "active") return;
  await world.qj.logged(/: cancelled$/, from);
  await over(world, held);
  closeLog(world, held.job, "cancelled");
}

/** The daemon has ended before it, and has been started again. */
export async function lose(world: World): Promise<void> {
  const { held } = world.model;
  if (held === null) return;
  await over(world, held);
  closeLog(world, held.job, "lost: the daemon stopped");
  world.model.move(held.job, "pending");
}

async function over(world: World, { gate }: HeldJob): Promise<void> {
  world.model.held = null;
  await Deno.remove(gate);
  world.applySince();
}

function closeLog(world: World, job: Job, error: string): void {
  job.log += sectionEnd(PRINTED, error);
  job.logTime = world.model.now.moment();
  world.model.touched.add(job);
}
