/** What the pages share, on a store of a test: see `store_fixture.ts`. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Slots } from "../../scheduler/slots.ts";
import { Browse } from "../../store/browse.ts";
import type { Job } from "../../store/job.ts";
import { Activity } from "../../web/activity.ts";
import { makeApp } from "../../web/app.tsx";
import { Commands, handleOf, type JobCommand, type Result } from "../../web/commands.ts";
import { Guard } from "../../web/guard.ts";
import { Live } from "../../web/live.ts";
import { Said } from "../../web/said.ts";
import type { Site } from "../../web/site.ts";
import { FAILED, StoreFixture, withStore } from "./store_fixture.ts";

const TOKEN = "a-token-that-is-long-enough";
export const ADDRESS = {
  kind: "tcp",
  hostname: "127.0.0.1",
  port: 8080,
  isLoopback: true,
} as const;
export const SUBMITTER = { uid: 1000, gid: 100, mode: 0o640 };

export class WebFixture extends StoreFixture {
  /** What the pages have told the daemon's log, in order. */
  readonly logged: string[] = [];
  readonly slots = new Slots(this.store.settings, 50, { tooFewDescriptors: () => {} });
  readonly browse = new Browse(this.store.db);
  readonly pagesLog = {
    did: (text: string) => void this.logged.push(text),
    changed: (keys: readonly string[]) => void this.logged.push(keys.join(" ")),
    unexpected: (path: string, error: unknown) => assert.fail(`${path}: ${error}`),
  };
  readonly commands = new Commands(this.store, this.pagesLog);
  readonly guard = new Guard(TOKEN, ADDRESS, []);
  readonly said = new Said();
  readonly site: Site = {
    ...{ store: this.store, slots: this.slots, browse: this.browse, commands: this.commands },
    ...{ guard: this.guard, said: this.said, live: new Live(this.store) },
    ...{ activity: new Activity(this.store), mountpoint: "/mnt/q", version: "1.2.3" },
    ...{ isReadOnly: false, submitter: SUBMITTER },
  };

  /** A command on a job as it is now, or as it was shown. */
  do(command: JobCommand, job: Job | string, value = ""): Result {
    return this.commands.run(command, typeof job === "string" ? job : handleOf(job), value);
  }

  /** Asks for a page as who is signed in. */
  async get(path: string): Promise<Response> {
    return await this.#ask(path, { headers: this.#headers });
  }

  get #headers(): Record<string, string> {
    return { host: "127.0.0.1:8080", cookie: this.guard.cookie(false).split(";")[0]! };
  }

  async #ask(path: string, init: RequestInit): Promise<Response> {
    const request = new Request(`http://127.0.0.1:8080${path}`, init);
    return await makeApp(this.site, this.pagesLog).fetch(request);
  }

  /** Sends a form of ours, and gives what came of it: its results, or the page that has refused it. */
  async post(path: string, fields: Readonly<Record<string, string>>): Promise<{
    readonly status: number;
    readonly results: readonly Result[];
    readonly html: string;
  }> {
    const body = new URLSearchParams({ form_token: this.guard.formToken, ...fields });
    const answer = await this.#ask(path, { method: "POST", body, headers: this.#headers });
    const url = new URL(answer.headers.get("location") ?? "/", "http://qj");
    const results = this.said.of(url.searchParams.get("said") ?? undefined)?.results ?? [];
    return { status: answer.status, results, html: await answer.text() };
  }

  /** Runs `body` while another program keeps the state file locked. */
  async locked(body: () => void | Promise<void>): Promise<void> {
    const other = new DatabaseSync(this.path);
    try {
      other.exec("BEGIN IMMEDIATE");
      await body();
    } finally {
      other.close();
    }
  }

  /** Of what the listeners have heard: the jobs that the kernel has to forget. */
  get left(): Job[] {
    return this.heard.flatMap((change) => change.kind === "left" ? [change.job] : []);
  }
}

/** A test with all that pages share. */
export function webTest(name: string, body: (f: WebFixture) => void | Promise<void>): void {
  Deno.test(name, () => withStore(body, (folder) => new WebFixture(folder)));
}

/** Makes the job "x", and says where it is. */
export const STATES = {
  pending: (f) => f.submitted("x"),
  active: (f) => f.running("x"),
  complete: (f) => f.ended("x"),
  failed: (f) => f.ended("x", FAILED),
} as const satisfies Record<string, (f: WebFixture) => unknown>;
export type State = keyof typeof STATES;

/** Takes the job "x" away, with all that may be left of it. */
export function clear(f: WebFixture): void {
  const job = f.store.jobs.byName("x");
  if (job !== undefined) f.store.moves.remove(job);
  f.sql("UPDATE attempt SET live = 0");
}
