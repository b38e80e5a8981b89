/** jobs/NAME/log and attempts/, followed by their paths through all states. */
import assert from "node:assert/strict";
import { follow, mkfifo } from "./helpers.ts";
import { Qj, until } from "./qj.ts";

/** Says who it is, and ends with the number that comes through the pipe `gate`. */
const GATED = "echo before; read code < gate; echo after; exit $code";

async function gated(settings: Record<string, unknown>): Promise<Qj> {
  const qj = await Qj.start({ settings });
  await mkfifo(`${qj.folder}/gate`);
  return qj;
}

function open(qj: Qj, code: number): Promise<void> {
  return Deno.writeTextFile(`${qj.folder}/gate`, `${code}\n`);
}

function section(code: number): string {
  const end = code === 0 ? "" : `\n[System Error]: exit status ${code}\n`;
  return `>>> ${GATED}\nbefore\nafter\n${end}`;
}

Deno.test("jobs: tail -F of a log goes on from before the first attempt to after the last", async () => {
  await using qj = await gated({ paused: true, max_attempts: 2, backoff_base: 0 });
  await qj.submit("x", GATED);
  await using tail = follow(qj.path("jobs", "x", "log"), "-F");
  await qj.configure({ paused: false });
  await tail.shows("before\n");
  await open(qj, 3);
  await tail.shows("exit status 3\n>>> ");
  await open(qj, 4);
  await tail.shows("exit status 4\n");
  await qj.in("failed", "x");
  assert.equal((await qj.sh("mv failed/x pending/x")).code, 0);
  await open(qj, 0);
  const text = await tail.shows(section(4) + section(0));
  assert.equal(text, section(3) + section(4) + section(0));
  assert.equal(text, await qj.in("complete", "x"));
});

Deno.test("jobs: the live log, the log in active/ and the last section show the same", async () => {
  await using qj = await gated({ max_attempts: 2, backoff_base: 0 });
  await qj.submit("x", GATED);
  await open(qj, 1);
  const from = `${section(1)}>>> ${GATED}\nbefore\n`;
  await until(
    "the second attempt",
    async () => await Deno.readTextFile(qj.path("active", "x")).catch(() => "") === from,
  );
  const { stdout } = await qj.sh(`
    cmp active/x jobs/x/log && cat jobs/x/attempts/1.log jobs/x/attempts/2.log | cmp - jobs/x/log
    stat -c %s active/x jobs/x/log jobs/x/attempts/*.log`);
  const [active, log, first, second] = stdout.trim().split("\n").map(Number);
  assert.deepEqual([active, log, first! + second!], [from.length, from.length, from.length]);
  await using tail = follow(qj.path("jobs", "x", "attempts", "2.log"));
  await tail.shows("before\n");
  await open(qj, 0);
  assert.equal(await tail.shows("after\n"), section(0));
  assert.equal(await qj.in("complete", "x"), section(1) + section(0));
});

Deno.test("jobs: the directory keeps its inodes through all states and names", async () => {
  await using qj = await gated({ max_attempts: 1 });
  const look = async (name: string) =>
    (await qj.sh(`stat -c %i jobs/${name} jobs/${name}/* jobs/${name}/wait`)).stdout;
  await qj.submit("x", GATED);
  await qj.in("active", "x");
  const before = await look("x");
  assert.equal(before.split("\n").length, 8);
  await open(qj, 1);
  await qj.in("failed", "x");
  assert.equal(await look("x"), before);
  await qj.sh("mv failed/x failed/y");
  assert.equal(await look("y"), before);
  assert.match((await qj.sh("LC_ALL=C ls jobs/x")).stderr, /No such file/);
  const inos = before.split("\n").map(Number);
  assert.equal(Number((await qj.sh("stat -c %i failed/y")).stdout), inos[0]! + 2);
});

Deno.test("jobs: a working directory of a job that is gone is stale, and of its successor new", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("x", "echo old");
  const { stdout, stderr } = await qj.sh(`
    export LC_ALL=C
    cd jobs/x; cat script
    rm ../../pending/x; echo echo new > ../../pending/x
    cat script; cat ../x/script; cd ../x; cat script`);
  assert.equal(stdout, "echo oldecho new\necho new\n");
  assert.match(stderr, /^cat: script: (Stale file handle|No such file or directory)\n$/);
});
