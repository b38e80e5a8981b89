/** docs/timers.md: lines of a crontab and a timer hand in jobs, each whole and none twice. */
import assert from "node:assert/strict";
import { exists, until } from "../mount/qj.ts";
import { lacks } from "../programs/tools.ts";
import { crontabFault, parseCrontab, runCronLine } from "./cron.ts";
import { Home } from "./home.ts";
import { Page } from "./page.ts";

Deno.test("recipes: timers", async (t) => {
  const page = await Page.read("timers");
  await using home = await Home.start();
  const { qj } = home;
  await home.install(page);
  await home.write("documents/letter", "Dear");
  await home.write(
    "bin/feeds",
    "#!/bin/sh\necho run >> ~/feeds; until [ -e ~/go ]; do sleep 0.02; done\n",
  );
  await home.write("bin/report", "#!/bin/sh\necho reported\n");
  const text = page.file("schedule/crontab");
  const crontab = parseCrontab(text);
  const silent = { code: 0, stdout: "", stderr: "" };

  await t.step(
    "a name that has finished is refused, and replaced once the setting is made",
    async () => {
      await qj.submit("backup", "true");
      await qj.in("complete", "backup");
      const { code, stderr } = await runCronLine(home, crontab, /backup/);
      assert.equal(code, 1);
      assert.match(stderr, /File exists/);
      assert.deepEqual(await qj.ls("pending"), [], "no draft is left");
      await home.sh(page.commands("One name, one job"));
      assert.deepEqual(await runCronLine(home, crontab, /backup/), silent);
      await until(
        "the archive",
        async () => /^>>> tar/m.test(await qj.in("complete", "backup").catch(() => "")),
      );
      const names = await home.sh("tar -tzf backup/documents.tar.gz");
      assert.equal(names, "documents/\ndocuments/letter\n");
    },
  );

  await t.step("what runs or waits is not queued twice", async () => {
    assert.deepEqual(await runCronLine(home, crontab, /feeds/), silent);
    await until("it runs", () => exists(home.path("feeds")));
    assert.deepEqual(await runCronLine(home, crontab, /feeds/), silent);
    await qj.configure({ paused: true });
    await home.write("go", "");
    await qj.in("complete", "feeds");
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await runCronLine(home, crontab, /feeds/), silent);
      assert.deepEqual(await runCronLine(home, crontab, /backup/), silent);
    }
    assert.deepEqual(await qj.ls("pending"), ["backup", "feeds"]);
    await qj.configure({ paused: false });
    await qj.in("complete", "backup");
    await qj.in("complete", "feeds");
    assert.equal(await home.read("feeds"), "run\nrun\n");
  });

  await t.step("percent signs", async () => {
    assert.deepEqual(await runCronLine(home, crontab, /df-/), silent);
    await until(
      "df",
      async () => (await qj.ls("complete")).some((name) => /^df-\d{4}-\d\d-\d\dT\d{4}$/.test(name)),
    );
    assert.deepEqual(await runCronLine(home, crontab, /report/), silent);
    assert.equal(
      await qj.in("complete", "report"),
      ">>> #QJ timeout=2h\n>>> exec ~/bin/report\nreported\n",
    );
    // What the page warns of.
    const trap = await runCronLine(home, parseCrontab("0 0 * * * echo x-$(date +%F)"), /echo/);
    assert.notEqual(trap.code, 0);
  });

  await t.step("without qj the lines fail and leave nothing", async () => {
    await qj.end();
    for (const which of [/backup/, /feeds/, /df-/, /report/]) {
      const { code, stderr } = await runCronLine(home, crontab, which);
      assert.notEqual(code, 0);
      assert.notEqual(stderr, "");
    }
    assert.deepEqual([...Deno.readDirSync(home.path("mnt"))], []);
    await qj.restart();
  });

  await t.step({
    name: "the crontab is one by the system's own rules",
    ignore: lacks(["crontab"]),
    fn: async () => {
      assert.equal(await crontabFault(home, text), null);
      assert.match(await crontabFault(home, text.replace("30 2", "61 2")) ?? "", /bad minute|61/);
    },
  });

  await t.step("the service runs what the timer is for", async () => {
    const service = page.file(".config/systemd/user/submit@.service");
    const timer = page.file(".config/systemd/user/backup.timer");
    const instance = /^Unit=submit@(\w+)\.service$/m.exec(timer)![1]!;
    const command = /^ExecStart=(.*)$/m.exec(service)![1]!
      .replaceAll("%h", home.folder).replaceAll("%i", instance);
    await home.sh("rm jobs/complete/backup");
    await home.sh(command);
    await qj.in("complete", "backup");
    assert.equal(await home.sh(page.commands("systemd")), "");
  });

  await t.step({
    name: "the units are valid",
    ignore: lacks(["systemd-analyze"], true),
    fn: async () => {
      const units = home.path(".config/systemd/user");
      const packaged = new URL("../../packaging/systemd/qj.service", import.meta.url);
      const qjUnit = (await Deno.readTextFile(packaged)).replace(/^Documentation=.*\n/m, "")
        .replace(/^ExecStart=\S+/m, "ExecStart=/bin/true");
      await home.write(".config/systemd/user/qj.service", qjUnit);
      await home.sh(`cp ${units}/submit@.service ${units}/submit@backup.service`);
      const analyze = "XDG_RUNTIME_DIR=~ systemd-analyze";
      const verify = `${analyze} --user verify backup.timer submit@backup.service 2>&1`;
      const good = await home.run(`cd ${units} && ${verify}`);
      assert.doesNotMatch(good.stdout, /backup|submit/);
      assert.equal(good.code, 0, good.stdout);
      await home.sh(`sed -i s/OnCalendar/OnCalender/ ${units}/backup.timer`);
      assert.match((await home.run(`cd ${units} && ${verify}`)).stdout, /OnCalender/);
    },
  });

  page.assertAllTaken();
});
