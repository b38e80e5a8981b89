/** Jobs: how fast they are run, beside programs that only run commands, and beside other queues. */
import { DatabaseSync } from "node:sqlite";
import { until } from "../tests/mount/qj.ts";
import { makePendingJobs } from "../tests/mount/pending_jobs.ts";
import { SqliteAlone } from "./alone.ts";
import { Figures, inTurns, type Row } from "./measure.ts";
import { has, phase, run, type Setting, startQj } from "./setting.ts";

const FREE = { settle_ms: 0, max_job_count: 20 };

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1000;
}

/** Runs `sh -c true` so many times with Deno's own means, at most `atOnce` at a time. */
async function spawnAll(
  count: number,
  atOnce: number,
  { detached = false, withSession = false } = {},
): Promise<void> {
  const command = withSession ? "/usr/bin/setsid" : "/bin/sh";
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      const child = new Deno.Command(command, {
        args: withSession ? ["/bin/sh", "-c", "true"] : ["-c", "true"],
        stdin: "null",
        stdout: "piped",
        stderr: "null",
        detached,
      }).spawn();
      await Promise.all([child.status, child.stdout.cancel()]);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Jobs that do nothing, handed in by one process, until all have ended. */
export async function throughputRows(setting: Setting): Promise<Row[]> {
  const [count, rounds] = setting.isSmoke ? [20, 1] : [300, 5];
  await using qj = await startQj(setting, FREE);
  const rows: Row[] = [];
  let first = 0;
  for (const atOnce of [1, 4, 20]) {
    await qj.configure({ max_job_count: atOnce });
    const figures = new Figures();
    const sides: Readonly<Record<string, () => Promise<unknown>>> = {
      // The script of the client is a comment.
      qj: async () => {
        await phase(setting, qj.path("pending"), "create", { count, first });
        const last = `j${String(first + count - 1).padStart(7, "0")}`;
        await Deno.readTextFile(qj.path("jobs", last, "wait"));
        first += count;
      },
      "xargs -P": () => run("sh", ["-c", `seq ${count} | xargs -P ${atOnce} -I{} sh -c true`]),
      "Deno.Command, detached": () => spawnAll(count, atOnce, { detached: true }),
      "Deno.Command of setsid": () => spawnAll(count, atOnce, { withSession: true }),
      "Deno.Command": () => spawnAll(count, atOnce),
    };
    for (let round = 0; round < rounds; round++) {
      for (const [side, work] of inTurns(Object.entries(sides), round)) {
        figures.add("jobs", side, count / await secondsOf(work));
      }
    }
    rows.push({
      row: `jobs of true, ${atOnce} at once`,
      unit: "per s",
      isBetter: "more",
      values: figures.medians("jobs"),
      targets: { "xargs -P": atOnce === 1 ? 0.5 : 0.7, "Deno.Command, detached": 0.9 },
    });
  }
  return rows;
}

/** Jobs of `true` from a loop of the shell, until all have ended: what a user of a queue sees. */
export async function queueRows(setting: Setting): Promise<Row[]> {
  const [count, rounds] = setting.isSmoke ? [20, 1] : [1000, 3];
  await using qj = await startQj(setting, FREE);
  const env =
    `export TS_SOCKET=${setting.folder}/tsp NQDIR=${setting.folder}/nq TMPDIR=${setting.folder}; mkdir -p $NQDIR`;
  const loop = (step: string) => `${env}; for i in $(seq ${count}); do ${step}; done`;
  let prefix = 0;
  const sides: Record<
    string,
    { readonly loop: () => Promise<unknown>; readonly rest: () => Promise<unknown> }
  > = {
    qj: {
      loop: () => run("bash", ["-c", loop(`echo true > ${qj.path("pending")}/s${++prefix}-$i`)]),
      rest: () => Deno.readTextFile(qj.path("jobs", `s${prefix}-${count}`, "wait")),
    },
  };
  if (await has("tsp")) {
    await run("bash", ["-c", `${env}; tsp -S 20`]);
    sides["task-spooler"] = {
      loop: () => run("bash", ["-c", loop("tsp -n true >/dev/null")]),
      rest: () =>
        run("bash", [
          "-c",
          `${env}; while tsp | grep -q 'running\\|queued'; do sleep 0.05; done; tsp -C`,
        ]),
    };
  }
  if (await has("nq")) {
    sides["nq"] = {
      loop: () => run("bash", ["-c", loop("nq -q true")]),
      rest: () => run("bash", ["-c", `${env}; nq -w; rm -f $NQDIR/,*`]),
    };
  }
  const figures = new Figures();
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [side, { loop, rest }] of inTurns(Object.entries(sides), round)) {
        const handed = await secondsOf(loop);
        const ended = handed + await secondsOf(rest);
        figures.add("loop", side, count / handed);
        figures.add("all", side, count / ended);
      }
    }
  } finally {
    if ("task-spooler" in sides) await run("bash", ["-c", `${env}; tsp -K`]);
  }
  const others = (target: number) => ({ "task-spooler": target, nq: target });
  return [
    {
      row: "shell loop of 'true', to all complete",
      unit: "jobs/s",
      isBetter: "more",
      values: figures.medians("all"),
      targets: others(2),
    },
    {
      row: "the loop itself",
      unit: "jobs/s",
      isBetter: "more",
      values: figures.medians("loop"),
      targets: others(20),
    },
  ];
}

