/** Hooks, retention and the wrapper, on a real mount. */
import assert from "node:assert/strict";
import { exists, Qj, until } from "./qj.ts";

Deno.test("hooks: run once for each end that qj makes, and can read the log", async () => {
  await using qj = await Qj.start({
    settings: {
      max_attempts: 2,
      backoff_base: 0,
      on_complete:
        'echo "$QJ_JOB $QJ_STATE $QJ_EXIT_CODE $QJ_ATTEMPT $(tail -n 1 "$QJ_LOG")" >> hooks',
      on_failed: 'echo "$QJ_JOB $QJ_STATE $QJ_EXIT_CODE $QJ_ATTEMPT" >> hooks; echo oops; exit 9',
    },
  });
  await qj.submit("good one", "echo done");
  await qj.submit("bad", "exit 7");
  await qj.submit("refused", "#QJ nonsense\n");
  await qj.submit("parked", "#QJ delay=1h\ntrue");
  await qj.sh("mv pending/parked failed/");
  const lines = async () =>
    (await Deno.readTextFile(`${qj.folder}/hooks`).catch(() => "")).trim().split("\n").sort();
  await until("three hooks", async () => (await lines()).length === 3);
  assert.deepEqual(await lines(), [
    "bad failed 7 2",
    "good one complete 0 1 done",
    "refused failed  0",
  ]);
  assert.match(await qj.logged(/on_failed of job "bad"/), /failed: "exit status 9: oops"$/);
  await qj.configure({ on_complete: null, on_failed: null });
  await qj.sh("for i in $(seq 20); do echo true > pending/q$i; done");
  await qj.in("complete", "q20");
  assert.equal((await lines()).length, 3);
});

Deno.test("hooks: one that hangs holds up neither jobs nor the end; one not begun runs after a crash", async () => {
  await using qj = await Qj.start({
    settings: {
      kill_grace_sec: 0.3,
      on_complete: "echo $QJ_JOB >> hooks; [ -e go ] || sleep 1000",
    },
  });
  for (let i = 0; i < 6; i++) await qj.submit(`j${i}`, "true");
  for (let i = 0; i < 6; i++) await qj.in("complete", `j${i}`);
  const ran = async () =>
    (await Deno.readTextFile(`${qj.folder}/hooks`).catch(() => "")).split("\n").filter(Boolean);
  await until("four at once", async () => (await ran()).length === 4);
  await qj.end("SIGKILL");
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  await qj.restart();
  await until("the other two", async () => (await ran()).length === 6);
  assert.equal(new Set(await ran()).size, 6);
  await Deno.remove(`${qj.folder}/go`);
  await qj.submit("last", "true");
  await until("a hook that hangs", async () => (await ran()).includes("last"));
  assert.equal(await qj.end(), 0);
  await qj.sh(`fuser -k -KILL ${qj.folder}/hooks`, "/");
});

Deno.test("retention: old jobs go, also for who has just looked; the state file gets smaller", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("large", "head -c 8000000 /dev/urandom");
  await qj.submit("small", "echo small");
  await qj.submit("bad", "exit 1");
  for (const name of ["large", "small"]) await qj.in("complete", name);
  await qj.in("failed", "bad");
  const size = (await Deno.stat(qj.stateFile)).size;
  using open = await Deno.open(qj.path("complete", "small"));
  await qj.sh("ls -l complete; stat complete/*");
  await qj.configure({ retain_complete_sec: 0.1 });
  await until("empty", async () => (await qj.ls("complete")).length === 0);
  assert.equal(await exists(qj.path("complete", "small")), false);
  assert.deepEqual(await qj.ls("failed"), ["bad"]);
  const buffer = new Uint8Array(100);
  assert.equal(
    new TextDecoder().decode(buffer.subarray(0, await open.read(buffer) ?? 0)),
    ">>> echo small\nsmall\n",
  );
  assert.match(
    await Deno.readTextFile(qj.path("events")),
    /"event":"removed","job":"small".*"reason":"expired"/,
  );
  await until("room given back", async () => (await Deno.stat(qj.stateFile)).size < size / 2);
  await qj.submit("small", "echo again");
  await qj.in("complete", "small").catch(() => {}); // it may be too old already
  await until("the end of that one", async () => (await qj.ls("complete")).length === 0);
});

Deno.test("wrapper: runs text, large scripts and scripts with an interpreter; one that is not there fails", async () => {
  await using qj = await Qj.start({
    settings: { max_attempts: 1, wrapper: ["nice", "-n", "5", "env", "-C", "/usr"] },
  });
  await qj.submit("text", "nice; pwd; echo $#; echo err >&2");
  assert.match(await qj.in("complete", "text"), /\n5\n\/usr\n0\nerr\n$/);
  await qj.submit("large", `: ${"x".repeat(200_000)}\nnice; pwd`);
  assert.match((await qj.in("complete", "large")).slice(-20), /\n5\n\/usr\n$/);
  await qj.submit("perl", "#!/usr/bin/perl\n$| = 1; print `nice`, `pwd`; print STDERR qq(err\\n);");
  assert.match(await qj.in("complete", "perl"), /\n5\n\/usr\nerr\n$/);
  await qj.submit("status", "exit 42");
  assert.match(await qj.in("failed", "status"), /exit status 42\n$/);
  await qj.configure({ wrapper: ["no-such-wrapper"] });
  await qj.submit("lost", "true");
  assert.match(
    await qj.in("failed", "lost"),
    /\nqj: wrapper: no such program: no-such-wrapper\n\n\[System Error\]: exit status 127\n$/,
  );
});
