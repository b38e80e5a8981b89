/** docs/retention.md: what is old goes, what is not stays, and the state file gets smaller. */
import assert from "node:assert/strict";
import { exists, until } from "../mount/qj.ts";
import { Home } from "./home.ts";
import { Page } from "./page.ts";

const DAY_MS = 86_400_000;
const BIG = "head -c 2000000 /dev/zero | tr '\\0' x";

/** Runs a job and makes its log so many days old. */
async function job(home: Home, name: string, script: string, days: number): Promise<void> {
  const { qj } = home;
  const directory = script.includes("false") ? "failed" : "complete";
  await qj.submit(name, script);
  await qj.in(directory, name);
  const then = new Date(Date.now() - days * DAY_MS - 60_000);
  await Deno.utime(qj.path(directory, name), then, then);
}

Deno.test("recipes: retention", async (t) => {
  const page = await Page.read("retention");
  await using home = await Home.start({ settings: { max_attempts: 1 } });
  const { qj } = home;
  await home.install(page);

  await t.step("by find", async () => {
    await job(home, "mail-old", "true", 2);
    await job(home, "mail-new", "true", 0);
    await job(home, "big-old", BIG, 7);
    await job(home, "big-new", BIG, 6);
    await job(home, "small-old", "true", 7);
    await job(home, "bad-old", "false", 91);
    await job(home, "bad-new", "false", 89);
    await home.sh(page.commands("By other rules, by find"));
    assert.deepEqual(await qj.ls("complete"), ["big-new", "mail-new", "small-old"]);
    assert.deepEqual(await qj.ls("failed"), ["bad-new"]);
  });

  await t.step("what is archived goes, names of all kinds, and nothing else does", async () => {
    await job(home, "-with spaces 'and quotes'", "echo archived", 7);
    await job(home, "failed-old", "echo disk full; false", 7);
    await home.sh("archive-logs");
    assert.deepEqual(await qj.ls("complete"), ["big-new", "mail-new"]);
    assert.deepEqual(await qj.ls("failed"), []);
    const [archive, ...others] = [...Deno.readDirSync(home.path("log-archive"))];
    assert.deepEqual(others, []);
    const names = await home.sh(`tar -tzf log-archive/${archive!.name} | sort`);
    assert.equal(
      names,
      "complete/-with spaces 'and quotes'\ncomplete/small-old\nfailed/bad-new\nfailed/failed-old\n",
    );
    const found = await home.sh(page.commands("Archive first"));
    assert.equal(found, ">>> echo disk full; false\ndisk full\n");
    await home.sh("archive-logs");
    assert.equal([...Deno.readDirSync(home.path("log-archive"))].length, 1, "nothing to do");
  });

  await t.step("an archive that cannot be written deletes nothing", async () => {
    await job(home, "old", "true", 7);
    await home.write("bin/tar", "#!/bin/sh\nexit 1\n");
    assert.equal((await home.run("archive-logs")).code, 1);
    assert(await exists(qj.path("complete", "old")));
    assert.equal([...Deno.readDirSync(home.path("log-archive"))].length, 1);
    await Deno.remove(home.path("bin/tar"));
  });

  await t.step("one that has run again meanwhile stays", async () => {
    await home.write(
      "bin/tar",
      '#!/bin/sh\ncd ~/jobs; mv complete/old pending/; cat jobs/old/wait > /dev/null\nPATH=${PATH#*:}; exec tar "$@"\n',
    );
    await home.sh("archive-logs");
    assert(await exists(qj.path("complete", "old")));
    await Deno.remove(home.path("bin/tar"));
  });

  await t.step("the settings, and the size of the state file", async () => {
    await home.sh(page.commands("By age, by qj itself"));
    const settings = JSON.parse(await home.read("jobs/config.json"));
    assert.equal(settings.retain_complete_sec, 7 * 86_400);
    assert.equal(settings.retain_failed_sec, 90 * 86_400);
    const printed = await home.sh(page.commands("A small state file"));
    assert.match(printed, /^qj_database_bytes \d+$/m);
    assert.match(printed, /^complete\/big-new$/m);
    assert.doesNotMatch(printed, /^complete\/mail-new$/m);
    const size = async () => (await Deno.stat(qj.stateFile)).size;
    await until("it is written", async () => await size() > 2_000_000);
    await qj.configure({ retain_complete_sec: 0 });
    await until("all are gone", async () => (await qj.ls("complete")).length === 0);
    await until("it is small", async () => await size() < 1_500_000);
  });

  page.assertAllTaken();
});
