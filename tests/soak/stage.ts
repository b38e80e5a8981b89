/** The daemon of a soak, what clients have asked of it, and what must be true of it in the end. */
import assert from "node:assert/strict";
import { type Qj, until } from "../mount/qj.ts";
import { assertConsistent } from "../programs/store_invariants.ts";
import { type Kind, makeJob, makeJobOf, type SoakJob } from "./jobs.ts";
import { Ledger } from "./ledger.ts";
import type { Random } from "./random.ts";

export class Stage {
  readonly qj: Qj;
  readonly random: Random;
  readonly ledger = new Ledger();
  /** Jobs that are moved back from failed until they have run. */
  readonly retried = new Set<string>();
  #count = 0;
  #known: string[] = [];

  constructor(qj: Qj, random: Random) {
    this.qj = qj;
    this.random = random;
  }

  nextName(): string {
    return `job${this.#count++}`;
  }

  newJob(kind?: Kind): SoakJob {
    const name = this.nextName();
    const job = kind === undefined
      ? makeJob(name, this.random, this.#known)
      : makeJobOf(kind, name, this.random);
    this.ledger.add(job);
    return job;
  }

  pending(name: string): string {
    return this.qj.path("pending", name);
  }

  /** In the daemon's working directory. */
  file(name: string): string {
    return `${this.qj.folder}/${name}`;
  }

  paused(paused: boolean): Promise<void> {
    return this.qj.configure({ paused });
  }

  /** How often each job has run so far. */
  async #lines(file: string): Promise<Map<string, number>> {
    const text = await Deno.readTextFile(this.file(file)).catch(() => "");
    const counts = new Map<string, number>();
    for (const name of text.split("\n").slice(0, -1)) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  /** After each start of the daemon: what can be seen without waiting. */
  async checkStart(): Promise<void> {
    this.ledger.noteRuns(await this.#lines("ran"));
    // A job that moves on while they are listed may be seen in two of them, but not for long.
    await until("the end of names in two directories", async () => {
      const lists = await Promise.all(
        ["pending", "active", "complete", "failed"].map((directory) => this.qj.ls(directory)),
      );
      return new Set(lists.flat()).size === lists.flat().length;
    });
    const there = new Set(await this.qj.ls("jobs"));
    for (const { job, isTaken, removal } of this.ledger.all) {
      if (isTaken && removal === null) assert(there.has(job.name), `${job.name} is lost`);
      if (removal === "done") assert(!there.has(job.name), `${job.name} is there again`);
    }
    await this.#assertAlone();
    // Who waits for others waits for those that will run to their end.
    this.#known = this.ledger.expected.filter((name) => !this.retried.has(name)).slice(-20);
    await this.paused(false);
    await this.#retryFailed();
  }

  async #assertAlone(): Promise<void> {
    const overlaps = await Deno.readTextFile(this.file("overlaps")).catch(() => "");
    assert.equal(overlaps, "", "jobs that overlapped with themselves");
  }

  /** A move that was cut off may not have happened. */
  async #retryFailed(): Promise<void> {
    for (const name of await this.qj.ls("failed")) {
      if (this.retried.has(name)) await this.qj.sh(`mv failed/${name} pending/`);
    }
  }

  /** When all that was begun has come to its end, and the daemon too. */
  async checkEnd(): Promise<void> {
    const { qj, ledger } = this;
    const complete = async () => new Set(await qj.ls("complete"));
    await until("the end of all jobs", async () => {
      const [pending, active] = await Promise.all([qj.ls("pending"), qj.ls("active")]);
      if (active.length > 0) return false;
      for (const name of pending) {
        // Drafts, and files that were made and not written to, stay as they are.
        if (!name.startsWith(".") && (await Deno.stat(this.pending(name))).size > 0) return false;
      }
      return true;
    }).catch((error) => {
      throw new Error(`${error.message}\n${qj.log.slice(-3000)}`);
    });
    const done = await complete();
    const [ran, ended] = [await this.#lines("ran"), await this.#lines("ended")];
    for (const name of ledger.expected) {
      assert(done.has(name), `${name} did not complete: ${await this.#log(name)}`);
      assert(ran.has(name) && ended.has(name), `${name} has not run to its end`);
    }
    for (const { job, removal, runsAtRemoval } of ledger.all) {
      if (job.kind === "once") assert((ran.get(job.name) ?? 0) <= 1, `${job.name} ran twice`);
      if (removal === "done" && runsAtRemoval !== null) {
        assert.equal(ran.get(job.name) ?? 0, runsAtRemoval, `${job.name} ran after its removal`);
      }
    }
    await this.#assertAlone();
    await this.#assertNothingPartial(done);
    await this.#assertFailed();
    await this.#assertRecorded(ran);
    assert.equal(await qj.end(), 0, qj.log);
    assert.equal(qj.isMounted, false);
    await this.#assertNoProcess();
    assert.deepEqual([...Deno.readDirSync(`${qj.stateFile}.run`)], [], "the run folder");
    assertConsistent(qj.stateFile);
  }

  async #log(name: string): Promise<string> {
    return await Deno.readTextFile(this.qj.path("jobs", name, "log")).catch(String);
  }

  /** A job that has completed has done all of its script in its last run. */
  async #assertNothingPartial(done: ReadonlySet<string>): Promise<void> {
    for await (const { name } of Deno.readDir(this.qj.folder)) {
      const job = /^partial\.(.*)$/.exec(name)?.[1];
      if (job !== undefined) assert(!done.has(job), `${job} was run in part`);
    }
  }

  /** In failed are those whose writing was cut off, which have not run, and those that run only once. */
  async #assertFailed(): Promise<void> {
    const kinds = new Map(this.ledger.all.map(({ job }) => [job.name, job.kind]));
    for (const name of await this.qj.ls("failed")) {
      if (kinds.get(name) === "once") continue;
      const log = await this.#log(name);
      assert.match(log, /^\[System Error\]: not run: /, name);
    }
  }

  /** Each run has an attempt that tells of it. */
  async #assertRecorded(ran: ReadonlyMap<string, number>): Promise<void> {
    for (const name of this.ledger.expected) {
      const text = await Deno.readTextFile(this.qj.path("jobs", name, "status.json"));
      const { attempts } = JSON.parse(text) as { attempts: unknown[] };
      assert(attempts.length >= ran.get(name)!, `${name}: ${attempts.length} attempts`);
    }
  }

  /** Of no attempt a process is left, whatever its group and session. */
  async #assertNoProcess(): Promise<void> {
    const left: string[] = [];
    for await (const { name } of Deno.readDir("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const environ = await Deno.readTextFile(`/proc/${name}/environ`).catch(() => "");
      if (!environ.split("\0").includes(`QJ_MOUNT=${this.qj.mountpoint}`)) continue;
      const stat = await Deno.readTextFile(`/proc/${name}/stat`).catch(() => "");
      if (stat !== "" && !/\) [ZX] /.test(stat)) left.push(stat);
    }
    assert.deepEqual(left, [], "processes that are left");
  }
}
