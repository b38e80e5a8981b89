/**
 * dist/qj, the executable, as a black box: no Deno on PATH, another directory, nothing of the project in reach.
 *
 * It is made with the denort of DENORT_BIN, or with the one that Deno downloads. Only where neither is possible and CI
 * is not set the tests are skipped, and say so.
 */
import assert from "node:assert/strict";
import { landlockAbi } from "../../ffi/landlock.ts";
import { openLibc } from "../../ffi/libfuse.ts";
import { compile, PROGRAM, skipsCompiled } from "../mount/compiled.ts";
import { Qj } from "../mount/qj.ts";

const failure = await compile();
const skip = await skipsCompiled(failure, "compiled program");

/** Without Deno, and without a home to find one in. */
async function withProgram(
  body: (qj: Qj) => Promise<void>,
  args: readonly string[] = [],
): Promise<void> {
  assert.equal(failure, null);
  await using qj = await Qj.start({
    args,
    program: PROGRAM,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/nonexistent" },
    settings: { backoff_base: 0 },
  });
  await body(qj);
}

Deno.test({
  name: "compiled: the tour of the README",
  ignore: skip,
  fn: () =>
    withProgram(async (qj) => {
      await qj.sh(`printf "echo 'hello world'" > pending/1`);
      assert.equal(await qj.in("complete", "1"), ">>> echo 'hello world'\nhello world\n");
      await qj.sh("echo 'ech hello' > pending/2");
      assert.equal((await qj.in("failed", "2")).match(/exit status 127/g)?.length, 3);
      await qj.sh("mv failed/2 pending; jq '.max_job_count = 5' config.json > config.json");
      assert.equal((await qj.sh("jq .max_job_count config.json")).stdout, "5\n");
      await qj.submit("x", "sleep 1000");
      await qj.in("active", "x");
      await qj.sh("rm active/x");
      assert.deepEqual(await qj.ls("active"), []);
      assert.equal(await qj.end(), 0);
      assert.equal(qj.isMounted, false);
    }),
});

Deno.test({
  name: "compiled: kill -9 and start again",
  ignore: skip,
  fn: () =>
    withProgram(async (qj) => {
      await qj.submit("a", "[ -e again ] && exit; touch again; sleep 1000");
      await qj.in("active", "a");
      await qj.logged(/"a" started/);
      await qj.end("SIGKILL");
      await qj.restart();
      assert.match(await qj.in("complete", "a"), /lost: the daemon stopped/);
    }),
});

Deno.test({
  name: "compiled: the sandbox",
  ignore: skip || typeof landlockAbi(openLibc()) === "string",
  fn: () =>
    withProgram(async (qj) => {
      await qj.submit("inside", "id -u > /dev/null; echo on");
      await qj.submit("outside", "#QJ attempts=1\ncat /etc/passwd");
      assert.match(await qj.in("complete", "inside"), /\non\n$/);
      assert.match(await qj.in("failed", "outside"), /Permission denied/);
    }, ["-ro", "/usr"]),
});

Deno.test({
  name: "compiled: it leaves no cache in the temporary folder",
  ignore: skip,
  fn: () =>
    withProgram(async () => {
      const names = await Array.fromAsync(Deno.readDir("/tmp"), ({ name }) => name);
      assert.deepEqual(names.filter((name) => /^deno-compile-qj/.test(name)), []);
    }),
});

/**
 * In a mount namespace of its own, as nobody, through fusermount3. Everything that looks at the mount has to be in the
 * namespace, so this is one script: it starts the daemon as $1, waits for the mount, works, and ends it.
 */
