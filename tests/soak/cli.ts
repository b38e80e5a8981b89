/** `deno task soak`: kills the daemon as often, or for as long, as asked. */
import { integer, message, object, option, optional, withDefault } from "@optique/core";
import { runSync } from "@optique/run";
import { soak } from "./soak.ts";

const DEFAULT_KILLS = 200;

const options = runSync(
  object({
    kills: optional(option("--kills", integer({ min: 1, metavar: "N" }), {
      description: message`End after N kills. Default: 200, or no end with --minutes.`,
    })),
    minutes: optional(option("--minutes", integer({ min: 1, metavar: "M" }), {
      description: message`End after M minutes.`,
    })),
    seed: withDefault(
      option("--seed", integer({ min: 0, max: 0xffff_ffff, metavar: "SEED" }), {
        description: message`Repeats a run. Default: a random one, which is printed.`,
      }),
      () => crypto.getRandomValues(new Uint32Array(1))[0]!,
    ),
  }),
  { programName: "deno task soak", help: "option" },
);

const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const { seed, minutes, kills = minutes === undefined ? DEFAULT_KILLS : Infinity } = options;
const until = minutes === undefined ? Infinity : performance.now() + minutes * 60_000;
const folder = await Deno.makeTempDir({ prefix: "qj-soak-" });
print(`seed ${seed}`);
try {
  const result = await soak({ seed, kills, until, folder, report: print });
  for (const [name, { meant, hit }] of Object.entries(result.moments)) {
    print(`${name.padEnd(10)} ${hit} of ${meant} hit`);
  }
  print(`${result.kills} kills, ${result.jobs} jobs: nothing lost, nothing doubled`);
  await Deno.remove(folder, { recursive: true });
} catch (error) {
  print(error instanceof Error ? error.stack ?? error.message : String(error));
  print(`failed with --seed ${seed}; its folder is kept: ${folder}`);
  Deno.exitCode = 1;
}
