import assert from "node:assert/strict";
import { exposition, Histogram, sample } from "../../fs/open_metrics.ts";
import { METRICS_INO } from "../../fs/ino.ts";
import { type FileSystemFixture, fileSystemTest } from "./file_system_fixture.ts";
import { COMPLETE, FAILED } from "./store_fixture.ts";

Deno.test("sample() is a name, its labels and a value", () => {
  assert.equal(sample("a", {}, 1), "a 1\n");
  assert.equal(sample("a_total", { b: "c", d: "" }, -0.5), 'a_total{b="c",d=""} -0.5\n');
});

Deno.test("sample() escapes what would end a label", () => {
  assert.equal(sample("a", { b: 'x"y\\z\n\\n' }, 0), 'a{b="x\\"y\\\\z\\n\\\\n"} 0\n');
  assert.equal(sample("a", { b: "é {},=\t#" }, 0), 'a{b="é {},=\t#"} 0\n');
});

Deno.test("exposition() puts HELP and TYPE before the samples and # EOF last", () => {
  const samples = [sample("a_total", { x: "1" }, 1), sample("a_total", { x: "2" }, 2)];
  assert.equal(
    exposition([
      { name: "a", type: "counter", help: 'One "word"\nand \\ more.', samples },
      { name: "b", type: "gauge", help: "None.", samples: [] },
      { name: "c", type: "gauge", help: "Last.", samples: [sample("c", {}, 3)] },
    ]),
    '# HELP a One \\"word\\"\\nand \\\\ more.\n# TYPE a counter\n' +
      'a_total{x="1"} 1\na_total{x="2"} 2\n' +
      "# HELP c Last.\n# TYPE c gauge\nc 3\n# EOF\n",
  );
  assert.equal(exposition([]), "# EOF\n");
});

Deno.test("Histogram counts up from bucket to bucket, its bounds included", () => {
  const histogram = new Histogram([0.5, 1, 10]);
  for (const value of [0, 0.5, 0.51, 1, 9, 10, 10.5, 1000]) histogram.observe(value);
  assert.deepEqual(histogram.samples("h", { a: "b" }), [
    'h_bucket{a="b",le="0.5"} 2\n',
    'h_bucket{a="b",le="1.0"} 4\n',
    'h_bucket{a="b",le="10.0"} 6\n',
    'h_bucket{a="b",le="+Inf"} 8\n',
    'h_sum{a="b"} 1031.51\n',
    'h_count{a="b"} 8\n',
  ]);
});

Deno.test("Histogram without an observation is all zeros", () => {
  assert.deepEqual(new Histogram([1]).samples("h", {}), [
    'h_bucket{le="1.0"} 0\n',
    'h_bucket{le="+Inf"} 0\n',
    "h_sum 0\n",
    "h_count 0\n",
  ]);
});

// What qj shows -------------------------------------------------------------------------------------------------

function lines(text: string): string[] {
  return text.split("\n");
}

fileSystemTest("metrics is made anew at each open, and its size is shown as 0", (f) => {
  const read = () => {
    const fh = f.open(METRICS_INO);
    const text = f.read(fh, 0, 1_000_000);
    f.submitted(`job${f.store.directories.count}`);
    assert.equal(f.read(fh, 0, 1_000_000), text, "not while it is open");
    assert.equal(f.read(fh, 5, 7), text.slice(5, 12));
    f.close(fh);
    return text;
  };
  assert.ok(lines(read()).includes('qj_jobs{state="pending"} 0'));
  assert.ok(lines(read()).includes('qj_jobs{state="pending"} 1'));
  assert.equal(f.getattr(METRICS_INO).size, 0);
});