const AS_NOBODY = `
  set -eu
  cd "$2"
  mknod -m 666 fuse c 10 229; mount --bind fuse /dev/fuse
  mkdir home home/mnt; chown -R nobody home; cd home
  user() { setpriv --reuid nobody --regid nogroup --clear-groups env HOME="$PWD" "$@"; }
  user "$1" mnt 2> log & pid=$!
  trap 'kill $pid 2> /dev/null; wait $pid || :; umount -l mnt 2> /dev/null || :' EXIT
  until grep -q "$PWD/mnt fuse.qj" /proc/mounts; do kill -0 $pid; sleep 0.05; done
  user sh -c 'echo "id -un; echo \\$HOME" > mnt/pending/a'
  until user test -e mnt/complete/a; do sleep 0.05; done
  user cat mnt/complete/a
  cat mnt/complete/a 2>&1 || echo "root: $?"
  user fusermount3 -u mnt
  wait $pid && echo "ended: $?"
  ls -A mnt; stat -c '%U %a' .local/share/qj .local/share/qj/state.db`;

const hasMtab = await Deno.stat("/etc/mtab").then(() => true, () => false);
if (!hasMtab) {
  const reason = "one test skipped, since fusermount3 cannot unmount without /etc/mtab\n";
  await Deno.stderr.write(new TextEncoder().encode(`compiled program: ${reason}`));
}

