/** Pages are read as they are written, and what a test leaves out is noticed. */
import assert from "node:assert/strict";
import { Page } from "./page.ts";

const PAGE = [
  "# One",
  "`~/bin/x`:",
  "",
  "```sh title=bin/x",
  "# Two is no heading here",
  "```",
  "```sh",
  "one",
  "```",
  "## Two",
  "```sh on=new",
  "two",
  "```",
  "```text",
  "```",
].join("\n");

Deno.test("recipes: blocks are found by title, heading and machine, and missed when left", () => {
  const page = new Page(PAGE);
  assert.deepEqual(page.titles, ["bin/x"]);
  assert.equal(page.file("bin/x"), "# Two is no heading here\n");
  assert.equal(page.commands("One"), "one\n");
  assert.throws(() => page.commands("Two"), /no sh block under "Two"/);
  assert.equal(page.output("Two"), "");
  assert.throws(() => page.assertAllTaken(), /not executed/);
  assert.equal(page.commands("Two", "new"), "two\n");
  page.assertAllTaken();
  assert.throws(() => new Page(PAGE.replace("~/bin/x", "~/bin/y")), /does not name bin\/x/);
  assert.throws(() => new Page(PAGE.slice(0, -3)), /not closed/);
});

Deno.test("recipes: the index names every page, and links lead somewhere", async () => {
  const folder = new URL("../../docs/", import.meta.url);
  const index = await Deno.readTextFile(new URL("README.md", folder));
  for await (const { name } of Deno.readDir(folder)) {
    if (name !== "README.md") assert(index.includes(`[${name}](${name})`), `${name} in the index`);
    const text = await Deno.readTextFile(new URL(name, folder));
    for (const [, target] of text.matchAll(/\]\(([^):#]+)\)/g)) {
      await Deno.stat(new URL(target!, folder));
    }
  }
});
