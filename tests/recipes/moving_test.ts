/** docs/moving.md: a queue goes to another machine with all that is in it, and each job runs once. */
import assert from "node:assert/strict";
import { exists, until } from "../mount/qj.ts";
import { Home } from "./home.ts";
import { Page } from "./page.ts";

/** A machine on which qj is installed and has never run. */
async function freshMachine(): Promise<Home> {
  const home = await Home.start();
  await home.qj.end();
  await Deno.remove(home.path(".local"), { recursive: true });
  return home;
}

/** scp to the other machine, which is another home directory. */
function scpTo(home: Home): string {
  return `#!/bin/sh\n[ "$1" = -p ] && exec cp -p "$2" ${home.folder}/"\${3#new:}"\n`;
}

Deno.test("recipes: moving to another machine", async (t) => {
  const page = await Page.read("moving");
  await using next = await freshMachine();
  await using old = await Home.start({
    settings: { max_attempts: 1, queues: { slow: { max_job_count: 1 } } },
  });
  await old.write("bin/scp", scpTo(next));
  const runs = `${old.folder}/runs`;
  const marked = (more = "") => `echo "$QJ_JOB" >> ${runs}${more}`;
  const ran = async () => (await Deno.readTextFile(runs)).trim().split("\n").sort();

  await t.step("what runs ends, and nothing else begins", async () => {
    await old.qj.submit("done", marked());
    await old.qj.submit("bad", marked("; exit 3"));
    await old.qj.in("complete", "done");
    await old.qj.in("failed", "bad");
    await old.qj.submit(
      "runs",
      `#QJ queue=slow\n${marked()}; until [ -e ~/go ]; do sleep 0.05; done`,
    );
    await old.qj.in("active", "runs");
    await old.qj.submit("waits", `#QJ queue=slow\n${marked()}`);
    await old.qj.submit("later", `#QJ after=waits\n${marked()}`);
    await old.qj.submit(".draft", marked());
    const commands = old.sh(page.commands("On the old machine", "old"));
    await old.qj.logged(/paused/i);
    await old.write("go", "");
    assert.equal(await commands, page.output("On the old machine"));
    assert.deepEqual(await ran(), ["bad", "done", "runs"]);
  });

  await t.step("the old queue is not started again by mistake", async () => {
    await old.qj.restart();
    assert.deepEqual(await old.qj.ls("jobs"), []);
    await old.qj.end();
  });

  await t.step("all is there, and goes on", async () => {
    const blocks = page.commands("On the new machine", "new");
    const printed = await next.sh(blocks.replace(/^jq .*\n/m, ""));
    assert.equal(printed, "complete:\ndone\nruns\n\nfailed:\nbad\n\npending:\nlater\nwaits\n");
    assert.match(await next.qj.in("failed", "bad"), /exit status 3\n$/);
    assert.equal(JSON.parse(await next.read("jobs/config.json")).queues.slow.max_job_count, 1);
    assert.deepEqual(await next.qj.ls("active"), [], "it is paused");
    await next.sh(/^jq .*\n/m.exec(blocks)![0].replaceAll("config.json", "jobs/config.json"));
    await next.qj.in("complete", "later");
    assert.deepEqual(await ran(), ["bad", "done", "later", "runs", "waits"], "each once");
    await next.sh("mv jobs/pending/.draft jobs/pending/draft");
    await next.qj.in("complete", "draft");
    assert.equal(await exists(next.path("moving.db")), false);
  });

  await t.step("a second queue is not written over", async () => {
    await next.qj.end();
    const { code } = await next.run(
      `set -e\n${page.commands("On the new machine", "new").split("systemctl")[0]!}`,
    );
    assert.equal(code, 1);
    await next.qj.restart();
    assert.deepEqual(await next.qj.ls("complete"), ["done", "draft", "later", "runs", "waits"]);
  });

  page.commands("When the old machine is gone", "lost");
  page.assertAllTaken();
});

Deno.test("recipes: moving with a job that runs, after a crash", async (t) => {
  const page = await Page.read("moving");
  await using next = await freshMachine();
  await using old = await Home.start();
  await old.write("bin/scp", scpTo(next));
  const runs = `${old.folder}/runs`;
  const endless = (option = "") =>
    `${option}\necho "$QJ_JOB" >> ${runs}; until [ -e ${old.folder}/go ]; do sleep 0.05; done`;
  const ran = async () =>
    (await Deno.readTextFile(runs).catch(() => "")).split("\n").filter(Boolean).sort();

  await t.step("the table: lost, put aside, put back", async () => {
    await old.qj.submit("again", endless());
    await old.qj.submit("once", endless("#QJ on-lost=fail"));
    await old.qj.submit("aside", endless());
    await old.qj.submit("back", endless());
    await until("all run", async () => (await ran()).length === 4);
    await old.sh("echo '{\"paused\": true}' > jobs/config.json");
    await old.sh("mv jobs/active/aside jobs/failed/; mv jobs/active/back jobs/pending/");
    await old.qj.end("SIGKILL");
    // All that is after the wait, without a clean end before it.
    const [, copy] = page.commands("On the old machine", "old").split("systemctl --user stop qj\n");
    assert.equal(await old.sh(copy!), "ok\n");
    const blocks = page.commands("On the new machine", "new");
    const printed = await next.sh(blocks.replace(/^jq .*\n/m, ""));
    assert.equal(printed, "complete:\n\nfailed:\naside\nonce\n\npending:\nagain\nback\n");
    await Deno.writeTextFile(`${old.folder}/go`, "");
    await next.qj.configure({ paused: false });
    await next.qj.in("complete", "again");
    await next.qj.in("complete", "back");
    assert.deepEqual(await ran(), ["again", "again", "aside", "back", "back", "once"]);
  });

  await t.step("from a backup: nothing runs until somebody says so", async () => {
    await next.qj.submit("waits", `#QJ delay=1h\ntrue`);
    await next.qj.submit("x", `echo x >> ${runs}`);
    await next.qj.in("complete", "x");
    await Deno.remove(`${old.folder}/go`);
    await next.qj.submit("active", endless());
    await next.qj.in("active", "active");
    await next.qj.end("SIGKILL");
    const printed = await next.sh(page.commands("When the old machine is gone", "lost"));
    assert.equal(printed, "active\naside\nonce\nwaits\n");
    await Deno.writeTextFile(`${old.folder}/go`, "");
    await next.qj.configure({ paused: false });
    await next.sh("mv jobs/failed/active jobs/pending/");
    await next.qj.in("complete", "active");
    assert.deepEqual(await next.qj.ls("failed"), ["aside", "once", "waits"]);
  });
});
