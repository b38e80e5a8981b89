/** jobs/NAME/: one directory for each job, whatever its state. */
import assert from "node:assert/strict";
import { Qj, until } from "./qj.ts";

async function status(qj: Qj, name: string) {
  return JSON.parse(await Deno.readTextFile(qj.path("jobs", name, "status.json")));
}

Deno.test("jobs: a directory has the script, the log, the attempts and the status of its job", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 2, backoff_base: 0 } });
  await qj.submit("a", "echo out; exit 3");
  const log = await qj.in("failed", "a");
  const shown = await qj.sh(`ls jobs/a jobs/a/attempts; stat -c %a jobs/a/*; cat jobs/a/script`);
  assert.equal(
    shown.stdout,
    "jobs/a:\nattempts\nlog\nscript\nsignal\nstatus.json\n\njobs/a/attempts:\n1.log\n2.log\n" +
      "755\n644\n644\n200\n444\necho out; exit 3",
  );
  assert.equal(await Deno.readTextFile(qj.path("jobs", "a", "log")), log);
  const parts = await qj.sh("cat jobs/a/attempts/1.log jobs/a/attempts/2.log");
  assert.equal(parts.stdout, log);
  const { state, last_error, attempts } = await status(qj, "a");
  assert.deepEqual([state, last_error, attempts.length], ["failed", "exit status 3", 2]);
  assert.deepEqual([attempts[1].exit_code, attempts[1].output_bytes], [3, 4]);
  await qj.sh("mv failed/a failed/b; rm failed/b");
  assert.deepEqual(await qj.ls("jobs"), []);
});

Deno.test("jobs: nothing in them can be made, removed, renamed or written", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("a", "true");
  const { stderr } = await qj.sh(`
    cd jobs; touch x; mkdir x; rm -f a/script; mv a/script a/x; rmdir a; echo x > a/status.json
    echo x >> a/log; cat a/none; ls none; touch a/attempts`);
  assert.deepEqual(stderr.trim().split("\n").map((line) => line.split(": ").at(-1)), [
    ...Array(7).fill("Operation not permitted"),
    ...Array(2).fill("No such file or directory"),
    "Operation not permitted",
  ]);
});

Deno.test("jobs: a signal reaches the group; without an attempt, or without a name, it is an error", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("a", "trap 'echo usr1; exit 0' USR1; echo up; while :; do sleep 0.05; done");
  await until("the trap", async () => (await qj.sh("cat active/a")).stdout.includes("\nup"));
  assert.equal((await qj.sh("echo FOO > jobs/a/signal")).stderr.includes("Invalid argument"), true);
  assert.equal((await qj.sh("echo USR1 > jobs/a/signal")).code, 0);
  assert.match(await qj.in("complete", "a"), /\nusr1\n$/);
  assert.match((await qj.sh("echo TERM > jobs/a/signal")).stderr, /No such process/);
});

Deno.test("jobs: wait blocks until the end, and no listing or grep -r meets it", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "echo up; read line < release; exit 0");
  await new Deno.Command("mkfifo", { args: [`${qj.folder}/release`] }).output();
  await qj.in("active", "a");
  assert.equal(
    (await qj.sh("grep -rc nothing jobs >/dev/null; ls jobs/a")).stdout.includes("wait"),
    false,
  );
  const waiting = qj.sh("cat jobs/a/wait");
  await Deno.writeTextFile(`${qj.folder}/release`, "go\n");
  assert.equal(JSON.parse((await waiting).stdout).state, "complete");
  assert.equal((await qj.sh("cat jobs/none/wait")).code, 1);
});

Deno.test("jobs: a wait ends on Ctrl-C, on kill -9, when the job goes and when the daemon ends", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "sleep 1000");
  await qj.in("active", "a");
  // timeout(1) sends the signal once the reader blocks; 130 and 137: ended by it.
  assert.equal((await qj.sh("timeout --preserve-status -s INT 0.3 cat jobs/a/wait")).code, 130);
  assert.equal((await qj.sh("timeout -s KILL 0.3 cat jobs/a/wait")).code, 137);
  const blocked = () => new Deno.Command("cat", { args: [qj.path("jobs", "a", "wait")] }).output();
  const reads = async () =>
    Number(/operation="open",le="\+Inf"\} (\d+)/.exec((await qj.sh("cat metrics")).stdout)![1]);
  const before = await reads();
  const gone = blocked();
  await until("the reader", async () => await reads() > before + 1);
  await qj.sh("rm active/a");
  assert.match(new TextDecoder().decode((await gone).stderr), /Stale file handle/);
  await qj.submit("a", "sleep 1000");
  await qj.in("active", "a");
  const left = await reads();
  const ended = blocked();
  await until("the reader", async () => await reads() > left + 1);
  assert.equal(await qj.end(), 0);
  assert.equal((await ended).code, 1);
});

Deno.test("jobs: extended attributes tell of a job, and its priority can be set while it is pending", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  for (const name of ["a", "b"]) await qj.submit(name, `echo ${name} >> order`);
  const get = (path: string, name: string) =>
    qj.sh(`getfattr --only-values -n user.qj.${name} ${path}`);
  assert.equal((await get("pending/a", "state")).stdout, "pending");
  assert.match((await get("pending/a", "exit_code")).stderr, /No such attribute/);
  assert.match((await qj.sh("setfattr -n user.qj.state -v x pending/a")).stderr, /not supported/);
  assert.match((await qj.sh("setfattr -n user.qj.priority -v 1001 pending/b")).stderr, /Invalid/);
  assert.equal((await qj.sh("setfattr -n user.qj.priority -v 10 pending/b")).code, 0);
  await qj.configure({ max_job_count: 1, paused: false });
  await qj.in("complete", "a");
  assert.equal(await Deno.readTextFile(`${qj.folder}/order`), "b\na\n");
  assert.equal((await get("jobs/b/log", "exit_code")).stdout, "0");
  assert.match((await qj.sh("setfattr -n user.qj.priority -v 1 complete/a")).stderr, /permitted/);
});
