/** Limits, order, timeouts, retries and output. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { isAlive } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

Deno.test("scheduler: never more than max_job_count at once, first submitted first started", async () => {
  await using qj = await Qj.start({ settings: { max_job_count: 3, paused: true } });
  const names = Array.from({ length: 20 }, (_, i) => `job${i}`);
  for (const name of names) {
    await qj.submit(
      name,
      `mkdir run.$QJ_JOB; ls -d run.* | wc -l >> counts; echo $QJ_JOB >> order; rmdir run.$QJ_JOB`,
    );
    await qj.sh(`sync pending/${name}`);
  }
  await qj.configure({ paused: false });
  for (const name of names) await qj.in("complete", name);
  const counts = (await Deno.readTextFile(`${qj.folder}/counts`)).trim().split("\n").map(Number);
  assert(Math.max(...counts) <= 3, counts.join());
  const started = qj.log.split("\n").flatMap((line) => /job "(.*)" started/.exec(line)?.[1] ?? []);
  assert.deepEqual(started, names);
});

Deno.test("scheduler: lowering the limit kills nothing, raising it starts what waits", async () => {
  await using qj = await Qj.start({ settings: { max_job_count: 2 } });
  for (const name of ["a", "b", "c"]) await qj.submit(name, "until [ -e go ]; do sleep 0.02; done");
  await qj.in("active", "a");
  await qj.in("active", "b");
  await qj.configure({ max_job_count: 1 });
  assert.deepEqual([await qj.ls("active"), await qj.ls("pending")], [["a", "b"], ["c"]]);
  await qj.configure({ max_job_count: 3 });
  await qj.in("active", "c");
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  for (const name of ["a", "b", "c"]) await qj.in("complete", name);
});

Deno.test("scheduler: a timeout ends the whole group, also what ignores SIGTERM or has stopped", async () => {
  await using qj = await Qj.start({
    settings: { timeout_sec: 0.3, kill_grace_sec: 0.3, max_attempts: 1 },
  });
  await qj.submit("polite", "sleep 1000");
  await qj.submit(
    "stubborn",
    "trap '' TERM; echo $$ > stubborn; sleep 1000 & wait; while :; do sleep 1; done",
  );
  await qj.submit("stopped", "echo $$ > stopped; kill -STOP $$; sleep 1000");
  for (const name of ["polite", "stubborn", "stopped"]) {
    assert.match(await qj.in("failed", name), /\n\n\[System Error\]: timed out after 0.3 s\n$/);
  }
  for (const name of ["stubborn", "stopped"]) {
    assert.equal(isAlive(Number(await Deno.readTextFile(`${qj.folder}/${name}`))), false);
  }
});

Deno.test("scheduler: a retry waits for the backoff, an attempt that succeeds ends the tries", async () => {
  await using qj = await Qj.start({
    settings: { backoff_base: 0.2, backoff_mult: 2, max_attempts: 5 },
  });
  await qj.submit("a", "date +%s%N >> times; [ $(wc -l < times) -ge 3 ] && echo enough");
  assert.match(
    await qj.in("complete", "a"),
    /exit status 1\n>>> .*\n\n\[System Error\]: exit status 1\n>>> .*\nenough\n$/,
  );
  const times = (await Deno.readTextFile(`${qj.folder}/times`)).trim().split("\n").map(Number);
  const waits = times.slice(1).map((time, i) => (time - times[i]!) / 1e6);
  // base × mult^1 and base × mult^2, in ms; never less.
  assert(waits[0]! >= 400 && waits[1]! >= 800, waits.join());
});

Deno.test("scheduler: how a job ended is in its log", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("status", "exit 77");
  await qj.submit("signal", "kill -9 $$");
  await qj.submit("syntax", "echo one\nif then");
  await qj.submit("interpreter", "#!/no/such/interpreter\n");
  assert.match(await qj.in("failed", "status"), /\n\[System Error\]: exit status 77\n$/);
  assert.match(await qj.in("failed", "signal"), /\n\[System Error\]: signal: SIGKILL\n$/);
  assert.match(
    await qj.in("failed", "syntax"),
    /sh: 2: .*yntax error.*\n\n\[System Error\]: exit status 2\n$/,
  );
  assert.match(
    await qj.in("failed", "interpreter"),
    /not found\n\n\[System Error\]: exit status 127\n$/,
  );
});

Deno.test("scheduler: jobs get the environment that is promised", async () => {
  await using qj = await Qj.start({
    env: { GREETING: "hello", QJ_STATE_FILE: "/nowhere", NOTIFY_SOCKET: "/nowhere" },
    settings: { max_attempts: 2, backoff_base: 0 },
  });
  await qj.submit(
    "a",
    `echo "$# $GREETING $QJ_JOB $QJ_ATTEMPT $QJ_MOUNT [$QJ_STATE_FILE$NOTIFY_SOCKET] $(umask) $PWD"
     echo err >&2; echo "$(ls /proc/$$/fd | wc -w) $(ps -o pgid=,sid= $$ | xargs -n1 | uniq | grep -c $$)"
     readlink /proc/$$/fd/0; [ $QJ_ATTEMPT = 2 ]`,
  );
  const log = await qj.in("complete", "a");
  const output = log.split("\n").filter((line) => !line.startsWith(">>> ")).slice(0, 4);
  // Descriptors: 0, 1, 2 and the pipe of the substitution.
  assert.deepEqual(output, [
    `0 hello a 1 ${qj.mountpoint} [] 0022 ${qj.folder}`,
    "err",
    "4 1",
    "/dev/null",
  ]);
  assert.match(log, new RegExp(`\n0 hello a 2 ${qj.mountpoint} `));
});

Deno.test("scheduler: scripts with an interpreter, and larger than one argument, run the same way", async () => {
  await using qj = await Qj.start();
  await qj.submit("perl", "#!/usr/bin/perl\nprint 'from perl, ', scalar(@ARGV), qq(\\n);");
  assert.match(await qj.in("complete", "perl"), /\nfrom perl, 0\n$/);
  for (const size of [131_065, 131_066, 1_000_000]) {
    const end = "\necho end $#";
    await qj.submit(`s${size}`, `: ${"x".repeat(size - end.length - 2)}${end}`);
    assert.match((await qj.in("complete", `s${size}`)).slice(-20), /\nend 0\n$/);
  }
  assert.deepEqual(await Array.fromAsync(Deno.readDir(`${qj.stateFile}.run`)), []);
});

Deno.test("scheduler: output beyond max_output_bytes loses its middle, and the state file stays small", async () => {
  await using qj = await Qj.start({ settings: { max_output_bytes: 100_000 } });
  await qj.submit("a", "echo first; seq 2000000; echo last");
  const log = await qj.in("complete", "a");
  assert(log.length < 100_200, String(log.length));
  assert.match(log, /^>>> .*\nfirst\n1\n2\n3\n/);
  assert.match(log, /\n1999999\n2000000\nlast\n$/);
  const missing = Number(/\n\[(\d+) bytes of output are missing here\]\n/.exec(log)?.[1]);
  const all = 14_888_896 + "first\nlast\n".length;
  assert(all - missing <= 100_000 && all - missing > 90_000, String(missing));
  assert.equal((await qj.sh("stat -c %s complete/a")).stdout, `${log.length}\n`);
  assert((await Deno.stat(qj.stateFile)).size < 2_000_000);
});

Deno.test("scheduler: yes as a job leaves the mount usable, and a follower sees its end", async () => {
  await using qj = await Qj.start({ settings: { max_output_bytes: 100_000, max_attempts: 1 } });
  await qj.submit("yes", "yes; true");
  await until(
    "much output",
    async () => Number((await qj.sh("stat -c %s active/yes")).stdout) > 5_000_000,
  );
  const tail = qj.sh("tail -n 1 -s 0.05 --pid $(cat ../gate) -f active/yes | tail -n 1");
  await qj.submit("b", "echo beside");
  await qj.in("complete", "b");
  await qj.sh("mv active/yes failed/");
  await until(
    "the reason",
    async () => (await qj.sh("tail -n 1 failed/yes")).stdout.includes("cancelled"),
  );
  await tail;
  assert((await Deno.stat(qj.stateFile)).size < 4_000_000);
});

Deno.test("scheduler: scripts use the mount, from a daemon whose cwd and PATH are inside it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  try {
    const mountpoint = `${folder}/mnt`;
    await Deno.mkdir(mountpoint);
    await using qj = await Qj.start({
      folder,
      cwd: mountpoint,
      env: { PATH: `${mountpoint}/pending:${Deno.env.get("PATH")}` },
    });
    for (let i = 0; i < 20; i++) {
      await qj.submit(
        `p${i}`,
        `ls pending > /dev/null; echo "echo child" > pending/c$QJ_JOB; cat config.json new-id; command -v true`,
      );
    }
    for (let i = 0; i < 20; i++) {
      await qj.in("complete", `p${i}`);
      assert.equal(await qj.in("complete", `cp${i}`), ">>> echo child\nchild\n");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("scheduler: an idle daemon does not wake up", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "true");
  await qj.in("complete", "a");
  const switches = async () => {
    let sum = 0;
    for await (const task of Deno.readDir(`/proc/${qj.pid}/task`)) {
      const status = await Deno.readTextFile(`/proc/${qj.pid}/task/${task.name}/status`);
      sum += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
    }
    return sum;
  };
  // Until it has come to rest, then for a while: a tick of any kind would be seen.
  let before = await switches();
  await until("rest", async () => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const now = await switches();
    const atRest = now === before;
    before = now;
    return atRest;
  });
  await new Promise((resolve) => setTimeout(resolve, 3000));
  assert((await switches()) - before <= 3);
});

Deno.test("scheduler: changes nothing outside what jobs do", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "true");
  await qj.in("complete", "a");
  assert.equal(await exists(`${qj.stateFile}.run`), true);
  const names = await Array.fromAsync(Deno.readDir(qj.folder), ({ name }) => name);
  assert.deepEqual(names.sort(), ["mnt", "state"]);
  const { stdout } = await qj.sh("stat -c %a ../state ../state/*");
  assert.deepEqual([...new Set(stdout.trim().split("\n"))].sort(), ["600", "700"]);
});

Deno.test("scheduler: output is whole though the state file was locked when the job ended", async () => {
  await using qj = await Qj.start();
  await qj.submit(
    "a",
    "until [ -e go ]; do sleep 0.02; done; head -c 400000 /dev/zero | tr '\\0' x; echo END",
  );
  await qj.in("active", "a");
  const other = new DatabaseSync(qj.stateFile);
  other.exec("BEGIN IMMEDIATE");
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  await qj.logged(/the state file cannot be changed, will try again/);
  // Longer than the patience with a pipe that stays open.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  other.exec("ROLLBACK");
  other.close();
  const log = await qj.in("complete", "a");
  assert.match(log.slice(-10), /xEND\n$/);
  assert.equal(log.split("\n")[1]!.length, 400_003);
});
