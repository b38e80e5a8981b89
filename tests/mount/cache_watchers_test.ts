/** Two processes that watch a job: after each step they see at once what is so, by path and by descriptor. */
import assert from "node:assert/strict";
import { constants } from "node:fs";
import type { Client } from "../posix/client.ts";
import { SystemCallError } from "../posix/client.ts";
import type { FileStat } from "../posix/stat.ts";
import { compileClient, ownClient } from "./clients.ts";
import { mkfifo } from "./helpers.ts";
import { Qj, until } from "./qj.ts";

const STATES = ["pending", "active", "complete", "failed"] as const;
type State = (typeof STATES)[number];

const { O_RDONLY } = constants;
const SCRIPT = "echo before; read code < gate; exit $code";
const HEAD = `>>> ${SCRIPT}\nbefore\n`;

async function statOrNull(client: Client, path: string): Promise<FileStat | null> {
  try {
    return await client.stat(path);
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === "ENOENT") return null;
    throw error;
  }
}

async function readPath(client: Client, path: string): Promise<string> {
  const fd = await client.open(path, O_RDONLY);
  try {
    return await client.read(fd, 65_536);
  } finally {
    await client.close(fd);
  }
}

/** A process with the job's script and log open since it could open them. */
class Watcher {
  readonly #qj: Qj;
  readonly #client: Client;
  /** Descriptors, by the inode that they were opened on. */
  readonly #held = new Map<bigint, number>();

  constructor(qj: Qj, client: Client) {
    this.#qj = qj;
    this.#client = client;
  }

