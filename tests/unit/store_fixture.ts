/** A store on a real SQLite file in a folder of its own, with a clock that only the test moves. */
import assert from "node:assert/strict";
import { Logs } from "../../fs/logs.ts";
import type { Claim, Ended, Next, Outcome } from "../../store/attempts.ts";
import type { Change } from "../../store/changes.ts";
import { type Job, type JobId, timestamp } from "../../store/job.ts";
import type { ReadyHandle } from "../../fs/handle.ts";
import { Store } from "../../store/store.ts";

export const START_MS = 1_800_000_000_000;
export const BOOT = "00000000-0000-4000-8000-000000000000";

/** Where a job goes after an attempt, for tests that do not test the policy. */
export const COMPLETE: Next = { to: "complete", attempts: 1, lost: 0, retryAtMs: null };
export const FAILED: Next = { to: "failed", attempts: 1, lost: 0, retryAtMs: null };
export const RETRY: Next = { to: "pending", attempts: 1, lost: 0, retryAtMs: null };

const encoder = new TextEncoder();

/** A run of one second that ended so; `left`: some of its processes are there. */
export function ended(outcome: Outcome, left = false): Ended {
  return { outcome, left, runMs: 1000 };
}

export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

/** Like assert.equal for long texts: says where they begin to differ. */
export function sameText(actual: string, expected: string): void {
  if (actual === expected) return;
  let at = 0;
  while (actual[at] === expected[at] && at < actual.length) at++;
  const around = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 60));
  const lengths = `${actual.length} instead of ${expected.length} characters`;
  assert.fail(`${lengths}, at ${at}: ${around(actual)} instead of ${around(expected)}`);
}

/** Reads a handle from a position to its end, as `cat` does. */
export function readAll(handle: ReadyHandle, from = 0, size = 4096): string {
  const parts: Uint8Array[] = [];
  for (let at = from;;) {
    const part = handle.read(at, size);
    if (part.length === 0) break;
    parts.push(part.slice());
    at += part.length;
  }
  return text(new Uint8Array(parts.flatMap((part) => [...part])));
}

export class StoreFixture {
  readonly folder: string;
  readonly path: string;
  /** What the store has told its listeners, in order. */
  readonly heard: Change[] = [];
  store: Store;
  nowMs = START_MS;

  constructor(folder: string) {
    this.folder = folder;
    this.path = `${folder}/state.db`;
    this.store = this.#open();
  }

  #open(): Store {
    const store = new Store(this.path, () => this.nowMs);
    store.changes.listen((change) => {
      // That something was recorded is told all the time; what, the events themselves say.
      if (change.kind !== "events") this.heard.push(change);
    });
    return store;
  }

  /** Closes the state file and opens it again, as after a crash of the daemon. */
  reopen(): void {
    this.store.close();
    this.store = this.#open();
  }

  /** At the end of the test. */
  end(): void {
    this.store.close();
  }

  /** The job of that name; fails when there is none. */
  job(name: string): Job {
    const job = this.store.jobs.byName(name);
    assert.ok(job, `there is no job ${name}`);
    return job;
  }

  byId(id: JobId): Job {
    return this.store.jobs.require(id);
  }

  /** An open job with a text that is committed. */
  written(name: string, script = "true\n"): Job {
    const { jobs, moves } = this.store;
    const { id } = moves.create({ name, mode: 0o644, uid: 0, gid: 0 }, undefined);
    const mtime = timestamp(this.nowMs);
    if (script !== "") jobs.putScript(id, bytes(script), mtime, false);
    return jobs.require(id);
  }

  /** A job that may start. */
  submitted(name: string, script = "true\n"): Job {
    const { id } = this.written(name, script);
    this.store.moves.submit([id]);
    return this.byId(id);
  }

  /** Claims the next job; fails when there is none. */
  claim(maxOutputBytes = 1_000_000): Claim {
    const job = this.store.queue.next();
    assert.ok(job, "no job is ready");
    return this.store.attempts.claim(job, BOOT, maxOutputBytes);
  }

  /** A job that runs. */
  running(name: string, script = "true\n"): Claim {
    this.submitted(name, script);
    const claim = this.claim();
    assert.equal(claim.job.name, name);
    return claim;
  }

  print(claim: Claim, ...parts: string[]): void {
    this.store.attempts.captureOutput(new Map([[claim.capture, parts.map(bytes)]]));
  }

  /** Ends an attempt without leaving processes. */
  finish(claim: Claim, next: Next, outcome: Outcome = { kind: "exited", code: 0 }): void {
    const { startedMs } = this.store.history.byId(claim.attempt)!;
    const runMs = this.nowMs - startedMs;
    this.store.attempts.finish(claim.capture, { outcome, left: false, runMs }, () => next);
  }

  /** A job that has ended. */
  ended(name: string, next: Next = COMPLETE): Job {
    this.finish(this.running(name), next);
    return this.job(name);
  }

  /** The log as a new reader sees it. */
  log(job: Job): string {
    const handle = new Logs(this.store).open(this.byId(job.id));
    try {
      return readAll(handle);
    } finally {
      handle.release?.();
    }
  }

  /** Runs one statement on the state file. */
  sql(statement: string, ...parameters: (string | number | null)[]): void {
    this.store.db.prepare(statement).run(...parameters);
  }

  /** One value from the state file. */
  value(query: string, ...parameters: (string | number | null)[]): unknown {
    const row = this.store.db.prepare(query).get(...parameters);
    return row === undefined ? undefined : Object.values(row)[0];
  }
}

/** Runs `body` with what `make` makes in a new folder, and cleans up. */
export async function withStore<F extends StoreFixture>(
  body: (fixture: F) => void | Promise<void>,
  make: (folder: string) => F,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-store-" });
  try {
    const fixture = make(folder);
    try {
      await body(fixture);
    } finally {
      fixture.end();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A test with a store. */
export function storeTest(
  name: string,
  body: (fixture: StoreFixture) => void | Promise<void>,
): void {
  Deno.test(name, () => withStore(body, (folder) => new StoreFixture(folder)));
}
