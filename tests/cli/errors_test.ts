/** What stands in the way of a start: one line that says what and what to do, and the exit status. */
import assert from "node:assert/strict";
import { qjCommand } from "../mount/qj.ts";

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function command(program: string, args: readonly string[], env = {}): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function qj(args: readonly string[], env = {}): Promise<Ended> {
  const [program, argv] = qjCommand(args);
  return command(program, argv, env);
}

/** Runs qj in a mount namespace of its own, after a shell script has prepared it. */
function qjAfter(prepare: string, args: readonly string[]): Promise<Ended> {
  const [program, argv] = qjCommand(args);
  const script = `${prepare}; exec "$@"`;
  return command("unshare", [
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-c",
    script,
    "sh",
    program,
    ...argv,
  ]);
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  await Deno.mkdir(`${folder}/mnt`);
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Expects exit status and one line on stderr. */
function refused(ended: Ended, code: number, line: RegExp): void {
  assert.match(ended.stderr, line);
  assert.deepEqual([ended.code, ended.stderr.trim().split("\n").length], [code, 1]);
}

const asRoot = { ignore: Deno.uid() !== 0 };

Deno.test("cli: --help and --version", async () => {
  const help = await qj(["--help"]);
  assert.equal(help.code, 0);
  for (
    const option of [
      "--state-file FILE",
      "--allow-other",
      "--log-level",
      "--log-format",
      "MOUNTPOINT",
    ]
  ) {
    assert(help.stdout.includes(option), option);
  }
  const version = await qj(["--version"]);
  assert.equal(version.code, 0);
  assert.match(
    version.stdout,
    /^qj \d+\.\d+\.\d+ \(Deno \S+, SQLite \S+, libfuse \S+ \(libfuse3\.so\.[34]\)\)\n$/,
  );
});

Deno.test("cli: bad usage is status 2 and names the option", async () => {
  refused(await qj([]), 2, /^qj: MOUNTPOINT is missing, see qj --help/);
  refused(await qj(["--log-level", "loud", "m"]), 2, /--log-level.*"loud"/);
  refused(await qj(["--colour", "m"]), 2, /"--colour"/);
  refused(await qj(["a", "b", "c"]), 2, /"c"/);
});

Deno.test("cli: a mountpoint that cannot be used", async () => {
  await inFolder(async (folder) => {
    const state = ["--state-file", `${folder}/state.db`];
    refused(
      await qj([...state, `${folder}/no`]),
      1,
      /^qj: mountpoint ".*\/no" does not exist: make it with mkdir/,
    );
    await Deno.writeTextFile(`${folder}/file`, "");
    refused(
      await qj([...state, `${folder}/file`]),
      1,
      /^qj: mountpoint ".*\/file" is not a directory/,
    );
    refused(
      await qj([...state, folder]),
      1,
      /^qj: mountpoint ".*" is not empty: use an empty directory/,
    );
    refused(await qj([...state, "/proc"]), 1, /^qj: mountpoint "\/proc" is in use: a proc mount/);
  });
});

Deno.test("cli: a state file that cannot be used, and the knob that names it", async () => {
  await inFolder(async (folder) => {
    const mountpoint = `${folder}/mnt`;
    const path = `${folder}/state.db`;
    const at = (text: string) => new RegExp(`^qj: cannot open state file ".*" \\(${text}\\): `);
    refused(
      await qj([mountpoint], { QJ_STATE_FILE: `${mountpoint}/new/s.db` }),
      1,
      new RegExp(at("QJ_STATE_FILE").source + "it is inside the mountpoint"),
    );
    refused(
      await qj([mountpoint], { QJ_STATE_FILE: "", XDG_DATA_HOME: "/proc/nowhere" }),
      1,
      at("XDG_DATA_HOME"),
    );
    assert.deepEqual(await Array.fromAsync(Deno.readDir(mountpoint)), [], "nothing was made in it");
    await Deno.symlink(`${mountpoint}/x.db`, `${folder}/link.db`);
    refused(
      await qj(["--state-file", `${folder}/link.db`, mountpoint]),
      1,
      /it is a symbolic link: name what it leads to, ".*\/mnt\/x\.db"/,
    );
    await Deno.writeTextFile(path, "this is no database, whatever its name says\n".repeat(200));
    refused(
      await qj(["--state-file", path, mountpoint]),
      1,
      /file is not a database\. It was left as it is/,
    );
    assert.match(await Deno.readTextFile(path), /^this is no database/);
    refused(await qj(["--state-file", `${path}/below`, mountpoint]), 1, at("--state-file"));
    const nowhere = await command("env", [
      "-u",
      "HOME",
      "-u",
      "XDG_DATA_HOME",
      "-u",
      "QJ_STATE_FILE",
      ...qjCommand([mountpoint]).flat(),
    ], { DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno` });
    refused(nowhere, 2, /^qj: HOME is not set: say where to keep the jobs with --state-file/);
  });
});

Deno.test({
  name: "cli: a state file that may not be written",
  ...asRoot,
  async fn() {
    await inFolder(async (folder) => {
      await Deno.mkdir(`${folder}/ro`);
      const ended = await qjAfter(`mount -t tmpfs -o ro,mode=700 tmpfs ${folder}/ro`, [
        "--state-file",
        `${folder}/ro/s.db`,
        `${folder}/mnt`,
      ]);
      refused(ended, 1, /^qj: cannot open state file ".*" \(--state-file\): read-only file system/);
    });
  },
});

Deno.test({
  name: "K7: no libfuse3: the package to install",
  ...asRoot,
  async fn() {
    await inFolder(async (folder) => {
      const hide =
        'for f in $(ldconfig -p | sed -n "s/.*=> //p" | grep libfuse3); do mount --bind /dev/null $f; done';
      const ended = await qjAfter(hide, ["--state-file", `${folder}/s.db`, `${folder}/mnt`]);
      refused(ended, 1, /^qj: cannot load libfuse3 .*: install the package fuse3/);
    });
  },
});

Deno.test({
  name: "K7: no /dev/fuse: the module to load",
  ...asRoot,
  async fn() {
    await inFolder(async (folder) => {
      const empty =
        `mkdir ${folder}/dev && for f in null zero random urandom tty; do touch ${folder}/dev/$f; mount --bind /dev/$f ${folder}/dev/$f; done; mount --rbind ${folder}/dev /dev`;
      const ended = await qjAfter(empty, ["--state-file", `${folder}/s.db`, `${folder}/mnt`]);
      refused(ended, 1, /^qj: there is no \/dev\/fuse: load the kernel module \(modprobe fuse\)/);
    });
  },
});
