/** Many programs at once, and such that hold on to files. */
import assert from "node:assert/strict";
import { mkfifo } from "../mount/helpers.ts";
import { exists, Qj, until } from "../mount/qj.ts";
import { RIGHT } from "./program.ts";
import { assertConsistent } from "./store_invariants.ts";
import { lacks } from "./tools.ts";

const WRITERS = 64;
const NAMES = Array.from({ length: WRITERS }, (_, i) => `w${i + 1}`).sort();

Deno.test("writers: 64 at once, a job each, and every job runs once", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 0 } });
  const { code, stderr } = await qj.sh(`
    for i in $(seq ${WRITERS}); do
      (for part in 'echo ' '"$QJ_JOB ' 'right" ' '>> runs'; do printf '%s' "$part"; done > pending/w$i) & all="$all $!"
    done; for pid in $all; do wait $pid || exit; done`);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  for (const name of NAMES) await qj.in("complete", name);
  const runs = (await Deno.readTextFile(`${qj.folder}/runs`)).trim().split("\n").sort();
  assert.deepEqual(runs, NAMES.map((name) => `${name} right`));
  assert.equal(await qj.end(), 0);
  assertConsistent(qj.stateFile);
});

Deno.test("writers: 64 at once, each with drafts that it renames", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  const { stdout } = await qj.sh(`
    for i in $(seq ${WRITERS}); do
      (for j in $(seq 3); do echo "# $i $j" > pending/.$i.$j; mv pending/.$i.$j pending/$i.$j; done) &
    done; wait; cat pending/* | sort | uniq | wc -l; ls -A pending | wc -l`);
  assert.equal(stdout, "192\n192\n");
});

Deno.test("writers: of 64 that want one name with noclobber one gets it, and its text is whole", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  const { stdout, stderr } = await qj.sh(`set -o noclobber
    for i in $(seq ${WRITERS}); do (echo "# $i" > pending/one) 2>> ../refused && echo "# $i" & done; wait`);
  assert.equal(stderr, "");
  assert.equal(await Deno.readTextFile(qj.path("pending", "one")), stdout);
  assert.match(stdout, /^# \d+\n$/);
  const refused = (await Deno.readTextFile(`${qj.folder}/refused`)).trim().split("\n");
  assert.equal(refused.length, WRITERS - 1);
  for (const line of refused) assert.match(line, /cannot overwrite existing file|File exists/);
});

Deno.test("writers: noclobber refuses the name of a job in any state", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1, max_job_count: 1 } });
  await qj.submit("good", "true");
  await qj.submit("bad", "false");
  await qj.in("complete", "good");
  await qj.in("failed", "bad");
  await qj.submit("runs", "sleep 1000");
  await qj.in("active", "runs");
  await qj.submit("waits", RIGHT);
  for (const name of ["good", "bad", "runs", "waits"]) {
    const { code, stderr } = await qj.sh(`set -o noclobber; echo wrong > pending/${name}`);
    assert.equal(code, 1);
    assert.match(stderr, /cannot overwrite existing file|File exists/);
  }
  assert.equal(await Deno.readTextFile(qj.path("pending", "waits")), RIGHT);
});

Deno.test("writers: 64 that rename over one job leave one of them, whole", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  const { stdout, stderr } = await qj.sh(`
    for i in $(seq ${WRITERS}); do
      (for j in $(seq 100); do echo "# $i"; done > pending/.$i; mv -f pending/.$i pending/one) &
    done; wait; ls -A pending; uniq pending/one | wc -l; wc -l < pending/one`);
  assert.equal(stderr, "");
  assert.equal(stdout, "one\n1\n100\n");
});

Deno.test({
  name: "writers: flock on a file of pending/ lets one in at a time, and the file never runs",
  ignore: lacks(["flock"]),
  async fn() {
    await using qj = await Qj.start({ settings: { settle_ms: 0 } });
    const { code, stdout, stderr } = await qj.sh(`
      for i in $(seq 16); do
        flock pending/lock sh -c 'mkdir ../in || echo not alone; rmdir ../in; echo done' &
      done; wait; flock -n pending/lock true`);
    assert.deepEqual({ code, stdout, stderr }, {
      code: 0,
      stdout: "done\n".repeat(16),
      stderr: "",
    });
    const held = await qj.sh("exec 9> pending/lock; flock 9; flock -n pending/lock echo wrong");
    assert.deepEqual({ code: held.code, stdout: held.stdout }, { code: 1, stdout: "" });
    await qj.submit("last", "true");
    await qj.in("complete", "last");
    assert.deepEqual(await qj.ls("pending"), ["lock"]);
  },
});

Deno.test("writers: a reader that stops reading holds nobody up", async () => {
  await using qj = await Qj.start();
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit("big", "seq 300000; echo printed; read line < gate; echo after");
  await until(
    "the output",
    async () => (await qj.sh("tail -n 1 active/big")).stdout === "printed\n",
  );
  // Nobody reads the pipe: cat stops in a write once it is full.
  const cat = new Deno.Command("cat", {
    args: [qj.path("active", "big")],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    await until("the full pipe", () => isInWrite(cat.pid));
    assert.equal((await qj.sh("grep -c . active/big")).stdout, "300002\n");
    await qj.submit("other", RIGHT);
    await qj.in("complete", "other");
    await qj.sh("mv active/big failed/; rm failed/big");
    await qj.submit("big", "echo second");
    assert.equal(await qj.in("complete", "big"), ">>> echo second\nsecond\n");
    assert.match(await new Response(cat.stdout).text(), /^>>> .*\n1\n2\n[^]*\n300000\nprinted\n/);
  } finally {
    await cat.stdout.cancel().catch(() => {});
    await cat.status;
  }
  assert.equal(await qj.end(), 0);
  assertConsistent(qj.stateFile);
});

/** True for a process that waits in write(2) on its standard output. Needs the right to look: it is our child. */
function isInWrite(pid: number): boolean {
  const position = Number(/^pos:\s*(\d+)/.exec(fdinfo(pid, 3))?.[1] ?? 0);
  return position > 65536 && /^\d+ \(cat\) S/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
}

function fdinfo(pid: number, fd: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/fdinfo/${fd}`);
  } catch {
    return "";
  }
}

Deno.test("writers: one that is stopped while it writes holds up its own job only", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 0 } });
  await mkfifo(`${qj.folder}/gate`);
  const writing = qj.sh(
    "{ echo 'echo one'; read line < ../gate; echo 'echo two'; } > pending/slow",
  );
  await until(
    "the first line",
    async () =>
      await exists(qj.path("pending", "slow")) && (await qj.sh("cat pending/slow")).stdout !== "",
  );
  await qj.submit("other", RIGHT);
  await qj.in("complete", "other");
  assert.deepEqual(await qj.ls("pending"), ["slow"]);
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
  assert.equal((await writing).code, 0);
  assert.equal(await qj.in("complete", "slow"), ">>> echo one\n>>> echo two\none\ntwo\n");
});
