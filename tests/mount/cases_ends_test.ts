/** Cases of ends and starts: kills at each step, signals, unmounts, mountpoints, what is missing. */
import assert from "node:assert/strict";
import { assertSound, shows } from "./cases.ts";
import { isAlive, mkfifo } from "./helpers.ts";
import { exists, Qj, qjCommand, until } from "./qj.ts";

const AT_ONCE = { max_attempts: 1, kill_grace_sec: 0.2 };
const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("K1: killed at each step of a job, it is lost, or kept and run again, as it was promised", async () => {
  await using qj = await Qj.start({ settings: { ...AT_ONCE, settle_ms: 60_000 } });
  const open = (name: string) =>
    Deno.open(qj.path("pending", name), { write: true, createNew: true });
  // After a create; after a write; after the close, before it is submitted.
  const created = await open("created");
  await qj.submit("closed", "echo closed");
  const written = await open("written");
  written.writeSync(encode("echo written"));
  await qj.end("SIGKILL");
  for (const file of [created, written]) file.close();
  await qj.restart();
  await qj.configure({ settle_ms: 0 });
  assert.equal((await Deno.stat(qj.path("pending", "created"))).size, 0);
  assert.equal(await qj.in("complete", "closed"), ">>> echo closed\nclosed\n");
  assert.match(await qj.in("failed", "written"), /not run: the script was not written to its end/);

  // While it runs; after its process has ended, but before that is recorded.
  await qj.submit("runs", "echo $$ >> runs; [ $(wc -l < runs) = 1 ] && sleep 1000; exit 0");
  await qj.submit("ends", "echo x >> ends; until [ -e go ]; do sleep 0.02; done; : > gone");
  await until(
    "both",
    async () => await exists(`${qj.folder}/runs`) && await exists(`${qj.folder}/ends`),
  );
  await qj.logged(/"ends" started/);
  Deno.kill(qj.pid, "SIGSTOP");
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  await until("its end", () => exists(`${qj.folder}/gone`));
  await qj.end("SIGKILL");
  await qj.restart();
  for (const name of ["runs", "ends"]) {
    assert.match(await qj.in("complete", name), /lost: the daemon stopped\n>>> /);
    assert.equal((await Deno.readTextFile(`${qj.folder}/${name}`)).trim().split("\n").length, 2);
  }

  // While much is in the log of the state file, and is being moved into it.
  await qj.submit("prints", "seq 300000; echo done");
  await qj.logged(/"prints" started/);
  await qj.end("SIGKILL");
  await qj.restart();
  assert.match(await qj.in("complete", "prints"), /\n300000\ndone\n$/);
  assert.deepEqual(await qj.ls("active"), []);
  await assertSound(qj);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`K2: ${signal} with jobs that run and a client that has a file open: exit 0, unmounted, all recorded`, async () => {
    await using qj = await Qj.start({ settings: AT_ONCE });
    await qj.submit(
      "a",
      "[ -e again ] && exit; touch again; trap '' TERM; while :; do sleep 0.1; done",
    );
    await qj.in("active", "a");
    await until("its run", () => exists(`${qj.folder}/again`));
    using reader = await Deno.open(qj.path("active", "a"));
    using writer = await Deno.open(qj.path("pending", ".draft"), { write: true, createNew: true });
    writer.writeSync(encode("echo draft"));
    assert.equal(await qj.end(signal), 0);
    assert.equal(qj.isMounted, false);
    assert.throws(() => reader.readSync(new Uint8Array(10)));
    await qj.restart();
    assert.match(await qj.in("complete", "a"), /lost: the daemon stopped\n/);
    assert.equal(await Deno.readTextFile(qj.path("pending", ".draft")), "echo draft");
    await assertSound(qj);
  });
}

Deno.test("K2: with --drain-timeout a signal waits for what runs and starts nothing; a second one does not wait", async () => {
  await using qj = await Qj.start({ args: ["--drain-timeout", "3600"], settings: AT_ONCE });
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit("ends", "read line < gate; echo ends");
  await qj.in("active", "ends");
  Deno.kill(qj.pid, "SIGTERM");
  await qj.logged(/stopping, waiting at most 3600 s for running jobs \(1\)/);
  await qj.submit("waits", "echo waits");
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
  assert.equal(await qj.exited(), 0);
  await qj.restart();
  assert.equal(await qj.in("complete", "ends"), ">>> read line < gate; echo ends\nends\n");
  await qj.in("complete", "waits");

  await qj.submit("long", "[ -e second ] && exit; touch second; sleep 1000");
  await until("its run", () => exists(`${qj.folder}/second`));
  await qj.logged(/"long" started/);
  Deno.kill(qj.pid, "SIGTERM");
  await qj.logged(/stopping, waiting/);
  assert.equal(await qj.end("SIGTERM"), 0);
  await qj.restart();
  assert.match(await qj.in("complete", "long"), /lost: the daemon stopped\n/);
  await assertSound(qj);
});

Deno.test("K3: kill -9, and a start at once on the dead mount", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "echo a");
  await qj.in("complete", "a");
  for (let i = 0; i < 3; i++) {
    await qj.end("SIGKILL");
    assert(qj.isMounted);
    const dead = await qj.sh("ls pending", "/");
    assert.notEqual(dead.code, 0);
    await qj.restart();
    assert.equal(await qj.in("complete", "a"), ">>> echo a\na\n");
  }
  await assertSound(qj);
});

