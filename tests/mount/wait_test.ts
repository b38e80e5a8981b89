/** jobs/NAME/wait: reading it waits for the end of the job. */
import assert from "node:assert/strict";
import { isAlive, mkfifo } from "./helpers.ts";
import { Qj, until } from "./qj.ts";
import { Reader } from "./reader.ts";

const PAUSED = { settings: { paused: true } };

function waitFor(qj: Qj, job: string): Reader {
  return new Reader(qj.path("jobs", job, "wait"));
}

Deno.test("wait: Ctrl-C ends the reader at once, and the job goes on", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.submit("x", "echo done");
  await using reader = waitFor(qj, "x");
  await reader.waits();
  reader.kill("SIGINT");
  assert.equal((await reader.ended).signal, "SIGINT");
  assert.deepEqual(await qj.ls("pending"), ["x"]);
  await qj.configure({ paused: false });
  await qj.in("complete", "x");
});

Deno.test("wait: a reader that is killed leaves nothing behind", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.submit("x", "true");
  for (let i = 0; i < 3; i++) {
    await using reader = waitFor(qj, "x");
    await reader.waits();
    reader.kill("SIGKILL");
    assert.equal((await reader.ended).signal, "SIGKILL");
    assert.equal(isAlive(reader.pid), false);
    assert.deepEqual(await qj.ls("pending"), ["x"]);
  }
  assert.doesNotMatch(qj.log, /bug|forgot/);
  const { code, stderr } = await qj.sh(`umount ${qj.mountpoint}`, "/");
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.equal(await qj.exited(), 0);
});

Deno.test("wait: a signal that the reader handles is EINTR, and it can read again", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.submit("x", "true");
  const { code, stdout, stderr } = await qj.sh(`python3 - <<'END'
import errno, os, signal
class Woken(Exception): pass
def wake(*_): raise Woken
signal.signal(signal.SIGALRM, wake)
fd = os.open("jobs/x/wait", os.O_RDONLY)
for _ in range(3):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        os.read(fd, 100)
        print("read something")
    except Woken:
        pass
open("config.json", "w").write('{"paused": false}')
print(os.read(fd, 100000).decode())
END`);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(JSON.parse(stdout).state, "complete");
});

Deno.test("wait: of an unknown job there is none", async () => {
  await using qj = await Qj.start(PAUSED);
  const { code, stderr } = await qj.sh("LC_ALL=C cat jobs/none/wait");
  assert.equal(code, 1);
  assert.match(stderr, /No such file or directory/);
});

Deno.test("wait: a job that is removed meanwhile is a stale file handle", async () => {
  await using qj = await Qj.start();
  await qj.submit("runs", "sleep 1000");
  await qj.in("active", "runs");
  await qj.configure({ paused: true });
  await qj.submit("waits", "true");
  for (const [directory, name] of [["active", "runs"], ["pending", "waits"]] as const) {
    await using reader = waitFor(qj, name);
    await reader.waits();
    await Deno.remove(qj.path(directory, name));
    const { code, stderr } = await reader.ended;
    assert.equal(code, 1);
    assert.match(stderr, /Stale file handle/);
  }
});

Deno.test("wait: a job that is tried again is waited for to its last attempt", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 2, backoff_base: 0 } });
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit("x", "read line < gate; exit 3");
  await using reader = waitFor(qj, "x");
  const from = qj.logLength;
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
  await qj.logged(/"x": exit status 3/, from);
  await reader.waits();
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
  const { state, attempts } = JSON.parse((await reader.ended).stdout);
  assert.deepEqual([state, attempts.length], ["failed", 2]);
});

Deno.test("wait: many readers of one job get the same", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.submit("x", "true");
  const readers = Array.from({ length: 40 }, () => waitFor(qj, "x"));
  try {
    for (const reader of readers) await reader.waits();
    await qj.configure({ paused: false });
    const texts = new Set<string>();
    for (const reader of readers) texts.add((await reader.ended).stdout);
    assert.equal(texts.size, 1);
    assert.equal(JSON.parse([...texts][0]!).state, "complete");
  } finally {
    for (const reader of readers) await reader[Symbol.asyncDispose]();
  }
});

Deno.test("wait: a job can wait for another one", async () => {
  await using qj = await Qj.start();
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit("first", "read line < gate; echo first >> order");
  await qj.submit("second", 'cat "$QJ_MOUNT/jobs/first/wait" > status; echo second >> order');
  await qj.in("active", "second");
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
  await qj.in("complete", "second");
  assert.equal(await Deno.readTextFile(`${qj.folder}/order`), "first\nsecond\n");
  const { name, state } = JSON.parse(await Deno.readTextFile(`${qj.folder}/status`));
  assert.deepEqual([name, state], ["first", "complete"]);
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`wait: the end of the daemon by ${signal} ends the reader`, async () => {
    await using qj = await Qj.start();
    await qj.submit("x", "sleep 1000");
    await qj.in("active", "x");
    await using reader = waitFor(qj, "x");
    await reader.waits();
    const status = await qj.end(signal);
    const { code, stdout, stderr } = await reader.ended;
    assert.deepEqual([code, stdout], [1, ""]);
    if (signal === "SIGKILL") return; // The kernel chooses the error.
    assert.equal(status, 0);
    assert.match(stderr, /Transport endpoint is not connected/);
    assert.equal(qj.isMounted, false);
  });
}

Deno.test("wait: neither a listing nor a walk meets it", async () => {
  await using qj = await Qj.start();
  await qj.submit("x", "sleep 1000");
  await qj.in("active", "x");
  await until("the attempt", async () => (await qj.ls("jobs/x/attempts")).length === 1);
  const walks = [
    "grep -r . jobs",
    "find jobs -type f -exec cat {} +",
    "ls -laR jobs",
    "du -a jobs",
  ];
  for (const walk of walks) {
    const { code, stdout, stderr } = await qj.sh(walk);
    assert.deepEqual({ walk, code, stderr }, { walk, code: 0, stderr: "" });
    assert.match(stdout, /sleep 1000|attempts/, walk);
    assert.doesNotMatch(stdout, /\/wait/, walk);
  }
});
