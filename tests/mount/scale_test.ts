/**
 * A million finished jobs: listings are right, and memory does not grow with the number of jobs. Speed is measured by
 * `bench/`, not here.
 */
import assert from "node:assert/strict";
import { FINISHED_LOG, finishedName, makeFinishedJobs } from "./finished_jobs.ts";
import { listed, medians, Visitor } from "../web/paging.ts";
import { skipsHeavy } from "./heavy.ts";
import { Qj } from "./qj.ts";

const JOBS = 1_000_000;
const FEW = 1000;
/** How much longer a page of a thousand times as many may take: a look at each would take a thousand times longer. */
const RATIO = 20;
/** What the daemon may take at its peak, in KiB: a hundred bytes for each job would be too much. */
const MEMORY_KIB = 200 * 1024;
/** Jobs that are removed while a listing is being read: from its beginning, its middle and its end. */
const REMOVED = 30;

/** The highest memory that the daemon has had must stay below the bound. */
function assertMemoryBound(qj: Qj): void {
  const status = Deno.readTextFileSync(`/proc/${qj.pid}/status`);
  const kib = Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]);
  assert(kib < MEMORY_KIB, `the daemon has taken ${kib} KiB`);
}

/** Lists by `ls -f`, which prints names as it reads them. `meanwhile` is done when the first ones are here. */
async function listAround(directory: string, meanwhile: () => Promise<void>): Promise<string[]> {
  const ls = new Deno.Command("timeout", {
    args: ["-s", "KILL", "60", "ls", "-f", directory],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const names: string[] = [];
  let rest = "";
  let isFirst = true;
  for await (const text of ls.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) names.push(line);
    // Until it goes on reading, ls waits for room in the pipe.
    if (isFirst) await meanwhile();
    isFirst = false;
  }
  assert.equal((await ls.status).code, 0);
  return names.filter((name) => name !== "." && name !== "..");
}

/** Ids of jobs in complete, which are the odd ones, from its beginning, its middle and its end. */
function spread(count: number): number[] {
  return Array.from({ length: count / 3 }, (_, i) => i * 14)
    .flatMap((place) => [1 + place, JOBS / 2 + 1 + place, JOBS - 1 - place]);
}

Deno.test({
  name: "scale: a million finished jobs are listed, read and removed in bounded memory",
  ignore: skipsHeavy,
  fn: async (t) => {
    const folder = await Deno.makeTempDir({ prefix: "qj-test-scale-" });
    try {
      await Deno.mkdir(`${folder}/state`);
      makeFinishedJobs(`${folder}/state/state.db`, JOBS);
      await using qj = await Qj.start({ folder, args: ["--http", "127.0.0.1:0"] });

      await t.step("pages of a browser take no longer than with a thousand", async () => {
        await Deno.mkdir(`${folder}/few/state`, { recursive: true });
        makeFinishedJobs(`${folder}/few/state/state.db`, FEW);
        await using other = await Qj.start({
          folder: `${folder}/few`,
          args: ["--http", "127.0.0.1:0"],
        });
        const visitors = [await Visitor.of(qj), await Visitor.of(other)];
        const deep = "/jobs?state=complete&after=1799999500000.999500";
        for (const path of ["/", "/jobs", "/jobs?state=failed", deep, "/jobs/500"]) {
          const [many, few] = await medians(visitors, path);
          assert(many! < RATIO * few!, `${path}: ${many} ms against ${few} ms`);
        }
        const first = listed(await visitors[0]!.page("/jobs?state=complete"));
        const second = listed(await visitors[0]!.page(first.next!));
        const expected = Array.from({ length: 100 }, (_, i) => finishedName(JOBS - 1 - 2 * i));
        assert.deepEqual([...first.names, ...second.names], expected);
        const found = listed(await visitors[0]!.page(`/jobs?q=${finishedName(7)}`));
        assert.deepEqual(found.names, [finishedName(7)]);
        assertMemoryBound(qj);
      });

      for (const directory of ["complete", "failed", "jobs"]) {
        await t.step(`ls -f ${directory} shows every job`, async () => {
          const { stdout } = await qj.sh(`ls -f ${directory} | wc -l`);
          const dots = 2;
          assert.equal(Number(stdout), dots + (directory === "jobs" ? JOBS : JOBS / 2));
          assertMemoryBound(qj);
        });
      }

      await t.step("jobs all over are found by name, and what nobody has is not", async () => {
        for (const id of spread(REMOVED)) {
          const [complete, failed] = [finishedName(id), finishedName(id + 1)];
          assert.equal(
            await Deno.readTextFile(qj.path("complete", complete)),
            FINISHED_LOG.complete,
          );
          assert.equal(await Deno.readTextFile(qj.path("failed", failed)), FINISHED_LOG.failed);
          await assert.rejects(Deno.stat(qj.path("failed", complete)), Deno.errors.NotFound);
        }
        await assert.rejects(Deno.stat(qj.path("complete", "none")), Deno.errors.NotFound);
      });

      await t.step("a listing that is read while jobs go shows each that stays once", async () => {
        const removed = new Set(spread(REMOVED).map(finishedName));
        const listed = await listAround(qj.path("complete"), async () => {
          for (const name of removed) await Deno.remove(qj.path("complete", name));
        });
        const names = new Set(listed);
        assert.equal(names.size, listed.length, "a name is listed twice");
        for (let id = 1; id <= JOBS; id += 2) {
          const name = finishedName(id);
          assert(names.has(name) || removed.has(name), `${name} is missing`);
          names.delete(name);
        }
        assert.deepEqual([...names], []);
        // They went before the listing got there.
        assert.equal(listed.includes(finishedName(JOBS - 1)), false);
        assertMemoryBound(qj);
      });

      await t.step("a job runs beside them", async () => {
        await qj.submit("new", "echo ran");
        assert.equal(await qj.in("complete", "new"), ">>> echo ran\nran\n");
        assert.equal(await qj.end(), 0);
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
