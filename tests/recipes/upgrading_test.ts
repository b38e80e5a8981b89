/** docs/upgrading.md: to a version with a new format, and back. */
import assert from "node:assert/strict";
import { MIGRATIONS } from "../../store/schema.ts";
import { exists } from "../mount/qj.ts";
import { Home } from "./home.ts";
import { makeNextVersion, NEXT_VERSION } from "./next_version.ts";
import { Page } from "./page.ts";

const STATE_FOLDER = ".local/share/qj";
const FORMAT = MIGRATIONS.length;

Deno.test("recipes: upgrading", async (t) => {
  const page = await Page.read("upgrading");
  await using home = await Home.start({ settings: { max_attempts: 1 } });
  const { qj } = home;
  const ran = async () => (await home.read("runs").catch(() => "")).split("\n").filter(Boolean);
  const marked = 'echo "$QJ_JOB" >> ~/runs';
  const main = await makeNextVersion(home.path("next"));
  const program = await home.read("bin/qj");
  const newer = program.replace(/'[^']*\/main\.ts'/, `'${main}'`);
  assert.notEqual(newer, program);
  await home.write("qj-new", newer);
  const formatOf = async (file: string) =>
    Number(await home.sh(`sqlite3 ${STATE_FOLDER}/${file} 'PRAGMA user_version'`));

  await t.step("what runs ends; what is handed in waits", async () => {
    await qj.submit("runs", `${marked}; until [ -e ~/go ]; do sleep 0.05; done`);
    await qj.in("active", "runs");
    const drained = home.sh(page.commands("Drain"));
    await qj.logged(/paused/i);
    await qj.submit("waits", marked);
    await home.write("go", "");
    assert.match(await drained, /^qj \d+\.\d+\.\d+/);
    assert.deepEqual(await ran(), ["runs"]);
  });

  await t.step("the new version has the jobs, and a copy was made", async () => {
    const commands = page.commands("Replace");
    const [replace, goOn] = commands.split(/(?<=systemctl --user start qj\n)/);
    assert.equal(await home.sh(replace!), "");
    assert.deepEqual(await qj.ls("pending"), ["waits"], "it is still paused");
    assert.equal(
      await home.sh(page.commands("The format of the state file")),
      `${FORMAT + 1}\n`,
    );
    assert.equal(await formatOf(`state.db.before-v${FORMAT + 1}`), FORMAT);
    assert.equal(Number(await home.sh("sqlite3 before-upgrade.db 'PRAGMA user_version'")), FORMAT);
    const printed = await home.sh(goOn!);
    assert(printed.startsWith(`qj ${NEXT_VERSION}`), printed);
    assert.match(printed, /\npending:\nwaits\n$|\n\npending:\nwaits\n/);
    await qj.in("complete", "waits");
    assert.deepEqual(await ran(), ["runs", "waits"]);
  });

  await t.step("the old version refuses the new file, as the page says", async () => {
    await qj.end();
    const before = await Deno.readFile(qj.stateFile);
    const { code, stderr } = await home.run("cd ~; ./qj-old ~/jobs");
    assert.equal(code, 1);
    const said = stderr.replace(home.folder, "/home/me").replace(
      `format ${FORMAT + 1}, this program knows ${FORMAT}`,
      "format 4, this program knows 3",
    );
    assert.equal(said, page.output("The format of the state file"));
    assert.deepEqual(await Deno.readFile(qj.stateFile), before);
    await qj.restart();
  });

  await t.step("going back: the queue as it was, paused, the newer one beside it", async () => {
    await qj.submit("since", "true");
    await qj.in("complete", "since");
    await home.sh(page.commands("Going back", "back"));
    assert.match(await home.sh("qj --version"), /^qj (?!\S+-next)/);
    assert.deepEqual(await qj.ls("pending"), ["waits"], "it has run, and waits again");
    assert.deepEqual(await qj.ls("complete"), ["runs"]);
    assert(await exists(home.path(STATE_FOLDER, `newer/state.db.before-v${FORMAT + 1}`)));
    assert.equal(await formatOf("newer/state.db"), FORMAT + 1);
    await home.sh("rm jobs/pending/waits");
    await qj.configure({ paused: false });
    await qj.submit("after", marked);
    await qj.in("complete", "after");
    assert.deepEqual(await ran(), ["runs", "waits", "after"]);
  });

  page.assertAllTaken();
});
