/** What the kernel keeps: finished jobs are asked for once, and nothing stale is ever seen. */
import assert from "node:assert/strict";
import { Qj, until } from "./qj.ts";

/** Requests of the kernel so far that look a name up or ask for attributes. */
async function asked(qj: Qj): Promise<number> {
  const text = await Deno.readTextFile(qj.path("metrics"));
  return [...text.matchAll(/_count\{operation="(lookup|getattr)"\} (\d+)/g)]
    .reduce((sum, [, , count]) => sum + Number(count), 0);
}

Deno.test("cache: ls -l of finished jobs does not ask for each of them again", async () => {
  await using qj = await Qj.start();
  await qj.sh("for i in $(seq 100); do echo true > pending/$i; done");
  await until("the jobs", async () => (await qj.ls("complete")).length === 100);
  await qj.sh("ls -l complete");
  const before = await asked(qj);
  const { stdout } = await qj.sh("ls -l complete | wc -l");
  assert.equal(stdout, "101\n");
  const more = await asked(qj) - before;
  assert(more < 50, `${more} requests`);
});

Deno.test("cache: a job that goes back to pending shows its script at once, never its log", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("x", "echo script");
  const { code, stderr } = await qj.sh(`python3 - <<'END'
import os
held = None
for i in range(300):
    os.rename("pending/x", "failed/x")
    log = os.stat("failed/x")
    assert os.stat("failed/x").st_ino == log.st_ino
    held = held or os.open("failed/x", os.O_RDONLY)
    os.rename("failed/x", "pending/x")
    assert open("pending/x").read() == "echo script", i
    assert os.stat("pending/x").st_ino == log.st_ino - 1, i
    assert os.fstat(held).st_ino == log.st_ino
    os.chmod("pending/x", 0o600 + i % 8)
    assert os.fstat(held).st_mode & 0o777 == 0o600 + i % 8, i
END`);
  assert.deepEqual([code, stderr], [0, ""]);
});

Deno.test("cache: another process sees each state of a job as soon as it is there", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1, replace_finished: true } });
  const where = async () => {
    const { stdout } = await qj.sh(
      "stat -c '%n %i %s' {active,complete,failed,pending}/x 2>/dev/null",
    );
    return stdout.trim().split(" ");
  };
  await qj.submit("x", "echo first; exit 1");
  await qj.in("failed", "x");
  const [path, ino] = await where();
  assert.equal(path, "failed/x");
  await qj.sh("chmod 600 jobs/x/script");
  assert.equal((await qj.sh("stat -c %a failed/x")).stdout, "600\n");
  await qj.configure({ paused: true });
  await qj.sh("mv failed/x pending/");
  assert.deepEqual((await where()).slice(0, 2), ["pending/x", String(Number(ino) - 1)]);
  await qj.configure({ paused: false });
  const failed = await qj.in("failed", "x");
  assert.equal(failed.match(/first\n/g)?.length, 2);
  assert.deepEqual(await where(), ["failed/x", ino, String(failed.length)]);
  await qj.submit("x", "echo new");
  assert.equal(await qj.in("complete", "x"), ">>> echo new\nnew\n");
  assert.deepEqual((await where())[0], "complete/x");
  await qj.sh("rm complete/x");
  assert.deepEqual(await where(), [""]);
});
