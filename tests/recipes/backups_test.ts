/** docs/backups.md: a chain of jobs each night, one at a time, and what is seen of a failure. */
import assert from "node:assert/strict";
import { until } from "../mount/qj.ts";
import { lacks } from "../programs/tools.ts";
import { crontabFault, parseCrontab, runCronLine } from "./cron.ts";
import { Home } from "./home.ts";
import { Page } from "./page.ts";

const NIGHT = "2027-01-01";

Deno.test("recipes: backups", async (t) => {
  const page = await Page.read("backups");
  const mail = `#!/bin/sh\n{ echo "$*"; cat; } > ~/mail-"$QJ_JOB"\n`;
  await using home = await Home.start({ programs: { mail } });
  const { qj } = home;
  await home.install(page);
  await home.write("documents/letter", "Dear");
  await home.sh(page.commands("Set up"));
  const today = (await home.sh("date +%F")).trim();
  const old = home.path("backup/documents-2026-01-01.tar.gz");
  const makeOld = async () => {
    await Deno.writeTextFile(old, "");
    await Deno.utime(old, new Date("2026-01-01"), new Date("2026-01-01"));
  };
  await makeOld();

  await t.step("a night whose upload fails: nothing is deleted, and it is reported", async () => {
    const script = page.file("bin/nightly-backup");
    assert.match(script, / backoff-base=5m/);
    // The waits before retries alone are taken out.
    await home.write("bin/nightly-backup", script.replaceAll(/ backoff-base=\d+m/g, ""));
    const crontab = parseCrontab(page.file("crontab"));
    assert.deepEqual(await runCronLine(home, crontab, /nightly/), {
      code: 0,
      stdout: "",
      stderr: "",
    });
    await qj.in("failed", `prune-${today}`);
    assert.deepEqual(await qj.ls("complete"), [`dump-${today}`]);
    assert.deepEqual(await qj.ls("failed"), [`prune-${today}`, `upload-${today}`]);
    await Deno.stat(old);
    await until(
      "reports",
      async () => (await home.run("ls mail-*")).stdout.split("\n").length === 3,
    );
    const log = await home.read("failed-jobs.log");
    assert.match(log, new RegExp(`upload-${today}: \\[System Error\\]: exit status \\d+\n`));
    assert.match(log, new RegExp(`prune-${today}: \\[System Error\\]: not run: .*upload`));
    assert.match(
      await home.read(`mail-upload-${today}`),
      /^-s upload-\S+ failed on .*\n[^]*can.t cd to/,
    );
    assert.equal((await home.run("morning")).code, 1);
  });

  await t.step("the cause is gone, and what has failed runs again", async () => {
    await Deno.mkdir(home.path("offsite"));
    await home.sh(page.commands("When it has failed"));
    await qj.in("complete", `prune-${today}`);
    await assert.rejects(Deno.stat(old));
    assert.equal(
      await home.sh(`tar -xzOf offsite/documents-${today}.tar.gz documents/letter`),
      "Dear",
    );
    const { attempts } = JSON.parse(await home.read(`jobs/jobs/dump-${today}/status.json`));
    assert.equal(attempts.length, 1);
    assert.match(await home.sh("morning"), /^(\S+ {2}complete\n){3}$/);
    await home.sh("nightly-backup");
    assert.deepEqual(await qj.ls("pending"), [], "what is done is not done again");
  });

  await t.step("one at a time, also of two nights", async () => {
    const { stdout } = await home.run("command -v tar rsync find");
    for (const path of stdout.trim().split("\n")) {
      const name = path.split("/").at(-1)!;
      await home.write(
        `bin/${name}`,
        `#!/bin/sh\necho "> $QJ_JOB" >> ~/order\n${path} "$@"; code=$?\n` +
          `sleep 0.1; echo "< $QJ_JOB" >> ~/order\nexit $code\n`,
      );
    }
    await home.sh(`nightly-backup ${NIGHT}; nightly-backup 2027-01-02`);
    await qj.in("complete", `prune-${NIGHT}`);
    await qj.in("complete", "prune-2027-01-02");
    const order = (await home.read("order")).trim().split("\n");
    assert.equal(order.length, 12);
    for (let i = 0; i < 12; i += 2) {
      assert.equal(order[i]!.replace(">", "<"), order[i + 1], order.join());
    }
    const at = (job: string) => order.indexOf(`> ${job}`);
    assert(at(`dump-${NIGHT}`) < at(`upload-${NIGHT}`));
    assert(at(`upload-${NIGHT}`) < at(`prune-${NIGHT}`));
    assert.equal(await home.sh(`morning ${NIGHT}`), page.output("In the morning"));
  });

  await t.step({
    name: "the crontab is one by the system's own rules",
    ignore: lacks(["crontab"]),
    fn: async () => {
      assert.equal(await crontabFault(home, page.file("crontab")), null);
    },
  });

  await t.step("the waits of the page are understood", async () => {
    await home.write("bin/nightly-backup", page.file("bin/nightly-backup"));
    await qj.configure({ paused: true });
    await home.sh("nightly-backup 2027-01-03");
    assert.deepEqual(await qj.ls("pending"), [
      "dump-2027-01-03",
      "prune-2027-01-03",
      "upload-2027-01-03",
    ]);
    await Deno.remove(home.path("offsite"), { recursive: true });
    await qj.configure({ paused: false });
    await qj.logged(/"upload-2027-01-03": exit status/);
    const status = JSON.parse(await home.read("jobs/jobs/upload-2027-01-03/status.json"));
    const waitMin = (Date.parse(status.not_before) - Date.parse(status.attempts[0].end)) / 60_000;
    assert(Math.abs(waitMin - 30) < 1, `${waitMin} minutes`);
  });

  page.assertAllTaken();
});
