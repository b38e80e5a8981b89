/**
 * Moments at which the daemon is killed: each brings it there, and returns when it is about to be. Whether it was caught
 * there is known afterwards only, since the kill must not wait for a turn of the event loop.
 */
import { exists, until } from "../mount/qj.ts";
import * as calls from "./calls.ts";
import { makeJobOf } from "./jobs.ts";
import type { Stage } from "./stage.ts";

export interface Moment {
  /** The rest of what was begun, after the kill. True: a call was cut off by it. */
  readonly rest: Promise<boolean>;
  /** A job that was running at the kill if that came at the right time. */
  readonly running?: string;
  /** How long after now it lasts about, in ms: the kill comes at a random time within. */
  readonly lastsMs: number;
}

/** A call that is under way. */
function during(call: Promise<boolean>, done: () => void, lastsMs = 1.5): Moment {
  const rest = call.then((isDone) => {
    if (isDone) done();
    return !isDone;
  });
  return { rest, lastsMs };
}

function whileRunning(job: string, lastsMs: number): Moment {
  return { rest: Promise.resolve(false), running: job, lastsMs };
}

async function descriptor(stage: Stage, file: string): Promise<number> {
  const fd = await calls.create(file);
  if (fd === null) throw new Error(`${file} cannot be made:\n${stage.qj.log}`);
  return fd;
}

export const MOMENTS = {
  create: (stage) => {
    const job = stage.newJob();
    const making = calls.create(stage.pending(job.name));
    const rest = making.then(async (fd) => {
      if (fd === null) return true;
      const isWritten = await calls.write(fd, job.script);
      if (await calls.close(fd) && isWritten) stage.ledger.taken(job.name);
      return false;
    });
    return Promise.resolve({ rest, lastsMs: 1 });
  },
  write: async (stage) => {
    const job = stage.newJob("plain");
    const fd = await descriptor(stage, stage.pending(job.name));
    // In two parts, of which the first alone would be a script too.
    const at = job.script.indexOf("exec 9>");
    await calls.write(fd, job.script.slice(0, at));
    const writing = calls.write(fd, `${job.script.slice(at)}${"#".repeat(100_000)}\n`);
    const rest = writing.then(async (isWritten) => {
      if (await calls.close(fd) && isWritten) stage.ledger.taken(job.name);
      return !isWritten;
    });
    return { rest, lastsMs: 1.5 };
  },
  flush: async (stage) => {
    const job = stage.newJob();
    const fd = await descriptor(stage, stage.pending(job.name));
    if (!await calls.write(fd, job.script)) throw new Error("write failed");
    return during(calls.close(fd), () => stage.ledger.taken(job.name));
  },
  fsync: async (stage) => {
    const job = stage.newJob();
    const fd = await descriptor(stage, stage.pending(job.name));
    if (!await calls.write(fd, job.script)) throw new Error("write failed");
    const moment = during(calls.fsync(fd), () => stage.ledger.taken(job.name), 4);
    const rest = moment.rest.then(async (isCutOff) => {
      await calls.close(fd);
      return isCutOff;
    });
    return { ...moment, rest };
  },
  rewrite: async (stage) => {
    await stage.paused(true);
    const job = stage.newJob("plain");
    if (!await calls.submit(stage.pending(job.name), job.script)) throw new Error("not taken");
    stage.ledger.rewritten(job.name);
    const fd = await calls.openToRewrite(stage.pending(job.name));
    if (fd === null) throw new Error("not opened");
    const writing = calls.write(fd, `${job.script}# again\n`);
    const closing = writing.then(async (isWritten) => await calls.close(fd) && isWritten);
    return during(closing, () => stage.ledger.taken(job.name));
  },
  rename: async (stage) => {
    const job = stage.newJob();
    const draft = stage.pending(`.${job.name}`);
    if (!await calls.submit(draft, job.script)) throw new Error("not taken");
    const renaming = calls.rename(draft, stage.pending(job.name));
    return during(renaming, () => stage.ledger.taken(job.name));
  },
  claim: async (stage) => {
    await until("a free slot", async () => (await stage.qj.ls("active")).length < 3);
    const job = stage.newJob("long");
    if (!await calls.submit(stage.pending(job.name), job.script)) throw new Error("not taken");
    stage.ledger.taken(job.name);
    return whileRunning(job.name, 40); // settle_ms, the claim, the spawn
  },
  run: async (stage) => {
    const job = stage.newJob(stage.random.pick(["children", "long", "output"]));
    if (!await calls.submit(stage.pending(job.name), job.script)) throw new Error("not taken");
    stage.ledger.taken(job.name);
    await until(`a run of ${job.name}`, () => exists(stage.file(`partial.${job.name}`)));
    return whileRunning(job.name, 50);
  },
  end: async (stage) => {
    const job = stage.newJob(stage.random.pick(["plain", "children"]));
    if (!await calls.submit(stage.pending(job.name), job.script)) throw new Error("not taken");
    stage.ledger.taken(job.name);
    const isOver = async () =>
      (await Deno.readTextFile(stage.file("ended")).catch(() => "")).includes(`${job.name}\n`);
    await until(`the end of ${job.name}`, isOver);
    return whileRunning(job.name, 6);
  },
  retry: async (stage) => {
    const name = stage.nextName();
    const job = makeJobOf("plain", name, stage.random);
    const script = `#QJ attempts=1\n[ -e go.${name} ] || exit 1\n${job.script}`;
    stage.ledger.add({ ...job, script });
    if (!await calls.submit(stage.pending(name), script)) throw new Error("not taken");
    await stage.qj.in("failed", name);
    await Deno.writeTextFile(stage.file(`go.${name}`), "");
    stage.retried.add(name);
    stage.ledger.taken(name);
    const renaming = calls.rename(stage.qj.path("failed", name), stage.pending(name));
    return during(renaming, () => {});
  },
  remove: async (stage) => {
    const job = makeJobOf("children", stage.nextName(), stage.random);
    stage.ledger.add(job);
    if (!await calls.submit(stage.pending(job.name), job.script)) throw new Error("not taken");
    await until(`a run of ${job.name}`, () => exists(stage.file(`partial.${job.name}`)));
    stage.ledger.removed(job.name, false);
    // It may have ended by now.
    const active = stage.qj.path("active", job.name);
    return during(calls.unlink(active), () => stage.ledger.removed(job.name, true));
  },
  settings: async (stage) => {
    const attempts = stage.random.pick([3, 4, 5]);
    const fd = await calls.openToRewrite(stage.qj.path("config.json"));
    if (fd === null) throw new Error("not opened");
    const writing = calls.write(fd, `{"max_attempts": ${attempts}}\n`);
    return during(writing.then(async (isWritten) => await calls.close(fd) && isWritten), () => {});
  },
} as const satisfies Readonly<Record<string, (stage: Stage) => Promise<Moment>>>;

export type MomentName = keyof typeof MOMENTS;
