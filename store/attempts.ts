/**
 * Attempts: claiming a job, and the transaction that records how its run ended and decides what comes next.
 *
 * An attempt is *live* from its claim until none of its processes is left. It may outlive its job's stay in `active/`:
 * a job that is removed, parked or queued again while it runs leaves at once, and its attempt is stopped meanwhile.
 */
import type { Database } from "./database.ts";
import type { Events } from "./events.ts";
import { type AttemptId, type Job, type JobId, readySinceMs, type State } from "./job.ts";
import { type JobOptions, optionsOf } from "./job_options.ts";
import type { Jobs } from "./jobs.ts";
import type { Moves } from "./moves.ts";
import type { Capture, Output } from "./output.ts";
import { sectionHead } from "./section.ts";

const NEWLINE = 10;
const encoder = new TextEncoder();

/** How an attempt ended. */
export type Outcome =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signaled"; readonly signal: string }
  | { readonly kind: "timeout"; readonly seconds: number }
  | { readonly kind: "cancelled" }
  | { readonly kind: "lost" }
  /** It could not start. */
  | { readonly kind: "error"; readonly reason: string };

/** What becomes of the job after an attempt, see `scheduler/policy.ts`. */
export interface Next {
  readonly to: Extract<State, "pending" | "complete" | "failed">;
  readonly attempts: number;
  readonly lost: number;
  readonly retryAtMs: number | null;
}

/** A claimed job and its attempt. */
export interface Claim {
  readonly attempt: AttemptId;
  readonly job: Job;
  /** QJ_ATTEMPT_ID. */
  readonly token: string;
  readonly script: Uint8Array;
  readonly options: JobOptions;
  readonly capture: Capture;
}

/** How a run was: its outcome, whether processes of it are still there, and its length in ms by a monotonic clock. */
export interface Ended {
  readonly outcome: Outcome;
  readonly left: boolean;
  readonly runMs: number;
}

/** A live attempt that an earlier run of the daemon has left. */
export interface LeftAttempt {
  readonly id: AttemptId;
  readonly jobId: JobId;
  readonly jobName: string;
  readonly token: string;
  readonly bootId: string;
  readonly pid: number | null;
  readonly pidStart: number | null;
  readonly outcome: string | null;
  /** The named queue that it counts against. */
  readonly queue: string | null;
  /** Only its process group is stopped. */
  readonly keepsChildren: 0 | 1;
}

/** What is recorded of an attempt that has ended: offsets in the log, and what comes next if that is decided by it. */
interface EndedAttempt {
  readonly id: AttemptId;
  readonly outputEnd: number;
  readonly end: number;
  readonly live: boolean;
  readonly next: Next | null;
  /** Null: nobody has seen the end. */
  readonly runMs: number | null;
}

/** The text after `[System Error]: `, or null for success. */
export function errorText(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case "exited":
      return outcome.code === 0 ? null : `exit status ${outcome.code}`;
    case "signaled":
      return `signal: ${outcome.signal}`;
    case "timeout":
      return `timed out after ${outcome.seconds} s`;
    case "cancelled":
      return "cancelled";
    case "lost":
      return "lost: the daemon stopped";
    case "error":
      return outcome.reason;
  }
}

export class Attempts {
  readonly #db: Database;
  readonly #jobs: Jobs;
  readonly #moves: Moves;
  readonly #output: Output;
  readonly #events: Events;
  readonly #now: () => number;
  /** Jobs whose log an attempt of this daemon is writing. */
  readonly #running = new Set<JobId>();
  readonly #listeners: ((outcome: Outcome, runMs: number) => void)[] = [];
  readonly #insert;
  readonly #outputStart;
  readonly #nextNumber;
  readonly #process;
  readonly #end;
  readonly #gone;
  readonly #left;
  readonly #inTheWay;

