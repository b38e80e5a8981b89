/** The manual pages: built without a warning, and true to the program where that can be compared. */
import assert from "node:assert/strict";
import { OPTION_NAMES } from "../../store/job_options.ts";
import { DEFAULT_SETTINGS } from "../../store/settings.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;

for (const page of ["qj.1", "qj.5"]) {
  Deno.test(`${page}.scd builds without a warning`, async () => {
    const source = await Deno.readFile(`${PROJECT}${page}.scd`);
    const child = new Deno.Command("scdoc", { stdin: "piped", stdout: "piped", stderr: "piped" })
      .spawn();
    const writer = child.stdin.getWriter();
    await writer.write(source);
    await writer.close();
    const { success, stdout, stderr } = await child.output();
    assert.deepEqual([success, new TextDecoder().decode(stderr)], [true, ""]);
    assert.match(new TextDecoder().decode(stdout), /^\.TH "qj" "[15]"/m);
  });
}

Deno.test("qj.1.scd has every option, and no other", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", `${PROJECT}main.ts`, "--help"],
    env: { NO_COLOR: "1" },
  }).output();
  const help = new TextDecoder().decode(stdout);
  const offered = [...help.matchAll(/^ +(-{1,2}[a-z-]+)/gm)].map(([, name]) => name!);
  assert.ok(offered.length > 10, help);
  const text = await Deno.readTextFile(`${PROJECT}qj.1.scd`);
  const options = /\n# OPTIONS\n([^]*?)\n# /.exec(text)![1]!;
  const described = [...options.matchAll(/^\*-.*$/gm)]
    .flatMap(([line]) => [...line.matchAll(/\*(-{1,2}[a-z-]+)\*/g)].map(([, name]) => name!));
  assert.deepEqual(described.sort(), offered.sort());
});

Deno.test("deno task man makes both pages", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "man"],
    cwd: PROJECT,
  }).output();
  assert.deepEqual([success, new TextDecoder().decode(stderr)], [true, ""]);
  for (const page of ["qj.1", "qj.5"]) {
    assert.match(await Deno.readTextFile(`${PROJECT}dist/${page}`), /^\.TH "qj"/m);
  }
});

Deno.test("qj.5.scd has every setting with its default", async () => {
  const text = await Deno.readTextFile(`${PROJECT}qj.5.scd`);
  for (const [key, value] of Object.entries(DEFAULT_SETTINGS)) {
    assert.ok(text.includes(`\n|  ${key}\n:  ${JSON.stringify(value)}\n`), key);
  }
});

Deno.test("qj.5.scd has every option of #QJ lines, and no other", async () => {
  const text = await Deno.readTextFile(`${PROJECT}qj.5.scd`);
  const table = /\[\[ \*Option\*\n([^]*?)\n\n/.exec(text)![1]!;
  const names = [...table.matchAll(/^\|[ ]{2}([a-z-]+)/gm)].map(([, name]) => name!);
  assert.deepEqual(names.sort(), [...OPTION_NAMES].sort());
});
