/**
 * Kills the daemon with SIGKILL again and again, at moments that are brought about, and starts it again. What must be true
 * between two kills and in the end is in `stage.ts`.
 */
import { Qj } from "../mount/qj.ts";
import { submit } from "./calls.ts";
import { type Moment, type MomentName, MOMENTS } from "./moments.ts";
import { Random } from "./random.ts";
import { Stage } from "./stage.ts";

const SETTINGS = {
  settle_ms: 2,
  max_lost: 1_000_000,
  max_attempts: 3,
  max_job_count: 6,
  kill_grace_sec: 0.2,
  backoff_base: 0,
  max_output_bytes: 4_000_000,
  queues: { one: { max_job_count: 1 } },
};
/** Beside the moments that clients see: while it recovers, before it is mounted. */
const RECOVERY = "recovery";
/** Jobs that are handed in beside the one that is watched, for each kill. */
const OTHERS = 2;

export interface SoakOptions {
  readonly seed: number;
  /** The soak ends after so many kills, or at that time by performance.now(). */
  readonly kills: number;
  readonly until?: number;
  /** Kept for a look when something is wrong. */
  readonly folder: string;
  readonly report?: (line: string) => void;
}

export interface SoakResult {
  readonly kills: number;
  readonly jobs: number;
  /** For each moment: how often it was meant, and how often the daemon was caught in it. */
  readonly moments: Readonly<Record<string, { meant: number; hit: number }>>;
}

/** Throws what was found wrong. The folder is left to the caller. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { seed, folder, report = () => {} } = options;
  const random = new Random(seed);
  const moments: Record<string, { meant: number; hit: number }> = {};
  const names = [...Object.keys(MOMENTS) as MomentName[], RECOVERY] as const;
  for (const name of names) moments[name] = { meant: 0, hit: 0 };
  await using qj = await Qj.start({ folder, settings: SETTINGS });
  const stage = new Stage(qj, random);
  let kills = 0;
  while (kills < options.kills && performance.now() < (options.until ?? Infinity)) {
    // All of them in turn, in an order that the seed gives, so that a short soak has each.
    const round = shuffled(names, random);
    for (const name of round) {
      if (kills >= options.kills) break;
      kills++;
      moments[name]!.meant++;
      const hit = name === RECOVERY ? await killInRecovery(stage) : await killIn(stage, name);
      await qj.restart();
      if (hit === true || (hit !== false && qj.log.includes(`job "${hit}" was running`))) {
        moments[name]!.hit++;
      }
      await stage.checkStart();
    }
    report(`${kills} kills, ${stage.ledger.all.length} jobs`);
  }
  await stage.checkEnd();
  return { kills, jobs: stage.ledger.all.length, moments };
}

/** Whether it was caught, or the job that the next daemon has to find if it was. */
async function killIn(stage: Stage, name: MomentName): Promise<boolean | string> {
  const others = Array.from({ length: OTHERS }, () => handIn(stage));
  const moment: Moment = await MOMENTS[name](stage);
  busyWait(stage.random.next() * moment.lastsMs);
  Deno.kill(stage.qj.pid, "SIGKILL");
  await stage.qj.exited();
  const [isCutOff] = await Promise.all([moment.rest, ...others]);
  return moment.running ?? isCutOff;
}

async function handIn(stage: Stage): Promise<void> {
  const job = stage.newJob();
  if (await submit(stage.pending(job.name), job.script)) stage.ledger.taken(job.name);
}

/** With attempts to recover: a kill while they run, a start that is killed, and the start that follows. */
async function killInRecovery(stage: Stage): Promise<boolean> {
  await killIn(stage, "run");
  // Somewhere between the first instruction and the mount.
  return await stage.qj.startAndKill(20 + stage.random.next() * 150);
}

/** Waits without giving way: a turn of the event loop would take longer than the moment. */
function busyWait(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function shuffled<T>(from: readonly T[], random: Random): T[] {
  return from.map((value) => [random.next(), value] as const)
    .sort(([a], [b]) => a - b)
    .map(([, value]) => value);
}