  constructor(
    db: Database,
    jobs: Jobs,
    moves: Moves,
    output: Output,
    events: Events,
    now: () => number,
  ) {
    this.#db = db;
    this.#jobs = jobs;
    this.#moves = moves;
    this.#output = output;
    this.#events = events;
    this.#now = now;
    this.#nextNumber = db.prepare(
      "SELECT coalesce(max(number), 0) + 1 AS n FROM attempt WHERE job_id = ?",
    );
    this.#outputStart = db.prepare("UPDATE attempt SET output_start = ? WHERE id = ?");
    this.#insert = db.prepare(
      `INSERT INTO attempt (job_id, job_name, number, token, boot_id, started_ms, log_start, live,
         queue, keeps_children)
       VALUES (:job, :name, :number, :token, :boot, :started, :start, 1, :queue, :keeps)
       RETURNING id`,
    );
    this.#process = db.prepare("UPDATE attempt SET pid = ?, pid_start = ? WHERE id = ?");
    this.#end = db.prepare(
      `UPDATE attempt SET ended_ms = :ended, outcome = :outcome, exit_code = :code,
         signal = :signal, error = :error, output_end = :outputEnd, log_end = :end, live = :live,
         run_ms = :run
       WHERE id = :id AND outcome IS NULL
       RETURNING number, job_name AS name, started_ms AS started`,
    );
    this.#gone = db.prepare("UPDATE attempt SET live = 0 WHERE id = ?");
    this.#left = db.prepare(
      `SELECT id, job_id AS jobId, job_name AS jobName, token, boot_id AS bootId, pid,
         pid_start AS pidStart, outcome, queue, keeps_children AS keepsChildren
       FROM attempt WHERE live = 1`,
    );
    this.#inTheWay = db.prepare(
      `SELECT EXISTS (SELECT 1 FROM attempt WHERE live = 1 AND job_id = ?)
         OR EXISTS (SELECT 1 FROM attempt WHERE live = 1 AND job_name = ?) AS yes`,
    );
  }

  /** Moves a ready job to active and begins an attempt and its log section. `job` comes from `Queue.next`. */
  claim(job: Job, bootId: string, maxOutputBytes: number): Claim {
    const token = crypto.randomUUID();
    const script = this.#jobs.script(job.id);
    const options = optionsOf(job);
    return this.#db.transaction(() => {
      this.#moves.move(job, "active");
      const { n } = this.#nextNumber.get(job.id) as { n: number };
      const { id } = this.#insert.get({
        job: job.id,
        name: job.name,
        number: n,
        token,
        boot: bootId,
        started: this.#now(),
        start: job.logSize,
        queue: job.queue,
        keeps: options.keepChildren ? 1 : 0,
      }) as { id: AttemptId };
      const end = this.#output.append(job.id, job.logSize, this.#head(job, script));
      this.#outputStart.run(end, id);
      const waited = Math.max(0, this.#now() - readySinceMs(job)) / 1000;
      this.#events.record("started", job, { attempt: n, waited_sec: waited });
      this.#db.afterCommit(() => this.#running.add(job.id));
      const capture = this.#output.begin(job.id, id, end, maxOutputBytes);
      return { attempt: id, job, token, script, options, capture };
    });
  }

  #head(job: Job, script: Uint8Array): Uint8Array {
    const head = sectionHead(script);
    if (job.logSize === 0 || this.#output.read(job.id, job.logSize - 1, 1)[0] === NEWLINE) {
      return head;
    }
    return new Uint8Array([NEWLINE, ...head]);
  }

  /** Calls `listener` for each attempt that has ended, with its run time. */
  onEnd(listener: (outcome: Outcome, runMs: number) => void): void {
    this.#listeners.push(listener);
  }

  #ended(outcome: Outcome, runMs: number): void {
    for (const listener of this.#listeners) listener(outcome, runMs);
  }

  /** True while an attempt of this daemon writes to the job's log, whatever state the job is in. */
  isRunning(job: JobId): boolean {
    return this.#running.has(job);
  }

  /** True while a former attempt of the job, or of one of its name, has processes: until then it does not start. */
  isInTheWay({ id, name }: Pick<Job, "id" | "name">): boolean {
    return (this.#inTheWay.get(id, name) as { yes: number }).yes === 1;
  }

  /** Remembers the leader of the attempt's process group. `pidStart` is in clock ticks since boot. */
  setProcess(id: AttemptId, pid: number, pidStart: number | null): void {
    this.#db.run(this.#process, pid, pidStart, id);
  }

  /** Appends output of running attempts, in one transaction for all. */
  captureOutput(batch: ReadonlyMap<Capture, readonly Uint8Array[]>): void {
    this.#allOrNone([...batch.keys()], () => {
      for (const [capture, parts] of batch) {
        this.#output.capture(capture, parts);
        this.#jobs.touchLog(capture.job);
      }
    });
  }

  /** A transaction that changes captures too: when it fails, they are as they were. */
  #allOrNone(captures: readonly Capture[], body: () => void): void {
    const before = captures.map((capture) => ({ ...capture }));
    const restore = () => captures.forEach((capture, i) => Object.assign(capture, before[i]));
    try {
      this.#db.transaction(() => {
        restore(); // a second try begins where the first did
        body();
      });
    } catch (error) {
      restore();
      throw error;
    }
  }

  /**
   * Records the end of an attempt. If the job is still active (nobody has removed, parked or queued it meanwhile),
   * `decide` says what comes next, in the same transaction.
   */
  finish(capture: Capture, ended: Ended, decide: (job: Job) => Next): void {
    const { outcome, left: live, runMs } = ended;
    this.#allOrNone([capture], () => {
      const job = this.#jobs.byId(capture.job);
      this.#db.afterCommit(() => this.#running.delete(capture.job));
      if (job === undefined) return;
      const outputEnd = capture.end;
      this.#output.finish(capture, errorText(outcome));
      const next = job.state === "active" ? decide(job) : null;
      this.#record(job, outcome, {
        id: capture.attempt,
        outputEnd,
        end: capture.end,
        live,
        next,
        runMs,
      });
      if (next === null) this.#jobs.touchLog(job.id);
      else this.#moves.move(job, next.to, { ...next, error: errorText(outcome) });
    });
    this.#jobs.purgeIfRemoved(capture.job);
  }

  #record(job: Job, outcome: Outcome, ended: EndedAttempt): void {
    const { id, outputEnd, end, live, next, runMs } = ended;
    const endedMs = this.#now();
    const run = runMs === null ? null : Math.round(runMs);
    const code = outcome.kind === "exited" ? outcome.code : null;
    const signal = outcome.kind === "signaled" ? outcome.signal : null;
    const error = outcome.kind === "error" ? outcome.reason : null;
    const row = this.#end.get({
      id,
      ended: endedMs,
      outcome: outcome.kind,
      code,
      signal,
      error,
      outputEnd,
      end,
      live: live ? 1 : 0,
      run,
    }) as { number: number; name: string; started: number } | undefined;
    if (row === undefined) return;
    const tookMs = run ?? Math.max(0, endedMs - row.started);
    this.#events.record("attempt_ended", { ...job, name: row.name }, {
      attempt: row.number,
      outcome: outcome.kind,
      ...(code !== null && { exit_code: code }),
      ...(signal !== null && { signal }),
      ...(error !== null && { error }),
      run_time_sec: tookMs / 1000,
      ...(next?.to === "pending" && next.retryAtMs !== null &&
        { retry_at: new Date(next.retryAtMs).toISOString() }),
    });
    this.#db.afterCommit(() => this.#ended(outcome, tookMs));
  }

  /** No process of the attempt is left. */
  gone(id: AttemptId, job: JobId): void {
    this.#db.run(this.#gone, id);
    this.#jobs.purgeIfRemoved(job);
  }

  /** What an earlier run of the daemon has left. */
  left(): LeftAttempt[] {
    return this.#left.all() as unknown as LeftAttempt[];
  }

  /**
   * Records a left attempt as lost. Its processes may be alive, so it stays live until {@linkcode Attempts.gone}.
   * `decide` as in {@linkcode Attempts.finish}.
   */
  lose(left: LeftAttempt, decide: (job: Job) => Next): void {
    this.#db.transaction(() => {
      const job = this.#jobs.byId(left.jobId);
      if (job === undefined || left.outcome !== null) return;
      const newline = job.logSize === 0 ||
        this.#output.read(job.id, job.logSize - 1, 1)[0] === NEWLINE;
      const text = `${newline ? "" : "\n"}\n[System Error]: ${errorText({ kind: "lost" })}\n`;
      const end = this.#output.append(job.id, job.logSize, encoder.encode(text));
      const outcome = { kind: "lost" } as const;
      const next = job.state === "active" ? decide(job) : null;
      const outputEnd = job.logSize;
      this.#record(job, outcome, { id: left.id, outputEnd, end, live: true, next, runMs: null });
      if (next !== null) this.#moves.move(job, next.to, { ...next, error: errorText(outcome) });
    });
  }
}
