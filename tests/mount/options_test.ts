/** What scripts say of themselves in `#QJ` lines, on a real mount. */
import assert from "node:assert/strict";
import { isAlive } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

const GO = "until [ -e go ]; do sleep 0.02; done";

async function status(qj: Qj, name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(qj.path("jobs", name, "status.json")));
}

Deno.test("options: what a job runs with", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 5 } });
  await qj.submit(
    "a",
    `#!/bin/sh\n# a comment\n\n#QJ cwd=${qj.folder}/mnt/pending env=A="two words" env=B=1 nice=7\n` +
      'echo "$A,$B"; pwd; nice; echo $#\n',
  );
  const shown = (await qj.in("complete", "a")).split("\n").filter((line) =>
    !line.startsWith(">>>")
  );
  assert.deepEqual(shown, ["two words,1", qj.path("pending"), "7", "0", ""]);

  await qj.submit("once", "#QJ attempts=1\nexit 3");
  assert.match(await qj.in("failed", "once"), /\n\n\[System Error\]: exit status 3\n$/);
  await qj.submit("late", "#QJ timeout=0.2s attempts=1\nsleep 1000");
  assert.match(await qj.in("failed", "late"), /timed out after 0.2 s\n$/);
  await qj.submit("soon", "#QJ backoff-base=0.05 backoff-mult=1 attempts=2\nexit 4");
  assert.equal((await qj.in("failed", "soon")).match(/exit status 4/g)?.length, 2);
});

Deno.test("options: a wrong line sends the job to failed, with line and reason, and nothing runs", async () => {
  await using qj = await Qj.start();
  const wrong: [string, RegExp][] = [
    ["#QJ nonsense=1", /line 1: unknown option "nonsense"/],
    ["# x\n#QJ timeout=soon", /line 2: timeout must be a time .*, not "soon"/],
    ["#QJ priority=1001", /line 1: priority must be a whole number from -1000 to 1000/],
    ["#QJ at=2027-02-30T03:00", /line 1: at is no time that exists/],
    ["#QJ env=QJ_JOB=x", /line 1: env must not set a variable/],
    ["#QJ after=gone", /after="gone": no job has this name/],
  ];
  for (const [i, [line, reason]] of wrong.entries()) {
    await qj.submit(`bad${i}`, `${line}\necho ran >> ran\n`);
    assert.match(await qj.in("failed", `bad${i}`), reason);
  }
  // Behind the first command it is a comment.
  await qj.submit("good", "true\n#QJ nonsense=1\n");
  await qj.in("complete", "good");
  assert.equal(await exists(`${qj.folder}/ran`), false);
});

Deno.test("options: higher priority first, and setfattr reorders what waits", async () => {
  await using qj = await Qj.start({ settings: { paused: true, max_job_count: 1 } });
  for (const [name, priority] of [["low", -5], ["none", 0], ["high", 5], ["raised", -9]]) {
    await qj.submit(String(name), `#QJ priority=${priority}\necho $QJ_JOB >> order\n`);
  }
  await until("all handed in", async () => (await status(qj, "raised"))["submitted"] !== null);
  const set = `import os; os.setxattr("pending/raised", "user.qj.priority", b"10")`;
  assert.equal((await qj.sh(`python3 -c '${set}'`)).code, 0);
  await qj.configure({ paused: false });
  for (const name of ["low", "none", "high", "raised"]) await qj.in("complete", name);
  assert.equal(await Deno.readTextFile(`${qj.folder}/order`), "raised\nhigh\nnone\nlow\n");
});

Deno.test("options: at and delay", async () => {
  await using qj = await Qj.start();
  await qj.submit("later", "#QJ at=2099-01-01T03:00Z\necho no >> ran");
  await qj.submit("past", "#QJ at=2020-01-01\ndate +%s%N > past");
  const before = Date.now();
  await qj.submit("delayed", "#QJ delay=0.4s\ndate +%s%N > delayed");
  await qj.in("complete", "past");
  await qj.in("complete", "delayed");
  assert(Number(await Deno.readTextFile(`${qj.folder}/delayed`)) / 1e6 >= before + 400);
  assert.equal((await status(qj, "later"))["not_before"], "2099-01-01T03:00:00.000Z");
  assert.equal(await exists(`${qj.folder}/ran`), false);
});

Deno.test("options: a named queue has its own limit, and holds up nobody else", async () => {
  await using qj = await Qj.start({ settings: { queues: { video: { max_job_count: 1 } } } });
  for (const name of ["v1", "v2", "v3"]) {
    await qj.submit(name, `#QJ queue=video priority=9\n${GO}`);
    if (name === "v1") await qj.in("active", "v1");
  }
  await qj.submit("other", "#QJ queue=mail\ntrue");
  await qj.submit("plain", "true");
  await qj.in("complete", "other");
  await qj.in("complete", "plain");
  assert.deepEqual([await qj.ls("active"), await qj.ls("pending")], [["v1"], ["v2", "v3"]]);
  assert.equal((await status(qj, "v2"))["queue"], "video");
  const metrics = await Deno.readTextFile(qj.path("metrics"));
  assert.match(metrics, /^qj_job_slots\{queue="video"\} 1$/m);
  assert.match(metrics, /^qj_jobs\{state="pending",queue="video"\} 2$/m);
  await qj.configure({ queues: { video: { max_job_count: 2 } } });
  await qj.in("active", "v2");
  assert.deepEqual(await qj.ls("pending"), ["v3"]);
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  for (const name of ["v1", "v2", "v3"]) await qj.in("complete", name);
});

Deno.test("options: on-lost=fail runs a job at most once", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "#QJ on-lost=fail\necho run >> runs; sleep 1000");
  await until("the run", () => exists(`${qj.folder}/runs`));
  await qj.end("SIGKILL");
  await qj.restart();
  assert.match(await qj.in("failed", "a"), /lost: the daemon stopped\n$/);
  assert.equal(await Deno.readTextFile(`${qj.folder}/runs`), "run\n");
});

Deno.test("options: keep-children leaves alone what has a session of its own", async () => {
  await using qj = await Qj.start({ settings: { kill_grace_sec: 0.2 } });
  const script =
    "setsid sh -c 'echo $$ > ses; exec sleep 1000' & sh -c 'echo $$ > grp; exec sleep 1000' &\n" +
    "until [ -s ses ] && [ -s grp ]; do sleep 0.02; done";
  await qj.submit("a", `#QJ keep-children\n${script}`);
  await qj.in("complete", "a");
  const pid = async (file: string) => Number(await Deno.readTextFile(`${qj.folder}/${file}`));
  const session = await pid("ses");
  try {
    await until("the end of the group", async () => !isAlive(await pid("grp")));
    assert(isAlive(session));
  } finally {
    Deno.kill(session, "SIGKILL");
  }
});
