/** With `--run-as owner` each job runs as the owner of its file: with that user's rights and surroundings, and no others. */
import assert from "node:assert/strict";
import { A, B, ownersTest, resultOf } from "./owners.ts";
import { exists, until } from "./qj.ts";

const PATH = /^\s*ENV_PATH\s+PATH=(\S+)/m.exec(
  await Deno.readTextFile("/etc/login.defs").catch(() => ""),
)?.[1] ?? "/usr/local/bin:/usr/bin:/bin";

ownersTest(
  "a job has its owner's rights, groups, home and environment, and nothing of the daemon's",
  async ({ qj, as }) => {
    await as(A, `echo 'id -u; id -g; id -G; pwd; umask; env -u QJ_ATTEMPT_ID | sort' > pending/a`);
    const log = await qj.in("complete", "a");
    const { stdout: groups } = await qj.sh("id -G daemon");
    assert.equal(
      log.split("\n").slice(1).join("\n"),
      [
        ...["1", "1", groups.trim(), "/usr/sbin", "0022"],
        ...["HOME=/usr/sbin", "LOGNAME=daemon", "OLDPWD=/", `PATH=${PATH}`, "PWD=/usr/sbin"],
        ...["QJ_ATTEMPT=1", "QJ_JOB=a", `QJ_MOUNT=${qj.mountpoint}`],
        ...["SHELL=/usr/sbin/nologin", "USER=daemon", ""],
      ].join("\n"),
    );
  },
  { env: { SECRET: "of the daemon", LD_BIND_NOW: "1" } },
);

ownersTest("scripts of all kinds run as their owner", async ({ qj, as }) => {
  await as(A, `{ echo 'id -un'; head -c 200000 /dev/zero | tr '\\0' '#'; } > pending/large`);
  await as(
    A,
    `printf '#!/usr/bin/python3 -I\\nimport os; print(os.getuid(), os.getcwd())\\n' > pending/python`,
  );
  await as(A, `printf '#QJ nice=5 cwd=/tmp\\nnice; pwd\\n' > pending/options`);
  await as(A, `printf 'id -un; \\377' > pending/bytes`);
  assert.match(await qj.in("complete", "large"), /\ndaemon\n$/);
  assert.match(await qj.in("complete", "python"), /\n1 \/usr\/sbin\n$/);
  assert.match(await qj.in("complete", "options"), /\n5\n\/tmp\n$/);
  assert.match(await qj.in("failed", "bytes"), /\ndaemon\n/);
});

ownersTest("chown changes whom a job runs as, a retry too", async ({ qj, root, as }) => {
  await qj.configure({ paused: true });
  await as(A, "echo id -un > pending/x");
  await root.chown(qj.path("pending", "x"), B, B);
  await qj.configure({ paused: false });
  assert.equal(await qj.in("complete", "x"), ">>> id -un\nbin\n");
  await root.chown(qj.path("complete", "x"), A, A);
  await as(A, "mv complete/x pending/");
  await until(
    "the second run",
    async () => (await qj.sh("grep -c '^>>>' complete/x")).stdout === "2\n",
  );
  assert.match(await qj.in("complete", "x"), /\nbin\n>>> id -un\ndaemon\n$/);
});

ownersTest(
  "an owner that the system does not know fails the job, with the reason",
  async ({ qj, as }) => {
    await as(54321, "echo id > pending/x");
    assert.match(
      await qj.in("failed", "x"),
      /\[System Error\]: cannot start: the job's owner, user 54321, has no entry in passwd\n$/,
    );
  },
);

ownersTest("root's own jobs are not run, and say how they could be", async ({ qj }) => {
  await qj.submit("x", "id -un");
  assert.equal(
    await qj.in("failed", "x"),
    "[System Error]: not run: the job belongs to root, and qj was started without --run-as-root\n",
  );
});

ownersTest("root's own jobs run with --run-as-root", async ({ qj }) => {
  await qj.submit("x", "id -un; echo $HOME; pwd");
  assert.match(await qj.in("complete", "x"), /\nroot\n\/root\n\/root\n$/);
}, { args: ["--run-as-root"] });

ownersTest("what an owner chooses does not reach what still runs as root", async ({ qj, as }) => {
  const evil = `${qj.folder}/evil`;
  await Deno.mkdir(evil);
  await Deno.chmod(evil, 0o777);
  await Deno.writeTextFile(
    `${evil}/evil.c`,
    `#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) {
  int fd = open("${evil}/loaded", O_WRONLY | O_CREAT | O_APPEND, 0666);
  dprintf(fd, "%d\\n", (int)geteuid());
  close(fd);
}
`,
  );
  const made = await qj.sh(
    `gcc -shared -fPIC -o ${evil}/evil.so ${evil}/evil.c && : > ${evil}/loaded && chmod 666 ${evil}/loaded`,
  );
  assert.equal(made.code, 0, made.stderr);
  await as(
    A,
    `printf '#QJ env=LD_PRELOAD=${evil}/evil.so env=PATH=${evil}:/usr/bin env=VALUE="two words"\\nid -u; echo "$VALUE"\\n' > pending/x`,
  );
  assert.match(await qj.in("complete", "x"), /\n1\ntwo words\n$/);
  const loaded = (await Deno.readTextFile(`${evil}/loaded`)).trim().split("\n");
  // It was loaded, but by programs of the owner's only.
  assert.deepEqual(new Set(loaded), new Set(["1"]));
});

