/** Jobs in a sandbox: what they can do there, and each way out of it, tried and refused. */
import assert from "node:assert/strict";
import { landlockAbi } from "../../ffi/landlock.ts";
import { openLibc } from "../../ffi/libfuse.ts";
import { isAlive } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

const ignore = typeof landlockAbi(openLibc()) === "string";
if (ignore) {
  const text = "Sandbox: tests skipped, since this kernel has no Landlock\n";
  await Deno.stderr.write(new TextEncoder().encode(text));
}
const isRoot = Deno.uid() === 0;

interface Stage {
  readonly qj: Qj;
  /** A folder in which jobs may write, and one in which they may only read. */
  readonly writable: string;
  readonly readable: string;
  /** Runs Python in a job; gives what it left in `answer`. */
  readonly inJob: (script: string) => Promise<unknown>;
}

const PRELUDE = `#!/usr/bin/python3 -I
import ctypes, errno, json, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)

def tried(call, *args):
    "None, or the name of the errno."
    try:
        call(*args)
    except OSError as error:
        return errno.errorcode[error.errno]

def called(name, *args):
    "The same for a function of libc."
    return errno.errorcode[ctypes.get_errno()] if getattr(libc, name)(*args) == -1 else None
`;

function sandboxTest(
  name: string,
  args: readonly string[],
  body: (stage: Stage) => Promise<void>,
  needsRoot = false,
): void {
  Deno.test({
    name: `sandbox: ${name}`,
    ignore: ignore || (needsRoot && !isRoot),
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
      const [writable, readable] = [`${folder}/writable`, `${folder}/readable`];
      for (const path of [writable, readable]) await Deno.mkdir(path);
      try {
        await using qj = await Qj.start({
          folder,
          cwd: "/",
          args: ["-rw", writable, "-ro", readable, "-ro", "/usr", ...args],
          settings: { max_attempts: 1, kill_grace_sec: 0.2 },
        });
        let jobs = 0;
        const inJob = async (script: string) => {
          const job = `python${jobs++}`;
          const lines = script.split("\n").map((line) => line.replace(/^ {6}/, "")).join("\n");
          await qj.submit(job, `${PRELUDE}\n${lines}\nprint("ANSWER", json.dumps(answer))\n`);
          await until(
            "its end",
            async () =>
              await exists(qj.path("complete", job)) || await exists(qj.path("failed", job)),
          );
          const log = await Deno.readTextFile(qj.path("jobs", job, "log"));
          const answer = /^ANSWER (.*)$/m.exec(log)?.[1];
          if (answer === undefined) throw new Error(log);
          return JSON.parse(answer);
        };
        await body({ qj, writable, readable, inJob });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

const quoted = (text: string) => JSON.stringify(text);

sandboxTest(
  "scripts of all kinds run, with what is allowed",
  [],
  async ({ qj, writable, readable }) => {
    await Deno.writeTextFile(`${readable}/program`, "#!/bin/sh\necho ran\n", { mode: 0o755 });
    const scripts = {
      shell: `cd ${writable} && echo text > file && mkdir dir && mv file dir && cat dir/file`,
      large: `echo large\n${"#".repeat(200_000)}`,
      interpreter: "#!/usr/bin/env python3\nprint('python')",
      executed: `${readable}/program; echo x > /dev/null; read line < /dev/null; echo $?`,
      nice: "#QJ nice=5\nnice",
      cwd: `#QJ cwd=${writable}\npwd`,
    };
    for (const [name, script] of Object.entries(scripts)) await qj.submit(name, script);
    const last = async (name: string) => (await qj.in("complete", name)).split("\n").at(-2);
    assert.equal(await last("shell"), "text");
    assert.equal(await last("large"), "large");
    assert.equal(await last("interpreter"), "python");
    assert.match(await qj.in("complete", "executed"), /\nran\n1\n$/);
    assert.equal(await last("nice"), "5");
    assert.equal(await last("cwd"), writable);
  },
);

sandboxTest("files elsewhere can be neither read, written nor executed", [], async (stage) => {
  const { qj, writable, readable, inJob } = stage;
  await Deno.writeTextFile(`${readable}/file`, "text");
  await Deno.writeTextFile(`${qj.folder}/program`, "#!/bin/sh\n", { mode: 0o755 });
  const answer = await inJob(`
      W, R, F = ${quoted(writable)}, ${quoted(readable)}, ${quoted(qj.folder)}
      create = os.O_WRONLY | os.O_CREAT
      answer = {
        "shadow": tried(os.open, "/etc/shadow", os.O_RDONLY),
        "list /": tried(os.listdir, "/"),
        "list /etc": tried(os.listdir, "/etc"),
        "write /tmp": tried(os.open, "/tmp/qj-escaped", create),
        "write beside": tried(os.open, F + "/escaped", create),
        "write readable": tried(os.open, R + "/file", os.O_WRONLY),
        "create in readable": tried(os.open, R + "/new", create),
        "truncate": tried(os.truncate, R + "/file", 0),
        "unlink": tried(os.unlink, R + "/file"),
        "execute": tried(os.execv, F + "/program", ["program"]),
        "through a symlink": (os.symlink("/etc/passwd", W + "/link"), tried(os.open, W + "/link", os.O_RDONLY))[1],
        "through ..": tried(os.open, W + "/../escaped", create),
      }`);
  assert.deepEqual(
    answer,
    Object.fromEntries(Object.keys(answer as object).map((key) => [key, "EACCES"])),
  );
  assert.equal(await Deno.readTextFile(`${readable}/file`), "text");
  const home = await qj.sh("echo 'echo x > $HOME/qj-escaped' > pending/home");
  assert.equal(home.code, 0);
  assert.match(await qj.in("failed", "home"), /Permission denied/);
});

sandboxTest(
  "the state file, the mount and the scripts of other jobs are out of reach",
  [],
  async (stage) => {
    const { qj, inJob } = stage;
    await qj.submit(
      "other",
      `${"#".repeat(200_000)}\nuntil [ -e ${stage.writable}/go ]; do sleep 0.05; done`,
    );
    await qj.in("active", "other");
    const answer = await inJob(`
      M, F = os.environ["QJ_MOUNT"], ${quoted(qj.folder)}
      answer = [
        tried(os.listdir, M),
        tried(os.open, M + "/config.json", os.O_RDONLY),
        tried(os.open, M + "/pending/new", os.O_WRONLY | os.O_CREAT),
        tried(os.open, M + "/jobs/other/log", os.O_RDONLY),
        tried(os.unlink, M + "/active/other"),
        tried(os.open, F + "/state/state.db", os.O_RDONLY),
        tried(os.listdir, F + "/state"),
        tried(os.listdir, F + "/state/state.db.run"),
        tried(os.open, F + "/state/state.db.run/new", os.O_WRONLY | os.O_CREAT),
      ]`);
    assert.deepEqual(answer, Array(9).fill("EACCES"));
    await Deno.writeTextFile(`${stage.writable}/go`, "");
    await qj.in("complete", "other");
  },
);

sandboxTest("links and renames give no rights that were not given", [], async (stage) => {
  const { qj, writable, readable, inJob } = stage;
  await Deno.writeTextFile(`${readable}/file`, "text");
  await Deno.writeTextFile(`${qj.folder}/secret`, "text");
  const answer = await inJob(`
      W, R, F = ${quoted(writable)}, ${quoted(readable)}, ${quoted(qj.folder)}
      open(W + "/mine", "w").close()
      answer = [
        tried(os.link, R + "/file", W + "/linked"),
        tried(os.rename, R + "/file", W + "/moved"),
        tried(os.rename, W + "/mine", R + "/mine"),
        tried(os.link, F + "/secret", W + "/secret"),
        tried(os.rename, F + "/secret", W + "/secret"),
        tried(os.rename, W + "/mine", F + "/mine"),
        tried(os.rename, F + "/readable", W + "/readable"),
      ]`) as string[];
  for (const errno of answer) assert.match(errno, /^(EACCES|EXDEV)$/);
  assert.deepEqual([...Deno.readDirSync(writable)].map(({ name }) => name), ["mine"]);
});

sandboxTest("processes outside cannot be signalled or traced, nor reached through /proc", [
  "-ro",
  "/proc",
], async ({ qj, inJob }) => {
  const outside = new Deno.Command("sleep", { args: ["1000"], stdin: "null" }).spawn();
  try {
    const answer = await inJob(`
      PTRACE_ATTACH, DAEMON, OUTSIDE = 16, ${qj.pid}, ${outside.pid}
      answer = {
        "parent": tried(os.kill, os.getppid(), 9),
        "daemon": [tried(os.kill, DAEMON, number) for number in (0, 9, 15, 19)],
        "outside": [tried(os.kill, OUTSIDE, 0), tried(os.kill, OUTSIDE, 9)],
        "attach": [called("ptrace", PTRACE_ATTACH, pid, None, None) for pid in (DAEMON, OUTSIDE)],
        "root": [tried(os.open, f"/proc/{pid}/root/etc/passwd", os.O_RDONLY) for pid in (1, DAEMON, OUTSIDE)],
        "cwd": [tried(os.open, f"/proc/{pid}/cwd/etc/passwd", os.O_RDONLY) for pid in (DAEMON, OUTSIDE)],
        "fd": [tried(os.readlink, f"/proc/{pid}/fd/0") for pid in (DAEMON, OUTSIDE)],
        "environ": [tried(lambda: os.read(os.open(f"/proc/{pid}/environ", os.O_RDONLY), 1)) for pid in (DAEMON, OUTSIDE)],
        "mem": [tried(os.open, f"/proc/{pid}/mem", os.O_RDWR) for pid in (DAEMON, OUTSIDE)],
      }`) as Record<string, string | string[]>;
    for (const [what, errnos] of Object.entries(answer)) {
      for (const errno of [errnos].flat()) assert.match(String(errno), /^E(PERM|ACCES)$/, what);
    }
    assert(isAlive(outside.pid) && isAlive(qj.pid));
    await qj.submit("all", "kill -9 -1; echo still here");
    await until(
      "its end",
      async () =>
        await exists(qj.path("complete", "all")) || await exists(qj.path("failed", "all")),
    );
    assert(isAlive(outside.pid) && isAlive(qj.pid));
  } finally {
    outside.kill("SIGKILL");
    await outside.status;
  }
});

Deno.test({
  name: "sandbox: TCP ports that are not named and abstract sockets are refused",
  ignore,
  async fn() {
    using named = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using bound = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const port = ({ addr }: Deno.Listener) => (addr as Deno.NetAddr).port;
    const free = port(bound);
    bound.close();
    const abstract = new Deno.Command("python3", {
      args: [
        "-c",
        `import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("\\0qj-test-${Deno.pid}"); s.listen(); print("up", flush=True); time.sleep(1000)`,
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const output = abstract.stdout.getReader();
    try {
      await output.read();
      await using qj = await Qj.start({
        cwd: "/",
        args: ["-ro", "/usr", "--connect", String(port(named)), "--bind", String(free)],
        settings: { max_attempts: 1 },
      });
      await qj.submit(
        "net",
        `${PRELUDE}
def connect(port):
    return tried(socket.socket().connect, ("127.0.0.1", port))
def bind(port):
    return tried(socket.socket().bind, ("127.0.0.1", port))
print("ANSWER", json.dumps([
    connect(${port(named)}), connect(${port(other)}), bind(${free}), bind(${free + 1}), bind(0),
    tried(socket.socket(socket.AF_UNIX).connect, "\\0qj-test-${Deno.pid}"),
]))
`,
      );
      const log = await qj.in("complete", "net");
      assert.deepEqual(JSON.parse(/^ANSWER (.*)$/m.exec(log)![1]!), [
        null,
        "EACCES",
        null,
        "EACCES",
        "EACCES",
        "EPERM",
      ]);
    } finally {
      abstract.kill("SIGKILL");
      await abstract.status;
      await output.cancel();
    }
  },
});

sandboxTest(
  "setuid programs get no other user's rights",
  ["-ro", "/proc"],
  async ({ qj, writable }) => {
    await qj.sh(
      `cp /usr/bin/id ${writable}/id; chown 65534:65534 ${writable}/id; chmod 6755 ${writable}/id`,
    );
    await qj.submit("a", `${writable}/id -u; ${writable}/id -g; grep NoNewPrivs /proc/self/status`);
    assert.match(await qj.in("complete", "a"), /\n0\n0\nNoNewPrivs:\t1\n$/);
  },
  true,
);

sandboxTest(
  "root's rights over the machine are gone",
  ["-ro", "/proc"],
  async ({ writable, inJob }) => {
    const answer = await inJob(`
      W = ${quoted(writable)}
      bits = next(int(line.split()[1], 16) for line in open("/proc/self/status") if line.startswith("CapEff"))
      NEWNS = 0x20000
      answer = [
        [number for number in range(64) if bits >> number & 1],
        tried(os.mknod, W + "/disk", 0o60600, os.makedev(8, 0)),
        tried(os.mknod, W + "/null", 0o20600, os.makedev(1, 3)),
        called("mount", b"none", W.encode(), b"tmpfs", 0, None),
        called("unshare", NEWNS),
        called("reboot", 0x1234567),
        tried(os.chroot, "/usr"),
      ]`) as [number[], ...string[]];
    const [capabilities, ...errnos] = answer;
    assert.deepEqual(capabilities, [0, 1, 3, 4, 5, 6, 7, 10, 23]);
    for (const errno of errnos) assert.match(String(errno), /^E(PERM|ACCES)$/);
  },
  true,
);

sandboxTest("a job has three descriptors", ["-ro", "/proc"], async ({ qj }) => {
  await qj.submit("a", "ls /proc/$$/fd; readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2");
  assert.match(
    await qj.in("complete", "a"),
    /\n0\n1\n2\n\/dev\/null\n(pipe:\[\d+\])\n\1\n$/,
  );
});

sandboxTest(
  "jobs are followed, stopped, timed out and recovered as outside",
  ["-ro", "/proc"],
  async ({ qj, writable }) => {
    await qj.submit("bomb", "yes");
    await qj.submit("late", "#QJ timeout=0.3\ntrap '' TERM; sleep 1000 & wait; sleep 1000");
    await qj.submit(
      "left",
      `setsid sh -c 'trap "" TERM; echo $$ > ${writable}/left; sleep 1000' & until [ -s ${writable}/left ]; do sleep 0.02; done`,
    );
    assert.match(await qj.in("failed", "late"), /timed out after 0\.3 s/);
    await qj.in("complete", "left");
    await until(
      "the end of what was left",
      async () => !isAlive(Number(await Deno.readTextFile(`${writable}/left`))),
    );
    await qj.in("active", "bomb");
    assert.equal((await qj.sh("rm active/bomb")).code, 0);
    await qj.submit(
      "again",
      `echo $$ >> ${writable}/again; [ $(wc -l < ${writable}/again) = 2 ] && exit; sleep 1000; :`,
    );
    await until("its pid", () => exists(`${writable}/again`));
    await qj.logged(/"again" started/);
    await qj.end("SIGKILL");
    await qj.restart();
    assert.match(await qj.in("complete", "again"), /lost: the daemon stopped\n/);
    const pids = (await Deno.readTextFile(`${writable}/again`)).trim().split("\n").map(Number);
    assert.deepEqual(pids.map(isAlive), [false, false]);
  },
);

sandboxTest("hooks are not in it: they are the daemon's", [], async ({ qj }) => {
  await qj.configure({ on_complete: `echo "$QJ_JOB" > ${qj.folder}/hook` });
  await qj.submit("a", "true");
  await until("the hook", () => exists(`${qj.folder}/hook`));
});