Deno.test({
  name: "compiled: an ordinary user mounts through fusermount3, and only that user may enter",
  ignore: skip || Deno.uid() !== 0 || !hasMtab,
  async fn() {
    assert.equal(failure, null);
    const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
    await Deno.chmod(folder, 0o755);
    try {
      const { stdout, stderr } = await new Deno.Command("timeout", {
        args: [
          "-s",
          "KILL",
          "60",
          "unshare",
          "--mount",
          "--propagation",
          "private",
          "sh",
          "-c",
          AS_NOBODY,
          "sh",
        ]
          .concat(PROGRAM, folder),
        stdin: "null",
      }).output();
      const lines = new TextDecoder().decode(stdout).split("\n");
      const log = await Deno.readTextFile(`${folder}/home/log`).catch(() => "no log");
      assert.deepEqual(lines.slice(0, 4), [
        ">>> id -un; echo $HOME",
        "nobody",
        `${folder}/home`,
        "cat: mnt/complete/a: Permission denied",
      ], new TextDecoder().decode(stderr) + log);
      assert.deepEqual(lines.slice(4), ["root: 1", "ended: 0", "nobody 700", "nobody 600", ""]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** In a mount namespace in which nothing can be written but $2, with an environment that has nothing at all. */
const READ_ONLY = `
  set -eu
  mount -t tmpfs -o mode=700 tmpfs "$2"; cd "$2"
  mkdir mnt state
  # The deeper ones first: a path on a mount that is below another one is out of reach.
  sed -E 's/^([^ ]+ ){4}([^ ]+) .*/\\2/' /proc/self/mountinfo | sort -r | while read -r path; do
    [ "$path" = "$2" ] || mount -o remount,bind,ro "$path" 2> /dev/null || :
  done
  for path in / /tmp /var/tmp /run /dev/shm; do
    if touch "$path/qj-probe" 2> /dev/null; then echo "$path can be written"; rm "$path/qj-probe"; fi
  done
  env -i "$1" --state-file "$2/state/q.db" $3 mnt 2> log & pid=$!
  trap 'kill $pid 2> /dev/null; wait $pid || :; umount -l mnt 2> /dev/null || :' EXIT
  until grep -q "$2/mnt fuse.qj" /proc/mounts; do kill -0 $pid; sleep 0.05; done
  printf 'echo a' > mnt/pending/a
  # From a file, since it names its interpreter.
  printf '#!/bin/sh\\necho b' > mnt/pending/b
  for job in a b; do
    until [ -e mnt/complete/$job ]; do sleep 0.05; done
    tail -n 1 mnt/complete/$job
  done
  umount mnt; wait $pid && echo "ended: $?"`;

for (const sandbox of ["", "-ro /usr"]) {
  Deno.test({
    name: `compiled: no HOME, a read-only root, no writable /tmp${
      sandbox === "" ? "" : ", and a sandbox"
    }`,
    ignore: skip || Deno.uid() !== 0 ||
      (sandbox !== "" && typeof landlockAbi(openLibc()) === "string"),
    async fn() {
      assert.equal(failure, null);
      const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
      try {
        const { stdout, stderr } = await new Deno.Command("timeout", {
          args: [
            ...["-s", "KILL", "60", "unshare", "--mount", "--propagation", "private"],
            ...["sh", "-c", READ_ONLY, "sh", PROGRAM, folder, sandbox],
          ],
          stdin: "null",
        }).output();
        const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
        assert.equal(out, "a\nb\nended: 0\n", error);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

/** Runs the program as nobody in a mount namespace of its own, after a shell script has prepared that. */
async function asNobody(prepare: string, args: readonly string[]) {
  assert.equal(failure, null);
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  try {
    await Deno.chmod(folder, 0o755);
    const script =
      `cd "$1" && shift && cp "$(command -v setpriv)" . && mkdir home home/mnt && chown -R nobody home &&
      ${prepare} && exec ./setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`;
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: [
        ...["--mount", "--propagation", "private", "sh", "-c", script, "sh", folder],
        ...[PROGRAM, ...args, `${folder}/home/mnt`],
      ],
      env: { HOME: `${folder}/home`, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      stdin: "null",
    }).output();
    const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, stdout: out!, stderr: error! };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const needsRoot = { ignore: skip || Deno.uid() !== 0 };

const HIDE_FUSERMOUNT =
  "for f in /usr/bin /bin; do [ ! -e $f/fusermount3 ] || mount -t tmpfs tmpfs $f; done";
const HIDE_FUSE_CONF =
  "touch empty && { [ ! -e /etc/fuse.conf ] || mount --bind empty /etc/fuse.conf; }";
const NOT_SETUID = `file=$(readlink -f "$(command -v fusermount3)") && cp "$file" plain &&
  chmod 755 plain && mount --bind plain "$file"`;

for (
  const [name, prepare, args, found] of [
    [
      "no fusermount3",
      HIDE_FUSERMOUNT,
      [],
      /^MISSING fusermount3: missing\n +.*install the package fuse3/m,
    ],
    [
      "a fusermount3 that is not setuid",
      NOT_SETUID,
      [],
      /^MISSING fusermount3: .*, not setuid root\n +.*chmod u\+s/m,
    ],
    [
      "no user_allow_other",
      HIDE_FUSE_CONF,
      ["--allow-other"],
      /^MISSING user_allow_other: not set .*\n +--allow-other needs a line/m,
    ],
  ] as const
) {
  Deno.test({
    name: `--check with ${name}, for an ordinary user`,
    ...needsRoot,
    async fn() {
      const { code, stdout, stderr } = await asNobody(prepare, ["--check", ...args]);
      assert.deepEqual([code, stderr], [1, ""]);
      assert.match(stdout, found);
    },
  });
}

Deno.test({
  name: "K7: no fusermount3, for an ordinary user: the package to install",
  ...needsRoot,
  async fn() {
    const { code, stderr } = await asNobody(HIDE_FUSERMOUNT, []);
    assert.match(stderr, /^qj: there is no fusermount3, .*: install the package fuse3.*\n$/);
    assert.equal(code, 1);
  },
});

Deno.test({
  name: "K7: --allow-other without user_allow_other, for an ordinary user: the line to add",
  ...needsRoot,
  async fn() {
    const { code, stderr } = await asNobody(HIDE_FUSE_CONF, ["--allow-other"]);
    assert.match(
      stderr,
      /^qj: --allow-other needs a line user_allow_other in \/etc\/fuse\.conf.*\n$/,
    );
    assert.equal(code, 1);
  },
});

Deno.test({
  name: "owners: only root can become other users",
  ...needsRoot,
  async fn() {
    const { code, stderr } = await asNobody(":", ["--run-as", "owner"]);
    assert.match(stderr, /^qj: --run-as owner is for root: only root can become other users\n$/);
    assert.equal(code, 1);
  },
});
