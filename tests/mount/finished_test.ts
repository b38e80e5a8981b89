/** complete/ and failed/, and what is forbidden everywhere. */
import assert from "node:assert/strict";
import { exists, Qj } from "./qj.ts";

async function withOneOfEach(): Promise<Qj> {
  const qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("good", "echo good");
  await qj.submit("bad", "echo bad; exit 1");
  await qj.submit("runs", "echo up; sleep 1000");
  await qj.in("complete", "good");
  await qj.in("failed", "bad");
  await qj.in("active", "runs");
  await qj.sh("echo true > pending/.draft");
  return qj;
}

/** The last words of the first error line of a command, or "ok". */
async function verdict(qj: Qj, command: string): Promise<string> {
  const { code, stderr } = await qj.sh(command);
  return code === 0 ? "ok" : stderr.trim().split("\n")[0]!.split(": ").at(-1)!;
}

Deno.test("finished: what is forbidden is EPERM for root too", async () => {
  await using qj = await withOneOfEach();
  const forbidden = [
    "echo x > complete/good",
    "echo x >> failed/bad",
    "echo x >> active/runs",
    "truncate -s 0 complete/good",
    "touch complete/new",
    "touch active/new",
    "touch failed/new",
    "touch new",
    "mkdir pending/dir",
    "mkdir dir",
    "rmdir pending",
    "ln -s x pending/link",
    "ln complete/good pending/link",
    "mkfifo pending/fifo",
    "mknod pending/null c 1 3",
    "rm config.json",
    "rm new-id",
    "mv config.json pending/config",
    "mv pending elsewhere",
    "mv failed/bad complete/",
    "mv complete/good failed/",
    "mv complete/good active/",
    "mv active/runs complete/",
    "mv active/runs active/walks",
    "echo x > new-id",
  ];
  for (const command of forbidden) {
    assert.equal(await verdict(qj, command), "Operation not permitted", command);
  }
  assert.equal(await verdict(qj, "cat nothing"), "No such file or directory");
  assert.equal(await verdict(qj, "mv complete/good pending/.draft"), "File exists");
  assert.equal(await verdict(qj, "mv -n complete/good complete/better"), "ok");
});

Deno.test("finished: rm forgets a job, an open descriptor still reads its log", async () => {
  await using qj = await withOneOfEach();
  using reader = await Deno.open(qj.path("failed", "bad"));
  assert.equal(await verdict(qj, "rm failed/bad"), "ok");
  assert.equal(await exists(qj.path("failed", "bad")), false);
  assert.equal((await reader.stat()).nlink, 0);
  assert.match(await new Response(reader.readable).text(), /exit status 1\n$/);
});

Deno.test("finished: rm does not ask, and -exec and -delete of find work", async () => {
  await using qj = await withOneOfEach();
  assert.equal(
    await verdict(qj, "find complete failed -type f -mmin +5 -delete; ls complete/good failed/bad"),
    "ok",
  );
  assert.equal(
    await verdict(
      qj,
      "touch -d '1 hour ago' complete/good; find complete -type f -mmin +5 -delete",
    ),
    "ok",
  );
  assert.deepEqual(await qj.ls("complete"), []);
  assert.equal(await verdict(qj, "rm failed/bad < /dev/null"), "ok");
});

Deno.test("finished: mv to pending runs a complete job again, below its old log", async () => {
  await using qj = await withOneOfEach();
  await qj.sh("mv complete/good pending/again");
  assert.equal(await qj.in("complete", "again"), ">>> echo good\ngood\n".repeat(2));
});

Deno.test("finished: rm -rf of all directories cancels and forgets everything", async () => {
  await using qj = await withOneOfEach();
  await qj.sh("rm -rf pending/* pending/.[a-z]* active/* complete/* failed/*");
  for (const directory of ["pending", "active", "complete", "failed"]) {
    assert.deepEqual(await qj.ls(directory), []);
  }
  await qj.submit("after", "echo after");
  await qj.in("complete", "after");
});

Deno.test("finished: inode numbers stay when a job is run again", async () => {
  await using qj = await withOneOfEach();
  const inode = (await qj.sh("stat -c %i complete/good")).stdout;
  await qj.sh("mv complete/good pending/");
  await qj.in("complete", "good");
  assert.equal((await qj.sh("stat -c %i complete/good")).stdout, inode);
});

Deno.test("finished: df shows the file system of the state file", async () => {
  await using qj = await withOneOfEach();
  const { stdout } = await qj.sh("stat -f -c '%b %l' . ; stat -f -c '%b %l' ../state");
  const [shown, below] = stdout.split("\n");
  assert.equal(shown, below);
});

Deno.test("finished: ids of new-id are unique, also across daemons and when read piece by piece", async () => {
  await using qj = await Qj.start();
  const read =
    "for i in $(seq 200); do cat new-id; done & for i in $(seq 200); do cat new-id; done; wait";
  const first = (await qj.sh(read)).stdout.trim().split("\n");
  assert.equal(new Set(first).size, 400);
  for (const id of first) assert.match(id, /^[a-z0-9]{4}$/);
  const { stdout } = await qj.sh("exec < new-id; dd bs=1 count=2 status=none; dd bs=1 status=none");
  assert.match(stdout, /^[a-z0-9]{4}\n$/);
  await qj.end("SIGKILL");
  await qj.restart();
  const second = (await qj.sh(read)).stdout.trim().split("\n");
  assert.equal(new Set([...first, ...second]).size, 800);
});
