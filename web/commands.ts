/**
 * What can be done with jobs from a page. The same moves as those of files (see `fs/rename.ts`), with words for each result.
 * A form says which job it means and what that job was when it was shown, so that a form which is sent twice, or late, does
 * no harm: what is no longer so is told and left as it is.
 */
import { StoreError } from "../store/errors.ts";
import { isDraft, isFinished, type Job, type JobId, timestamp } from "../store/job.ts";
import { hasControl, isTooLong, NAME_MAX } from "../store/job_name.ts";
import { LIMITS } from "../store/limits.ts";
import { printable } from "../store/printable.ts";
import { sendSignal, signalNamed } from "../store/signals.ts";
import type { Store } from "../store/store.ts";
import { shortened } from "./format.ts";

/** What has come of a command, in a sentence for its user. */
export interface Result {
  readonly isDone: boolean;
  readonly text: string;
}

/** What the commands on jobs are called in forms. */
export const JOB_COMMANDS = ["retry", "cancel", "park", "delete", "priority", "signal"] as const;
export type JobCommand = (typeof JOB_COMMANDS)[number];

/** Who hands in jobs from a page; null: nobody can. */
export interface Submitter {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits of the files of new jobs. */
  readonly mode: number;
}

export interface CommandsLog {
  /** Something was done from a page. */
  did(text: string, job: string | null): void;
  /** The settings were changed. */
  changed(keys: readonly string[]): void;
}

/** Something that the user can put right; the text is for the user. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** How a form names a job as it was shown: this job, handed in then, in this state, after so many attempts. */
export function handleOf(job: Pick<Job, "id" | "seq" | "state" | "attempts" | "lost">): string {
  return `${job.id}.${job.seq ?? 0}.${job.state}.${job.attempts}.${job.lost}`;
}

interface Shown {
  readonly id: JobId;
  readonly seq: number;
  readonly state: string;
  /** Attempts, and lost ones. */
  readonly tries: string;
}

function parseHandle(handle: string): Shown | null {
  const [, id, seq, state, tries] = /^(\d{1,15})\.(\d{1,16})\.([a-z]+)\.(\d+\.\d+)$/.exec(handle) ??
    [];
  if (id === undefined) return null;
  return { id: Number(id) as JobId, seq: Number(seq), state: state!, tries: tries! };
}

/** In what a job is no longer the one that was shown, as far as that bears on a command; null: it is. */
function changeSince(shown: Shown, job: Job, command: JobCommand): string | null {
  if (command === "priority") return null;
  if (shown.seq !== (job.seq ?? 0)) return "been handed in again";
  // The others ask for a state themselves.
  if (command === "delete" && shown.state !== job.state) return "changed";
  const isOtherRun = job.state === "active" && shown.state === "active" &&
    shown.tries !== `${job.attempts}.${job.lost}`;
  return isOtherRun ? "begun another attempt" : null;
}

/** What is said of a job that was handed in. */
export function handedIn({ name }: Pick<Job, "name">): string {
  return `${quoted(name)} was handed in`;
}

/** What is said of a job that went to failed instead of waiting for its turn. */
export function cannotRun({ name, error }: Pick<Job, "name" | "error">): string {
  return `${quoted(name)} cannot run: ${
    printable((error ?? "it failed").replace(/^not run: /, ""))
  }`;
}

/** A short name that is the same each time that a form is sent, so that it makes one job, whatever became of the first. */
function nameOf(once: string): string {
  return Number.parseInt(once.replaceAll("-", "").slice(0, 11), 16).toString(36);
}

const done = (text: string): Result => ({ isDone: true, text });
const refused = (text: string): Result => ({ isDone: false, text });
/** In a sentence, in which a long one would hide the rest. */
const quoted = (name: string) => printable(`“${shortened(name, 80)}”`);

const WHERE = {
  pending: "waits in pending",
  active: "is running",
  complete: "has completed",
  failed: "has failed",
  removed: "was deleted",
} as const;

export class Commands {
  readonly #store: Store;
  readonly #log: CommandsLog;

  constructor(store: Store, log: CommandsLog) {
    this.#store = store;
    this.#log = log;
  }

  /** Does one command on one job. Throws StoreError when the state file cannot be changed. */
  run(command: JobCommand, handle: string, value: string): Result {
    const shown = parseHandle(handle);
    const job = shown === null ? undefined : this.#store.jobs.byId(shown.id);
    if (shown === null || job === undefined || job.state === "removed") {
      return command === "delete"
        ? done("The job is gone already")
        : refused("The job is gone: it was deleted");
    }
    const change = changeSince(shown, job, command);
    if (change !== null) {
      return refused(
        `${quoted(job.name)} has ${change} since this was shown; it ${WHERE[job.state]}`,
      );
    }
    try {
      const result = this.#do(command, job, value);
      if (result.isDone) this.#log.did(result.text, job.name);
      return result;
    } catch (error) {
      if (error instanceof Refused) return refused(error.message);
      // Somebody was quicker.
      if (error instanceof StoreError && error.kind === "stale") {
        return refused(`${quoted(job.name)} has changed meanwhile`);
      }
      throw error;
    }
  }

