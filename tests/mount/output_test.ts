/** What processes print, and what of it their logs have. */
import assert from "node:assert/strict";
import { isAlive, mkfifo } from "./helpers.ts";
import { Qj, until } from "./qj.ts";

Deno.test("output: all bytes are kept as they are, and a last line without a newline ends where it ends", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  const all = Uint8Array.from({ length: 256 * 300 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
  await Deno.writeFile(`${qj.folder}/bytes`, all);
  const script = "cat bytes; printf end";
  await qj.submit("a", script);
  await qj.in("complete", "a");
  const head = new TextEncoder().encode(`>>> ${script}\n`);
  const end = new TextEncoder().encode("end");
  const log = await Deno.readFile(qj.path("complete", "a"));
  assert.deepEqual(log, new Uint8Array([...head, ...all, ...end]));
  await qj.submit("b", "printf 'no newline'; exit 3");
  assert.equal(
    await qj.in("failed", "b"),
    ">>> printf 'no newline'; exit 3\nno newline\n\n[System Error]: exit status 3\n",
  );
});

Deno.test("output: of both streams it is in the order in which it was written", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "for i in $(seq 500); do echo out $i; echo err $i >&2; done");
  const lines = Array.from({ length: 500 }, (_, i) => `out ${i + 1}\nerr ${i + 1}\n`).join("");
  assert((await qj.in("complete", "a")).endsWith(`done\n${lines}`));
});

Deno.test("output: head and tail are kept, and what is between them is counted", async () => {
  await using qj = await Qj.start({ settings: { max_output_bytes: 2000 } });
  await qj.submit("a", "seq 100000");
  const log = await qj.in("complete", "a");
  const all = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join("");
  const match = /^>>> seq 100000\n([^]*?)\n?\[[^\]]*?(\d+) bytes[^\]]*\]\n([^]*)$/.exec(log);
  assert(match, log);
  const [, head, missing, tail] = match;
  assert(all.startsWith(head!) && all.endsWith(tail!), log);
  assert(head!.length >= 990 && tail!.length >= 990, `${head!.length}, ${tail!.length}`);
  assert.equal(head!.length + tail!.length + Number(missing), all.length);
});

Deno.test("output: a daemon that a job leaves behind and that holds its pipe is ended with the job", async () => {
  await using qj = await Qj.start({ settings: { kill_grace_sec: 0.2, max_job_count: 1 } });
  await qj.submit(
    "a",
    "(setsid sh -c 'trap \"\" TERM; echo $$ > pid; while :; do sleep 0.1; done' &) ; until [ -s pid ]; do sleep 0.01; done; echo ends",
  );
  assert.match(await qj.in("complete", "a"), /\nends\n$/);
  await qj.submit("b", "true");
  await qj.in("complete", "b");
  assert.equal(isAlive(Number(await Deno.readTextFile(`${qj.folder}/pid`))), false);
});

Deno.test("output: a job waits for the daemon when it prints faster than that can store it", async () => {
  await using qj = await Qj.start();
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit(
    "a",
    "echo $$ > pid; read x < gate; head -c 30000000 /dev/zero; echo; cat /proc/$$/stat > stat",
  );
  await qj.logged(/"a" started/);
  // While the daemon does not run, nothing is read: the job stops in a write.
  Deno.kill(qj.pid, "SIGSTOP");
  const writer = new Deno.Command("sh", {
    args: ["-c", `echo go > ${qj.folder}/gate`],
    stdin: "null",
  }).spawn();
  await writer.status;
  const pid = Number(await Deno.readTextFile(`${qj.folder}/pid`));
  const written = () => {
    const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
    if (children === "") return null;
    const bytes = /^wchar: (\d+)$/m.exec(Deno.readTextFileSync(`/proc/${children}/io`))?.[1];
    return Number(bytes);
  };
  let before = -1;
  await until("a write that waits", async () => {
    const now = written();
    const isStill = now !== null && now > 0 && now === before;
    before = now ?? -1;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return isStill;
  });
  assert(before < 2_000_000, `${before} bytes were taken by nobody`);
  Deno.kill(qj.pid, "SIGCONT");
  const log = await qj.in("complete", "a");
  // Ten MB of it are kept, by default.
  assert(log.length > 10_000_000 && log.length < 11_000_000, String(log.length));
});

Deno.test("output: a script of 16 MB with a heredoc runs, and its log has all of it", async () => {
  await using qj = await Qj.start({ settings: { timeout_sec: 0, max_output_bytes: 40_000_000 } });
  const line = `${"x".repeat(1023)}\n`;
  const head = "wc -c <<'END'\n";
  const body = line.repeat(16 * 1024 - 1);
  await qj.submit("a", `${head}${body}END\n`);
  await qj.in("complete", "a");
  const { stdout } = await qj.sh("tail -n 2 complete/a; stat -c %s jobs/a/script complete/a");
  const size = head.length + body.length + 4;
  const lines = 16 * 1024 + 1;
  assert.equal(
    stdout,
    `>>> END\n${body.length}\n${size}\n${size + 4 * lines + String(body.length).length + 1}\n`,
  );
});
