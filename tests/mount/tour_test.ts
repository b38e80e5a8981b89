/** The tour of the README. */
import assert from "node:assert/strict";
import { fileSize, follow, isAlive, mkfifo } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

const FAILED_SECTION =
  ">>> ech hello\nsh: 1: eval: ech: not found\n\n[System Error]: exit status 127\n";

Deno.test("tour: a command is queued, runs, and its log can be read", async () => {
  await using qj = await Qj.start();
  await qj.sh(`printf "echo 'hello world'" > pending/1`);
  assert.equal(await qj.in("complete", "1"), ">>> echo 'hello world'\nhello world\n");
  assert.deepEqual(await qj.ls("pending"), []);
});

Deno.test("tour: a failing command is tried max_attempts times, mv retries it, rm removes it", async () => {
  await using qj = await Qj.start({ settings: { backoff_base: 0 } });
  await qj.sh("echo 'ech hello' > pending/2");
  assert.equal(await qj.in("failed", "2"), FAILED_SECTION.repeat(3));
  const from = qj.logLength;
  assert.equal((await qj.sh("mv failed/2 pending")).code, 0);
  for (let attempt = 0; attempt < 3; attempt++) await qj.logged(/"2": exit status 127/, from);
  await qj.in("failed", "2");
  assert.equal((await qj.sh("grep -c 'exit status 127' failed/2")).stdout, "6\n");
  assert.equal((await qj.sh("rm failed/2; ls failed")).stdout, "");
});

Deno.test("tour: tail -f follows a running job, and rm ends its whole process tree", async () => {
  await using qj = await Qj.start();
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit(
    "x",
    "echo one; read line < gate; echo two; sh -c 'echo $$ > child; sleep 1000; :' & sleep 1000",
  );
  await qj.logged(/"x" started/);
  await using tail = follow(qj.path("active", "x"));
  await tail.shows("one\n");
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
  await tail.shows("one\ntwo\n");
  const child = `${qj.folder}/child`;
  await until("the child's pid", async () => await exists(child) && await fileSize(child) > 0);
  const pid = Number(await Deno.readTextFile(child));
  assert(isAlive(pid));
  assert.equal((await qj.sh("rm active/x; ls active")).stdout, "");
  await tail.shows("[System Error]: cancelled\n");
  await until("the end of the child", () => !isAlive(pid));
});

Deno.test("tour: jq edits config.json in place", async () => {
  await using qj = await Qj.start();
  const { code, stderr } = await qj.sh("jq '.max_job_count = 5' config.json > config.json");
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.equal((await qj.sh("jq .max_job_count config.json")).stdout, "5\n");
});

Deno.test("tour: a bad setting is an error in the shell, named in the log, and changes nothing", async () => {
  await using qj = await Qj.start();
  const before = await Deno.readTextFile(qj.path("config.json"));
  const { code, stderr } = await qj.sh(`echo '{"max_job_count": -1}' > config.json`);
  assert.equal(code, 1);
  assert.match(stderr, /Invalid argument/);
  await qj.logged(/config\.json was not changed: max_job_count must be at least 0, not -1/);
  assert.equal(await Deno.readTextFile(qj.path("config.json")), before);
});
