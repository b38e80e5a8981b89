/** What running does to jobs in the model: which start, what their logs become, and where they end. */
import type { Bytes } from "./bytes.ts";
import type { Job, Model } from "./model.ts";
import { isDraft } from "./names.ts";
import type { Shell } from "./shell.ts";

/** A pending job that only waits for its turn. */
function isWaiting({ directory, name, script }: Job): boolean {
  return directory === "pending" && !isDraft(name) && script.writers === 0;
}

/** Jobs that must leave pending for failed though nothing runs, once their writers have closed them. */
export function unfit(model: Model): Job[] {
  return [...model.jobs.values()].filter((job) =>
    isWaiting(job) && job.script.text !== "" &&
    (job.script.isDoubtful || job.script.text.startsWith(">>> "))
  );
}

/** Empty jobs in doubt: they never run, in pending or in failed. */
export function emptyInDoubt(model: Model): Job[] {
  return [...model.jobs.values()].filter((job) =>
    isWaiting(job) && job.script.text === "" && job.script.isDoubtful
  );
}

/** Jobs that run when the queue is not paused. */
export function runnable(model: Model): Job[] {
  return [...model.jobs.values()].filter((job) =>
    isWaiting(job) && job.script.text !== "" && !job.later
  );
}

/** What a log must look like after a job was rejected, whatever the reason. */
export function isRejection(before: Bytes, log: Bytes): boolean {
  const start = before === "" ? "" : `${before}\n`;
  return log.startsWith(start) && /^\[System Error\]: not run: .+\n$/.test(log.slice(start.length));
}

/** A script with a NUL byte cannot run. */
export function canRun({ script }: Job): boolean {
  return !script.text.includes("\0");
}

/** What an attempt puts into the log before it prints: the script, below what is there. */
export function sectionHead({ log, script }: Job): Bytes {
  const lines = script.text.replace(/\n$/, "").split("\n").map((line) => `>>> ${line}\n`).join("");
  return (log !== "" && !log.endsWith("\n") ? "\n" : "") + lines;
}

/** The last words of an attempt that has not exited 0. */
export function sectionEnd(output: Bytes, error: string): Bytes {
  return `${output !== "" && !output.endsWith("\n") ? "\n" : ""}\n[System Error]: ${error}\n`;
}

/** All attempts of a job. */
export async function run(model: Model, job: Job, shell: Shell): Promise<void> {
  const { output, code } = await shell.run(job.script.text);
  const attempts = code === 0 ? 1 : model.config.max_attempts;
  for (let i = 0; i < attempts; i++) {
    job.log += sectionHead(job) + output;
    if (code !== 0) job.log += sectionEnd(output, `exit status ${code}`);
  }
  // Between attempts it was in pending.
  if (attempts > 1) model.move(job, "pending");
  model.move(job, code === 0 ? "complete" : "failed");
}
