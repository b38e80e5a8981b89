/**
 * `deno task bench [--smoke] [ROW...]`: measures qj beside others on the same machine in the same run, prints medians and
 * ratios, and writes them as JSON to dist/bench.json. Rows are named by their group; README.md explains each.
 */
import { idleRows, memoryRows, startRows as daemonStartRows } from "./daemon.ts";
import { durableRows, fileRows, finishedRows, listingRows, readingRows } from "./files.ts";
import { latencyRows, outputRows, queueRows, startRows, throughputRows } from "./jobs.ts";
import { ratio, type Row, table } from "./measure.ts";
import { prepare, type Setting } from "./setting.ts";

const GROUPS: Readonly<Record<string, (setting: Setting) => Promise<Row[]>>> = {
  files: fileRows,
  finished: finishedRows,
  listing: listingRows,
  reading: readingRows,
  durable: durableRows,
  throughput: throughputRows,
  queues: queueRows,
  latency: latencyRows,
  start: startRows,
  output: outputRows,
  memory: memoryRows,
  daemon: daemonStartRows,
  idle: idleRows,
};

const print = (text: string) => void Deno.stdout.writeSync(new TextEncoder().encode(text));
const isSmoke = Deno.args.includes("--smoke");
const chosen = Deno.args.filter((arg) => arg !== "--smoke");
const unknown = chosen.find((name) => !(name in GROUPS));
if (unknown !== undefined) {
  print(`bench: there is no group "${unknown}": ${Object.keys(GROUPS).join(", ")}\n`);
  Deno.exit(2);
}
if (Deno.uid() !== 0) {
  print("bench: it mounts other file systems beside qj, so it needs root\n");
  Deno.exit(1);
}

const folder = await Deno.makeTempDir({ prefix: "qj-bench-" });
try {
  const setting = await prepare(folder, isSmoke, print);
  const all: Row[] = [];
  for (const [name, measure] of Object.entries(GROUPS)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const sub = `${folder}/${name}`;
    await Deno.mkdir(sub);
    const rows = await measure({ ...setting, folder: sub });
    print(table(rows));
    all.push(...rows);
  }
  const target = new URL("../dist/bench.json", import.meta.url).pathname;
  const json = all.map((row) => ({
    ...row,
    ratios: Object.fromEntries(
      Object.keys(row.values).filter((side) => side !== "qj").map((
        side,
      ) => [side, ratio(row, side)]),
    ),
  }));
  await Deno.writeTextFile(target, `${JSON.stringify(json, null, 2)}\n`);
} finally {
  await Deno.remove(folder, { recursive: true });
}
