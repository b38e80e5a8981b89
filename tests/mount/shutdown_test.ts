/** Ends of the daemon, and what stands in the way of a start. */
import assert from "node:assert/strict";
import { Qj, qjCommand, until } from "./qj.ts";

async function withRunningJob(): Promise<{ qj: Qj; pid: () => Promise<number> }> {
  const qj = await Qj.start({ settings: { kill_grace_sec: 0.3 } });
  await qj.submit(
    "a",
    "[ -e again ] && exit; trap '' TERM; touch again; echo $$ > pid; while :; do sleep 1; done",
  );
  await until(
    "the pid",
    async () =>
      await Deno.readTextFile(`${qj.folder}/pid`).then((text) => text !== "", () => false),
  );
  return { qj, pid: async () => Number(await Deno.readTextFile(`${qj.folder}/pid`)) };
}

Deno.test("shutdown: a hangup means nothing to a daemon without a terminal", async () => {
  await using qj = await Qj.start();
  Deno.kill(qj.pid, "SIGHUP");
  await qj.submit("a", "echo still here");
  await qj.in("complete", "a");
});

Deno.test("shutdown: a hangup of its terminal ends the daemon", async () => {
  await using qj = await Qj.start();
  assert.equal(await qj.end(), 0);
  const [program, args] = qjCommand(["--state-file", qj.stateFile, qj.mountpoint]);
  // script(1) gives it a terminal, which goes when script is killed.
  const terminal = new Deno.Command("script", {
    args: ["-q", "-c", `exec ${[program, ...args].join(" ")}`, "/dev/null"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await until("the mount", () => qj.isMounted);
  terminal.kill("SIGKILL");
  await terminal.status;
  await until("the unmount", () => !qj.isMounted);
});

Deno.test("shutdown: a second signal does not wait for the grace", async () => {
  const { qj } = await withRunningJob();
  await using _ = qj;
  await qj.configure({ kill_grace_sec: 3600 });
  const ended = qj.end("SIGTERM");
  await qj.logged(/stopping/);
  await qj.end("SIGTERM");
  assert.equal(await ended, 0);
});

Deno.test("shutdown: with a writer cut off, what was written is kept and does not run", async () => {
  await using qj = await Qj.start();
  using writer = await Deno.open(qj.path("pending", "half"), { write: true, createNew: true });
  using flushed = await Deno.open(qj.path("pending", "whole"), { write: true, createNew: true });
  flushed.writeSync(new TextEncoder().encode("echo whole"));
  flushed.syncSync();
  writer.writeSync(new TextEncoder().encode("echo ha"));
  assert.equal(await qj.end(), 0);
  await qj.restart();
  assert.equal(await qj.in("complete", "whole"), ">>> echo whole\nwhole\n");
  assert.match(await qj.in("failed", "half"), /not run: the script was not written to its end/);
  await qj.sh("mv failed/half pending/.half");
  assert.equal(await Deno.readTextFile(qj.path("pending", ".half")), "echo ha");
});

Deno.test("shutdown: a script that was just emptied to be written anew keeps its old text", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("a", "echo old");
  using writer = await Deno.open(qj.path("pending", "a"), { write: true, truncate: true });
  assert.equal((await writer.stat()).size, 0);
  assert.equal(await qj.end(), 0);
  await qj.restart();
  assert.equal(await Deno.readTextFile(qj.path("pending", "a")), "echo old");
});
