/** docs/prometheus.md: what is exported is what Prometheus and its collector read, and the alerts fire when they should. */
import assert from "node:assert/strict";
import { Qj, until } from "../mount/qj.ts";
import { lacks } from "../programs/tools.ts";
import { crontabFault, parseCrontab, runCronLine } from "./cron.ts";
import { Home } from "./home.ts";
import { programOfPackage } from "./packages.ts";
import { Page } from "./page.ts";

/** Time series at one sample a minute, and the alerts that they are to make, as `promtool test rules` wants them. */
function alertCase(series: Readonly<Record<string, string>>, at: string, alerts: readonly Alert[]) {
  return {
    interval: "1m",
    input_series: Object.entries(series).map(([series, values]) => ({ series, values })),
    alert_rule_test: alerts.map(({ name, labels, summary }) => ({
      eval_time: at,
      alertname: name,
      exp_alerts: summary === null ? [] : [{ exp_labels: labels, exp_annotations: { summary } }],
    })),
  };
}

interface Alert {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** null: it must not fire. */
  readonly summary: string | null;
}

const OF = 'instance="a",mount="jobs"';
const LABELS = { instance: "a", mount: "jobs" };
const quiet = (name: string): Alert => ({ name, labels: {}, summary: null });

const ALERTS = [
  alertCase(
    {
      'node_textfile_mtime_seconds{instance="a",file="/x/jobs.prom"}': "0+60x10 600x30",
      [`qj_jobs{${OF},state="failed"}`]: "0x5 1x60",
      [`qj_jobs{${OF},queue="mail",state="failed"}`]: "0x5 2x60",
      [`qj_jobs{${OF},state="complete"}`]: "9x60",
      [`qj_oldest_pending_age_seconds{${OF}}`]: "4000x60",
      [`qj_paused{${OF}}`]: "0x60",
      [`qj_attempts_total{${OF},result="succeeded"}`]: "0+1x60",
      [`qj_attempts_total{${OF},result="failed"}`]: "0+3x60",
      [`qj_attempts_total{${OF},result="cancelled"}`]: "0+50x60",
      [`qj_database_bytes{${OF}}`]: "20000000000x60",
    },
    "35m",
    [
      {
        name: "QjGone",
        labels: { instance: "a", file: "/x/jobs.prom" },
        summary: "The job queue on a has given no numbers for five minutes",
      },
      { name: "QjJobsFailed", labels: LABELS, summary: "3 jobs in jobs/failed on a" },
      {
        name: "QjBehind",
        labels: LABELS,
        summary: "A job in jobs/pending on a has waited for 1h 6m 40s",
      },
      quiet("QjPaused"),
      {
        name: "QjAttemptsFail",
        labels: LABELS,
        summary: "More than half of the attempts of jobs on a fail",
      },
      {
        name: "QjStateFileGrows",
        labels: LABELS,
        summary: "The state file of jobs on a has 18.63GiB",
      },
    ],
  ),
  alertCase(
    {
      'node_textfile_mtime_seconds{instance="a",file="/x/jobs.prom"}': "0+60x120",
      [`qj_jobs{${OF},state="failed"}`]: "0x120",
      [`qj_oldest_pending_age_seconds{${OF}}`]: "4000x120",
      [`qj_paused{${OF}}`]: "1x120",
      [`qj_attempts_total{${OF},result="succeeded"}`]: "0+3x120",
      [`qj_attempts_total{${OF},result="failed"}`]: "0+1x120",
      [`qj_database_bytes{${OF}}`]: "1000000x120",
    },
    "90m",
    [
      ...["QjGone", "QjJobsFailed", "QjBehind", "QjAttemptsFail", "QjStateFileGrows"].map(quiet),
      {
        name: "QjPaused",
        labels: LABELS,
        summary: "jobs on a has been paused for an hour",
      },
    ],
  ),
];

