/**
 * Ordinary programs that write jobs, as tables. Every program of a table has to exit 0, to leave the bytes that it leaves
 * on any file system and no file besides, and its job has to run once, with these bytes. Each table is run
 *
 * - on a paused queue, which goes on when all programs are done;
 * - on a running queue, each within the time to settle. That is a minute, cut short afterwards;
 * - on a running queue without a time to settle, if its last call is such that it does not need one.
 */
import assert from "node:assert/strict";
import { Qj } from "../mount/qj.ts";
import { assertConsistent } from "./store_invariants.ts";
import { lacks } from "./tools.ts";

/** Scripts whose runs can be counted. Other names than that of the job show up as well. */
export const RIGHT = 'echo "$QJ_JOB right" >> runs\n';
export const WRONG = 'echo "$QJ_JOB wrong" >> runs\n';

export interface Program {
  /** Of the program and of its job. */
  readonly name: string;
  /** Commands that not every system has. */
  readonly needs?: readonly string[];
  /** Not installed by ./bootstrap: skipped in CI too where it is missing. */
  readonly isOptional?: boolean;
  /** The job's text before. Default: there is no job. */
  readonly before?: string;
  /** For bash, in the mountpoint. `../right` is a file with the text RIGHT. */
  readonly command: string | ((qj: Qj) => Promise<number>);
  /** The job's text afterwards. Default: RIGHT. */
  readonly after?: string;
  /** Drafts that it leaves. */
  readonly leaves?: readonly string[];
  /** The job has mode, owner and mtime of ../right. */
  readonly keeps?: boolean;
  /**
   * What it does last to a file: close it, or rename it from a draft, after which the job does not wait to settle.
   * Default: something by the file's name, or `before` would run.
   */
  readonly lastCall?: "close" | "rename";
}

const bytesOf = (text: string) => [...new TextEncoder().encode(text)];

async function run(qj: Qj, program: Program): Promise<void> {
  if (program.before !== undefined) await qj.submit(program.name, program.before);
  if (typeof program.command !== "string") {
    assert.equal(await program.command(qj), 0);
  } else {
    const { code, stderr } = await qj.sh(`set -e; ${program.command}`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  }
}

async function attributes(qj: Qj, path: string): Promise<string> {
  return (await qj.sh(`stat -c '%a %u %g %.9Y' ${path}`)).stdout;
}

/** All have run once and only these, and nothing is left over. */
async function assertRanOnce(qj: Qj, done: readonly Program[]): Promise<void> {
  const names = done.map(({ name }) => name).sort();
  for (const { name, after = RIGHT } of done) {
    const log = await qj.in("complete", name);
    assert.equal(log, after.replace(/\n$/, "").replace(/^/gm, ">>> ") + "\n");
  }
  const runs = (await Deno.readTextFile(`${qj.folder}/runs`)).trim().split("\n").sort();
  assert.deepEqual(runs, names.map((name) => `${name} right`));
  assert.deepEqual(await qj.ls("complete"), names);
  assert.deepEqual(await qj.ls("failed"), []);
  assert.deepEqual(await qj.ls("active"), []);
  const drafts = done.flatMap(({ leaves = [] }) => leaves).sort();
  assert.deepEqual(await qj.ls("pending"), drafts);
}

async function withSources(settings: Record<string, unknown>): Promise<Qj> {
  const qj = await Qj.start({ settings });
  await Deno.writeTextFile(`${qj.folder}/right`, RIGHT);
  await qj.sh("chmod 640 ../right; touch -d @1000000000.123456789 ../right");
  return qj;
}

/** Programs on jobs that wait; `release` then lets them run. */
function testWaiting(
  title: string,
  programs: readonly Program[],
  settings: Record<string, unknown>,
  release: (qj: Qj) => Promise<void>,
): void {
  Deno.test(title, async (t) => {
    await using qj = await withSources(settings);
    const done: Program[] = [];
    for (const program of programs) {
      const { name, needs = [], isOptional, after = RIGHT, keeps, leaves = [] } = program;
      const passed = await t.step({
        name,
        ignore: lacks(needs, isOptional),
        async fn() {
          const before = new Set(await qj.ls("pending"));
          await run(qj, program);
          assert.deepEqual([...await Deno.readFile(qj.path("pending", name))], bytesOf(after));
          if (keeps) {
            assert.equal(await attributes(qj, `pending/${name}`), await attributes(qj, "../right"));
          }
          const made = (await qj.ls("pending")).filter((entry) => !before.has(entry));
          assert.deepEqual(made, [name, ...leaves].sort());
          done.push(program);
        },
      });
      // What a program that failed has left would be blamed on the next one.
      if (!passed && !done.includes(program)) await qj.sh(`rm -f pending/*${name}*`);
    }
    await t.step("each job runs once, with its last text", async () => {
      await release(qj);
      await assertRanOnce(qj, done);
    });
    await t.step("the state file is consistent", async () => {
      assert.equal(await qj.end(), 0);
      assertConsistent(qj.stateFile);
    });
  });
}

/** A program has all the time it needs, on a slow machine too. */
const LONGEST = { settle_ms: 60_000 };

/** Registers the tests of a table. */
export function testPrograms(kind: string, programs: readonly Program[]): void {
  testWaiting(`${kind}: on a paused queue`, programs, { paused: true }, async (qj) => {
    await qj.configure({ paused: false });
  });

  const settling = programs.filter(({ lastCall }) => lastCall !== "rename");
  testWaiting(`${kind}: within the time to settle`, settling, LONGEST, async (qj) => {
    await qj.configure({ settle_ms: 0 });
    await qj.sh("touch pending/*");
  });

  const immediate = programs.filter(({ lastCall, before }) => lastCall && before === undefined);
  if (immediate.length === 0) return;
  Deno.test(`${kind}: without a time to settle`, async (t) => {
    await using qj = await withSources({ settle_ms: 0 });
    const done: Program[] = [];
    for (const program of immediate) {
      const { name, needs = [], isOptional } = program;
      await t.step({
        name,
        ignore: lacks(needs, isOptional),
        async fn() {
          await run(qj, program);
          done.push(program);
        },
      });
    }
    await t.step("each job runs once, with its last text", () => assertRanOnce(qj, done));
  });
}
