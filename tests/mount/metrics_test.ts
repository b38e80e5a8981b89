/** metrics: OpenMetrics by the letter, and numbers that are true. */
import assert from "node:assert/strict";
import { mkfifo } from "./helpers.ts";
import { parseOpenMetrics } from "./open_metrics.ts";
import { Qj } from "./qj.ts";

/** What metrics says: the value of a sample by its name and labels, or undefined. */
async function metrics(qj: Qj) {
  const families = parseOpenMetrics(await Deno.readTextFile(qj.path("metrics")));
  const samples = [...families.values()].flatMap(({ samples }) => samples);
  const get = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    samples.find((sample) =>
      sample.name === name && sample.labels.size === Object.keys(labels).length &&
      Object.entries(labels).every(([key, value]) => sample.labels.get(key) === value)
    )?.value;
  return { families, get };
}

const FAMILIES: Readonly<Record<string, string>> = {
  qj_jobs: "gauge",
  qj_unsubmitted_files: "gauge",
  qj_oldest_pending_age_seconds: "gauge",
  qj_job_slots: "gauge",
  qj_paused: "gauge",
  qj_attempts: "counter",
  qj_attempt_duration_seconds: "histogram",
  qj_request_duration_seconds: "histogram",
  qj_database_bytes: "gauge",
  qj_events_bytes: "gauge",
  qj_resident_memory_bytes: "gauge",
  qj_start_time_seconds: "gauge",
  qj_build_info: "gauge",
};

Deno.test("metrics: the families of the manual, with their types, and a help for each", async () => {
  await using qj = await Qj.start();
  const { families, get } = await metrics(qj);
  const types = Object.fromEntries([...families].map(([name, { type }]) => [name, type]));
  assert.deepEqual(types, FAMILIES);
  for (const { name, help } of families.values()) assert.match(help, /^[A-Z].*\.$/, name);
  const manual = await Deno.readTextFile(new URL("../../qj.5.scd", import.meta.url));
  const described = /\n# metrics\n([\s\S]*?)\n# /.exec(manual)![1]!;
  for (const [name, type] of Object.entries(FAMILIES)) {
    assert(described.includes(type === "counter" ? `${name}_total` : name), `${name} in qj.5`);
  }
  for (const state of ["pending", "active", "complete", "failed"]) {
    assert.equal(get("qj_jobs", { state }), 0, state);
  }
});

Deno.test("metrics: the numbers are those of what was done", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 2, backoff_base: 0 } });
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit("good", "true");
  await qj.submit("bad", "exit 1");
  await qj.submit("killed", "kill -KILL $$");
  for (const [directory, name] of [["complete", "good"], ["failed", "bad"], ["failed", "killed"]]) {
    await qj.in(directory!, name!);
  }
  await qj.configure({ max_attempts: 1, timeout_sec: 0.2, kill_grace_sec: 0 });
  await qj.submit("slow", "sleep 1000");
  await qj.in("failed", "slow");
  await qj.configure({ timeout_sec: 0, max_job_count: 7 });
  await qj.submit("runs", "read line < gate");
  await qj.in("active", "runs");
  await qj.submit("dropped", "sleep 1000");
  await qj.in("active", "dropped");
  const from = qj.logLength;
  await Deno.remove(qj.path("active", "dropped"));
  await qj.logged(/"dropped": cancelled/, from);
  await qj.configure({ paused: true });
  for (const name of ["one", "two"]) await qj.submit(name, "true");
  await qj.sh("touch pending/empty; echo true > pending/.draft; mv pending/one pending/.o");
  await qj.sh("mv pending/.o pending/one; mv pending/two pending/.t; mv pending/.t pending/two");
  const { get } = await metrics(qj);
  const states = { pending: 2, active: 1, complete: 1, failed: 3 };
  for (const [state, count] of Object.entries(states)) {
    assert.equal(get("qj_jobs", { state }), count, state);
  }
  const results = { succeeded: 1, failed: 2, signaled: 2, timeout: 1, cancelled: 1, lost: 0 };
  for (const [result, count] of Object.entries(results)) {
    assert.equal(get("qj_attempts_total", { result }), count, result);
  }
  assert.equal(get("qj_attempt_duration_seconds_count"), 7);
  assert(get("qj_attempt_duration_seconds_sum")! >= 0.2);
  assert.equal(get("qj_unsubmitted_files"), 2);
  assert.deepEqual([get("qj_job_slots"), get("qj_paused")], [7, 1]);
  assert(get("qj_oldest_pending_age_seconds")! > 0);
  assert(get("qj_database_bytes")! >= 4096);
  assert.equal(get("qj_events_bytes"), (await Deno.stat(qj.path("events"))).size);
  assert(get("qj_resident_memory_bytes")! > 1_000_000);
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
});