  /** The job is in one directory and shows this; it is opened there and held from now on. */
  async sees(state: State, ino: bigint, text: string): Promise<void> {
    const found = new Map<State, FileStat>();
    for (const directory of STATES) {
      const stat = await statOrNull(this.#client, this.#qj.path(directory, "x"));
      if (stat !== null) found.set(directory, stat);
    }
    assert.deepEqual([...found.keys()], [state]);
    const path = this.#qj.path(state, "x");
    const stat = found.get(state)!;
    assert.deepEqual([stat.ino, stat.size, stat.nlink], [ino, text.length, 1], state);
    assert.equal(await readPath(this.#client, path), text, state);
    if (!this.#held.has(ino)) this.#held.set(ino, await this.#client.open(path, O_RDONLY));
  }

  async seesNothing(): Promise<void> {
    for (const directory of STATES) {
      assert.equal(await statOrNull(this.#client, this.#qj.path(directory, "x")), null, directory);
    }
  }

  /** What fstat says and read gives on the descriptor that is held on an inode. */
  async holds(ino: bigint, text: string, { nlink = 1, mode = 0o644 } = {}): Promise<void> {
    const fd = this.#held.get(ino);
    assert(fd !== undefined, `nothing of ${ino} is open`);
    const stat = await this.#client.stat(fd);
    assert.deepEqual(
      [stat.ino, stat.size, stat.nlink, stat.mode],
      [ino, text.length, nlink, mode],
    );
    assert.equal(await this.#client.read(fd, 65_536, 0), text);
  }
}

/** The times of the directories, which only grow. */
class DirectoryTimes {
  readonly #qj: Qj;
  readonly #client: Client;
  #before = new Map<string, bigint>();

  constructor(qj: Qj, client: Client) {
    this.#qj = qj;
    this.#client = client;
  }

  async look(): Promise<Map<string, bigint>> {
    const now = new Map<string, bigint>();
    for (const name of [...STATES, "jobs"]) {
      now.set(name, (await this.#client.stat(this.#qj.path(name))).mtime);
    }
    return now;
  }

  /** These have changed since the last call, the others have not. */
  async changed(...names: string[]): Promise<void> {
    const now = await this.look();
    const changed = [...now].filter(([name, time]) => time > this.#before.get(name)!)
      .map(([name]) => name);
    const older = [...now].filter(([name, time]) => time < this.#before.get(name)!);
    assert.deepEqual(older, []);
    assert.deepEqual(changed.sort(), [...names, "jobs"].sort());
    this.#before = now;
  }

  async begin(): Promise<void> {
    this.#before = await this.look();
  }
}

Deno.test("cache: two processes see every step of a job at once, by path and by descriptor", async () => {
  await using qj = await Qj.start({
    settings: { paused: true, max_attempts: 2, backoff_base: 3600, replace_finished: true },
  });
  await mkfifo(`${qj.folder}/gate`);
  const program = await compileClient(qj.folder);
  await using first = ownClient(program);
  await using second = ownClient(program);
  const watchers = [new Watcher(qj, first), new Watcher(qj, second)];
  const times = new DirectoryTimes(qj, second);
  const both = async (look: (watcher: Watcher) => Promise<void>) => {
    for (const watcher of watchers) await look(watcher);
  };
  const gate = (code: number) => Deno.writeTextFile(`${qj.folder}/gate`, `${code}\n`);
  const logIs = (text: string) =>
    until("the log", async () => await Deno.readTextFile(qj.path("jobs", "x", "log")) === text);

  await times.begin();
  await qj.submit("x", SCRIPT);
  const { ino: script } = await first.stat(qj.path("pending", "x"));
  const log = script + 1n;
  await both((watcher) => watcher.sees("pending", script, SCRIPT));
  await times.changed("pending");

  await qj.configure({ paused: false });
  await logIs(HEAD);
  await both((watcher) => watcher.sees("active", log, HEAD));
  await both((watcher) => watcher.holds(script, SCRIPT));
  await times.changed("pending", "active");

  // Back to pending by itself, for a retry.
  await gate(3);
  const failure = `${HEAD}\n[System Error]: exit status 3\n`;
  await logIs(failure);
  await both((watcher) => watcher.sees("pending", script, SCRIPT));
  await both((watcher) => watcher.holds(log, failure));
  await times.changed("pending", "active");

  await Deno.rename(qj.path("pending", "x"), qj.path("failed", "x"));
  await both((watcher) => watcher.sees("failed", log, failure));
  await both((watcher) => watcher.holds(script, SCRIPT));
  await times.changed("pending", "failed");

  // A finished job is kept by the kernel; what changes it through another name is seen all the same.
  await Deno.chmod(qj.path("jobs", "x", "script"), 0o600);
  await both((watcher) => watcher.holds(log, failure, { mode: 0o600 }));
  assert.equal((await second.stat(qj.path("failed", "x"))).mode, 0o600);
  await Deno.chmod(qj.path("failed", "x"), 0o644);

  await qj.configure({ paused: true });
  await Deno.rename(qj.path("failed", "x"), qj.path("pending", "x"));
  await both((watcher) => watcher.sees("pending", script, SCRIPT));
  await both((watcher) => watcher.holds(log, failure));
  await times.changed("pending", "failed");

  await qj.configure({ paused: false });
  await logIs(failure + HEAD);
  await both((watcher) => watcher.sees("active", log, failure + HEAD));
  await times.changed("pending", "active");
  await gate(0);
  await qj.in("complete", "x");
  await both((watcher) => watcher.sees("complete", log, failure + HEAD));
  await both((watcher) => watcher.holds(log, failure + HEAD));
  await times.changed("active", "complete");

  // The name is taken anew, while both have the old job in mind.
  await qj.configure({ paused: true });
  await qj.submit("x", "echo new");
  const { ino: newScript } = await first.stat(qj.path("pending", "x"));
  assert.notEqual(newScript, script);
  await both((watcher) => watcher.sees("pending", newScript, "echo new"));
  await both((watcher) => watcher.holds(log, failure + HEAD, { nlink: 0 }));
  await both((watcher) => watcher.holds(script, SCRIPT, { nlink: 0 }));
  await times.changed("pending", "complete");

  await qj.configure({ paused: false });
  const done = ">>> echo new\nnew\n";
  await qj.in("complete", "x");
  await both((watcher) => watcher.sees("complete", newScript + 1n, done));
  await times.changed("pending", "complete", "active");
  await Deno.remove(qj.path("complete", "x"));
  await both((watcher) => watcher.seesNothing());
  await both((watcher) => watcher.holds(newScript + 1n, done, { nlink: 0 }));
  await times.changed("complete");
});

Deno.test("cache: a draft that takes the name of a finished job is seen at once", async () => {
  await using qj = await Qj.start({ settings: { replace_finished: true } });
  const program = await compileClient(qj.folder);
  await using first = ownClient(program);
  await using second = ownClient(program);
  await qj.submit("x", "echo one");
  await qj.in("complete", "x");
  await qj.configure({ paused: true });
  for (let i = 0; i < 20; i++) {
    for (const client of [first, second]) await client.stat(qj.path("complete", "x"));
    await qj.submit(".x", `echo ${i}`);
    await first.rename(qj.path("pending", ".x"), qj.path("pending", "x"));
    for (const client of [first, second]) {
      assert.equal(await statOrNull(client, qj.path("complete", "x")), null);
      assert.equal(await readPath(client, qj.path("pending", "x")), `echo ${i}`);
    }
    const from = qj.logLength;
    await qj.configure({ paused: false });
    await qj.logged(/"x" succeeded/, from);
    assert.equal(await qj.in("complete", "x"), `>>> echo ${i}\n${i}\n`);
    await qj.configure({ paused: true });
  }
});

Deno.test("cache: a job that goes to and fro is never seen wrong by those who look all the time", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("x", "echo out; exit 1");
  await qj.in("failed", "x");
  await qj.configure({ paused: true });
  const { code, stdout, stderr } = await qj.sh(`python3 - <<'END'
import os
SCRIPT = "echo out; exit 1"
LOG = open("failed/x").read()
ino = os.stat("failed/x").st_ino
WHERE = [("pending/x", ino - 1, SCRIPT), ("failed/x", ino, LOG)]
def look():
    for path, own, text in WHERE:
        try:
            stat = os.stat(path)
            assert (stat.st_ino, stat.st_size) == (own, len(text)), (path, stat)
            with open(path) as file:
                assert os.fstat(file.fileno()).st_ino == own, path
                assert file.read() == text, path
        except FileNotFoundError: pass
def list_all():
    for directory, own in [("pending", ino - 1), ("failed", ino)]:
        for entry in os.scandir(directory):
            assert entry.inode() == own, directory
            try: assert entry.stat().st_ino == own, directory
            except FileNotFoundError: pass
parent = os.getpid()
children = []
for act in [look, look, list_all]:
    if not (pid := os.fork()):
        try:
            while os.getppid() == parent: act()
        except BaseException as error:
            print(act.__name__, repr(error), flush=True)
            os._exit(1)
    children.append(pid)
for i in range(400):
    os.rename("failed/x", "pending/x")
    assert open("pending/x").read() == SCRIPT, i
    assert os.stat("pending/x").st_ino == ino - 1, i
    assert not os.path.exists("failed/x"), i
    os.rename("pending/x", "failed/x")
    assert open("failed/x").read() == LOG, i
    assert os.stat("failed/x").st_ino == ino, i
    assert not os.path.exists("pending/x"), i
for pid in children:
    assert os.waitpid(pid, os.WNOHANG) == (0, 0), "a watcher has ended"
    os.kill(pid, 9)
    os.waitpid(pid, 0)
END`);
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
});

/** Linux 6.16 is the first that forgets names; before, qj lets the kernel keep none. */
function keepsNames(): boolean {
  const [major, minor] = Deno.osRelease().split(".").map(Number);
  return major! > 6 || (major === 6 && minor! >= 16);
}

if (!keepsNames()) {
  const text = `Cache: one test skipped, since Linux ${Deno.osRelease()} cannot forget names\n`;
  await Deno.stderr.write(new TextEncoder().encode(text));
}

Deno.test({
  name: "cache: to look at finished jobs again asks for nothing",
  ignore: !keepsNames(),
  fn: async () => {
    await using qj = await Qj.start();
    const program = await compileClient(qj.folder);
    await using client = ownClient(program);
    await qj.sh("for i in $(seq 60); do echo true > pending/$i; done");
    await until("the jobs", async () => (await qj.ls("complete")).length === 60);
    const asked = async () => {
      const text = await Deno.readTextFile(qj.path("metrics"));
      return [...text.matchAll(/_count\{operation="(lookup|getattr)"\} (\d+)/g)]
        .reduce((sum, [, , count]) => sum + Number(count), 0);
    };
    const lookAtAll = async () => {
      for (let i = 1; i <= 60; i++) await client.stat(qj.path("complete", String(i)));
    };
    await lookAtAll();
    await asked();
    const before = await asked();
    const alone = await asked() - before;
    await lookAtAll();
    assert.equal(await asked() - before - alone, alone, "only the look at metrics itself");
    // What comes and goes beside them makes none of them unknown.
    await qj.submit("x", "true");
    await qj.in("complete", "x");
    await lookAtAll();
    const since = await asked();
    await lookAtAll();
    assert.equal(await asked() - since, alone);
  },
});
