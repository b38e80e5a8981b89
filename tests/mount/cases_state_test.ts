/** Cases of the state file: full, damaged, read-only, locked, taken, gone. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { assertSound } from "./cases.ts";
import { Qj, qjCommand, until } from "./qj.ts";
import { onSmallDisk } from "./small_disk.ts";

const SAID = "the state file cannot be changed";
const count = (text: string, part: string) => text.split(part).length - 1;

/** Starts a daemon that is meant to be refused. */
async function refused(qj: Qj, stateFile = qj.stateFile, mountpoint = qj.mountpoint) {
  const [program, args] = qjCommand(["--state-file", stateFile, mountpoint]);
  const { code, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = new TextDecoder().decode(stderr);
  assert.deepEqual([code, count(text, "\n")], [1, 1], text);
  return text;
}

onSmallDisk(
  "S1: a full disk is ENOSPC for writers, said once; reads and jobs go on, and it recovers by itself",
  "512k",
  async (qj, disk) => {
    await qj.submit("before", "echo before");
    const log = await qj.in("complete", "before");
    await qj.submit("runs", "until [ -e go ]; do sleep 0.02; done; echo ends");
    await qj.in("active", "runs");
    // What qj can give back it uses first; then there is really no room.
    let full = await qj.sh(":");
    for (let i = 0; full.code === 0; i++) {
      assert(i < 100, "it never gets full");
      await disk.fill();
      full = await qj.sh(`echo 'sleep 1000' > pending/.x${i}`);
    }
    assert.match(full.stderr, /No space left on device/);
    for (let i = 0; i < 300; i++) {
      await assert.rejects(Deno.writeTextFile(qj.path("pending", `y${i}`), "true"));
    }
    assert.equal(await Deno.readTextFile(qj.path("complete", "before")), log);
    assert.deepEqual(await qj.ls("complete"), ["before"]);
    assert.deepEqual(await qj.ls("active"), ["runs"]);
    // Its end cannot be recorded, so nothing else takes its place meanwhile.
    await Deno.writeTextFile(`${qj.folder}/go`, "");
    await disk.free();
    await until("room", async () => (await qj.sh("echo 'echo after' > pending/after")).code === 0);
    assert.equal(await qj.in("complete", "after"), ">>> echo after\nafter\n");
    assert.match(await qj.in("complete", "runs"), /\nends\n$/);
    assert(count(qj.log, SAID) <= 2, qj.log);
    assert(qj.log.split("\n").filter((line) => / error: /.test(line)).length <= 3, qj.log);
  },
);

Deno.test("S2: a state file that is damaged, cut short, newer, or another program's is refused and left as it is", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.sh("for i in $(seq 100); do echo true > pending/$i; done");
  assert.equal(await qj.end(), 0);
  const good = await Deno.readFile(qj.stateFile);
  const page = 4096;
  const zeroed = good.slice();
  zeroed.fill(0, 2 * page, 6 * page);
  const newer = good.slice();
  new DataView(newer.buffer).setUint32(60, 99); // user_version: https://www.sqlite.org/fileformat.html
  const other = `${qj.folder}/other.db`;
  using db = new DatabaseSync(other);
  db.exec("CREATE TABLE theirs (x)");
  db.close();
  const recipe =
    /It was left as it is: restore a backup, or get what can be read by sqlite3's \.recover/;
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ["garbage", new TextEncoder().encode("no database at all\n".repeat(500)), recipe],
    ["cut short", good.slice(0, 5 * page), recipe],
    ["zeroed pages", zeroed, recipe],
    [
      "newer",
      newer,
      /made by a newer qj \(format 99, this program knows \d+\): install that version/,
    ],
    ["other", await Deno.readFile(other), /it is the database of another program/],
  ];
  for (const [what, bytes, reason] of cases) {
    await Deno.writeFile(qj.stateFile, bytes);
    for (const suffix of ["-wal", "-shm"]) {
      await Deno.remove(`${qj.stateFile}${suffix}`).catch(() => {});
    }
    const text = await refused(qj);
    assert(text.startsWith(`qj: cannot open state file "${qj.stateFile}" (--state-file): `), text);
    assert.match(text, reason, what);
    assert.deepEqual(await Deno.readFile(qj.stateFile), bytes, what);
    assert.equal(qj.isMounted, false);
  }
  await Deno.writeFile(qj.stateFile, good);
  await qj.restart();
  assert.equal((await qj.ls("pending")).length, 100);
  await assertSound(qj);
});