Deno.test("recipes: Prometheus", async (t) => {
  const page = await Page.read("prometheus");
  await using home = await Home.start({
    settings: { max_attempts: 1, queues: { mail: { max_job_count: 1 } } },
  });
  const { qj } = home;
  await home.install(page);
  const promtool = await programOfPackage("promtool", "prometheus", home.path("packages"));
  const exporter = await programOfPackage(
    "prometheus-node-exporter",
    "prometheus-node-exporter",
    home.path("packages"),
  );
  await qj.submit("good", "true");
  await qj.submit("bad", "#QJ queue=mail\nfalse");
  await qj.in("complete", "good");
  await qj.in("failed", "bad");
  const collected = home.path("collected");
  await Deno.mkdir(collected);
  const file = `${collected}/jobs.prom`;
  const crontab = parseCrontab(
    page.file("crontab").replace("/var/lib/prometheus/node-exporter", collected),
  );
  const rules = page.file("qj.rules.yml");
  const query = page.blocks("Alerts", "promql").trim();

  await t.step("the line of the crontab exports whole files, with a label", async () => {
    const silent = { code: 0, stdout: "", stderr: "" };
    assert.deepEqual(await runCronLine(home, crontab, /export/), silent);
    const text = await Deno.readTextFile(file);
    const lines = text.split("\n");
    assert.equal(lines.length, (await home.read("jobs/metrics")).split("\n").length);
    for (const line of lines) assert.match(line, /^(#.*|\w+\{mount="jobs"[,}].*|)$/);
    assert(lines.includes('qj_jobs{mount="jobs",state="failed",queue="mail"} 1'), text);
    assert(lines.includes('qj_attempts_total{mount="jobs",result="succeeded"} 1'), text);
    assert(lines.includes("# TYPE qj_attempts_total counter"), text);
    const names = new Set([...rules.matchAll(/\bqj_\w+/g), ...query.matchAll(/\bqj_\w+/g)]
      .map(([name]) => name));
    assert(names.size > 5);
    for (const name of names) assert(text.includes(`\n${name}{`), `${name} is not exported`);
  });

  await t.step({
    name: "the crontab is one by the system's own rules",
    ignore: lacks(["crontab"]),
    fn: async () => assert.equal(await crontabFault(home, page.file("crontab")), null),
  });

  await t.step("without qj the old file stays, and nothing else", async () => {
    const before = await Deno.readTextFile(file);
    await qj.end();
    const { code, stderr } = await runCronLine(home, crontab, /export/);
    assert.notEqual(code, 0);
    assert.match(stderr, /No such file/);
    assert.deepEqual([...Deno.readDirSync(collected)].map(({ name }) => name), ["jobs.prom"]);
    assert.equal(await Deno.readTextFile(file), before);
    await qj.restart();
  });

  await t.step({
    name: "promtool accepts the metrics, the rules and the query",
    ignore: promtool === null,
    fn: async () => {
      const metrics = await home.run(`${promtool} check metrics < ${file}`);
      assert.deepEqual(metrics, { code: 0, stdout: "", stderr: "" });
      // What the page says of the text as it is.
      const raw = await home.run(`${promtool} check metrics < jobs/metrics`);
      assert.match(raw.stderr, /qj_attempts_total/);
      const checked = await home.run(`${promtool} check rules qj.rules.yml`);
      assert.equal(checked.code, 0, checked.stdout + checked.stderr);
      const record = { groups: [{ name: "q", rules: [{ record: "x", expr: query }] }] };
      await home.write("query.yml", JSON.stringify(record));
      const asked = await home.run(`${promtool} check rules query.yml`);
      assert.equal(asked.code, 0, asked.stdout + asked.stderr);
    },
  });

  await t.step({
    name: "each alert fires when it should, and not otherwise",
    ignore: promtool === null,
    fn: async () => {
      await home.write(
        "alerts.yml",
        JSON.stringify({ rule_files: ["qj.rules.yml"], tests: ALERTS }),
      );
      const { code, stdout, stderr } = await home.run(`${promtool} test rules alerts.yml`);
      assert.equal(code, 0, stdout + stderr);
      for (const [, name] of rules.matchAll(/alert: (\w+)/g)) {
        for (const { alert_rule_test } of ALERTS) {
          assert(alert_rule_test.some(({ alertname }) => alertname === name), name);
        }
      }
    },
  });

  await t.step({
    name: "node_exporter gives the numbers of two queues",
    ignore: exporter === null,
    fn: async () => {
      await using video = await Qj.start();
      await home.sh(`ln -s ${video.mountpoint} video`);
      await home.sh(`export-metrics ~/video ${collected}/video.prom`);
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr;
      listener.close();
      const child = new Deno.Command(exporter!, {
        args: [
          "--collector.disable-defaults",
          "--collector.textfile",
          `--collector.textfile.directory=${collected}`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      try {
        let text = "";
        await until("node_exporter answers", async () => {
          const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => null);
          text = await answer?.text() ?? "";
          return answer?.ok === true;
        });
        assert.match(text, /^node_textfile_scrape_error 0$/m);
        assert.match(text, /^promhttp_metric_handler_errors_total\{cause="gathering"\} 0$/m);
        assert.match(text, /^node_textfile_mtime_seconds\{file=".*jobs.prom"\} \S+$/m);
        assert.match(text, /^qj_jobs\{mount="jobs",(?:queue="",)?state="complete"\} 1$/m);
        assert.match(text, /^qj_jobs\{mount="video",(?:queue="",)?state="complete"\} 0$/m);
        assert.match(text, /^# TYPE qj_attempts_total counter$/m);
      } finally {
        child.kill("SIGTERM");
        await child.status;
      }
    },
  });

  page.assertAllTaken();
});
