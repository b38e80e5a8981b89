/**
 * `deno task package [--target ARCH] [FORMAT...]`: packages for distributions in dist/, each made by the distribution's own
 * tool: deb (dpkg-deb), rpm (rpmbuild), arch (makepkg). Without a FORMAT all whose tool is installed, and it says which are
 * not. All of them have what `install.sh` installs.
 *
 * The same sources give the same bytes as far as the tools go: times are $SOURCE_DATE_EPOCH, else that of the last commit.
 */
import { parseArgs } from "node:util";
import denoJson from "../deno.json" with { type: "json" };
import { makeArch } from "./arch/make.ts";
import { makeDeb } from "./debian/make.ts";
import { makeRpm } from "./rpm/make.ts";
import { fail, has, type Packaging, PROJECT, run, say } from "./packaging.ts";

interface Format {
  readonly tool: string;
  make(packaging: Packaging): Promise<string>;
}

const FORMATS: Readonly<Record<string, Format>> = {
  deb: { tool: "dpkg-deb", make: makeDeb },
  rpm: { tool: "rpmbuild", make: makeRpm },
  arch: { tool: "makepkg", make: makeArch },
};
const SHELLS = ["bash", "zsh", "fish"];

async function epochSec(): Promise<number> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH");
  if (given !== undefined) return Number(given);
  const text = await run("git", ["-C", PROJECT, "log", "-1", "--format=%ct"]).catch(() => null);
  const stat = await Deno.stat(`${PROJECT}deno.json`);
  return text === null ? Math.floor((stat.mtime?.getTime() ?? 0) / 1000) : Number(text);
}

/** What install.sh installs, with one time for all. */
async function stage(folder: string, program: string, epoch: number): Promise<void> {
  const own = program.endsWith("/qj") ? program : `${PROJECT}dist/qj`;
  await Deno.mkdir(`${PROJECT}dist/completions`, { recursive: true });
  for (const shell of SHELLS) {
    const text = await run(own, ["--completion", shell]);
    await Deno.writeTextFile(`${PROJECT}dist/completions/${shell}`, text);
  }
  const args = ["--prefix", "/usr", "--destdir", folder, "--program", program];
  await run("sh", [`${PROJECT}packaging/install.sh`, ...args]);
  await run("find", [folder, "-exec", "touch", "-h", "-d", `@${epoch}`, "{}", "+"]);
}

const { values, positionals } = parseArgs({
  args: Deno.args,
  options: { target: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !(name in FORMATS));
if (unknown !== undefined) {
  fail(`there is no format "${unknown}": ${Object.keys(FORMATS).join(", ")}`);
}
const arch = values.target?.replace(/-unknown-linux-gnu$/, "") ?? Deno.build.arch;
const program = `${PROJECT}dist/${arch === Deno.build.arch ? "qj" : `qj-${arch}`}`;
if (!await Deno.stat(program).then(({ isFile }) => isFile, () => false)) {
  fail(
    `there is no ${program}: make it with deno task compile${
      values.target ? ` --target ${arch}` : ""
    }`,
  );
}
const folder = await Deno.makeTempDir({ prefix: "qj-package-" });
try {
  const epoch = await epochSec();
  await Deno.chmod(folder, 0o755);
  for (const [name, { tool, make }] of Object.entries(FORMATS)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    if (!await has(tool)) {
      if (positionals.includes(name)) fail(`${name} needs ${tool}`);
      say(`no ${name}, since there is no ${tool}`);
      continue;
    }
    const staged = `${folder}/${name}`;
    await stage(staged, program, epoch);
    say(await make({ stage: staged, arch, version: denoJson.version, epochSec: epoch }));
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
