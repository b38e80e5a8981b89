/** Ends of the daemon, and what stands in the way of a start. */
import assert from "node:assert/strict";
import { isAlive } from "./helpers.ts";
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

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`shutdown: ${signal} stops what runs, unmounts, exits 0; the next daemon runs it again`, async () => {
    const { qj, pid } = await withRunningJob();
    await using _ = qj;
    assert.equal(await qj.end(signal), 0);
    assert.equal(qj.isMounted, false);
    assert.equal(isAlive(await pid()), false);
    await qj.restart();
    assert.match(await qj.in("complete", "a"), /lost: the daemon stopped\n>>> /);
  });
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

for (const command of ["umount", "umount -l", "fusermount3 -u"]) {
  Deno.test(`shutdown: ${command} ends the daemon with 0`, async () => {
    const { qj, pid } = await withRunningJob();
    await using _ = qj;
    const { code, stderr } = await qj.sh(`${command} ${qj.mountpoint}`, "/");
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.equal(await qj.exited(), 0);
    assert.equal(isAlive(await pid()), false);
  });
}

Deno.test("shutdown: an abort of the connection ends the daemon with 1 and leaves no mount", async () => {
  await using qj = await Qj.start();
  qj.abort();
  assert.equal(await qj.exited(), 1);
  assert.match(qj.log, /connection to the kernel was aborted/);
  assert.equal(qj.isMounted, false);
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

async function startSecond(args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const [program, argv] = qjCommand(args);
  const { code, stderr } = await new Deno.Command(program, { args: argv, stdin: "null" }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("shutdown: a second daemon on the state file or the mountpoint is refused", async () => {
  await using qj = await Qj.start();
  const other = `${qj.folder}/other`;
  await Deno.mkdir(other);
  const state = await startSecond(["--state-file", qj.stateFile, other]);
  assert.equal(state.code, 1);
  assert.equal(
    state.stderr,
    `qj: cannot open state file "${qj.stateFile}" (--state-file): another qj uses it (pid ${qj.pid})\n`,
  );
  for (const [name, link] of [["symbolic", Deno.symlink], ["hard", Deno.link]] as const) {
    await link(qj.stateFile, `${qj.folder}/${name}.db`);
    const linked = await startSecond(["--state-file", `${qj.folder}/${name}.db`, other]);
    assert.match(linked.stderr, /another qj uses it/, name);
  }
  const inside = await startSecond(["--state-file", `${other}.db`, qj.path("pending")]);
  assert.match(inside.stderr, /^qj: mountpoint ".*" is inside another qj mount/);
  const mount = await startSecond(["--state-file", `${other}.db`, qj.mountpoint]);
  assert.equal(mount.code, 1);
  assert.match(mount.stderr, /^qj: mountpoint ".*" is in use: qj is mounted there already/);
  await qj.submit("a", "true");
  await qj.in("complete", "a");
});

Deno.test("shutdown: a damaged state file refuses the start and leaves no mount", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.sh("for i in $(seq 50); do echo true > pending/$i; done");
  assert.equal(await qj.end(), 0);
  using file = await Deno.open(qj.stateFile, { write: true });
  await file.seek(3 * 4096, Deno.SeekMode.Start);
  await file.write(new Uint8Array(3 * 4096));
  const { code, stderr } = await startSecond(["--state-file", qj.stateFile, qj.mountpoint]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^qj: cannot open state file ".*" \(--state-file\): .*(damaged|malformed).*\n$/,
  );
  assert.equal(qj.isMounted, false);
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
