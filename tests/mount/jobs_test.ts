/** jobs/NAME/: one directory for each job, whatever its state. */
import assert from "node:assert/strict";
import { Qj } from "./qj.ts";

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