Deno.test("S2: without its log (WAL) the state file is what was last moved into it, and whole", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("old", "echo old");
  assert.equal(await qj.end(), 0);
  await qj.restart();
  await qj.submit("new", "echo new");
  await qj.end("SIGKILL");
  for (const suffix of ["-wal", "-shm"]) await Deno.remove(`${qj.stateFile}${suffix}`);
  await qj.restart();
  assert.deepEqual(await qj.ls("pending"), ["old"]);
  await assertSound(qj);
});

onSmallDisk(
  "S3: a state file that becomes read-only is EROFS for writers, and refused at start",
  "4m",
  async (qj, disk) => {
    await qj.submit("before", "echo before");
    await qj.in("complete", "before");
    await disk.remount("ro").catch(() => {});
    const isReadOnly = (await qj.sh(`touch ${disk.path}/x`)).code !== 0;
    if (isReadOnly) {
      // What is open for writing keeps a tmpfs from it on some kernels.
      const { stderr } = await qj.sh("echo true > pending/new");
      assert.match(stderr, /Read-only file system/);
      await disk.remount("rw");
    }
    await until("a change", async () => (await qj.sh("echo true > pending/later")).code === 0);
    await qj.in("complete", "later");
    assert.equal(await qj.end(), 0);
    await disk.remount("ro");
    assert.match(await refused(qj), /\(--state-file\): .*read-?only/i);
    await disk.remount("rw");
    await qj.restart();
    await assertSound(qj);
  },
);

Deno.test("S3: while another program has it locked, writers get EAGAIN, others are served, and it recovers by itself", async () => {
  await using qj = await Qj.start();
  await qj.submit("before", "echo before");
  await qj.in("complete", "before");
  await qj.submit("runs", "until [ -e go ]; do sleep 0.02; done; echo ends");
  await qj.in("active", "runs");
  using db = new DatabaseSync(qj.stateFile);
  db.exec("BEGIN EXCLUSIVE");
  const { stderr } = await qj.sh("echo true > pending/new");
  assert.match(stderr, /Resource temporarily unavailable/);
  // It has waited once; from now on every refusal is at once, and what only reads does not wait at all.
  const from = performance.now();
  for (let i = 0; i < 20; i++) {
    await assert.rejects(Deno.writeTextFile(qj.path("pending", `x${i}`), "true"));
    await Deno.readTextFile(qj.path("complete", "before"));
  }
  const refusals = performance.now() - from;
  assert(refusals < 20 * 250 / 2, `20 refusals took ${refusals} ms: each has waited for the lock`);
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  await qj.logged(/database is locked/);
  db.exec("COMMIT");
  assert.match(await qj.in("complete", "runs"), /\nends\n$/);
  await until("a change", async () => (await qj.sh("echo true > pending/after")).code === 0);
  await qj.in("complete", "after");
  assert.equal(count(qj.log, SAID), 1, qj.log);
});

Deno.test("S4: a second daemon on the state file, whatever its name, or on the mountpoint is refused at once", async () => {
  await using qj = await Qj.start();
  const other = `${qj.folder}/other`;
  await Deno.mkdir(other);
  const names = [qj.stateFile, `${qj.folder}/hard.db`];
  await Deno.link(names[0]!, names[1]!);
  for (const name of names) {
    assert.match(
      await refused(qj, name, other),
      /another qj uses it \(pid (\d+|unknown)\)/,
    );
  }
  assert.match(await refused(qj, `${other}.db`), /is in use: qj is mounted there already/);
  assert.match(await refused(qj, `${other}.db`, qj.path("pending")), /is inside another qj mount/);
  await Deno.remove(names[1]!);
  await assertSound(qj);
});

