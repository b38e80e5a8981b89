/** active/: jobs that run. */
import assert from "node:assert/strict";
import { follow, isAlive, mkfifo } from "./helpers.ts";
import { Qj, until } from "./qj.ts";

/** A job that says it is there, waits for a line from the pipe `gate`, and goes on. */
const GATED = "echo before; read line < gate; echo after";

async function gated(settings: Record<string, unknown> = {}): Promise<Qj> {
  const qj = await Qj.start({ settings });
  await mkfifo(`${qj.folder}/gate`);
  return qj;
}

function open(qj: Qj): Promise<void> {
  return Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
}

async function shows(qj: Qj, path: string, part: string): Promise<void> {
  await until(`${part} in ${path}`, async () => (await qj.sh(`cat ${path}`)).stdout.includes(part));
}

Deno.test("active: the log is live, and its size is its length", async () => {
  await using qj = await gated();
  await qj.submit("a", GATED);
  await shows(qj, "active/a", "before\n");
  const { stdout } = await qj.sh("stat -c %s active/a; wc -c < active/a");
  const [size, read] = stdout.split("\n");
  assert.equal(size, read);
  await open(qj);
  assert.match(await qj.in("complete", "a"), /before\nafter\n$/);
});

Deno.test("active: tail -f goes on through a retry", async () => {
  await using qj = await gated({ backoff_base: 0, max_attempts: 2 });
  await qj.submit("a", `${GATED}; exit 3`);
  await shows(qj, "active/a", "before\n");
  await using tail = follow(qj.path("active", "a"));
  await tail.shows("before\n");
  await open(qj);
  await tail.shows("exit status 3\n>>> ");
  await open(qj);
  const text = await tail.shows(
    `exit status 3\n>>> ${GATED}; exit 3\nbefore\nafter\n\n[System Error]: exit status 3\n`,
  );
  assert.equal(text, await qj.in("failed", "a"));
});

Deno.test("active: a descriptor on a removed log reads to its end, and the name is free at once", async () => {
  await using qj = await gated();
  await qj.submit("a", GATED);
  await shows(qj, "active/a", "before\n");
  using reader = await Deno.open(qj.path("active", "a"));
  await qj.sh("rm active/a");
  assert.equal((await reader.stat()).nlink, 0);
  await qj.submit("a", "echo second");
  assert.equal(await qj.in("complete", "a"), ">>> echo second\nsecond\n");
  const text = await new Response(reader.readable).text();
  assert.match(text, /^>>> .*\nbefore\n/);
});

Deno.test("active: no two attempts of one name overlap, when it is removed and submitted again", async () => {
  await using qj = await Qj.start({ settings: { kill_grace_sec: 1 } });
  const job =
    "exec 9> lock; flock -n 9 || echo OVERLAP >> overlaps; trap '' TERM; echo up; sleep 1000";
  await qj.submit("a", job);
  await shows(qj, "active/a", "up\n");
  const from = qj.logLength;
  await qj.sh("rm active/a");
  await qj.submit("a", "exec 9> lock; flock -n 9 || echo OVERLAP; echo second");
  assert.deepEqual(await qj.ls("pending"), ["a"]);
  await qj.logged(/"a": cancelled/, from);
  assert.match(await qj.in("complete", "a"), /\nsecond\n$/);
  assert.doesNotMatch(await qj.in("complete", "a"), /OVERLAP\n/);
});

Deno.test("active: mv to failed stops the job and keeps it, mv back runs it again", async () => {
  await using qj = await gated();
  await qj.submit("a", GATED);
  await shows(qj, "active/a", "before\n");
  await qj.sh("mv active/a failed/b");
  await qj.logged(/"a": cancelled/);
  await until("the reason", async () => (await qj.in("failed", "b")).includes("cancelled"));
  assert.match(await qj.in("failed", "b"), /before\n\n\[System Error\]: cancelled\n$/);
  await qj.sh("mv failed/b pending/");
  await shows(qj, "active/b", "cancelled\n>>> ");
  await open(qj);
  assert.match(await qj.in("complete", "b"), /after\n$/);
});

Deno.test("active: mv to pending stops the job and queues it again", async () => {
  await using qj = await gated();
  await qj.submit("a", GATED);
  await shows(qj, "active/a", "before\n");
  await qj.sh("mv active/a pending/");
  await shows(qj, "active/a", "[System Error]: cancelled\n>>> ");
  await open(qj);
  assert.match(await qj.in("complete", "a"), /after\n$/);
});

Deno.test("active: what a job leaves in other sessions ends with it", async () => {
  await using qj = await Qj.start({ settings: { kill_grace_sec: 1 } });
  await qj.submit(
    "a",
    `setsid sh -c 'echo $$ > daemon; trap "" TERM; while :; do sleep 1; done' > /dev/null 2>&1 &
     sleep 1000 & echo $! > sleeper
     until [ -s daemon ]; do sleep 0.01; done; echo started`,
  );
  assert.match(await qj.in("complete", "a"), /\nstarted\n$/);
  for (const name of ["daemon", "sleeper"]) {
    const pid = Number(await Deno.readTextFile(`${qj.folder}/${name}`));
    await until(`the end of the ${name}`, () => !isAlive(pid));
  }
});

Deno.test("active: a pipe that a grandchild holds does not hold the slot", async () => {
  await using qj = await Qj.start({ settings: { max_job_count: 1 } });
  await qj.submit("a", "sleep 1000 & echo done");
  assert.match(await qj.in("complete", "a"), /\ndone\n$/);
  await qj.submit("b", "echo next");
  await qj.in("complete", "b");
});

Deno.test("active: an orphan of one job is not lost sight of when another job ends first", async () => {
  await using qj = await gated();
  await qj.submit("a", "setsid sh -c 'sleep 1000 & echo $! > orphan'; echo up; read line < gate");
  await shows(qj, "active/a", "up\n");
  await qj.submit("b", "true");
  await qj.in("complete", "b");
  const pid = Number(await Deno.readTextFile(`${qj.folder}/orphan`));
  assert(isAlive(pid));
  await open(qj);
  await qj.in("complete", "a");
  await until("the end of the orphan", () => !isAlive(pid));
});

Deno.test("active: what goes on printing after the end does not hold the job", async () => {
  await using qj = await Qj.start({ settings: { kill_grace_sec: 0.3 } });
  await qj.submit(
    "a",
    "(trap '' TERM; echo up > up; while :; do echo x; sleep 0.05; done) & until [ -e up ]; do sleep 0.02; done",
  );
  await qj.in("complete", "a");
  await qj.submit("b", "setsid env -i sh -c 'while :; do echo s; sleep 0.1; done' & echo done");
  assert.match(await qj.in("complete", "b"), /\ndone\n/);
});
