/** Cases of what a job inherits, what the mount allows, what lies beside the state file, and text that would be more than text. */
import assert from "node:assert/strict";
import { assertSound, python } from "./cases.ts";
import { exists, Qj, qjCommand } from "./qj.ts";

const AT_ONCE = { max_attempts: 1, kill_grace_sec: 0.2 };
const encode = (text: string) => new TextEncoder().encode(text);

/** Starts a daemon that is meant to be refused; gives what it says. */
async function refused(stateFile: string, mountpoint: string): Promise<string> {
  const [program, args] = qjCommand(["--state-file", stateFile, mountpoint]);
  const { code, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = new TextDecoder().decode(stderr);
  assert.deepEqual([code, text.split("\n").length], [1, 2], text);
  return text;
}

Deno.test("P1: a job has the promised environment, three descriptors, umask 022 and its own limit of open files", async () => {
  const daemons = {
    ...{
      QJ_STATE_FILE: "/nowhere",
      NOTIFY_SOCKET: "/nowhere",
      WATCHDOG_USEC: "9",
      LISTEN_FDS: "1",
    },
    ...{
      INVOCATION_ID: "x",
      STATE_DIRECTORY: "/nowhere",
      DENO_NO_UPDATE_CHECK: "1",
      QJ_OPTIONS: "",
    },
  };
  await using qj = await Qj.start({
    settings: AT_ONCE,
    env: { ...daemons, SECRET: "of the user" },
    under: ["sh", "-c", 'umask 000; exec 7</dev/null 8>/dev/null; exec "$@"', "sh"],
  });
  await qj.submit("a", "env; echo umask $(umask); echo nofile $(ulimit -Sn)");
  const log = await qj.in("complete", "a");
  for (const name of Object.keys(daemons)) assert.doesNotMatch(log, new RegExp(`^${name}=`, "m"));
  assert.doesNotMatch(log, /^DENO_/m);
  // What the user has set is the job's too: qj runs as the user.
  assert.match(log, /^SECRET=of the user$/m);
  assert.match(log, /^umask 0022$/m);
  // As it was given to the daemon, which has raised its own.
  const limit = /^Max open files\s+(\d+)/m.exec(await Deno.readTextFile("/proc/self/limits"))![1];
  assert.match(log, new RegExp(`^nofile ${limit}$`, "m"));
  await qj.submit("b", "ls /proc/$$/fd; readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2");
  assert.match(
    await qj.in("complete", "b"),
    /\n0\n1\n2\n\/dev\/null\n(pipe:\[\d+\])\n\1\n$/,
  );
  await qj.sh("rm complete/*");
  await assertSound(qj);
});

Deno.test("P4: set-user-ID and devices have no effect through the mount", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  const options = (await Deno.readTextFile("/proc/mounts")).split("\n")
    .find((line) => line.split(" ")[1] === qj.mountpoint)!.split(" ")[3]!.split(",");
  assert(options.includes("nosuid") && options.includes("nodev"), String(options));
  await qj.submit("a", "#!/bin/sh\nid -u\n");
  const answer = await python(
    qj,
    `
    os.chmod("pending/a", 0o6755)
    answer = [stat.S_IMODE(os.stat("pending/a").st_mode) & 0o7777,
              tried(os.mknod, "pending/dev", 0o60600, os.makedev(8, 0)),
              tried(os.mknod, "pending/null", 0o20600, os.makedev(1, 3))]
    `,
  );
  assert.deepEqual(answer, [0o6755, "EPERM", "EPERM"]);
  await assertSound(qj);
});