for (const command of ["umount", "umount -l", "fusermount3 -u"]) {
  Deno.test({
    name: `K4: ${command} ends the daemon with 0, its jobs recorded`,
    ignore: Deno.uid() !== 0,
    async fn() {
      await using qj = await Qj.start({ settings: AT_ONCE });
      await qj.submit("a", "[ -e pid ] && exit; echo $$ > pid; sleep 1000; :");
      await shows(qj, "active/a", "sleep");
      await until(
        "its pid",
        async () =>
          await exists(`${qj.folder}/pid`) && (await Deno.stat(`${qj.folder}/pid`)).size > 0,
      );
      const { code, stderr } = await qj.sh(`${command} ${qj.mountpoint}`, "/");
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
      assert.equal(await qj.exited(), 0);
      assert.equal(isAlive(Number(await Deno.readTextFile(`${qj.folder}/pid`))), false);
      await qj.restart();
      assert.match(await qj.in("complete", "a"), /lost: the daemon stopped\n/);
      await assertSound(qj);
    },
  });
}

Deno.test({
  name:
    "K4: an abort of the connection ends the daemon with 1, its jobs recorded, and leaves no mount",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using qj = await Qj.start({ settings: AT_ONCE });
    await qj.submit("a", "[ -e again ] && exit; touch again; sleep 1000");
    await until("its run", () => exists(`${qj.folder}/again`));
    qj.abort();
    assert.equal(await qj.exited(), 1);
    assert.match(qj.log, /connection to the kernel was aborted/);
    assert.equal(qj.isMounted, false);
    await qj.restart();
    assert.match(await qj.in("complete", "a"), /lost: the daemon stopped\n/);
    await assertSound(qj);
  },
});

Deno.test("K5: a mountpoint that cannot be one is refused with the reason; a relative one and a link are taken", async () => {
  await using qj = await Qj.start();
  const folder = `${qj.folder}/points`;
  await qj.sh(
    `mkdir -p ${folder}/empty ${folder}/full/x; touch ${folder}/file; ln -s empty ${folder}/link; ln -s nowhere ${folder}/dangling`,
    "/",
  );
  const start = (mountpoint: string) => {
    const [program, args] = qjCommand(["--state-file", `${folder}.db`, mountpoint]);
    return new Deno.Command(program, {
      args,
      cwd: folder,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
  };
  const cases: readonly (readonly [string, RegExp])[] = [
    [`${folder}/missing`, /does not exist: make it with mkdir/],
    ["dangling", /does not exist: make it with mkdir/],
    ["file", /is not a directory/],
    [`${folder}/full`, /is not empty: use an empty directory/],
    ["/proc", /is in use: a proc mount/],
    [qj.mountpoint, /is in use: qj is mounted there already/],
    [qj.path("pending"), /is inside another qj mount/],
    ["", /./],
  ];
  for (const [mountpoint, reason] of cases) {
    const { code, stderr } = await start(mountpoint).output();
    const text = new TextDecoder().decode(stderr);
    assert(code === 1 || code === 2, text);
    assert.match(text, reason);
    assert.match(text, /^qj: .*\n$/);
  }
  for (const mountpoint of ["empty", "link"]) {
    const child = start(mountpoint);
    const output = child.output();
    try {
      await until(
        "the mount",
        async () => (await qj.sh(`mountpoint -q ${folder}/empty`, "/")).code === 0,
      );
    } finally {
      child.kill("SIGTERM");
    }
    assert.equal((await output).code, 0);
  }
  await assertSound(qj);
});

Deno.test("K6: clients of a daemon that is stopped wait, can be ended, and go on when it does", async () => {
  await using qj = await Qj.start({ settings: AT_ONCE });
  await qj.submit("a", "echo a");
  await qj.in("complete", "a");
  Deno.kill(qj.pid, "SIGSTOP");
  const [client, killed] = [0, 1].map(() =>
    new Deno.Command("sh", {
      args: [
        "-c",
        `cat ${qj.path("complete", "a")}; echo 'echo b' > ${qj.path("pending", "b")}; :`,
      ],
      cwd: "/",
      stdin: "null",
      stdout: "piped",
    }).spawn()
  );
  const inRequest = (pid: number) => {
    const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
    return children !== "" && /request_wait_answer|fuse/.test(
      Deno.readTextFileSync(`/proc/${children}/wchan`).concat(
        Deno.readTextFileSync(`/proc/${children}/stack`),
      ),
    );
  };
  for (const { pid } of [client!, killed!]) {
    await until("a client that waits", () => inRequest(pid));
  }
  // The shell and its cat.
  const cat = Number(Deno.readTextFileSync(`/proc/${killed!.pid}/task/${killed!.pid}/children`));
  for (const pid of [killed!.pid, cat]) Deno.kill(pid, "SIGKILL");
  await killed!.output();
  await until("its end", () => !isAlive(cat));
  Deno.kill(qj.pid, "SIGCONT");
  const { stdout, code } = await client!.output();
  assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, ">>> echo a\na\n"]);
  assert.equal(await qj.in("complete", "b"), ">>> echo b\nb\n");
  await assertSound(qj);
});
