/** events and metrics. */
import assert from "node:assert/strict";
import { follow } from "./helpers.ts";
import { Qj } from "./qj.ts";

interface Event {
  readonly seq: number;
  readonly event: string;
  readonly job?: string;
}

async function events(qj: Qj): Promise<Event[]> {
  const text = await Deno.readTextFile(qj.path("events"));
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as Event);
}

Deno.test("events: what happens to a job is there, in order, also after a restart", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 2, backoff_base: 0 } });
  await qj.sh("echo x > pending/.draft; rm pending/.draft");
  await qj.submit("a", "exit 1");
  await qj.in("failed", "a");
  await qj.sh("mv failed/a failed/b; rm failed/b");
  await qj.submit("c", "true");
  await qj.in("complete", "c");
  const before = await events(qj);
  const attempt = ["started", "attempt_ended"];
  assert.deepEqual(before.map((event) => event.event), [
    ...["config_changed", "submitted", ...attempt, ...attempt, "failed", "renamed", "removed"],
    ...["submitted", ...attempt, "completed"],
  ]);
  assert.deepEqual(before.map((event) => event.seq), before.map((_, i) => i + 1));
  assert.equal(await qj.end(), 0);
  await qj.restart();
  assert.deepEqual(await events(qj), before);
});

Deno.test("events: tail -f follows, and epoll tells when there is more", async () => {
  await using qj = await Qj.start();
  await using tail = follow(qj.path("events"));
  await qj.submit("a", "true");
  await tail.shows('"event":"completed","job":"a"');
  const { code, stdout, stderr } = await qj.sh(`python3 - <<'END'
import os, select
fd = os.open("events", os.O_RDONLY)
poll = select.epoll()
poll.register(fd, select.EPOLLIN)
assert poll.poll(10), "readable at first"
while os.read(fd, 65536): pass
assert poll.poll(0) == [], "not at the end"
open("pending/b", "w").write("true")
assert poll.poll(30), "readable when there is more"
print(os.read(fd, 65536).decode().split("\\n")[0])
END`);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /"event":"submitted","job":"b"/);
});

Deno.test("metrics: the numbers are those of the queue, in the form of OpenMetrics", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("good", "true");
  await qj.submit("bad", "false");
  await qj.in("complete", "good");
  await qj.in("failed", "bad");
  await qj.configure({ paused: true });
  await qj.submit("waits", "true");
  await qj.sh("echo x > pending/.draft; mv pending/waits pending/.w; mv pending/.w pending/waits");
  const text = await Deno.readTextFile(qj.path("metrics"));
  const lines = text.split("\n");
  assert.deepEqual(lines.slice(-2), ["# EOF", ""]);
  const line = /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[0-9.e+-]+)$/;
  for (const one of lines.slice(0, -2)) assert.match(one, line);
  for (
    const expected of [
      ...['qj_jobs{state="pending"} 1', 'qj_jobs{state="complete"} 1', "qj_paused 1"],
      ...['qj_attempts_total{result="succeeded"} 1', 'qj_attempts_total{result="failed"} 1'],
      ...["qj_unsubmitted_files 1", "qj_attempt_duration_seconds_count 2"],
    ]
  ) assert(lines.includes(expected), expected);
});