  #do(command: JobCommand, job: Job, value: string): Result {
    const name = quoted(job.name);
    switch (command) {
      case "retry":
        return this.#retry(job);
      case "cancel":
        if (job.state !== "active") {
          return refused(`${name} is not running; it ${WHERE[job.state]}`);
        }
        this.#store.moves.park(job, job.name);
        return done(`${name} was cancelled, and is in failed`);
      case "park":
        return this.#park(job);
      case "delete":
        this.#leave(job, () => this.#store.moves.remove(job));
        return done(
          job.state === "active" ? `${name} was stopped and deleted` : `${name} was deleted`,
        );
      case "priority":
        return this.#setPriority(job, value);
      case "signal":
        return this.#signal(job, value);
    }
  }

  #retry(job: Job): Result {
    const name = quoted(job.name);
    if (!isFinished(job)) return refused(`${name} has not ended; it ${WHERE[job.state]}`);
    this.#leave(job, () => this.#store.moves.requeue(job, job.name));
    const now = this.#store.jobs.byId(job.id);
    if (now?.state === "failed") return refused(cannotRun(now));
    if (isDraft(job.name)) {
      return done(`${name} is in pending, a draft: it runs when it is renamed`);
    }
    if (job.scriptSize === 0) {
      return done(`${name} is in pending, empty: it runs when something is written to it`);
    }
    return done(`${name} is queued again`);
  }

  #park(job: Job): Result {
    const name = quoted(job.name);
    if (job.state !== "pending") return refused(`${name} is not pending; it ${WHERE[job.state]}`);
    if (isDraft(job.name)) return refused(`${name} is a draft, which is no job yet`);
    this.#store.moves.park(job, job.name);
    return done(`${name} was parked in failed`);
  }

  #setPriority(job: Job, value: string): Result {
    const max = LIMITS.maxPriority;
    const priority = /^[+-]?\d{1,5}$/.test(value.trim()) ? Number(value) : NaN;
    if (!(Math.abs(priority) <= max)) {
      return refused(
        `A priority is a whole number from -${max} to ${max}, not ${quoted(value)}`,
      );
    }
    if (job.state !== "pending") {
      return refused(
        `Only a pending job has a place in the order; ${quoted(job.name)} ${WHERE[job.state]}`,
      );
    }
    this.#store.queue.setPriority(job, priority + 0);
    return done(`${quoted(job.name)} has priority ${priority}`);
  }

  #signal(job: Job, value: string): Result {
    const signal = signalNamed(value);
    if (signal === undefined) return refused(`No signal has the name ${quoted(value)}`);
    const name = quoted(job.name);
    switch (sendSignal(this.#store, job.id, signal)) {
      case "sent":
        return done(`${signal} was sent to ${name}`);
      case "denied":
        return refused(`The processes of ${name} may not be signalled`);
      case "gone":
        return refused(`${name} is not running; it ${WHERE[job.state]}`);
    }
  }

  /** A finished job leaves its directory: the kernel may have kept its name. */
  #leave(job: Job, step: () => void): void {
    step();
    this.#store.changes.emit({ kind: "left", job });
  }

  /** Hands in a job, whole. `once` is the number of its form: without a name it gets one that is made of it. Throws {@linkcode Refused}, StoreError. */
  submit(rawName: string, script: string, by: Submitter, once: string): Job {
    const name = rawName.trim() === "" ? nameOf(once) : rawName;
    this.#checkName(name);
    // What a form sends has the line ends of the network.
    const bytes = new TextEncoder().encode(script.replace(/\r\n?/g, "\n"));
    if (bytes.every((byte) => byte <= 32)) throw new Refused("The script is empty");
    const { max_script_bytes, replace_finished } = this.#store.settings.current;
    if (bytes.length > max_script_bytes) {
      throw new Refused(
        `The script has ${bytes.length} bytes, and max_script_bytes allows ${max_script_bytes}`,
      );
    }
    const { db, jobs, moves, now } = this.#store;
    const existing = jobs.byName(name);
    if (existing !== undefined && !(replace_finished && isFinished(existing))) {
      throw new Refused(
        `There is a job of the name ${quoted(name)} already; it ${WHERE[existing.state]}`,
      );
    }
    db.assertWritable(bytes.length);
    const id = db.transaction(() => {
      const job = moves.create({ name, ...by }, existing);
      jobs.putScript(job.id, bytes, timestamp(now()), false);
      // In the same commit: a job that is there and not handed in would run at the next start.
      moves.submit([job.id]);
      return job.id;
    });
    if (existing !== undefined) this.#store.changes.emit({ kind: "left", job: existing });
    this.#log.did(handedIn({ name }), name);
    return jobs.require(id);
  }

  #checkName(name: string): void {
    if (isTooLong(name)) throw new Refused(`A name has at most ${NAME_MAX} bytes`);
    if (hasControl(name) || name.includes("/") || !name.isWellFormed()) {
      throw new Refused("A name is that of a file: without slashes and control characters");
    }
    if (isDraft(name)) {
      throw new Refused(
        `${
          quoted(name)
        } is the name of a draft, which does not run: it begins with a dot, ends with ~, ` +
          "or looks like #…#",
      );
    }
  }

  /** Changes settings. The caller has checked them. Returns what has changed. Throws StoreError. */
  configure(change: Parameters<Store["settings"]["apply"]>[0]): string[] {
    const keys = this.#store.settings.apply(change);
    if (keys.length > 0) this.#log.changed(keys);
    return keys;
  }
}
