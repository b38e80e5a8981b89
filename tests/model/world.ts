/**
 * The real thing beside the model: a daemon, clients, and the comparison of both.
 *
 * The last client only looks. All that is done is kept as a list of lines, which a failure shows.
 */
import assert from "node:assert/strict";
import { Qj } from "../mount/qj.ts";
import { type Bytes, fromHex, quoted, toHex } from "./bytes.ts";
import { type Answer, Client, type FileStat, statOf } from "./clients.ts";
import { lose, settleHeld } from "./held_job.ts";
import { type Descriptor, DIRECTORIES, type Directory, type Job, Model } from "./model.ts";
import { type Moment, Span } from "./moment.ts";
import { Refusal } from "./refusal.ts";
import { canRun, emptyInDoubt, isRejection, run, runnable, unfit } from "./running.ts";
import type { Shell } from "./shell.ts";

export const CLIENTS = 3;
/** Deadline of what the scheduler does by itself, in ms: only a job that is stuck reaches it. */
const WAIT_MS = 30_000;
/** The same once something has failed: a run that hangs is made shorter by many runs that may hang too. */
const SHRINKING_WAIT_MS = 3_000;
const LOOK_MS = 5;
/** The largest script while nothing smaller is set: together they fit into one argument of a program. */
export const MAX_SCRIPT_BYTES = 100_000;

const CONFIG = { max_script_bytes: MAX_SCRIPT_BYTES, replace_finished: false, max_attempts: 1 };
const SETTINGS = { ...CONFIG, paused: true, settle_ms: 0, backoff_base: 0, max_job_count: 3 };

export class World implements AsyncDisposable {
  static #waitMs = WAIT_MS;
  readonly model: Model;
  readonly qj: Qj;
  readonly #shell: Shell;
  readonly #clients: readonly Client[];
  readonly #trace: string[] = [];
  /** When the first operation since the last comparison began. */
  #since = Date.now();
  /** Where the daemon's log was then. */
  #logSince = 0;

  private constructor(qj: Qj, shell: Shell, program: string) {
    this.qj = qj;
    this.#shell = shell;
    this.model = new Model({ ...CONFIG }, Deno.uid() === 0);
    this.#clients = Array.from({ length: CLIENTS + 1 }, () => new Client(program));
  }

  static async start(program: string, shell: Shell): Promise<World> {
    return new World(await Qj.start({ settings: SETTINGS }), shell, program);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.qj.isMounted && this.#hangs) this.qj.abort();
    await Promise.all(this.#clients.map((client) => client.end()));
    await this.qj[Symbol.asyncDispose]();
  }

  #hangs = false;

  /** Whatever fails in it is told together with all that was done. */
  async explained(body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      World.#waitMs = SHRINKING_WAIT_MS;
      const message = error instanceof Error ? error.message : String(error);
      const lines = this.#trace.map((line, i) => `${i + 1}. ${line}`).join("\n");
      throw new Error(`${message}\nWhat was done:\n${lines}`, { cause: error });
    }
  }

  /** At the end of a run: all that can be compared. */
  async finish(): Promise<void> {
    await this.explained(() => this.compareAll());
  }

  path(directory: Directory, name: Bytes): Bytes {
    return this.qj.path(directory, name);
  }

  // Calls ------------------------------------------------------------------------------------------------------

  /** Strings are bytes. */
  async call(client: number, name: string, ...args: readonly (Bytes | number)[]): Promise<Answer> {
    const words = args.map((arg) => typeof arg === "number" ? arg : toHex(arg));
    const shown = args.map((arg) =>
      typeof arg === "number" ? arg : quoted(arg.replace(`${this.qj.mountpoint}/`, ""))
    );
    this.#trace.push(`client ${client}: ${name} ${shown.join(" ")}`);
    const before = Date.now();
    let answer: Answer;
    try {
      answer = await this.#clients[client]!.call(name, ...words);
    } catch (error) {
      this.#hangs = true;
      throw error;
    }
    this.model.now = new Span(before, Date.now());
    this.#trace.push(`${this.#trace.pop()} = ${answer.error ?? answer.value}`);
    return answer;
  }

