/** `jobs/NAME/status.json`: all that is known of a job, for programs. See STATUS in qj.5. */
import type { Attempt } from "../store/history.ts";
import { type Job, notBeforeMs, submittedMs } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import type { Attributes } from "./attributes.ts";
import { FsError } from "./errno.ts";
import type { Handle } from "./handle.ts";
import type { JobFile, OpenFlags } from "./job_file.ts";
import { MadeTexts } from "./made_texts.ts";

/** Attempts before the newest of these are not shown: a job may be retried for years. */
const MAX_ATTEMPTS = 1000;

function time(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** Seconds, or null while either end is not there. */
function seconds(fromMs: number | null, toMs: number | null): number | null {
  return fromMs === null || toMs === null ? null : Math.max(0, toMs - fromMs) / 1000;
}

/** By a clock that nobody sets, once the attempt has ended. */
function runTime({ runMs, startedMs, endedMs }: Attempt, nowMs: number): number | null {
  return runMs === null ? seconds(startedMs, endedMs ?? nowMs) : runMs / 1000;
}

function attemptStatus(job: Job, attempt: Attempt) {
  const { outputStart, outputEnd } = attempt;
  return {
    number: attempt.number,
    start: time(attempt.startedMs),
    end: time(attempt.endedMs),
    outcome: attempt.outcome,
    exit_code: attempt.exitCode,
    signal: attempt.signal,
    error: attempt.error,
    pid: attempt.outcome === null ? attempt.pid : null,
    output_bytes: outputStart === null ? null : (outputEnd ?? job.logSize) - outputStart,
  };
}

/** The document, with a final newline. */
export function statusText(store: Store, job: Job): string {
  const newest = store.history.newest(job.id);
  const oldestShown = Math.max(0, (newest?.number ?? 0) - MAX_ATTEMPTS);
  const attempts = store.history.page(job.id, oldestShown, MAX_ATTEMPTS);
  const status = {
    name: job.name,
    state: job.state,
    queue: job.queue,
    priority: job.priority,
    uid: job.uid,
    gid: job.gid,
    created: time(job.createdMs),
    submitted: time(submittedMs(job)),
    started: time(newest?.startedMs ?? null),
    finished: time(job.finishedMs),
    run_time_sec: newest === undefined ? null : runTime(newest, store.now()),
    not_before: job.state === "pending" ? time(notBeforeMs(job)) : null,
    after: store.dependencies.namesOf(job.id),
    last_error: job.error,
    attempts: attempts.map((attempt) => attemptStatus(job, attempt)),
  };
  return `${JSON.stringify(status, null, 2)}\n`;
}

export class StatusFile implements JobFile {
  readonly name = "status.json";
  readonly node = "status";
  readonly isListed = true;
  readonly #store: Store;
  readonly #attributes: Attributes;
  readonly #texts = new MadeTexts();

  constructor(store: Store, attributes: Attributes) {
    this.#store = store;
    this.#attributes = attributes;
  }

  #text(job: Job): Uint8Array {
    return new TextEncoder().encode(statusText(this.#store, job));
  }

  attr(job: Job) {
    return this.#attributes.ofMadeUp(job, this.node, this.#text(job).length);
  }

  open(job: Job, { write }: OpenFlags): Handle {
    if (write) throw new FsError("EPERM", "the status is read only");
    return this.#texts.open(this.#text(job));
  }
}
