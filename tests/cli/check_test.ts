/**
 * --check: what is there and what is not, each thing taken away for real, and nothing touched. What only other users than
 * root need is in compiled_test.ts.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Qj, qjCommand } from "../mount/qj.ts";

const isRoot = Deno.uid() === 0;

interface Checked {
  readonly code: number;
  readonly out: string;
}

/** `before`: a script of the shell that runs first, in a mount namespace of its own. */
async function check(args: readonly string[], before = ""): Promise<Checked> {
  const [program, own] = qjCommand(["--check", ...args]);
  const [runner, prefix] = before === ""
    ? [program, own]
    : ["unshare", ["--mount", "sh", "-ec", `${before}\nexec "$@"`, "sh", program, ...own]];
  const { code, stdout, stderr } = await new Deno.Command(runner, {
    args: prefix,
    stdin: "null",
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(error, "");
  return { code, out: out! };
}

async function inFolder(
  body: (folder: string, args: readonly string[]) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  await Deno.mkdir(`${folder}/mnt`);
  await Deno.mkdir(`${folder}/state`, { mode: 0o700 });
  try {
    await body(folder, ["--state-file", `${folder}/state/q.db`, `${folder}/mnt`]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Exit status 1, one thing missing, and a remedy below it. */
function missing({ code, out }: Checked, found: RegExp, remedy: RegExp): void {
  assert.equal(code, 1, out);
  const lines = out.split("\n");
  const at = lines.findIndex((line) => line.startsWith("MISSING"));
  assert.match(lines[at] ?? "", found);
  assert.match(lines[at + 1] ?? "", remedy);
  assert.equal(lines.filter((line) => line.startsWith("MISSING")).length, 1, out);
}

const names = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();

Deno.test("--check of a machine that has everything, and makes nothing", async () => {
  await inFolder(async (folder, args) => {
    const { code, out } = await check(args);
    assert.equal(code, 0, out);
    for (const name of ["/dev/fuse", "libfuse3", "Landlock", "mountpoint", "state file"]) {
      assert.match(out, new RegExp(`^ok +${name}`, "m"));
    }
    assert.deepEqual([await names(`${folder}/state`), await names(`${folder}/mnt`)], [[], []]);
    assert.equal((await check(["--state-file", `${folder}/new/q.db`])).code, 0);
    assert.deepEqual(await names(folder), ["mnt", "state"]);
  });
});

Deno.test("--check of mountpoints that cannot be used", async () => {
  await inFolder(async (folder, args) => {
    const state = args.slice(0, 2);
    await Deno.writeTextFile(`${folder}/file`, "");
    await Deno.mkdir(`${folder}/full/x`, { recursive: true });
    missing(await check([...state, `${folder}/no`]), /does not exist/, /mkdir/);
    missing(await check([...state, `${folder}/file`]), /not a directory/, /use an empty directory/);
    missing(await check([...state, `${folder}/full`]), /not empty/, /empty directory/);
    missing(await check([...state, "/proc"]), /a proc mount/, /umount "\/proc"/);
  });
});

Deno.test("--check of state files: sound, damaged, newer, foreign, unsafe", async () => {
  await inFolder(async (folder, args) => {
    const file = args[1]!;
    {
      await using qj = await Qj.start({ folder, stateFile: file, settings: { paused: true } });
      await qj.submit("a", "true");
      const running = await check(args.slice(0, 2));
      missing(running, /sound, .*1 pending.*in use by qj/, /end that one first/);
      assert.match(running.out, new RegExp(`pid ${qj.pid}\\b`));
      missing(
        await check(["--state-file", `${folder}/other/q.db`, qj.mountpoint]),
        /qj is mounted there/,
        /umount .*the next qj does so by itself/,
      );
      await qj.end();
      const before = [await names(`${folder}/state`), await Deno.readFile(file)];
      const ended = await check(args);
      assert.equal(ended.code, 0, ended.out);
      assert.match(ended.out, /sound, \d+ bytes, jobs: 1 pending, 0 active, 0 complete, 0 failed/);
      assert.deepEqual([await names(`${folder}/state`), await Deno.readFile(file)], before);

      await Deno.chmod(file, 0o666);
      missing(await check(args), /not safe/, /chmod 600/);
      await Deno.chmod(file, 0o600);
      {
        using db = new DatabaseSync(file);
        db.exec("PRAGMA user_version = 99");
      }
      missing(await check(args), /made by a newer qj \(format 99.*install that version/, /./);
      const bytes = await Deno.readFile(file);
      await Deno.writeFile(file, bytes.subarray(0, bytes.length - 8192));
      missing(await check(args), /damaged|malformed/, /restore a backup/);
      await Deno.writeTextFile(file, "this is no database at all, and long enough to tell");
      missing(await check(args), /not a database/, /move it away/);
      await Deno.remove(file);
      {
        using db = new DatabaseSync(file);
        db.exec("CREATE TABLE t (a)");
      }
      await Deno.chmod(file, 0o600);
      missing(await check(args), /database of another program/, /name another one/);
      await Deno.remove(file);
      await Deno.mkdir(qj.mountpoint, { recursive: true });
    }
    await Deno.mkdir(folder, { recursive: true }); // the daemon's helper has removed it
    await Deno.mkdir(`${folder}/mnt`, { recursive: true });
  });
});

Deno.test("--check after kill -9 counts what is in the log, and leaves it", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("a", "true");
  await qj.submit("b", "true");
  Deno.kill(qj.pid, "SIGKILL");
  await qj.exited();
  const files = () => Promise.all(["", "-wal"].map((end) => Deno.readFile(qj.stateFile + end)));
  const before = await files();
  assert.ok(before[1]!.length > 0);
  const { code, out } = await check(["--state-file", qj.stateFile]);
  assert.match(out, /sound, .* 2 pending/);
  assert.equal(code, 0, out);
  assert.deepEqual(await files(), before);
  await qj.restart();
  assert.deepEqual(await qj.ls("pending"), ["a", "b"]);
});

Deno.test("--check without HOME says how to name the state file", async () => {
  const [program, own] = qjCommand(["--check", "-ro", "/usr"]);
  const { code, stdout } = await new Deno.Command("env", {
    args: ["-u", "HOME", "-u", "QJ_STATE_FILE", "-u", "XDG_DATA_HOME", program, ...own],
    stdin: "null",
  }).output();
  missing({ code, out: new TextDecoder().decode(stdout) }, /no place/, /--state-file/);
});

Deno.test("--check of the paths of a sandbox", async () => {
  await inFolder(async (folder, args) => {
    missing(await check([...args, "-ro", `${folder}/no`]), /-ro ".*no"/, /does not exist/);
    missing(await check([...args, "-rwf", folder]), /-rwf/, /is a directory.*there is -rw/);
    missing(await check([...args, "-rw", `${folder}/mnt`]), /-rw/, /inside the mountpoint/);
    const { code, out } = await check([...args, "-rw", folder]);
    assert.match(out, /-rw ".*": there, lets jobs reach the mount, lets jobs reach the state file/);
    assert.equal(code, 0, out);
  });
});

Deno.test("--check with a sandbox says what a job may use", async () => {
  await inFolder(async (_folder, args) => {
    const { code, out } = await check(["-ro", "/usr", ...args]);
    assert.equal(code, 0, out);
    assert.match(out, /^ +execute \/bin\/sh$/m);
    assert.match(out, /^ +write +\/dev\/null$/m);
  });
});

const TAKEN_AWAY: readonly (readonly [string, string, RegExp, RegExp])[] = [
  ["/dev/fuse", "mount -t tmpfs tmpfs /dev", /\/dev\/fuse: missing/, /modprobe fuse/],
  [
    "libfuse3",
    "for lib in /lib/*/libfuse3.so.[34] /usr/lib/*/libfuse3.so.[34]; do if [ -e $lib ]; then mount --bind /dev/null $lib; fi; done",
    /libfuse3: missing/,
    /install the package fuse3/,
  ],
];

for (const [name, before, found, remedy] of TAKEN_AWAY) {
  Deno.test({
    name: `--check without ${name}`,
    ignore: !isRoot,
    fn: () => inFolder(async (_folder, args) => missing(await check(args, before), found, remedy)),
  });
}