ownersTest(
  "a script is neither among the arguments of processes nor in a file that others find",
  async ({ qj, as }) => {
    await qj.sh("mkfifo ../gate; chmod 666 ../gate");
    await as(A, `echo 'echo the-secret > /dev/null; read line < ${qj.folder}/gate' > pending/x`);
    await qj.in("active", "x");
    await qj.logged(/"x" started/);
    const seen = await as(
      B,
      `grep -al 'the[-]secret' /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; find /run/qj -type f 2>/dev/null`,
    );
    assert.deepEqual(seen.stdout, "");
    // Even where the name is known.
    const { stdout: file } = await qj.sh("grep -alr the-secret /run/qj");
    assert.match(file, /^\/run\/qj\/\S+\n$/);
    assert.match((await as(B, `cat ${file}`)).stderr, /Permission denied/);
    await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
    await qj.in("complete", "x");
    assert.equal((await qj.sh("grep -alr the-secret /run/qj")).stdout, "");
  },
);

ownersTest(
  "a new job is its maker's, closed to others until they are let in",
  async ({ qj, a, as }) => {
    await qj.configure({ paused: true });
    await as(A, "umask 0; echo id > pending/x; umask 022; echo id > pending/y");
    for (const name of ["x", "y"]) {
      const { uid, gid, mode } = await a.stat(qj.path("pending", name));
      assert.deepEqual([uid, gid, mode & 0o7777], [A, A, 0o600]);
    }
    assert.match((await as(B, "cat pending/x")).stderr, /Permission denied/);
    await as(A, "chmod 644 pending/x");
    assert.equal((await as(B, "cat pending/x jobs/x/script")).stdout, "id\nid\n");
  },
);

ownersTest(
  "nobody takes another's name, nor a finished job's with replace_finished",
  async ({ qj, b, as }) => {
    await qj.configure({ replace_finished: true });
    await as(A, "echo echo mine > pending/x");
    await qj.in("complete", "x");
    const { O_WRONLY, O_CREAT, O_TRUNC } = { O_WRONLY: 1, O_CREAT: 0o100, O_TRUNC: 0o1000 };
    const path = qj.path("pending", "x");
    assert.equal(await resultOf(() => b.open(path, O_WRONLY | O_CREAT)), "EACCES");
    const draft = await b.open(qj.path("pending", ".draft"), O_WRONLY | O_CREAT | O_TRUNC);
    await b.write(draft, "echo other");
    await b.close(draft);
    assert.equal(await resultOf(() => b.rename(qj.path("pending", ".draft"), path)), "EACCES");
    assert.equal(await qj.in("complete", "x"), ">>> echo mine\nmine\n");
    await as(A, "echo echo again > pending/x");
    await until(
      "its own new job",
      async () => (await qj.sh("cat complete/x")).stdout === ">>> echo again\nagain\n",
    );
  },
);

ownersTest("without the sticky bit others' jobs are as safe", async ({ qj, b, as }) => {
  await qj.sh("chmod 777 pending active complete failed");
  await as(A, "echo id -un > pending/x");
  await qj.in("complete", "x");
  await as(A, "chmod 666 complete/x");
  const [complete, pending] = [qj.path("complete", "x"), qj.path("pending", "x")];
  assert.equal(await resultOf(() => b.unlink(complete)), "EACCES");
  assert.equal(await resultOf(() => b.rename(complete, pending)), "EACCES");
  await qj.configure({ paused: true });
  await as(A, "mv complete/x pending/");
  // What another writes would run in the owner's name.
  assert.equal(await resultOf(() => b.open(pending, 1)), "EACCES");
  assert.equal(await resultOf(() => b.truncate(pending, 0)), "EACCES");
  assert.equal(await resultOf(() => b.unlink(pending)), "EACCES");
  assert.match((await as(B, "setfattr -n user.qj.priority -v 5 pending/x")).stderr, /denied/);
});

ownersTest("jobs of owners run in the sandbox too", async ({ qj, as }) => {
  await as(A, "echo 'id -u; cat /etc/passwd' > pending/x");
  assert.match(await qj.in("failed", "x"), /\n1\n.*Permission denied\n/);
}, { args: ["-ro", "/usr"] });

ownersTest(
  "stopping, recovery and what is left behind: jobs of owners as those of root",
  async ({ qj, as }) => {
    await qj.configure({ kill_grace_sec: 0.2 });
    await qj.sh("mkdir -m 777 ../work");
    const work = `${qj.folder}/work`;
    await as(
      A,
      `echo 'echo $$ >> ${work}/pids; [ $(wc -l < ${work}/pids) = 2 ] && exit; setsid sleep 1000 & sleep 1000; :' > pending/x`,
    );
    await until("its pid", () => exists(`${work}/pids`));
    await qj.logged(/"x" started/);
    await qj.end("SIGKILL");
    await qj.restart();
    await qj.in("complete", "x");
    assert.equal(
      (await qj.sh("ps -u daemon -o stat=,comm= | grep -v ^Z | grep -v client")).stdout,
      "",
    );
  },
);
