/**
 * Makes dist/qj: the sources and Deno's runtime in one executable. `--target aarch64` (or x86_64) makes dist/qj-aarch64,
 * for another processor than this one's. `--bundle` makes dist/bundle/main.js instead, to be run by an installed Deno, with
 * what that loads beside it.
 *
 * The sources and what they import become a few modules first (`deno bundle`): a hundred that are loaded one by one take
 * twice as long to start, and a sixth more memory. The pages of --http stay apart, so that they take none when they are off. `deno compile` takes its runtime, denort, from Deno's download
 * server, or from the file that DENORT_BIN names where that cannot be reached; for another processor, DENORT_BIN_AARCH64
 * or DENORT_BIN_X86_64. Permissions are baked in, one by one: reading /proc needs all of them in Deno. No code cache: it
 * would be a file in /tmp that anybody could have put there.
 *
 * The same sources give the same bytes, wherever and whenever they are compiled: nothing of this machine goes in.
 */
import { parseArgs } from "node:util";

const PROJECT = new URL("../", import.meta.url).pathname;
const PERMISSIONS = ["ffi", "read", "write", "env", "run", "sys", "net", "import"];
const ARCHITECTURES = ["x86_64", "aarch64"];
/** The thread of the sandbox is loaded by its address, so it stays a module of its own. */
const WORKER = "scheduler/sandbox_worker.ts";
/** The name by which main.js looks for it. */
const WORKER_NAME = WORKER.replace(/.*\//, "");
const BUNDLE = `${PROJECT}dist/bundle`;

/** New objects live for one request: with more room for them the daemon is no faster, and twice as large. */
const V8_FLAGS = "--max-semi-space-size=2";
/** The time of every build. */
const EPOCH_SEC = Number(Deno.env.get("SOURCE_DATE_EPOCH") ?? 0);

function fail(message: string): never {
  Deno.stderr.writeSync(new TextEncoder().encode(`compile: ${message}\n`));
  Deno.exit(1);
}

function parse(): { readonly target?: string; readonly bundle?: boolean } {
  const options = { target: { type: "string" }, bundle: { type: "boolean" } } as const;
  try {
    return parseArgs({ args: Deno.args, options }).values;
  } catch (error) {
    fail(`${error instanceof Error ? error.message : error}`);
  }
}

/** For which processor, and where its denort is, if that is said. */
async function chosenTarget(
  target: string | undefined,
): Promise<{ readonly arch: string; readonly denort?: string }> {
  const arch = target?.replace(/-unknown-linux-gnu$/, "") ?? Deno.build.arch;
  if (!ARCHITECTURES.includes(arch)) {
    fail(`--target must be one of ${ARCHITECTURES.join(", ")}, not "${target}"`);
  }
  const own = `DENORT_BIN_${arch.toUpperCase()}`;
  const name = Deno.env.has(own) || arch !== Deno.build.arch ? own : "DENORT_BIN";
  const denort = Deno.env.get(name);
  if (denort === undefined) return { arch };
  const stat = await Deno.stat(denort).catch(() => null);
  if (!stat?.isFile) fail(`${name} names "${denort}", which is not a file`);
  return { arch, denort };
}

async function deno(args: readonly string[], env: Record<string, string> = {}): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: PROJECT,
    env,
    stdin: "null",
  });
  return (await command.spawn().status).success;
}

/** Makes modules of a source and all that it imports: one, and others for what is imported only when it is wanted. */
async function bundle(source: string, target: string): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: BUNDLE });
  const made = await deno(["bundle", "--quiet", "--code-splitting", "--outdir", folder, source]);
  if (!made) fail(`${source} could not be made into modules, see above`);
  const names = new Map<string, string>();
  const texts = new Map<string, string>();
  for await (const { name } of Deno.readDir(folder)) {
    texts.set(name, await Deno.readTextFile(`${folder}/${name}`));
  }
  const main = source.replace(/.*\//, "").replace(/\.ts$/, ".js");
  // Their own names come from paths of this machine; here they are numbered as they are met.
  const meet = (name: string, as: string) => {
    if (names.has(name)) return;
    names.set(name, as);
    for (const [, next] of texts.get(name)!.matchAll(/["']\.\/([\w-]+\.js)["']/g)) {
      if (texts.has(next!)) meet(next!, `${target.replace(/\..*/, "")}-part${names.size}.js`);
    }
  };
  meet(main, target);
  for (const [name, as] of names) {
    const text = texts.get(name)!
      .replaceAll(
        /(["'])\.\/([\w-]+\.js)\1/g,
        (all, quote, next) => names.has(next) ? `${quote}./${names.get(next)}${quote}` : all,
      )
      // Comments say which file it was; where this machine keeps packages is nobody's concern.
      .replaceAll(/^(\s*\/\/ )\S*?npm\/[^/\s]+\//gm, "$1npm:");
    await Deno.writeTextFile(`${BUNDLE}/${as}`, text);
    await Deno.utime(`${BUNDLE}/${as}`, EPOCH_SEC, EPOCH_SEC); // deno compile keeps the time
  }
  await Deno.remove(folder, { recursive: true });
}

async function compile(arch: string, denort: string | undefined): Promise<void> {
  const output = `${PROJECT}dist/${arch === Deno.build.arch ? "qj" : `qj-${arch}`}`;
  const parts = (await Array.fromAsync(Deno.readDir(BUNDLE), ({ name }) => name))
    .filter((name) => name !== "main.js").sort();
  const made = await deno([
    "compile",
    "--quiet",
    "--no-prompt",
    "--no-check",
    "--no-config",
    "--no-code-cache",
    `--v8-flags=${V8_FLAGS}`,
    ...PERMISSIONS.map((name) => `--allow-${name}`),
    "--target",
    `${arch}-unknown-linux-gnu`,
    ...parts.flatMap((name) => ["--include", `${BUNDLE}/${name}`]),
    "--output",
    output,
    `${BUNDLE}/main.js`,
  ], denort === undefined ? {} : { DENORT_BIN: denort });
  if (!made) {
    fail(
      `it did not work. If it could not download denort (the runtime that becomes part of the ` +
        `executable), get the denort of Deno ${Deno.version.deno} for ${arch} (from the release page ` +
        `of Deno, or a package of the distribution) and name it in ` +
        (arch === Deno.build.arch ? "DENORT_BIN" : `DENORT_BIN_${arch.toUpperCase()}`),
    );
  }
}

const { target, bundle: isOnlyBundle = false } = parse();
const { arch, denort } = await chosenTarget(target);
await Deno.remove(BUNDLE, { recursive: true }).catch(() => {});
await Deno.mkdir(BUNDLE, { recursive: true });
await bundle("main.ts", "main.js");
await bundle(WORKER, WORKER_NAME);
if (!isOnlyBundle) {
  await compile(arch, denort);
  await Deno.remove(BUNDLE, { recursive: true });
}
