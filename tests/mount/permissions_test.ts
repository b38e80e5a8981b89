/** What another user sees and may do with --allow-other: what the modes say, but make no work. */
import assert from "node:assert/strict";
import { constants } from "node:fs";
import { Client, SystemCallError } from "../posix/client.ts";
import { compileClient } from "./clients.ts";
import { isAlive } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY } = constants;
/** nobody's number on Debian. */
const OTHER = 65534;

const isRoot = Deno.uid() === 0;
if (!isRoot) {
  const text = "Permissions: tests skipped, since only root can become another user\n";
  await Deno.stderr.write(new TextEncoder().encode(text));
}

interface Stage {
  readonly qj: Qj;
  /** Another user than root. */
  readonly other: Client;
  /** What came of a call: "ok" or its errno. */
  readonly result: (call: () => Promise<unknown>) => Promise<string>;
  /** What comes of opening a path with these flags. */
  readonly opens: (path: string, flags: number) => Promise<string>;
}

function permissionsTest(name: string, body: (stage: Stage) => Promise<void>): void {
  Deno.test({
    name: `permissions: ${name}`,
    ignore: !isRoot,
    fn: async () => {
      await using qj = await Qj.start({ args: ["--allow-other"], settings: { paused: true } });
      await Deno.chmod(qj.folder, 0o755);
      await using other = new Client(await compileClient(qj.folder), OTHER, OTHER);
      const result = async (call: () => Promise<unknown>) => {
        try {
          await call();
          return "ok";
        } catch (error) {
          if (error instanceof SystemCallError) return error.errno;
          throw error;
        }
      };
      const opens = (path: string, flags: number) =>
        result(async () => other.close(await other.open(qj.path(path), flags)));
      await body({ qj, other, result, opens });
    },
  });
}

/** A job that has failed once, so that it has every file, and has mode 0644. */
async function failedJob(qj: Qj, name: string): Promise<void> {
  await qj.configure({ paused: false, max_attempts: 1 });
  await qj.submit(name, "exit 1");
  await qj.in("failed", name);
  await qj.configure({ paused: true });
}

const DIRECTORIES = ["", "pending", "active", "complete", "failed", "jobs"];
const FILES = ["new-id", "metrics", "events"];
const JOB_DIRECTORIES = ["jobs/x", "jobs/x/attempts"];
const JOB_FILES = ["script", "log", "status.json", "wait", "attempts/1.log"]
  .map((name) => `jobs/x/${name}`);

permissionsTest("at first others may look at everything but the settings", async (stage) => {
  const { qj, opens, other } = stage;
  await failedJob(qj, "x");
  for (const path of [...DIRECTORIES, ...JOB_DIRECTORIES]) {
    assert.equal(await opens(path, O_RDONLY | O_DIRECTORY), "ok", path);
    assert.equal((await other.stat(qj.path(path))).mode, 0o755, path);
  }
  for (const path of [...FILES, ...JOB_FILES, "failed/x"]) {
    assert.equal(await opens(path, O_RDONLY), "ok", path);
  }
  for (const flags of [O_RDONLY, O_WRONLY, O_RDWR]) {
    assert.equal(await opens("config.json", flags), "EACCES");
  }
  assert.equal((await other.stat(qj.path("config.json"))).mode, 0o600);
  const fd = await other.open(qj.path("failed/x"), O_RDONLY);
  assert.match(await other.read(fd, 1000), /exit status 1/);
  await other.close(fd);
});

permissionsTest("at first others may change nothing", async ({ qj, other, result, opens }) => {
  await failedJob(qj, "x");
  await qj.submit("waits", "true");
  const paths = ["pending/waits", "failed/x", "jobs/x/signal", ...FILES, ...JOB_FILES];
  for (const path of paths) assert.equal(await opens(path, O_WRONLY), "EACCES", path);
  for (const path of ["pending/waits", "jobs/x/script", "failed/x", "config.json"]) {
    assert.equal(await result(() => other.truncate(qj.path(path), 0)), "EACCES", path);
    const mode = await result(() => other.chmod(qj.path(path), 0o666));
    assert.equal(mode, "EPERM", path);
    assert.equal(await result(() => other.chown(qj.path(path), OTHER, -1)), "EPERM", path);
  }
  for (const directory of DIRECTORIES) {
    const path = qj.path(directory, "new");
    assert.equal(await result(() => other.open(path, O_WRONLY | O_CREAT)), "EACCES", directory);
    assert.equal(await result(() => other.mkdir(path)), "EACCES", directory);
  }
  const [from, to] = [qj.path("failed/x"), qj.path("pending/x")];
  assert.equal(await result(() => other.rename(from, to)), "EACCES");
  assert.equal(await result(() => other.unlink(from)), "EACCES");
});

