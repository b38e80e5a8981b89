/** Files: what creating, looking at, reading, renaming and removing jobs costs, beside other FUSE file systems. */
import { inSeries, SqliteAlone } from "./alone.ts";
import { makeFinishedJobs } from "../tests/mount/finished_jobs.ts";
import { Figures, inTurns, type Row } from "./measure.ts";
import { phase, run, type Setting, startPeers, startQj } from "./setting.ts";

const PAUSED = { paused: true };
/** In this order: each phase works on what the one before has left. */
const PHASES = ["create", "stat", "missing", "read", "rename", "unlink"] as const;

/** What has to be in the state file before it is answered. */
const KEPT: ReadonlySet<string> = new Set(["create", "rename", "unlink"]);

const TITLES: Readonly<Record<string, string>> = {
  create: "create, write, close",
  stat: "stat",
  missing: "stat of a missing name",
  read: "open, read, close",
  rename: "rename",
  unlink: "unlink",
};

const TARGETS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  create: { bindfs: 1, passthrough_ll: 0.7, limit: 0.8 },
  ...Object.fromEntries(
    ["stat", "missing", "read", "rename", "unlink"].map((
      name,
    ) => [name, { bindfs: 1, passthrough_ll: 0.7, limit: 1 }]),
  ),
};

/** Calls on files in pending/, by one client and by eight. */
export async function fileRows(setting: Setting): Promise<Row[]> {
  const [count, rounds] = setting.isSmoke ? [100, 1] : [2000, 7];
  await using qj = await startQj(setting, PAUSED);
  await using stack = new AsyncDisposableStack();
  const peers = (await startPeers(setting)).map((peer) => stack.use(peer));
  const sides = [{ name: "qj", directory: qj.path("pending") }, ...peers];
  using alone = new SqliteAlone(`${qj.folder}/alone.db`, "NORMAL");
  const figures = new Figures();
  for (const threads of [1, 8]) {
    // The first round warms up what has just been started.
    for (let round = -1; round < rounds; round++) {
      for (const { name, directory } of inTurns(sides, round + 1)) {
        for (const step of threads === 1 ? PHASES : ["create", "stat", "rename", "unlink"]) {
          const first = (round + 1) * count;
          const { perSec } = await phase(setting, directory, step, { count, threads, first });
          if (round < 0) continue;
          figures.add(`${step} ${threads}`, name, perSec);
          if (name !== "limit" || !KEPT.has(step)) continue;
          figures.add(
            `${step} ${threads}`,
            "limit + SQLite",
            inSeries(perSec, alone.rowsPerSec(count)),
          );
        }
      }
    }
  }
  return figures.rows.map((key): Row => {
    const [step, threads] = key.split(" ") as [string, string];
    return {
      row: `${TITLES[step]}, ${threads} ${threads === "1" ? "client" : "clients"}`,
      unit: "per s",
      isBetter: "more",
      values: figures.medians(key),
      targets: TARGETS[step] ?? {},
    };
  });
}

/** Finished jobs: the same beside a directory of as many files. */
export async function finishedRows(setting: Setting): Promise<Row[]> {
  const [count, rounds] = setting.isSmoke ? [100, 1] : [2000, 5];
  const folder = `${setting.folder}/finished`;
  await Deno.mkdir(`${folder}/state`, { recursive: true });
  makeFinishedJobs(`${folder}/state/state.db`, 2 * count);
  await using qj = await startQj(setting, PAUSED, { folder });
  await using stack = new AsyncDisposableStack();
  const peers = (await startPeers({ ...setting, folder })).map((peer) => stack.use(peer));
  for (const { directory } of peers) {
    await run("sh", [
      "-c",
      `cd ${directory} && for i in $(seq 1 2 ${
        2 * count
      }); do echo done > $(printf job-%07d $i); done`,
    ]);
  }
  const sides = [{ name: "qj", directory: qj.path("complete") }, ...peers];
  const figures = new Figures();
  for (let round = 0; round < rounds; round++) {
    for (const { name, directory } of inTurns(sides, round)) {
      for (const step of ["stat-done", "read-done"]) {
        const { perSec } = await phase(setting, directory, step, { count });
        figures.add(step, name, perSec);
      }
    }
  }
  const titles: Readonly<Record<string, string>> = {
    "stat-done": "stat of finished jobs",
    "read-done": "open, read, close of finished jobs",
  };
  return figures.rows.map((key): Row => ({
    row: titles[key]!,
    unit: "per s",
    isBetter: "more",
    values: figures.medians(key),
    targets: { bindfs: 1, passthrough_ll: 0.7, limit: 1 },
  }));
}

