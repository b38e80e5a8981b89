/** The daemon itself: memory, start, and what it does when there is nothing to do. */
import { makeFinishedJobs } from "../tests/mount/finished_jobs.ts";
import { makePendingJobs } from "../tests/mount/pending_jobs.ts";
import { Figures, inTurns, type Row } from "./measure.ts";
import { phase, run, type Setting, startQj } from "./setting.ts";

function residentMb(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]) / 1024;
}

const FAR_MS = 4_000_000_000_000;

export async function memoryRows(setting: Setting): Promise<Row[]> {
  const [pending, ended] = setting.isSmoke ? [100, 20] : [100_000, 100_000];
  const rows: Row[] = [];
  const add = (row: string, value: number, limit: number) =>
    rows.push({ row, unit: "MB", isBetter: "less", values: { qj: value }, limit });
  {
    await using qj = await startQj(setting, { paused: true });
    add("resident after the start", residentMb(qj.pid), 90);
  }
  {
    const folder = `${setting.folder}/pending`;
    await Deno.mkdir(`${folder}/state`, { recursive: true });
    makePendingJobs(`${folder}/state/state.db`, { count: pending, atMs: FAR_MS });
    await using qj = await startQj(setting, {}, { folder });
    await qj.sh("ls -l pending | wc -l");
    add(`resident with ${pending} pending`, residentMb(qj.pid), 100);
  }
  {
    await using qj = await startQj(setting, {
      settle_ms: 0,
      max_job_count: 20,
      retain_complete_sec: 0.1,
    });
    await phase(setting, qj.path("pending"), "create", { count: ended });
    const last = qj.path("jobs", `j${String(ended - 1).padStart(7, "0")}`, "wait");
    await Deno.readTextFile(last).catch(() => {}); // it may have been removed by then
    add(`resident after ${ended} jobs`, residentMb(qj.pid), 120);
  }
  return rows;
}

export async function startRows(setting: Setting): Promise<Row[]> {
  const [jobs, rounds] = setting.isSmoke ? [100, 1] : [1_000_000, 5];
  const folder = `${setting.folder}/million`;
  await Deno.mkdir(`${folder}/state`, { recursive: true });
  makeFinishedJobs(`${folder}/state/state.db`, jobs);
  await using full = await startQj(setting, {}, { folder });
  await using empty = await startQj(setting, {});
  const figures = new Figures();
  const sides = {
    qj: async () => {
      await empty.end();
      const from = performance.now();
      await empty.restart();
      return performance.now() - from;
    },
    [`with ${jobs} jobs`]: async () => {
      await full.end();
      const from = performance.now();
      await full.restart();
      return performance.now() - from;
    },
    "deno eval 0": async () => {
      const from = performance.now();
      await run(Deno.execPath(), ["eval", "0"]);
      return performance.now() - from;
    },
  };
  for (let round = 0; round < rounds; round++) {
    for (const [side, work] of inTurns(Object.entries(sides), round)) {
      figures.add("start", side, await work());
    }
  }
  const values = figures.medians("start");
  const more = values[`with ${jobs} jobs`]! - values["qj"]!;
  return [
    {
      row: "start to mounted",
      unit: "ms",
      isBetter: "less",
      values,
      targets: { "deno eval 0": 0.5 },
    },
    {
      row: `${jobs} jobs make the start longer by`,
      unit: "ms",
      isBetter: "less",
      values: { qj: more },
      limit: 500,
    },
  ];
}

export async function idleRows(setting: Setting): Promise<Row[]> {
  const seconds = setting.isSmoke ? 1 : 60;
  await using qj = await startQj(setting, {});
  await qj.submit("a", "true");
  await qj.in("complete", "a");
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  await wait(1000);
  const now = () => {
    const stat = Deno.readTextFileSync(`/proc/${qj.pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const switches = [...Deno.readDirSync(`/proc/${qj.pid}/task`)].map(({ name }) =>
      Number(
        /^voluntary_ctxt_switches:\s*(\d+)/m.exec(
          Deno.readTextFileSync(`/proc/${qj.pid}/task/${name}/status`),
        )![1],
      )
    ).reduce((sum, n) => sum + n, 0);
    return { cpuSec: (Number(fields[11]) + Number(fields[12])) / 100, switches };
  };
  const before = now();
  await wait(seconds * 1000);
  const after = now();
  return [
    {
      row: `CPU of ${seconds} idle seconds`,
      unit: "s",
      isBetter: "less",
      values: { qj: after.cpuSec - before.cpuSec },
      limit: 0,
    },
    {
      row: `wake-ups in ${seconds} idle seconds`,
      unit: "",
      isBetter: "less",
      values: { qj: after.switches - before.switches },
      limit: 10,
    },
  ];
}