/** From the rename of a draft to the start of its process, with an empty queue and with a backlog. */
export async function startRows(setting: Setting): Promise<Row[]> {
  const [count, backlog] = setting.isSmoke ? [10, 100] : [200, 100_000];
  const start = `${setting.folder}/start`;
  await run("gcc", ["-O2", "-o", start, new URL("start.c", import.meta.url).pathname]);
  const rows: Row[] = [];
  const figures = new Figures();
  const parse = (text: string) => text.trim().split(" ").map(Number) as [number, number];
  const folder = `${setting.folder}/backlog`;
  await Deno.mkdir(`${folder}/state`, { recursive: true });
  makePendingJobs(`${folder}/state/state.db`, { count: backlog, atMs: 4_000_000_000_000 });
  {
    // All of them wait: for a moment, for others, or for a queue that has no slot.
    using db = new DatabaseSync(`${folder}/state/state.db`);
    db.exec("UPDATE job SET queue = 'video' WHERE phase = 'ready'");
  }
  await using empty = await startQj(setting, FREE);
  await using full = await startQj(setting, {}, { folder });
  await full.configure({ settle_ms: 0, queues: { video: { max_job_count: 0 } } });
  for (const [name, qj] of [["qj", empty], [`qj, ${backlog} pending`, full]] as const) {
    const out = `${setting.folder}/out-${name.replaceAll(/\W/g, "")}`;
    for (let i = 0; i < count; i++) {
      await Deno.writeTextFile(
        qj.path("pending", `.d${i}`),
        `#QJ priority=1000\n${start} stamp ${out}.${i}`,
      );
    }
    await qj.configure({ paused: false });
    const [p50, p99] = parse(await run(start, ["rename", qj.path("pending"), out, String(count)]));
    figures.add("p50", name, p50);
    figures.add("p99", name, p99);
  }
  const [p50, p99] = parse(
    await run(start, ["spawn", start, `${setting.folder}/out-spawn`, String(count)]),
  );
  figures.add("p50", "fork and exec of sh", p50);
  figures.add("p99", "fork and exec of sh", p99);
  for (const which of ["p50", "p99"]) {
    rows.push({
      row: `rename of a draft to its start, ${which}`,
      unit: "µs",
      isBetter: "less",
      values: figures.medians(which),
      targets: which === "p50" ? { "fork and exec of sh": 0.5 } : {},
    });
  }
  return rows;
}

/** What a job prints, into its log. */
export async function outputRows(setting: Setting): Promise<Row[]> {
  const [mb, rounds] = setting.isSmoke ? [4, 1] : [1024, 3];
  await using qj = await startQj(setting, { ...FREE, max_output_bytes: 2 ** 31, timeout_sec: 0 });
  using alone = new SqliteAlone(`${qj.folder}/alone.db`, "NORMAL");
  const figures = new Figures();
  for (let round = 0; round < rounds; round++) {
    figures.add("output", "SQLite alone", alone.mbPerSec(mb));
    const sides = {
      qj: async () => {
        await qj.submit(`p${round}`, `head -c ${mb}M /dev/zero`);
        await Deno.readTextFile(qj.path("jobs", `p${round}`, "wait"));
      },
      "cat to a file": () =>
        run("sh", ["-c", `head -c ${mb}M /dev/zero | cat > ${qj.folder}/printed`]),
    };
    for (const [side, work] of inTurns(Object.entries(sides), round)) {
      figures.add("output", side, mb / await secondsOf(work));
    }
    await qj.sh(`rm complete/p${round} ../printed`);
    await until("the room", async () => (await qj.ls("complete")).length === 0);
  }
  return [{
    row: `output of a job of ${mb} MB`,
    unit: "MB/s",
    isBetter: "more",
    values: figures.medians("output"),
    targets: { "cat to a file": 0.5 },
  }];
}

/** How long requests take while jobs come and go. */
export async function latencyRows(setting: Setting): Promise<Row[]> {
  const [count, rounds] = setting.isSmoke ? [50, 1] : [1000, 5];
  await using qj = await startQj(setting, { ...FREE, replace_finished: true });
  const figures = new Figures();
  let first = 0;
  const measure = async (side: string) => {
    // Drafts, so that the client's own files do not run.
    for (const step of ["stat", "create"]) {
      const where = step === "create" ? qj.path("pending") : qj.path("failed");
      const { p50, p99 } = await phase(setting, where, step, {
        count,
        first: step === "create" ? first : 0,
      });
      figures.add(`${step} p50`, side, p50);
      figures.add(`${step} p99`, side, p99);
    }
    first += count;
  };
  await qj.configure({ paused: true });
  await phase(setting, qj.path("pending"), "create", { count });
  first += count;
  await qj.sh("for f in pending/*; do mv $f failed/; done");
  for (let round = 0; round < rounds; round++) {
    await measure("idle");
    await qj.configure({ paused: false });
    const stop = { now: false };
    const feeding = (async () => {
      for (let i = 0; !stop.now; i++) {
        await qj.sh(
          `for n in $(seq 20); do echo 'sleep 0.0$(( $$ % 5 ))' > pending/load$n 2>/dev/null; done; :`,
        );
      }
    })();
    await measure("qj");
    stop.now = true;
    await feeding;
    await until(
      "the end of the jobs",
      async () => (await qj.ls("active")).length + (await qj.ls("pending")).length === 0,
    );
    await qj.configure({ paused: true });
  }
  return figures.rows.map((key): Row => ({
    row: `${key} while 20 jobs come and go`,
    unit: "µs",
    isBetter: "less",
    values: figures.medians(key),
    ...key.endsWith("p50") ? { targets: { idle: 0.5 } } : { limit: 20_000 },
  }));
}
