/** A qj that is newer than this one: the same sources with another version and one more step of the schema. */
import denoJson from "../../deno.json" with { type: "json" };

const PROJECT = new URL("../../", import.meta.url).pathname;
const SOURCES = [
  "cli",
  "ffi",
  "fs",
  "scheduler",
  "store",
  "web",
  "main.ts",
  "deno.json",
  "deno.lock",
];

export const NEXT_VERSION = `${denoJson.version}-next`;

async function edit(path: string, from: string | RegExp, to: string): Promise<void> {
  const before = await Deno.readTextFile(path);
  const after = before.replace(from, to);
  if (after === before) throw new Error(`nothing to edit in ${path}`);
  await Deno.writeTextFile(path, after);
}

/** Makes its sources in a new folder; returns the path of its main.ts. */
export async function makeNextVersion(folder: string): Promise<string> {
  await Deno.mkdir(folder);
  const { success } = await new Deno.Command("cp", {
    args: ["-r", ...SOURCES.map((name) => PROJECT + name), folder],
  }).output();
  if (!success) throw new Error(`cannot copy the sources to ${folder}`);
  await edit(`${folder}/deno.json`, denoJson.version, NEXT_VERSION);
  const step = "CREATE TABLE of_the_next_version (n INTEGER) STRICT";
  await edit(`${folder}/store/schema.ts`, /(MIGRATIONS: .*= \[[^\]]*)\]/, `$1, "${step}"]`);
  return `${folder}/main.ts`;
}