/** Modes of a job, and which of its files another user can read then. */
const READABLE: Readonly<Record<number, boolean>> = { 0o644: true, 0o640: false, 0o600: false };

for (const [mode, isReadable] of Object.entries(READABLE)) {
  permissionsTest(`a job of mode ${Number(mode).toString(8)}`, async ({ qj, opens }) => {
    await failedJob(qj, "x");
    await Deno.chmod(qj.path("failed", "x"), Number(mode));
    const expected = isReadable ? "ok" : "EACCES";
    for (const path of ["failed/x", ...JOB_FILES]) {
      assert.equal(await opens(path, O_RDONLY), expected, path);
    }
    for (const path of JOB_DIRECTORIES) {
      assert.equal(await opens(path, O_RDONLY | O_DIRECTORY), "ok", path);
    }
    await qj.sh("mv failed/x pending/x");
    assert.equal(await opens("pending/x", O_RDONLY), expected);
  });
}

permissionsTest("the modes of directories shut off what is below", async ({ qj, opens }) => {
  await failedJob(qj, "x");
  await Deno.chmod(qj.path("jobs", "x", "attempts"), 0o700);
  assert.equal(await opens("jobs/x/attempts/1.log", O_RDONLY), "EACCES");
  assert.equal(await opens("jobs/x/log", O_RDONLY), "ok");
  await Deno.chmod(qj.path("jobs", "x"), 0o711);
  assert.equal(await opens("jobs/x", O_RDONLY | O_DIRECTORY), "EACCES");
  assert.equal(await opens("jobs/x/log", O_RDONLY), "ok");
  await Deno.chmod(qj.path("jobs", "x"), 0o700);
  for (const path of JOB_FILES) assert.equal(await opens(path, O_RDONLY), "EACCES", path);
  assert.equal(await opens("failed/x", O_RDONLY), "ok");
  await Deno.chmod(qj.path("failed"), 0o750);
  assert.equal(await opens("failed/x", O_RDONLY), "EACCES");
  await Deno.chmod(qj.mountpoint, 0o700);
  for (const path of ["metrics", "pending", "jobs"]) {
    assert.equal(await opens(path, O_RDONLY), "EACCES", path);
  }
});

permissionsTest("others make no work, whatever the modes say", async (stage) => {
  const { qj, other, result, opens } = stage;
  await failedJob(qj, "x");
  await qj.submit("waits", "true");
  for (const path of ["", ...DIRECTORIES.slice(1)]) await Deno.chmod(qj.path(path), 0o777);
  for (const path of ["pending/waits", "failed/x", "config.json"]) {
    await Deno.chmod(qj.path(path), 0o666);
  }
  for (const flags of [O_CREAT | O_WRONLY, O_CREAT | O_EXCL | O_RDWR]) {
    const call = () => other.open(qj.path("pending/new"), flags);
    assert.equal(await result(call), "EACCES");
  }
  assert.equal(await result(() => other.mknod(qj.path("pending/new"), 0o100644)), "EACCES");
  for (const flags of [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC]) {
    assert.equal(await opens("pending/waits", flags), "EACCES");
    assert.equal(await opens("jobs/waits/script", flags), "EACCES");
  }
  assert.equal(await result(() => other.truncate(qj.path("pending/waits"), 1)), "EACCES");
  for (
    const [from, to] of [["failed/x", "pending/x"], ["pending/waits", "pending/w"], [
      "pending/waits",
      "failed/waits",
    ]]
  ) {
    const call = () => other.rename(qj.path(from!), qj.path(to!));
    assert.equal(await result(call), "EACCES", to);
  }
  assert.equal(await opens("config.json", O_RDONLY), "ok");
  assert.equal(await opens("config.json", O_WRONLY), "EACCES");
  const priority = await qj.sh(
    `LC_ALL=C setpriv --reuid ${OTHER} --regid ${OTHER} --clear-groups ` +
      "setfattr -n user.qj.priority -v 1 pending/waits",
  );
  assert.match(priority.stderr, /Permission denied/);
  assert.deepEqual(await qj.ls("pending"), ["waits"]);
});