/** Listings of directories of two sizes: what an entry costs must not depend on how many there are. */
export async function listingRows(setting: Setting): Promise<Row[]> {
  const [sizes, rounds] = setting.isSmoke ? [[200, 400], 1] : [[10_000, 100_000], 3];
  const rows: Row[] = [];
  for (const count of sizes) {
    const folder = `${setting.folder}/listing${count}`;
    await Deno.mkdir(`${folder}/state`, { recursive: true });
    makeFinishedJobs(`${folder}/state/state.db`, 2 * count);
    await using qj = await startQj(setting, PAUSED, { folder });
    await using stack = new AsyncDisposableStack();
    const peers = (await startPeers({ ...setting, folder })).map((peer) => stack.use(peer));
    const bindfs = peers.find(({ name }) => name === "bindfs");
    if (bindfs !== undefined) {
      await run("python3", [
        "-c",
        `
import os
for i in range(1, ${2 * count}, 2):
    open("${folder}/bindfs-files/job-%07d" % i, "w").close()`,
      ]);
    }
    const sides = [
      { name: "qj", directory: qj.path("complete") },
      ...bindfs === undefined ? [] : [bindfs],
    ];
    const figures = new Figures();
    for (let round = 0; round < rounds; round++) {
      for (const { name, directory } of inTurns(sides, round)) {
        for (const step of ["list", "list-long"]) {
          const { perSec } = await phase(setting, directory, step, { count });
          figures.add(step, name, perSec);
        }
      }
    }
    for (const step of figures.rows) {
      rows.push({
        row: `${step === "list" ? "ls -f" : "ls -lf"} of ${count} jobs`,
        unit: "entries/s",
        isBetter: "more",
        values: figures.medians(step),
        targets: { bindfs: 0.7 },
      });
    }
  }
  return rows;
}

/** A large log, read from its beginning to its end. */
export async function readingRows(setting: Setting): Promise<Row[]> {
  const [mb, rounds] = setting.isSmoke ? [2, 1] : [100, 5];
  await using qj = await startQj(setting, { max_output_bytes: 2 ** 31, timeout_sec: 0 });
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ dir: setting.folder });
  const started = (await startPeers({ ...setting, folder })).map((peer) => stack.use(peer));
  const peers = started.filter(({ name }) => name === "bindfs");
  await qj.submit("large", `head -c ${mb}M /dev/urandom`);
  await qj.in("complete", "large");
  for (const { directory } of peers) {
    await run("sh", ["-c", `head -c ${mb}M /dev/urandom > ${directory}/large`]);
  }
  const sides = [{ name: "qj", directory: qj.path("complete") }, ...peers];
  const figures = new Figures();
  for (let round = 0; round < rounds; round++) {
    for (const { name, directory } of inTurns(sides, round)) {
      const from = performance.now();
      await run("sh", ["-c", `cat ${directory}/large > /dev/null`]);
      figures.add("read", name, mb / ((performance.now() - from) / 1000));
    }
  }
  return [{
    row: `reading a log of ${mb} MB`,
    unit: "MB/s",
    isBetter: "more",
    values: figures.medians("read"),
    targets: { bindfs: 0.7 },
  }];
}

/** Submissions that are on stable storage, beside rows of SQLite alone on the same disk. */
export async function durableRows(setting: Setting): Promise<Row[]> {
  const [count, rounds] = setting.isSmoke ? [20, 1] : [400, 5];
  await using qj = await startQj(setting, PAUSED);
  using sqlite = new SqliteAlone(`${qj.folder}/alone.db`, "FULL");
  const figures = new Figures();
  let first = 0;
  for (let round = 0; round < rounds; round++) {
    const alone = sqlite.rowsPerSec(count);
    for (const threads of [1, 16]) {
      const { perSec } = await phase(setting, qj.path("pending"), "durable", {
        count,
        threads,
        first,
      });
      first += count;
      figures.add(String(threads), "qj", perSec);
      figures.add(String(threads), "SQLite alone", alone);
    }
  }
  const [one, sixteen] = [figures.medians("1"), figures.medians("16")];
  return [
    {
      row: "submissions with fsync, 1 client",
      unit: "per s",
      isBetter: "more",
      values: one,
      targets: { "SQLite alone": 0.8 },
    },
    {
      row: "submissions with fsync, 16 clients",
      unit: "per s",
      isBetter: "more",
      values: { ...sixteen, "1 client": one["qj"]! },
      targets: { "1 client": 4 },
    },
  ];
}