Deno.test("P5: the state file and what is beside it are closed to others, and nothing is opened that others could have put there", async () => {
  await using qj = await Qj.start({ settings: AT_ONCE });
  await qj.submit("a", `${"#".repeat(200_000)}\nls -l ${qj.stateFile}.run > listing; echo done`);
  await qj.in("complete", "a");
  const folder = qj.stateFile.replace(/\/[^/]*$/, "");
  const modes = await qj.sh(`stat -c '%a %n' . * | sed 's/state.db//'`, folder);
  for (const line of modes.stdout.trim().split("\n")) {
    assert.match(line, /^(700 \.|700 \.run|600 (-wal|-shm|\.lock)?)$/);
  }
  assert.match(await Deno.readTextFile(`${qj.folder}/listing`), /^-r-x------ /m);
  assert.equal(await qj.end(), 0);

  const there = `${qj.folder}/there`;
  await Deno.mkdir(there);
  await Deno.writeTextFile(`${qj.folder}/target`, "not to be changed");
  const plant: Readonly<Record<string, readonly [string, RegExp]>> = {
    "link at the state file": [
      "ln -s ../target q.db",
      /is a symbolic link: name what it leads to, ".*\/target"/,
    ],
    "dangling link": ["ln -s ../none q.db", /is a symbolic link/],
    "link at the log": ["ln -s ../target q.db-wal", /q\.db-wal" is a symbolic link: remove it/],
    "link at the lock": ["ln -s ../target q.db.lock", /q\.db\.lock" is a symbolic link: remove it/],
    "link at the scripts": [
      "ln -s .. q.db.run",
      /q\.db\.run" is not a directory of yours: remove it/,
    ],
    "pipe": ["mkfifo q.db", /q\.db" is not a file/],
    "pipe at the index": ["mkfifo q.db-shm", /q\.db-shm" is not a file/],
    "directory": ["mkdir q.db", /is not a file/],
    "writable file": ["touch q.db; chmod 666 q.db", /others can write to ".*q\.db".*chmod 600/],
    "writable folder": ["chmod 777 .", /others can write to its folder ".*": chmod go-w/],
    "sticky folder": ["chmod 1777 .", /others can write to its folder/],
    ...Deno.uid() === 0 && {
      "somebody's file": ["touch q.db; chown 1 q.db", /belongs to another user \(1\)/],
      "somebody's lock": ["touch q.db.lock; chown 1 q.db.lock", /belongs to another user \(1\)/],
      "somebody's folder": ["chown 1 .", /its folder ".*" belongs to another user \(1\)/],
    },
  };
  for (const [what, [command, reason]] of Object.entries(plant)) {
    await qj.sh(`rm -rf ${there}; mkdir -m 700 ${there}; cd ${there} && ${command}`, "/");
    assert.match(await refused(`${there}/q.db`, qj.mountpoint), reason, what);
  }
  assert.equal(await Deno.readTextFile(`${qj.folder}/target`), "not to be changed");
  assert.equal(await exists(`${qj.folder}/none`), false);
  // What others could only read is closed to them.
  await qj.sh(`chmod 644 ${qj.stateFile}*; chmod 755 ${qj.stateFile}.run`, "/");
  await qj.restart();
  assert.equal((await Deno.stat(qj.stateFile)).mode! & 0o777, 0o600);
  await assertSound(qj);
});

Deno.test("P6: neither output nor names nor reasons can forge a line of the log, of events, or of another job's record", async () => {
  for (const format of ["text", "json"]) {
    await using qj = await Qj.start({ settings: AT_ONCE, args: ["--log-format", format] });
    const forged = "2026-01-01T00:00:00.000Z qj error: forged";
    const turned = "\u202eevil\u2066\u2028";
    await qj.submit(
      `a${turned}`,
      `printf '\\033[2J\\n${forged}\\n'; echo '{"seq":1,"event":"forged"}'; exit 1`,
    );
    await qj.in("failed", `a${turned}`);
    await qj.submit("b", `#QJ env=${"x".repeat(30)}\x1b[31m\x07=1\ntrue`);
    await qj.in("failed", "b");
    const bytes = format === "text" ? 1_000_000_000 : 20_000_000;
    await qj.submit("c", `head -c ${bytes} /dev/zero | tr '\\0' x`);
    await qj.in("complete", "c");
    await qj.sh(`echo '{"max_job_count": "\u202e\u009b"}' > config.json`);
    await qj.logged(/config\.json was not changed/);
    for (const line of qj.log.split("\n")) {
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(line, /[\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/);
      if (format === "json") JSON.parse(line);
      assert.equal(line.startsWith(forged), false);
    }
    const { stdout } = await qj.sh("cat events");
    for (const line of stdout.trim().split("\n")) {
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(line, /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/);
      assert.notEqual(JSON.parse(line).event, "forged");
    }
    assert.match(stdout, /"job":"a\\u202eevil\\u2066\\u2028"/);
    // One line of a gigabyte is kept as little as any other output.
    assert((await Deno.stat(qj.path("complete", "c"))).size < 11_000_000);
    await qj.sh("rm failed/* complete/*");
    if (format === "text") await assertSound(qj);
  }
});

Deno.test("P7: SQL, formats and commands in names, scripts, attributes and settings stay text", async () => {
  await using qj = await Qj.start({ settings: AT_ONCE });
  const names = [
    `'); DROP TABLE job; --`,
    `" OR 1=1; --`,
    "%s%n%x",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "-rf",
    "&& touch pwned",
    "$HOME",
    "{name}",
    "*",
  ];
  for (const name of names) {
    await Deno.writeFile(qj.path("pending", name), encode('printf "%s" "$QJ_JOB"'));
    const log = await qj.in("complete", name);
    assert.equal(log, `>>> printf "%s" "$QJ_JOB"\n${name}`);
    const status = JSON.parse(await Deno.readTextFile(qj.path("jobs", name, "status.json")));
    assert.equal(status.name, name);
  }
  await qj.submit(
    "after",
    `#QJ after="'); DROP TABLE job; --",%s queue="x'); DELETE FROM job; --"\ntrue`,
  );
  await qj.in("failed", "after");
  await qj.submit("waits", "#QJ delay=1h\ntrue");
  for (const value of ["1; DROP TABLE job", "'1'", "%d", "$(id)"]) {
    const { code } = await qj.sh(
      `setfattr -n user.qj.priority -v "$(cat <<'END'\n${value}\nEND\n)" pending/waits`,
    );
    assert.notEqual(code, 0, value);
  }
  await qj.sh(
    `echo '{"queues": {"a'"'"'); DROP TABLE job; --": {"max_job_count": 1}}}' > config.json`,
  );
  const hook = `echo "$QJ_JOB" >> ${qj.folder}/hooks`;
  await qj.configure({ on_complete: hook });
  await qj.submit("$(touch pwned)2", "true");
  await qj.in("complete", "$(touch pwned)2");
  assert.deepEqual(await qj.ls("complete"), [...names, "$(touch pwned)2"].sort());
  assert.equal(await exists(`${qj.folder}/pwned`), false);
  assert.equal(await exists(qj.path("pwned")), false);
  await qj.sh("find complete failed pending -type f -delete");
  await assertSound(qj);
});