  /** Applies an operation to the model and compares what came of it. Undefined: refused, as it had to be. */
  expect<T>(answer: Answer, effect: (model: Model) => T): T | undefined {
    let result: T;
    try {
      result = effect(this.model);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      const wanted = refusal.errors.join(" or ");
      const isExpected = answer.error !== null && refusal.errors.includes(answer.error);
      assert(isExpected, `${answer.error ?? "success"} instead of ${wanted}`);
      return undefined;
    }
    assert.equal(answer.error, null, `${answer.error} instead of success`);
    return result;
  }

  /** A call of the client that only looks. */
  async look(name: string, path: Bytes): Promise<Answer> {
    return await this.#clients[CLIENTS]!.call(name, toHex(path)).catch((error) => {
      this.#hangs = true;
      throw error;
    });
  }

  // Comparison -------------------------------------------------------------------------------------------------

  /** After each command: listings and attributes of all, and the bytes of those that it had to do with. */
  async compare(): Promise<void> {
    await settleHeld(this, this.#logSince);
    await this.#settle();
    for (const directory of DIRECTORIES) {
      const { error, gave } = await this.look("list", this.qj.path(directory));
      assert.equal(error, null, `list ${directory}`);
      const names = gave.split(" ").filter((hex) => hex !== "").map(fromHex).sort();
      assert.deepEqual(names, this.model.list(directory), `names in ${directory}`);
    }
    for (const job of this.model.jobs.values()) await this.#compareJob(job);
    this.model.touched.clear();
    this.#since = Date.now();
    this.#logSince = this.qj.logLength;
  }

  async #compareJob(job: Job): Promise<void> {
    const what = `${job.directory}/${quoted(job.name)}`;
    const path = this.path(job.directory!, job.name);
    const answer = await this.look("stat", path);
    assert.equal(answer.error, null, `stat ${what}`);
    this.compareStat(job, job.directory === "pending" ? "script" : "log", statOf(answer));
    if (!this.model.touched.has(job)) return;
    const { error, gave } = await this.look("cat", path);
    assert.equal(error, null, `cat ${what}`);
    const bytes = job.directory === "pending" ? job.script.text : job.log;
    assert.equal(fromHex(gave), bytes, `bytes of ${what}`);
  }

  compareStat(job: Job, file: "script" | "log", stat: FileStat): void {
    const what = `${file} of ${job.directory ?? "forgotten"}/${quoted(job.name)}`;
    const { mode, nlink, size } = stat;
    assert.deepEqual({ mode, nlink, size }, {
      mode: job.mode,
      nlink: job.directory === null ? 0 : 1,
      size: file === "script" ? job.script.text.length : job.log.length,
    }, what);
    assert.equal(stat.ino, job.inos[file] ??= stat.ino, `inode of the ${what}`);
    narrow(file === "script" ? job.script.time : job.logTime, stat.mtime, `mtime of the ${what}`);
  }

  /** Waits for what is not run to be in failed, where the reason is in the log. */
  async #settle(): Promise<void> {
    for (const job of unfit(this.model)) {
      await this.#arrives(job, "failed");
      await this.#reject(job);
    }
    for (const job of emptyInDoubt(this.model)) {
      const { error } = await this.look("stat", this.path("failed", job.name));
      if (error === null) await this.#reject(job);
    }
  }

  async #reject(job: Job): Promise<void> {
    const log = fromHex((await this.look("cat", this.path("failed", job.name))).gave);
    assert(isRejection(job.log, log), `log of ${quoted(job.name)}: ${JSON.stringify(log)}`);
    job.log = log;
    this.applySince();
    this.model.move(job, "failed");
  }

  applySince(): void {
    this.model.now = new Span(this.#since, Date.now());
  }

  async #arrives(job: Job, directory: Directory): Promise<void> {
    const path = this.path(directory, job.name);
    await this.until(
      `${quoted(job.name)} comes into ${directory}`,
      async () => (await this.look("stat", path)).error === null,
    );
  }

  /** Waits for what the scheduler does by itself. */
  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + World.#waitMs;
    while (!await condition()) {
      assert(performance.now() < deadline, `not in time: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** All that can be compared. */
  async compareAll(): Promise<void> {
    for (const job of this.model.jobs.values()) this.model.touched.add(job);
    for (const descriptor of this.model.descriptors) await this.compareDescriptor(descriptor);
    const { gave } = await this.look("cat", this.qj.path("config.json"));
    const config = JSON.parse(fromHex(gave));
    for (const [key, value] of Object.entries(this.model.config)) {
      assert.equal(config[key], value, `config.json: ${key}`);
    }
    await this.compare();
    assert.doesNotMatch(this.qj.log, /bug in qj/);
  }

  /** A descriptor shows what it was opened on, wherever the job is by now. */
  async compareDescriptor({ client, fd, description }: Descriptor): Promise<void> {
    const { job, file, how } = description;
    const answer = await this.call(client, "fstat", fd);
    assert.equal(answer.error, null, "fstat");
    this.compareStat(job, file, statOf(answer));
    if (!how.read) return;
    const content = this.model.content(description);
    const { error, gave } = await this.call(client, "pread", fd, content.length + 1, 0);
    assert.equal(error, null, "pread");
    assert.equal(fromHex(gave), content, `bytes of fd ${fd} of client ${client}`);
  }

  // The daemon -------------------------------------------------------------------------------------------------

  async configure(change: Readonly<Record<string, unknown>>): Promise<void> {
    const O_WRONLY_TRUNC = 0o1001;
    const { value: fd } = await this.call(
      0,
      "open",
      this.qj.path("config.json"),
      O_WRONLY_TRUNC,
      0,
    );
    assert.equal((await this.call(0, "write", fd, JSON.stringify(change))).error, null, "write");
    assert.equal((await this.call(0, "close", fd)).error, null, "close");
  }

  rootPath(name: string): Bytes {
    return this.qj.path(name);
  }

  /** Everything that can run runs to its end. */
  async runAll(): Promise<void> {
    const jobs = runnable(this.model);
    this.#trace.push(`run everything: ${jobs.map(({ name }) => quoted(name)).join(" ")}`);
    const ends = new Map<Job, Directory>();
    for (const job of jobs) {
      const isGood = canRun(job) && (await this.#shell.run(job.script.text)).code === 0;
      ends.set(job, isGood ? "complete" : "failed");
    }
    await this.configure({ paused: false });
    for (const [job, end] of ends) await this.#arrives(job, end);
    await this.configure({ paused: true });
    for (const job of jobs) {
      this.applySince();
      if (canRun(job)) await run(this.model, job, this.#shell);
      else await this.#reject(job);
    }
  }

  /** Ends the daemon and starts it again. Descriptors die with it. */
  async restart(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#trace.push(signal);
    const status = await this.qj.end(signal);
    if (signal === "SIGTERM") assert.equal(status, 0, `the daemon's exit status:\n${this.qj.log}`);
    const { descriptors } = this.model;
    this.model.crash(signal === "SIGKILL");
    await this.qj.restart();
    this.#logSince = 0;
    await lose(this);
    // Only now: a mount that was left is replaced though descriptors are open on it.
    for (const { client, fd } of descriptors) await this.call(client, "close", fd);
    await this.compareAll();
  }
}

function narrow(moment: Moment, seen: bigint, what: string): void {
  const isPossible = moment.from <= seen && seen <= moment.to;
  assert(isPossible, `${what}: ${seen} is not in ${moment.from} to ${moment.to}`);
  moment.from = seen;
  moment.to = seen;
}
