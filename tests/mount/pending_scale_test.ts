/** A million pending jobs, with `after`, `queue` and `at` among them: the right one starts, and finding it takes no longer. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Store } from "../../store/store.ts";
import { makePendingJobs, pendingName } from "./pending_jobs.ts";
import { peakMb } from "./cases.ts";
import { listed, medians, Visitor } from "../web/paging.ts";
import { skipsHeavy } from "./heavy.ts";
import { Qj, until } from "./qj.ts";

const JOBS = 1_000_000;
const FEW = 1000;
/** It has passed: all that wait for it become ready when the daemon starts. */
const AT_MS = 1_700_000_000_000;
/** What the daemon may take at its peak, in MB: a hundred bytes for each job would be too much. */
const MEMORY_MB = 200;
/** How much longer a choice among a thousand times as many may take: a look at each would take a thousand times longer. */
const RATIO = 20;

/** The median time of a choice, in ms, also with the named queue full. */
function medianChoiceMs(path: string): number {
  const store = new Store(path);
  try {
    const times = Array.from({ length: 200 }, (_, i) => {
      const begun = performance.now();
      assert(store.queue.next(i % 2 === 0 ? [] : ["video"]) !== undefined);
      return performance.now() - begun;
    });
    return times.sort((a, b) => a - b)[100]!;
  } finally {
    store.close();
  }
}

Deno.test({
  name: "scale: among a million pending jobs the most urgent one starts first",
  ignore: skipsHeavy,
  fn: async (t) => {
    const folder = await Deno.makeTempDir({ prefix: "qj-test-scale-" });
    try {
      await Deno.mkdir(`${folder}/state`);
      const state = `${folder}/state/state.db`;
      makePendingJobs(state, { count: JOBS, atMs: AT_MS });

      await t.step("choosing takes no longer than among a thousand", () => {
        makePendingJobs(`${folder}/few.db`, { count: FEW, atMs: AT_MS });
        const few = medianChoiceMs(`${folder}/few.db`);
        const many = medianChoiceMs(state);
        assert(many < RATIO * few, `${many} ms against ${few} ms`);
      });

      await using qj = await Qj.start({ folder, args: ["--http", "127.0.0.1:0"] });

      await t.step("pages of a browser show the order, and take no longer", async () => {
        await Deno.mkdir(`${folder}/few/state`, { recursive: true });
        makePendingJobs(`${folder}/few/state/state.db`, { count: FEW, atMs: AT_MS });
        await using other = await Qj.start({
          folder: `${folder}/few`,
          args: ["--http", "127.0.0.1:0"],
        });
        const visitors = [await Visitor.of(qj), await Visitor.of(other)];
        for (
          const path of [
            "/",
            "/jobs?state=pending",
            "/jobs?queue=video",
            "/jobs?state=pending&queue=video",
          ]
        ) {
          const [many, few] = await medians(visitors, path);
          assert(many! < RATIO * few!, `${path}: ${many} ms against ${few} ms`);
        }
        const first = listed(await visitors[0]!.page("/jobs?state=pending"));
        const second = listed(await visitors[0]!.page(first.next!));
        const expected = Array.from({ length: 100 }, (_, i) => pendingName(i * 1000 + 999));
        assert.deepEqual([...first.names, ...second.names], expected);
      });
      const events = async () => (await qj.sh("cat events")).stdout;
      const startedNames = async () =>
        [...(await events()).matchAll(/"event":"started","job":"([^"]*)"/g)].map(([, name]) =>
          name!
        );

      await t.step("order: priority, then submission; full queues are passed over", async () => {
        await qj.configure({ max_job_count: 1, queues: { video: { max_job_count: 0 } } });
        await qj.submit(".urgent", "#QJ priority=1000\necho urgent");
        await qj.sh("mv pending/.urgent pending/urgent");
        await qj.configure({ paused: false });
        await qj.in("complete", "urgent");
        await until("some more", async () => (await startedNames()).length > 30);
        await qj.configure({ paused: true });
        const started = await startedNames();
        assert.equal(started[0], "urgent");
        // Those of priority 999, one in a thousand, in the order of their numbers.
        const expected = Array.from({ length: 1000 }, (_, i) => pendingName(i * 1000 + 999));
        const rest = started.slice(1);
        assert.deepEqual(rest, expected.slice(0, rest.length));
        assert(peakMb(qj) < MEMORY_MB, `${peakMb(qj)} MB`);
      });

      await t.step("who waits for one job is told, and is not in the way meanwhile", async () => {
        await qj.sh("setfattr -n user.qj.priority -v 1000 pending/job-0000008");
        await qj.configure({ paused: false });
        await qj.in("complete", "job-0000008");
        await qj.submit("next", "#QJ priority=1000\necho next");
        await qj.in("complete", "next");
        // Three hundred thousand wait for it, slice by slice.
        await until("a job that waited", async () => {
          const { stdout } = await qj.sh(
            "cat jobs/job-0000990/status.json 2>/dev/null | jq -c .after",
          );
          return stdout === "[]\n";
        });
        assert.equal(await qj.end(), 0);
        using db = new DatabaseSync(state, { readOnly: true });
        const waiting = db.prepare("SELECT count(*) AS n FROM job WHERE phase = 'waiting'").get();
        assert.deepEqual({ ...waiting }, { n: 0 });
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
