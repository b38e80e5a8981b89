/**
 * What a million finished jobs cost: the same operations on a daemon with them and on one with an empty queue, in turns,
 * each of them first every second time, so that both meet the same noise. Prints medians and their ratios, and writes
 * them as JSON to the file that is named as the first argument (default: dist/bench-scale.json). README.md explains the
 * rows.
 */
import { finishedName, makeFinishedJobs } from "../tests/mount/finished_jobs.ts";
import { Qj } from "../tests/mount/qj.ts";

const JOBS = Number(Deno.env.get("QJ_BENCH_JOBS") ?? 1_000_000);
const STARTS = 5;
const ROUNDS = 9;
/** Files of one round, for each operation. */
const FILES = 500;
const KIB = 1024;

/** From one finished job to the next that is looked at: a prime, so that none comes twice. */
const STRIDE = 7919;

interface Side {
  readonly qj: Qj;
  /** How many finished jobs it has. */
  readonly jobs: number;
  readonly times: Map<string, number[]>;
}

function note(side: Side, row: string, value: number): void {
  const values = side.times.get(row) ?? [];
  side.times.set(row, [...values, value]);
}

/** Microseconds for each of FILES calls. */
function timed(side: Side, row: string, call: (i: number) => void): void {
  const from = performance.now();
  for (let i = 0; i < FILES; i++) call(i);
  note(side, row, (performance.now() - from) * 1000 / FILES);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Names are new in each round, so that the kernel has none of them from the last one. */
function round(side: Side, number: number): void {
  const { qj } = side;
  const pending = (i: number, kind: string) => qj.path("pending", `${kind}${number}-${i}`);
  // All over the finished jobs, or where there are none the waiting ones again.
  const found = (i: number) =>
    side.jobs === 0 ? pending(i, "a") : qj.path(
      "complete",
      finishedName(1 + 2 * (((number * FILES + i) * STRIDE) % (side.jobs / 2))),
    );
  timed(side, "create, write, close (µs)", (i) => Deno.writeTextFileSync(pending(i, "a"), "true"));
  timed(side, "stat of a pending job (µs)", (i) => void Deno.lstatSync(pending(i, "a")));
  timed(side, "stat of a finished job (µs)", (i) => void Deno.lstatSync(found(i)));
  timed(
    side,
    "stat of a missing name (µs)",
    (i) => void exists(qj.path("complete", `${number}-${i}`)),
  );
  timed(side, "rename in pending (µs)", (i) => Deno.renameSync(pending(i, "a"), pending(i, "b")));
  timed(side, "unlink (µs)", (i) => Deno.removeSync(pending(i, "b")));
}

async function restart(side: Side): Promise<void> {
  await side.qj.end();
  const from = performance.now();
  await side.qj.restart();
  note(side, "start to mounted (ms)", performance.now() - from);
}

function memoryMib(pid: number, field: string): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`^${field}:\\s*(\\d+)`, "m").exec(status)?.[1]) / KIB;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));
const folder = await Deno.makeTempDir({ prefix: "qj-bench-" });
try {
  await Deno.mkdir(`${folder}/state`);
  print(`making a state file with ${JOBS} finished jobs\n`);
  makeFinishedJobs(`${folder}/state/state.db`, JOBS);
  const settings = { paused: true };
  await using full = await Qj.start({ folder, settings });
  await using empty = await Qj.start({ settings });
  const sides: readonly Side[] = [
    { qj: full, jobs: JOBS, times: new Map() },
    { qj: empty, jobs: 0, times: new Map() },
  ];
  const inTurns = (i: number) => i % 2 === 0 ? sides : sides.toReversed();
  for (let i = 0; i < STARTS; i++) for (const side of inTurns(i)) await restart(side);
  // The first round warms up what has just been started.
  for (const side of sides) round({ ...side, times: new Map() }, 0);
  for (let i = 1; i <= ROUNDS; i++) for (const side of inTurns(i)) round(side, i);
  for (const side of sides) {
    const from = performance.now();
    const { stdout } = await side.qj.sh("ls -f complete | wc -l");
    if (Number(stdout) !== side.jobs / 2 + 2) throw new Error(`wrong listing: ${stdout}`);
    note(side, "ls -f complete (ms)", performance.now() - from);
  }
  for (const side of sides) {
    note(side, "peak memory (MiB)", memoryMib(side.qj.pid, "VmHWM"));
    note(side, "resident memory (MiB)", memoryMib(side.qj.pid, "VmRSS"));
  }
  const rows = [...sides[0]!.times].map(([row, values]) => {
    const [with_, without] = [median(values), median(sides[1]!.times.get(row)!)];
    return { row, full: with_, empty: without, ratio: with_ / without };
  });
  print(`${"".padEnd(30)}${"full".padStart(10)}${"empty".padStart(10)}${"ratio".padStart(8)}\n`);
  for (const { row, full, empty, ratio } of rows) {
    const cells = [full.toFixed(1).padStart(10), empty.toFixed(1).padStart(10)];
    print(`${row.padEnd(30)}${cells.join("")}${ratio.toFixed(2).padStart(8)}\n`);
  }
  const target = Deno.args[0] ?? new URL("../dist/bench-scale.json", import.meta.url).pathname;
  await Deno.mkdir(target.replace(/[^/]*$/, "") || ".", { recursive: true });
  await Deno.writeTextFile(target, `${JSON.stringify({ jobs: JOBS, rows }, null, 2)}\n`);
} finally {
  await Deno.remove(folder, { recursive: true });
}