permissionsTest("others may remove and rename what the modes let them", async (stage) => {
  const { qj, other, result } = stage;
  for (const name of ["x", "y", "z"]) await failedJob(qj, name);
  const call = (name: string) => result(() => other.unlink(qj.path("failed", name)));
  assert.equal(await call("x"), "EACCES");
  await Deno.chmod(qj.path("failed"), 0o1777);
  assert.equal(await call("x"), "EPERM", "sticky: only the owner");
  await Deno.chown(qj.path("failed", "x"), OTHER, null);
  assert.equal(await call("x"), "ok");
  await Deno.chmod(qj.path("failed"), 0o777);
  const rename = () => other.rename(qj.path("failed", "y"), qj.path("failed", "w"));
  assert.equal(await result(rename), "ok");
  assert.equal(await call("z"), "ok");
  assert.deepEqual(await qj.ls("failed"), ["w"]);
});

permissionsTest("signal is for those whom its mode lets write", async ({ qj, other, opens }) => {
  await qj.configure({ paused: false, max_attempts: 1 });
  await qj.submit("x", "echo $$ > pid; exec sleep 1000");
  const file = `${qj.folder}/pid`;
  await until("the pid", async () => await exists(file) && (await Deno.stat(file)).size > 0);
  const pid = Number(await Deno.readTextFile(file));
  for (const flags of [O_RDONLY, O_WRONLY]) {
    assert.equal(await opens("jobs/x/signal", flags), "EACCES");
  }
  assert(isAlive(pid));
  await Deno.chmod(qj.path("jobs", "x", "signal"), 0o202);
  const fd = await other.open(qj.path("jobs/x/signal"), O_WRONLY);
  await other.write(fd, "TERM\n");
  await other.close(fd);
  assert.match(await qj.in("failed", "x"), /signal: SIGTERM/);
});

permissionsTest("the owner of a job may change its mode, though not its text", async (stage) => {
  const { qj, other, result, opens } = stage;
  await qj.submit("x", "true");
  await Deno.chown(qj.path("pending", "x"), OTHER, OTHER);
  assert.equal(await result(() => other.chmod(qj.path("pending/x"), 0o606)), "ok");
  assert.equal(await result(() => other.chmod(qj.path("jobs/x/signal"), 0o222)), "ok");
  assert.equal(await result(() => other.chown(qj.path("pending/x"), 0, -1)), "EPERM");
  assert.equal(await opens("pending/x", O_WRONLY), "EACCES");
  const { stdout } = await qj.sh("stat -c '%a %u %g' pending/x jobs/x/signal jobs/x/status.json");
  assert.equal(stdout, `606 ${OTHER} ${OTHER}\n222 ${OTHER} ${OTHER}\n404 ${OTHER} ${OTHER}\n`);
});

permissionsTest(
  "a new job has the caller's ids and umask, and the group of a set-gid pending/",
  async ({ qj }) => {
    const submit = (name: string, umask: string) =>
      qj.sh(
        `setpriv --regid 77 --clear-groups sh -c 'umask ${umask}; echo true > pending/${name}'`,
      );
    const stat = async (name: string) =>
      (await qj.sh(`stat -c '%a %u %g' pending/${name}`)).stdout.trim();
    await submit("a", "027");
    assert.equal(await stat("a"), "640 0 77");
    await submit("b", "077");
    assert.equal(await stat("b"), "600 0 77");
    await qj.sh("chgrp 99 pending; chmod 2775 pending");
    await submit("c", "022");
    assert.equal(await stat("c"), "644 0 99");
    await qj.end();
    await qj.restart();
    await submit("d", "002");
    assert.equal(await stat("d"), "664 0 99");
    assert.equal(await stat("a"), "640 0 77");
  },
);

permissionsTest("modes and owners of every node are kept over a restart", async ({ qj, opens }) => {
  await failedJob(qj, "x");
  const nodes = [
    ...["", "pending", "active", "complete", "failed", "jobs"],
    ...["new-id", "config.json", "metrics", "events"],
    ...["jobs/x", "jobs/x/attempts", "jobs/x/signal", "jobs/x/log"],
  ];
  for (const [i, path] of nodes.entries()) {
    await Deno.chmod(qj.path(path), 0o700 + i);
    // The nodes of the job have one owner.
    const id = path.startsWith("jobs/x") ? 70 : 50 + i;
    await Deno.chown(qj.path(path), id, id + 1);
  }
  const list = nodes.map((path) => `./${path}`).join(" ");
  const look = async () => (await qj.sh(`stat -c '%n %a %u %g' ${list}`)).stdout;
  const before = await look();
  assert.equal(before.split("\n")[0], "./ 700 50 51");
  assert.match(before, /\n\.\/jobs\/x\/signal 714 70 71\n/);
  await qj.end("SIGKILL");
  await qj.restart();
  assert.equal(await look(), before);
  assert.equal(await opens("metrics", O_RDONLY), "EACCES", "the root is 0700 and not theirs");
});