Deno.test("S5: a state file that is deleted or replaced while the daemon runs is EIO for writers, and said", async () => {
  for (const replaced of [false, true]) {
    await using qj = await Qj.start({ settings: { kill_grace_sec: 0.2 } });
    await qj.submit("before", "echo before");
    const log = await qj.in("complete", "before");
    await Deno.rename(qj.stateFile, `${qj.stateFile}.away`);
    if (replaced) await Deno.writeTextFile(qj.stateFile, "");
    await until(
      "the refusal",
      async () =>
        /Input\/output error/.test((await qj.sh("echo true > pending/new$RANDOM")).stderr),
    );
    await qj.logged(/was deleted or replaced while qj runs.*put it back/);
    assert.equal(await Deno.readTextFile(qj.path("complete", "before")), log);
    assert.equal(count(qj.log, SAID), 1, qj.log);
    await Deno.rename(`${qj.stateFile}.away`, qj.stateFile);
    await until("a change", async () => (await qj.sh("echo true > pending/after")).code === 0);
    await qj.in("complete", "after");
    // Without it, the daemon still ends.
    await qj.submit("runs", "sleep 1000");
    await qj.in("active", "runs");
    await Deno.remove(qj.stateFile);
    assert.equal(await qj.end(), 0);
  }
});

/** The lines of a recipe of the manual page that begin with a prompt, from one that has this text on. */
async function recipe(text: string, lines: number): Promise<string> {
  const page = await Deno.readTextFile(new URL("../../qj.1.scd", import.meta.url));
  const commands = page.split("\n").filter((line) => line.startsWith("$ ")).map((line) =>
    line.slice(2)
  );
  const last = commands.findIndex((line) => line.includes(text));
  assert(last >= 0, text);
  return commands.slice(last - lines + 1, last + 1).join("\n");
}

Deno.test("the manual's backup of a state file in use has all jobs, and a daemon starts on it", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.sh("for i in $(seq 50); do echo echo $i > pending/$i; done");
  const writing = qj.sh("for i in $(seq 100); do echo true > pending/more$i; done");
  const command = (await recipe(".backup", 1)).replace("~/.local/share/qj/state.db", qj.stateFile);
  const { code, stderr } = await qj.sh(command, qj.folder);
  assert.deepEqual([code, stderr], [0, ""]);
  await writing;
  assert.equal(await qj.end(), 0);
  await Deno.rename(`${qj.folder}/qj-backup.db`, qj.stateFile);
  for (const suffix of ["-wal", "-shm"]) {
    await Deno.remove(`${qj.stateFile}${suffix}`).catch(() => {});
  }
  await qj.restart();
  await qj.configure({ paused: false });
  for (let i = 1; i <= 50; i++) {
    assert.equal(await qj.in("complete", `${i}`), `>>> echo ${i}\n${i}\n`);
  }
});

Deno.test("the manual's recovery of a damaged state file gives one that is taken, with what could be read", async () => {
  await using qj = await Qj.start({ settings: { paused: true, max_attempts: 1 } });
  await qj.sh("for i in $(seq 100); do printf 'echo %d # %0500d\\n' $i 0 > pending/$i; done");
  assert.equal(await qj.end(), 0);
  const bytes = await Deno.readFile(qj.stateFile);
  // The page that has the text of job 50: only some jobs are lost with it.
  const at = new TextDecoder("latin1").decode(bytes).indexOf("echo 50 #");
  const page = Math.floor(at / 4096) * 4096;
  bytes.fill(0, page, page + 4096);
  await Deno.writeFile(qj.stateFile, bytes);
  await refused(qj);
  const here = (text: string) => text.replace("~/.local/share/qj", `${qj.folder}/state`);
  await qj.sh(`set -e\n${here(await recipe("mv state.db*", 2))}`, qj.folder);
  const recovering = await recipe(".recover", 1);
  const { stderr } = await qj.sh(recovering, `${qj.folder}/state`);
  if (stderr.includes("SQL logic error")) {
    await qj.sh("rm -f state.db*", `${qj.folder}/state`);
    const dumping = await qj.sh(
      `set -e\n${await recipe("PRAGMA user_version", 2)}`,
      `${qj.folder}/state`,
    );
    assert.equal(dumping.code, 0, dumping.stderr);
  }
  await qj.restart();
  await qj.configure({ paused: false });
  await until(
    "the end of all",
    async () => (await qj.ls("pending")).length + (await qj.ls("active")).length === 0,
  );
  const [complete, failed] = [await qj.ls("complete"), await qj.ls("failed")];
  assert(complete.length > 80, `${complete.length} jobs`);
  assert(failed.includes("50"));
  for (const name of complete) {
    assert((await qj.in("complete", name)).endsWith(`\n${name}\n`), name);
  }
  for (const name of failed) {
    assert.match(await qj.in("failed", name), /not run: the script is missing in the state file/);
  }
});