fileSystemTest("metrics has the numbers of the queue", (f) => {
  f.ended("good");
  f.finish(f.running("bad"), FAILED, { kind: "exited", code: 1 });
  f.finish(f.running("hit"), FAILED, { kind: "signaled", signal: "SIGKILL" });
  f.running("runs");
  f.written(".draft");
  f.written("empty", "");
  f.submitted("video");
  f.sql("UPDATE job SET queue = 'a \"b\"' WHERE name IN ('video', 'good', '.draft')");
  f.submitted("plain");
  f.store.settings.apply({ paused: true, max_job_count: 7 });
  f.nowMs += 90_000;
  const fh = f.open(METRICS_INO);
  const shown = lines(f.read(fh, 0, 1_000_000));
  for (
    const expected of [
      ...['qj_jobs{state="pending"} 1', 'qj_jobs{state="active"} 1'],
      ...['qj_jobs{state="complete"} 0', 'qj_jobs{state="failed"} 2'],
      ...['qj_jobs{state="complete",queue="a \\"b\\""} 1'],
      ...['qj_jobs{state="pending",queue="a \\"b\\""} 1'],
      ...["qj_unsubmitted_files 2"],
      ...["qj_job_slots 7", "qj_paused 1", 'qj_build_info{version="1.2.3"} 1'],
      ...['qj_attempts_total{result="succeeded"} 1', 'qj_attempts_total{result="failed"} 1'],
      ...['qj_attempts_total{result="signaled"} 1', 'qj_attempts_total{result="lost"} 0'],
      ...['qj_attempt_duration_seconds_bucket{le="+Inf"} 3'],
      ...["qj_attempt_duration_seconds_count 3"],
      `qj_events_bytes ${f.store.events.size}`,
    ]
  ) assert.ok(shown.includes(expected), `${expected} in\n${shown.join("\n")}`);
});

/** In whole seconds: places in the queue are told by microseconds. */
function oldestAge(f: FileSystemFixture): number {
  const text = f.read(f.open(METRICS_INO), 0, 1_000_000);
  return Math.round(Number(/^qj_oldest_pending_age_seconds (.*)$/m.exec(text)![1]));
}

fileSystemTest("metrics has the age of the job that has waited longest", (f) => {
  assert.equal(oldestAge(f), 0);
  f.submitted("x");
  f.nowMs += 60_000;
  f.submitted("y");
  f.nowMs += 30_000;
  assert.equal(oldestAge(f), 90);
  f.claim();
  assert.equal(oldestAge(f), 30);
  f.claim();
  assert.equal(oldestAge(f), 0);
});

fileSystemTest("a job that was made a draft waits for nothing, so it is not the oldest", (f) => {
  f.submitted("x");
  f.nowMs += 60_000;
  f.submitted("y");
  f.rename("pending", "x", "pending", "x~");
  f.nowMs += 30_000;
  assert.equal(oldestAge(f), 30);
});

fileSystemTest("metrics counts answers by operation, in the order of their names", (f) => {
  for (const ms of [0.001, 0.3, 2000]) f.fs.answered("read", ms);
  f.fs.answered("lookup", 1);
  const shown = lines(f.read(f.open(METRICS_INO), 0, 1_000_000));
  const name = "qj_request_duration_seconds";
  for (
    const expected of [
      `${name}_bucket{operation="read",le="0.00001"} 1`,
      `${name}_bucket{operation="read",le="0.0005"} 2`,
      `${name}_bucket{operation="read",le="1.0"} 2`,
      `${name}_bucket{operation="read",le="+Inf"} 3`,
      `${name}_count{operation="read"} 3`,
      `${name}_count{operation="lookup"} 1`,
    ]
  ) assert.ok(shown.includes(expected), expected);
  const at = (operation: string) =>
    shown.findIndex((line) => line.startsWith(`${name}_bucket{operation="${operation}"`));
  assert.ok(at("lookup") < at("read"));
});

fileSystemTest("counters begin at 0 with the daemon, run times are those of the attempts", (f) => {
  const claim = f.running("x");
  f.nowMs += 30_000;
  f.finish(claim, COMPLETE);
  const shown = () => lines(f.read(f.open(METRICS_INO), 0, 1_000_000));
  assert.ok(shown().includes("qj_attempt_duration_seconds_sum 30"));
  assert.ok(shown().includes('qj_attempt_duration_seconds_bucket{le="15.0"} 0'));
  assert.ok(shown().includes('qj_attempt_duration_seconds_bucket{le="60.0"} 1'));
  f.reopen();
  assert.ok(shown().includes("qj_attempt_duration_seconds_sum 0"));
  assert.ok(shown().includes('qj_attempts_total{result="succeeded"} 0'));
  assert.ok(shown().includes('qj_jobs{state="complete"} 1'));
});

fileSystemTest("an attempt whose end could not be stored does not count", (f) => {
  const claim = f.running("x");
  f.sql("CREATE TRIGGER full BEFORE UPDATE ON attempt BEGIN SELECT raise(ABORT, 'full'); END");
  assert.throws(() => f.finish(claim, COMPLETE), /full/);
  const shown = () => lines(f.read(f.open(METRICS_INO), 0, 1_000_000));
  assert.ok(shown().includes("qj_attempt_duration_seconds_count 0"));
  f.sql("DROP TRIGGER full");
  f.finish(claim, COMPLETE);
  assert.ok(shown().includes("qj_attempt_duration_seconds_count 1"));
});
