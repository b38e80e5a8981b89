/** jobs/NAME/signal, with real processes. */
import assert from "node:assert/strict";
import { exists, Qj, until } from "./qj.ts";

/** The state of a process, as in ps(1): R, S, T for stopped, Z. */
function stateOf(pid: number): string {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return stat[stat.lastIndexOf(")") + 2]!;
}

async function pidIn(qj: Qj, file: string): Promise<number> {
  const path = `${qj.folder}/${file}`;
  await until(file, async () => await exists(path) && (await Deno.stat(path)).size > 0);
  return Number(await Deno.readTextFile(path));
}

/** The exit status of `echo TEXT > jobs/NAME/signal`, and what the shell said. */
async function echo(qj: Qj, text: string, name: string): Promise<string> {
  const { code, stderr } = await qj.sh(`LC_ALL=C; echo ${text} > jobs/${name}/signal`);
  return code === 0 ? "ok" : stderr.trim().split(": ").at(-1)!;
}

/** A shell with a child, both of which say what they are told. */
const FAMILY = `
  trap 'echo shell >> told' USR1
  sh -c 'trap "echo child >> told" USR1; echo $$ > child; while :; do sleep 0.05; done' &
  echo $$ > shell
  while :; do sleep 0.05; done`;

Deno.test("signal: USR1, STOP, CONT and TERM reach every process of the group", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("x", FAMILY);
  const pids = [await pidIn(qj, "shell"), await pidIn(qj, "child")];
  assert.equal(await echo(qj, "USR1", "x"), "ok");
  await until("both answers", async () => {
    const told = await Deno.readTextFile(`${qj.folder}/told`).catch(() => "");
    return told.includes("shell\n") && told.includes("child\n");
  });
  assert.equal(await echo(qj, "STOP", "x"), "ok");
  for (const pid of pids) await until("a stop", () => stateOf(pid) === "T");
  assert.deepEqual(await qj.ls("active"), ["x"]);
  assert.equal(await echo(qj, "sigcont", "x"), "ok");
  for (const pid of pids) await until("going on", () => stateOf(pid) !== "T");
  assert.equal(await echo(qj, "SIGTERM", "x"), "ok");
  assert.match(await qj.in("failed", "x"), /\n\[System Error\]: signal: SIGTERM\n$/);
  for (const pid of pids) {
    await until("the end", async () => !await exists(`/proc/${pid}`) || stateOf(pid) === "Z");
  }
});

Deno.test("signal: a job that does not mind it goes on", async () => {
  await using qj = await Qj.start({ settings: { kill_grace_sec: 0 } });
  await qj.submit(
    "x",
    "trap '' TERM HUP; trap 'echo told; exit 0' USR1; echo $$ > shell; while :; do sleep 0.05; done",
  );
  await pidIn(qj, "shell");
  for (const name of ["TERM", "HUP"]) assert.equal(await echo(qj, name, "x"), "ok");
  assert.equal(await echo(qj, "USR1", "x"), "ok");
  assert.match(await qj.in("complete", "x"), /\ntold\n$/);
});

Deno.test("signal: of a stopped job the time limit still ends it", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1, timeout_sec: 3 } });
  await qj.submit("x", "echo $$ > shell; while :; do sleep 0.05; done");
  const pid = await pidIn(qj, "shell");
  assert.equal(await echo(qj, "STOP", "x"), "ok");
  await until("a stop", () => stateOf(pid) === "T");
  assert.match(await qj.in("failed", "x"), /timed out after 3 s\n$/);
});

Deno.test("signal: no attempt runs: No such process, whatever the state", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 2, backoff_base: 3600 } });
  await qj.submit("done", "true");
  await qj.submit("again", "false");
  await qj.in("complete", "done");
  await qj.logged(/"again": exit status 1/);
  await qj.in("pending", "again");
  await qj.configure({ paused: true });
  await qj.submit("waits", "true");
  for (const name of ["done", "again", "waits"]) {
    assert.equal(await echo(qj, "TERM", name), "No such process", name);
  }
  assert.equal(await echo(qj, "TERM", "none"), "No such file or directory");
});

Deno.test("signal: what is no name is an Invalid argument, and nothing happens to the job", async () => {
  await using qj = await Qj.start();
  await qj.submit("x", "trap 'exit 0' USR1; echo $$ > shell; while :; do sleep 0.05; done");
  await pidIn(qj, "shell");
  for (const text of ["FOO", "9", "''", "'TERM TERM'", "SIG"]) {
    assert.equal(await echo(qj, text, "x"), "Invalid argument", text);
  }
  assert.equal(await echo(qj, "USR1", "x"), "ok");
  await qj.in("complete", "x");
});

Deno.test("signal: all ways in which programs write take effect once each", async () => {
  await using qj = await Qj.start();
  await qj.submit(
    "x",
    "n=0; trap 'n=$((n + 1)); echo $n > count' USR1; trap 'exit 0' USR2; echo $$ > shell; while :; do sleep 0.02; done",
  );
  await pidIn(qj, "shell");
  const ways = [
    "printf USR1 > jobs/x/signal",
    "echo USR1 >> jobs/x/signal",
    "echo USR1 | tee jobs/x/signal > /dev/null",
    "echo USR1 | dd of=jobs/x/signal conv=notrunc status=none",
    'python3 -c \'open("jobs/x/signal", "w").write("USR1")\'',
  ];
  for (const [i, way] of ways.entries()) {
    assert.deepEqual(await qj.sh(way), { code: 0, stdout: "", stderr: "" });
    await until(
      way,
      async () => await Deno.readTextFile(`${qj.folder}/count`).catch(() => "") === `${i + 1}\n`,
    );
  }
  assert.equal(await echo(qj, "USR2", "x"), "ok");
  await qj.in("complete", "x");
  assert.equal(await Deno.readTextFile(`${qj.folder}/count`), `${ways.length}\n`);
});

Deno.test("signal: its mode is 0200, and it reads as nothing", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("x", "true");
  assert.equal((await qj.sh("stat -c '%a %s' jobs/x/signal")).stdout, "200 0\n");
  if (Deno.uid() === 0) assert.equal((await qj.sh("cat jobs/x/signal")).stdout, "");
});
