/** kill -9 of the daemon, and starting it again. */
import assert from "node:assert/strict";
import { isAlive } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("crash: what ran runs again, its old processes are gone, and the log says lost", async () => {
  await using qj = await Qj.start({ settings: { kill_grace_sec: 0.5 } });
  // The second attempt finds the lock taken if a process of the first one is alive.
  await qj.submit(
    "a",
    `exec 9> lock; flock -n 9 || { echo OVERLAP; exit 1; }
     trap '' TERM; sleep 1000 & setsid sleep 1000 & echo $$ $! >> pids
     [ $(wc -l < pids) = 2 ] && exit 0; while :; do sleep 1; done`,
  );
  const pids = `${qj.folder}/pids`;
  await until("the first attempt", () => exists(pids));
  await until("its pids", async () => (await Deno.readTextFile(pids)).endsWith("\n"));
  const old = (await Deno.readTextFile(pids)).trim().split(" ").map(Number);
  await qj.end("SIGKILL");
  assert(old.some(isAlive));
  await qj.restart();
  const log = await qj.in("complete", "a");
  assert.match(log, /\n\[System Error\]: lost: the daemon stopped\n>>> exec/);
  assert.doesNotMatch(log, /^OVERLAP/m);
  assert.equal(old.some(isAlive), false);
});

Deno.test("crash: after max_lost lost attempts in a row a job goes to failed", async () => {
  await using qj = await Qj.start({ settings: { max_lost: 2 } });
  await qj.submit("a", "sleep 1000");
  for (let i = 0; i < 2; i++) {
    await qj.in("active", "a");
    await qj.logged(/"a" started/);
    await qj.end("SIGKILL");
    await qj.restart();
  }
  assert.match(
    await qj.in("failed", "a"),
    /^>>> sleep 1000\n\n\[System Error\]: lost: the daemon stopped\n>>> sleep/,
  );
});

Deno.test("crash: what was flushed runs, what was not goes to failed, drafts and empty files stay", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 60_000 } });
  await qj.submit("closed", "echo closed");
  const flushed = await Deno.open(qj.path("pending", "flushed"), { write: true, createNew: true });
  await flushed.write(encode("echo flushed"));
  await flushed.sync();
  const torn = await Deno.open(qj.path("pending", "torn"), { write: true, createNew: true });
  await torn.write(encode("echo one; "));
  await torn.sync();
  await qj.sh("touch pending/empty; echo x > pending/.draft");
  await qj.submit("emptied", "echo old");
  const emptied = await Deno.open(qj.path("pending", "emptied"), { write: true, truncate: true });
  // Last and synchronously: any new process, and any asynchronous write of Deno, closes a duplicate, which flushes.
  torn.writeSync(encode("echo two"));
  await qj.end("SIGKILL");
  for (const file of [flushed, torn, emptied]) file.close();
  await qj.restart();
  for (const name of ["closed", "flushed"]) {
    assert.equal(await qj.in("complete", name), `>>> echo ${name}\n${name}\n`);
  }
  assert.equal(await qj.in("complete", "emptied"), ">>> echo old\nold\n");
  assert.match(
    await qj.in("failed", "torn"),
    /^\[System Error\]: not run: the script was not written to its end\n$/,
  );
  assert.deepEqual(await qj.ls("pending"), [".draft", "empty"]);
});
