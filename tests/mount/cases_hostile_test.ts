/** Cases of hostile jobs and users: against the daemon, and against what others have handed in. */
import assert from "node:assert/strict";
import { landlockAbi } from "../../ffi/landlock.ts";
import { openLibc } from "../../ffi/libfuse.ts";
import { assertSound } from "./cases.ts";
import { isAlive } from "./helpers.ts";
import { A, B, ownersTest } from "./owners.ts";
import { exists, Qj, qjCommand, until } from "./qj.ts";

/** A user of whom nothing else runs: all of it is killed. */
const GAMES = 5;
const AT_ONCE = { max_attempts: 1, kill_grace_sec: 0.2 };
const isRoot = Deno.uid() === 0;
const hasLandlock = typeof landlockAbi(openLibc()) === "number";

Deno.test("P2: a job that signals its group ends itself; one that kills the daemon is recovered", async () => {
  await using qj = await Qj.start({ settings: AT_ONCE });
  await qj.submit("group", "trap '' TERM; sleep 1000 & kill -TERM 0; kill -9 0");
  assert.match(await qj.in("failed", "group"), /\n\[System Error\]: signal: SIGKILL\n$/);
  assert(isAlive(qj.pid));

  await qj.submit("stops", "kill -STOP $PPID; echo on");
  await until(
    "the stopped daemon",
    () => /^State:\tT/m.test(Deno.readTextFileSync(`/proc/${qj.pid}/status`)),
  );
  Deno.kill(qj.pid, "SIGCONT");
  assert.match(await qj.in("complete", "stops"), /\non\n$/);

  await qj.submit("other", "[ -e again ] && exit; touch again; sleep 1000");
  await until("the other job", () => exists(`${qj.folder}/again`));
  await qj.submit("kills", "[ -e killed ] && exit; touch killed; kill -9 $PPID; sleep 1000");
  assert.notEqual(await qj.exited(), 0);
  await qj.restart();
  for (const name of ["other", "kills"]) {
    assert.match(await qj.in("complete", name), /lost: the daemon stopped\n/);
  }
  await assertSound(qj);
});

ownersTest("P2: a job of another user cannot signal the daemon", async ({ qj, as }) => {
  await as(GAMES, "echo 'kill -9 $PPID; kill -STOP $PPID; kill -9 -1; sleep 1' > pending/a");
  await as(B, "echo 'echo fine' > pending/b");
  // The last one kills the shell's own children, and in some shells itself.
  await until(
    "its end",
    async () => await exists(qj.path("complete", "a")) || await exists(qj.path("failed", "a")),
  );
  assert.match(await qj.in("complete", "b"), /\nfine\n$/);
  assert(isAlive(qj.pid) && !/^State:\tT/m.test(Deno.readTextFileSync(`/proc/${qj.pid}/status`)));
});

Deno.test({
  name: "P3: what another user writes is not run, whatever the modes say",
  ignore: !isRoot,
  async fn() {
    await using qj = await Qj.start({ args: ["--allow-other"], settings: AT_ONCE });
    await Deno.chmod(qj.folder, 0o755);
    await qj.sh("chmod 777 . pending active complete failed; chmod 666 config.json");
    await qj.configure({ paused: true });
    await qj.submit("mine", "id -u > who; exit 1");
    await Deno.chmod(qj.path("pending", "mine"), 0o666);
    const tries = [
      "echo id > pending/new",
      "echo id > pending/.draft",
      "echo id >> pending/mine",
      "truncate -s 0 pending/mine",
      "mv pending/mine pending/other",
      "setfattr -n user.qj.priority -v 1 pending/mine",
      `echo '{"on_failed": "id"}' > config.json`,
    ];
    for (const command of tries) {
      const { code, stderr } = await qj.sh(
        `setpriv --reuid ${A} --regid ${A} --clear-groups sh -c '${
          command.replaceAll("'", `'\\''`)
        }'`,
      );
      assert.notEqual(code, 0, command);
      assert.match(stderr, /denied/, command);
    }
    await qj.configure({ paused: false });
    await qj.in("failed", "mine");
    assert.deepEqual([await qj.ls("failed"), await qj.ls("pending")], [["mine"], []]);
    await assertSound(qj);
  },
});

