/** A daemon whose limits (prlimit(1)) are too small for what it is asked to do. */
import assert from "node:assert/strict";
import { Qj, until } from "./qj.ts";

async function limit(qj: Qj, what: string): Promise<void> {
  const { code } = await qj.sh(`prlimit --pid ${qj.pid} ${what}`, "/");
  assert.equal(code, 0);
}

Deno.test("limits: a state file that may not grow is an error for the writer, and nothing is lost", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("before", "echo before");
  const size = (await Deno.stat(`${qj.stateFile}-wal`)).size;
  await limit(qj, `--fsize=${size + 32_768}:unlimited`);
  const accepted: string[] = [];
  let refused = "";
  for (let i = 0; refused === ""; i++) {
    assert(i < 1000, "nothing is refused");
    const { code, stderr } = await qj.sh(`printf '%08000d\\n' 0 | sed 's/^/#/' > pending/a${i}`);
    if (code === 0) accepted.push(`a${i}`);
    else refused = stderr;
  }
  assert.match(refused, /File too large|Input\/output error|No space left/);
  await limit(qj, "--fsize=unlimited:unlimited");
  await until("a change", async () => (await qj.sh("echo true > pending/after")).code === 0);
  await qj.configure({ paused: false });
  for (const name of ["before", "after", ...accepted]) await qj.in("complete", name);
  assert.equal(qj.log.split("the state file cannot be changed").length, 2, qj.log);
});

Deno.test("limits: with few descriptors fewer jobs run at once, and all of them run", async () => {
  await using qj = await Qj.start({
    settings: { paused: true, max_job_count: 100, backoff_base: 0 },
  });
  const open = [...Deno.readDirSync(`/proc/${qj.pid}/fd`)].length;
  await limit(qj, `--nofile=${open + 12}:4096`);
  for (let i = 0; i < 40; i++) await qj.submit(`a${i}`, "sleep 0.1; echo ran");
  await qj.configure({ paused: false });
  const states = async () => [await qj.ls("complete"), await qj.ls("failed")] as const;
  await until("the end of all", async () => {
    const [complete, failed] = await states();
    return complete.length + failed.length === 40;
  });
  const [complete, failed] = await states();
  // What could not be started says why; it was tried again as a job that fails is.
  for (const name of failed) assert.match(await qj.in("failed", name), /cannot start: /);
  assert(complete.length > 0);
});