Deno.test("metrics: requests are counted by operation", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("x", "true");
  const count = async (operation: string) =>
    (await metrics(qj)).get("qj_request_duration_seconds_count", { operation }) ?? 0;
  const before = { rename: await count("rename"), fsync: await count("fsync") };
  await qj.sh("for i in 1 2 3; do mv pending/x pending/y; mv pending/y pending/x; done");
  await qj.sh("sync pending/x");
  assert.equal(await count("rename"), before.rename + 6);
  assert.equal(await count("fsync"), before.fsync + 1);
  const read = await count("open");
  assert(await count("open") > read, "reading metrics counts too");
});

Deno.test("metrics: counters begin anew with the daemon, the numbers of the queue do not", async () => {
  await using qj = await Qj.start();
  await qj.submit("x", "true");
  await qj.in("complete", "x");
  const before = (await metrics(qj)).get("qj_start_time_seconds")!;
  await qj.end();
  await qj.restart();
  const { get } = await metrics(qj);
  assert.equal(get("qj_jobs", { state: "complete" }), 1);
  assert.equal(get("qj_attempts_total", { result: "succeeded" }), 0);
  assert(get("qj_start_time_seconds")! > before);
});

Deno.test("metrics: programs that read in small parts see one text", async () => {
  await using qj = await Qj.start();
  const { code, stdout } = await qj.sh("dd if=metrics bs=97 status=none");
  assert.equal(code, 0);
  parseOpenMetrics(stdout);
  assert.equal((await qj.sh("stat -c '%s %a' metrics")).stdout, "0 444\n");
});

/** What the reader of the tests above has to notice. */
const FAULTS: Readonly<Record<string, string>> = {
  "no # EOF": "# TYPE a gauge\na 1\n",
  "text behind # EOF": "# EOF\na 1\n",
  "an empty line": "# TYPE a gauge\n\na 1\n# EOF\n",
  "a sample without a type": "a 1\n# EOF\n",
  "a type behind its sample": "# HELP a A.\na 1\n# TYPE a gauge\n# EOF\n",
  "a counter without _total": "# TYPE a counter\na 1\n# EOF\n",
  "a sample of another family": "# TYPE a gauge\nb 1\n# EOF\n",
  "a family in two places": "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# HELP a A.\n# EOF\n",
  "a sample twice": '# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n# EOF\n',
  "a bad escape": '# TYPE a gauge\na{x="\\t"} 1\n# EOF\n',
  "a value that is none": "# TYPE a gauge\na 1,5\n# EOF\n",
  "buckets that fall": '# TYPE a histogram\na_bucket{le="1.0"} 2\na_bucket{le="+Inf"} 1\n' +
    "a_sum 1\na_count 1\n# EOF\n",
  "no +Inf": '# TYPE a histogram\na_bucket{le="1.0"} 2\na_sum 1\na_count 2\n# EOF\n',
  "a count that is not +Inf":
    '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n# EOF\n',
  "a bound that is no float": '# TYPE a histogram\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 1\n' +
    "a_sum 1\na_count 1\n# EOF\n",
};

for (const [fault, text] of Object.entries(FAULTS)) {
  Deno.test(`parseOpenMetrics() refuses ${fault}`, () => {
    assert.throws(() => parseOpenMetrics(text));
  });
}