ownersTest("P3: with --run-as owner it runs as who wrote it", async ({ qj, as }) => {
  await as(A, "echo 'id -u; cat /etc/shadow' > pending/x");
  assert.match(await qj.in("failed", "x"), /\n1\ncat: \/etc\/shadow: Permission denied\n/);
});

/** Starts a program without Landlock: its system call says that it is not there. */
const WITHOUT_LANDLOCK = `
import ctypes, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
ARCH = {"x86_64": 0xc000003e, "aarch64": 0xc00000b7}[platform.machine()]
ENOSYS, LANDLOCK_CREATE_RULESET = 38, 444
code = [
    (0x20, 0, 0, 4), (0x15, 1, 0, ARCH), (0x06, 0, 0, 0x7fff0000),
    (0x20, 0, 0, 0), (0x15, 0, 1, LANDLOCK_CREATE_RULESET), (0x06, 0, 0, 0x00050000 | ENOSYS), (0x06, 0, 0, 0x7fff0000),
]
program = b"".join(struct.pack("HBBI", *line) for line in code)
buffer = ctypes.create_string_buffer(program)
filter = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
libc.prctl(38, 1, 0, 0, 0)
if libc.prctl(22, 2, filter, 0, 0): sys.exit("no seccomp")
os.execv(sys.argv[1], sys.argv[1:])
`;

Deno.test({
  name: "P8: from the sandbox nothing else is reached; without Landlock there is no start",
  ignore: !hasLandlock,
  async fn() {
    await using listener = listening();
    await using qj = await Qj.start({ cwd: "/", args: ["-ro", "/usr"], settings: AT_ONCE });
    const ssh = `${qj.folder}/.ssh`;
    await qj.sh(`mkdir -p ${ssh}; echo secret > ${ssh}/id`, "/");
    await qj.submit("other", "echo of-the-other");
    await qj.in("complete", "other");
    const cases: Readonly<Record<string, string>> = {
      write: `echo x > ${qj.folder}/escaped`,
      key: `cat ${ssh}/id`,
      connect:
        `python3 -IS -c 'import socket; socket.create_connection(("127.0.0.1", ${listener.port}))'`,
      ptrace:
        `python3 -IS -c 'import ctypes as c; l = c.CDLL(None); l.ptrace(16, ${qj.pid}, None, None) and exit(1)'`,
      kill: `kill -9 ${qj.pid}`,
      state: `cat ${qj.stateFile}`,
      log: `cat ${qj.path("complete", "other")}`,
      submit: `echo id > ${qj.path("pending", "made")}`,
    };
    for (const [name, script] of Object.entries(cases)) await qj.submit(name, script);
    for (const name of Object.keys(cases)) {
      assert.doesNotMatch(
        (await qj.in("failed", name)).replace(/^>>> .*$/gm, ""),
        /secret|of-the-other|SQLite/,
        name,
      );
    }
    assert.equal(await exists(`${qj.folder}/escaped`), false);
    await qj.sh("rm failed/*");
    await assertSound(qj);

    const folder = `${qj.folder}/second`;
    await Deno.mkdir(folder);
    const [program, args] = qjCommand([
      "--state-file",
      `${qj.folder}/second.db`,
      "-ro",
      "/usr",
      folder,
    ]);
    const { code, stderr } = await new Deno.Command("python3", {
      args: ["-c", WITHOUT_LANDLOCK, program, ...args],
      stdin: "null",
    }).output();
    assert.match(
      new TextDecoder().decode(stderr),
      /^qj: jobs cannot run in a sandbox .*Landlock is not built in.*cat \/sys\/kernel\/security\/lsm.*\n$/,
    );
    assert.equal(code, 1);
  },
});

function listening() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  return { port, [Symbol.asyncDispose]: () => Promise.resolve(listener.close()) };
}
