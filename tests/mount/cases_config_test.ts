/** Cases of config.json: text that is wrong, values that are wrong, writers in each other's way, numbers of jobs. */
import assert from "node:assert/strict";
import { assertSound, python, shows } from "./cases.ts";
import { Qj, qjCommand, until } from "./qj.ts";

type Values = Readonly<Record<string, unknown>>;

async function settings(qj: Qj): Promise<Values> {
  return JSON.parse(await Deno.readTextFile(qj.path("config.json")));
}

/** Writes each text with O_TRUNC. Gives what failed with which errno, and what the file's attribute says then. */
async function refusals(
  qj: Qj,
  texts: readonly string[],
): Promise<[[string, string] | null, string][]> {
  return await python(
    qj,
    `
    answer = []
    for text in args:
        result = put("config.json", text.encode("latin-1"), os.O_TRUNC)
        reason = tried(os.getxattr, "config.json", "user.qj.error")
        answer.append([result, reason if isinstance(reason, str) else reason.decode()])`,
    { args: texts },
  );
}

Deno.test("C1: text that is not a settings document is EINVAL and changes nothing", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 7 } });
  const before = await Deno.readTextFile(qj.path("config.json"));
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["hello", "write", /not a JSON object/],
    ["[]", "write", /not a JSON object/],
    ['"text"', "write", /not a JSON object/],
    ["{]", "write", /not valid JSON at line 1/],
    ['{"max_attempts": 3,\n}', "write", /not valid JSON at line 2/],
    ["{max_attempts: 3}", "write", /not valid JSON/],
    ["{'max_attempts': 3}", "write", /not valid JSON/],
    ['{"max_attempts": 3} {}', "write", /not valid JSON/],
    ['{"max_attempts": 3} // three', "write", /not valid JSON/],
    ['{"max_attempts": 3', "close", /not complete/],
    ['{"max_attempts":', "close", /not complete/],
    ['{"max_att', "close", /not complete/],
    ["{", "close", /not complete/],
    [" ", "close", /not complete/],
    [`{"max_attempts": 3${" ".repeat(70_000)}}`, "write", /larger than 65536 bytes/],
    [`{"x": ${"[".repeat(10_000)}`, "write", /nested too deeply/],
    [`{"x": ${"[".repeat(10_000)}${"]".repeat(10_000)}}`, "write", /nested too deeply/],
    [`${"[".repeat(10_000)}`, "write", /not a JSON object/],
    [`${'{"x":'.repeat(10_000)}`, "write", /nested too deeply/],
    ['{"max_attempts": 3, "max_attempts": 3}', "write", /"max_attempts" is given twice/],
    ['{"max_attempts": 3, "max\\u005fattempts": 4}', "write", /"max_attempts" is given twice/],
    ['\xef\xbb\xbf{"max_attempts": 3}', "write", /not valid JSON/],
    ['\xff\xfe{\0"\0', "write", /not UTF-8/],
    ['{"max_attempts": 3, "x\xff": 1}', "write", /not UTF-8/],
    ['{"max_attempts": 3}\0', "write", /not valid JSON/],
  ];
  const results = await refusals(qj, cases.map(([text]) => text));
  for (const [i, [text, call, reason]] of cases.entries()) {
    const [result, shown] = results[i]!;
    assert.deepEqual(result, [call, "EINVAL"], text.slice(0, 60));
    assert.match(shown, reason, text.slice(0, 60));
  }
  // 10 MB: refused long before its end.
  const tenMegabytes = await qj.sh(
    `(printf '{"max_attempts": 3'; head -c 10M /dev/zero | tr '\\0' ' '; echo '}') | dd bs=64k of=config.json conv=notrunc`,
  );
  assert.equal(tenMegabytes.code, 1);
  assert.match(tenMegabytes.stderr, /Invalid argument/);
  assert.equal(await Deno.readTextFile(qj.path("config.json")), before);
  assert.equal((await settings(qj)).max_attempts, 7);
  await qj.configure({ max_attempts: 8 });
  assert.equal((await settings(qj)).max_attempts, 8);
  assert.deepEqual((await refusals(qj, ['{"max_attempts": 9}']))[0], [null, "ENODATA"]);
  await assertSound(qj);
});

Deno.test("C2: a value that a key cannot have is refused with the key, the document is unchanged", async () => {
  await using qj = await Qj.start();
  const before = await Deno.readTextFile(qj.path("config.json"));
  const defaults = JSON.parse(before) as Values;
  const numbers = Object.keys(defaults).filter((key) => typeof defaults[key] === "number");
  const booleans = Object.keys(defaults).filter((key) => typeof defaults[key] === "boolean");
  assert(numbers.includes("max_attempts") && numbers.length >= 10, `${numbers}`);
  assert.deepEqual(booleans.sort(), ["paused", "replace_finished"]);
  const bad: [string, string][] = [];
  for (const key of numbers) {
    for (
      const value of [
        "-1",
        "1e309",
        "-1e309",
        '"4"',
        "null",
        "true",
        "[]",
        "[4]",
        "{}",
        "9007199254740993",
      ]
    ) {
      bad.push([key, value]);
    }
  }
  for (const key of ["max_attempts", "max_lost", "max_output_bytes", "max_script_bytes"]) {
    bad.push([key, "0"]);
  }
  for (
    const key of ["max_attempts", "max_job_count", "max_lost", "max_output_bytes", "settle_ms"]
  ) {
    bad.push([key, "1.5"], [key, "4.000001"]);
  }
  bad.push(["backoff_jitter", "1.5"], ["max_job_count", "10001"]);
  for (const key of booleans) {
    for (const value of ["0", "1", '"true"', "null", "[]"]) bad.push([key, value]);
  }
  for (const key of ["__proto__", "constructor", "toString", "", "Paused", "paused "]) {
    for (const value of ["4", "null", '{"paused": true}']) bad.push([key, value]);
  }
  // With a good one before and behind it, which must not be taken either.
  const texts = bad.map(([key, value]) =>
    `{"timeout_sec": 99, ${JSON.stringify(key)}: ${value}, "kill_grace_sec": 99}`.replace(
      key === "timeout_sec"
        ? '"timeout_sec": 99, '
        : key === "kill_grace_sec"
        ? ', "kill_grace_sec": 99'
        : "\0",
      "",
    )
  );
  const results = await refusals(qj, texts);
  for (const [i, text] of texts.entries()) {
    assert.deepEqual(results[i]![0], ["write", "EINVAL"], text);
    assert(results[i]![1].includes(bad[i]![0]), `${text}: ${results[i]![1]}`);
  }
  // What is no JSON is told by its line.
  const noNumbers = ["NaN", "Infinity", "-Infinity", "+1", "01", "1.", ".5", "0x10", "1_000"]
    .concat(["undefined", "True"]);
  const told = await refusals(qj, noNumbers.map((value) => `{\n"max_attempts": ${value}}`));
  for (const [i, value] of noNumbers.entries()) {
    assert.deepEqual(told[i]![0], ["write", "EINVAL"], value);
    assert.match(told[i]![1], /not valid JSON at line 2/, value);
  }
  assert.equal(await Deno.readTextFile(qj.path("config.json")), before);

  const good = {
    timeout_sec: 0,
    max_job_count: 0,
    backoff_base: 0.5,
    backoff_mult: 0,
    backoff_max_sec: 0,
    kill_grace_sec: 0.25,
    settle_ms: 0,
  };
  await qj.configure(good);
  assert.deepEqual(await settings(qj), { ...defaults, ...good });
  assert.deepEqual(
    await refusals(qj, ['{"max_attempts": 4.0, "timeout_sec": 1e2, "backoff_base": 1E-1}']),
    [
      [null, "ENODATA"],
    ],
  );
  const { max_attempts, timeout_sec, backoff_base } = await settings(qj);
  assert.deepEqual([max_attempts, timeout_sec, backoff_base], [4, 100, 0.1]);
  // 0: nothing starts.
  await qj.submit("waits", "true");
  await qj.sh("sync pending/waits");
  assert.deepEqual(await qj.ls("pending"), ["waits"]);
  await qj.configure({ max_job_count: 1 });
  assert.equal(await qj.in("complete", "waits"), ">>> true\n");
  await assertSound(qj);
});

Deno.test("C3: unknown keys, renames over config.json and two writers leave a whole document", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  const before = await Deno.readTextFile(qj.path("config.json"));
  const [[result, reason]] = await refusals(qj, [
    '{"max_attempts": 4, "colour": 1, "shape": 2}',
  ]) as [[unknown, string]];
  assert.deepEqual(result, ["write", "EINVAL"]);
  assert.match(reason, /"colour".*"shape"/);

  await qj.submit("job", '{"max_attempts": 5}');
  await Deno.writeTextFile(`${qj.folder}/new.json`, '{"max_attempts": 6}\n');
  const answer = await python(
    qj,
    `
    answer = [
        tried(os.rename, "pending/job", "config.json"), renamed("pending/job", "config.json", 2),
        tried(os.rename, "../new.json", "config.json"), tried(os.rename, "config.json", "../old.json"),
        tried(os.rename, "config.json", "pending/config"), tried(os.rename, "new-id", "config.json"),
        tried(os.rename, "config.json", "config.json"), opened("config.json.tmp", os.O_WRONLY | os.O_CREAT),
        tried(os.unlink, "config.json"), tried(os.rmdir, "config.json"), tried(os.mkdir, "config.json"),
        opened("config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL), opened("config.json", os.O_WRONLY | os.O_CREAT)]`,
  );
  assert.deepEqual(answer, [
    ...["EPERM", "EPERM", "EXDEV", "EXDEV", "EPERM", "EPERM"],
    ...[null, "EPERM", "EPERM", "ENOTDIR", "EEXIST", "EEXIST", null],
  ]);
  assert.match((await qj.sh("mv -f ../new.json config.json")).stderr, /Operation not permitted/);
  assert.equal(await Deno.readTextFile(qj.path("config.json")), before);
  assert.deepEqual(await qj.sh("cp ../new.json config.json"), { code: 0, stdout: "", stderr: "" });
  assert.equal((await settings(qj)).max_attempts, 6);

  // Two writers, each with a pair of values and one of them byte by byte; a reader must see the one pair or the other.
  const writers = await python(
    qj,
    `
    import time
    texts = [b'{"max_attempts": %d, "timeout_sec": %d, "max_lost": %d}' % (n, n, n) for n in [11, 22]]
    put("config.json", texts[0], os.O_TRUNC)
    pids = []
    for w in range(2):
        pids.append(os.fork())
        if pids[-1] == 0:
            failed = 0
            for i in range(60):
                fd = os.open("config.json", os.O_WRONLY | os.O_TRUNC)
                for piece in [texts[w]] if w else [bytes([byte]) for byte in texts[w]]:
                    failed |= os.write(fd, piece) != len(piece)
                os.close(fd)
            os._exit(failed)
    seen, statuses = set(), []
    while len(statuses) < 2:
        with open("config.json") as file:
            now = json.load(file)
        seen.add((now["max_attempts"], now["timeout_sec"], now["max_lost"], len(now)))
        statuses += [os.waitstatus_to_exitcode(status) for pid, status in [os.waitpid(-1, os.WNOHANG)] if pid]
    answer = [sorted(seen), statuses]`,
  );
  const keys = Object.keys(await settings(qj)).length;
  assert.deepEqual(writers, [[[11, 11, 11, keys], [22, 22, 22, keys]], [0, 0]]);

  // chmod is kept and keeps people out, the settings stay in force.
  assert.equal((await qj.sh("chmod 000 config.json && stat -c %a config.json")).stdout, "0\n");
  const out = await python(
    qj,
    `answer = [opened("config.json", flag) for flag in [os.O_RDONLY, os.O_WRONLY]]`,
    {
      privileged: false,
    },
  );
  assert.deepEqual(out, ["EACCES", "EACCES"]);
  assert.equal((await settings(qj)).paused, true);
  assert.deepEqual(await qj.ls("pending"), ["job"]);
  await qj.sh("chmod 600 config.json");
  await assertSound(qj);
});

/** A program that starts qj with this limit of open files, which it cannot raise. */
async function qjWithOpenFiles(limit: number): Promise<string> {
  const [program, args] = qjCommand([]);
  const path = await Deno.makeTempFile({ prefix: "qj-limited-" });
  const words = [program, ...args].map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(path, `#!/bin/sh\nulimit -n ${limit}\nexec ${words} "$@"\n`);
  await Deno.chmod(path, 0o700);
  return path;
}

Deno.test("C4: a lower max_job_count kills nothing, a higher one starts as many as descriptors allow", async () => {
  await using qj = await Qj.start({
    settings: { max_job_count: 6, settle_ms: 0, max_attempts: 1, timeout_sec: 0 },
  });
  const names = Array.from({ length: 20 }, (_, i) => `job${i + 10}`);
  const gated = 'echo up; read line < "gate-$QJ_JOB"; echo down';
  await qj.sh(`mkfifo ${names.map((name) => `gate-${name}`).join(" ")}`, qj.folder);
  await qj.sh(`for name in ${names.join(" ")}; do echo '${gated}' > pending/$name; done`);
  /** Waits until exactly these run, each with its process. */
  const run = async (...running: readonly string[]) => {
    for (const name of running) await shows(qj, `active/${name}`, "up\n");
    assert.deepEqual(await qj.ls("active"), running);
  };
  const end = async (name: string) => {
    await Deno.writeTextFile(`${qj.folder}/gate-${name}`, "go\n");
    assert.equal(await qj.in("complete", name), `>>> ${gated}\nup\ndown\n`);
  };
  await run(...names.slice(0, 6));
  await qj.configure({ max_job_count: 2 });
  // Those that end are not replaced before fewer than two run.
  for (let i = 0; i < 4; i++) {
    await end(names[i]!);
    await run(...names.slice(i + 1, 6));
  }
  await end(names[4]!);
  await run(names[5]!, names[6]!);
  assert.deepEqual(await qj.ls("pending"), names.slice(7));
  await qj.configure({ max_job_count: 10_000 });
  await run(...names.slice(5));
  for (const name of names.slice(5)) await end(name);
  assert.deepEqual(await qj.ls("failed"), []);

  // The soft limit falls while the daemon runs: what cannot start is tried again, which the log says, and all run.
  const used = [...Deno.readDirSync(`/proc/${qj.pid}/fd`)].length;
  const limited = await qj.sh(`prlimit --pid ${qj.pid} --nofile=${used + 12}:`);
  assert.deepEqual(limited, { code: 0, stdout: "", stderr: "" });
  const many = Array.from({ length: 60 }, (_, i) => `many${i + 10}`);
  await qj.sh(
    `for name in ${many.join(" ")}; do echo 'sleep 0.2; echo ran' > pending/$name; done`,
  );
  await until("the end of all", async () => {
    return (await qj.ls("complete")).length + (await qj.ls("failed")).length === 80;
  });
  assert.match(qj.log, /job "many\d+" cannot start just now.*Too many open files/);
  assert.deepEqual(await qj.ls("failed"), []);
  for (const name of many) {
    assert.equal(await qj.in("complete", name), ">>> sleep 0.2; echo ran\nran\n");
  }
  await qj.sh(`prlimit --pid ${qj.pid} --nofile=4096:`);
  await assertSound(qj);

  // A daemon that has been given few starts no more than they allow, and the rest later.
  const program = await qjWithOpenFiles(100);
  await using poor = await Qj.start({ program, settings: { max_job_count: 10_000, settle_ms: 0 } });
  await Deno.remove(program);
  await poor.sh(`mkfifo ${names.map((name) => `gate-${name}`).join(" ")}`, poor.folder);
  await poor.sh(`for name in ${names.join(" ")}; do echo '${gated}' > pending/$name; done`);
  const said = await poor.logged(/the limit of open files allows: at most \d+ jobs/);
  const most = Number(/at most (\d+) jobs/.exec(said)![1]);
  assert(most > 1 && most < names.length, said);
  for (const [i, name] of names.entries()) {
    const running = names.slice(i, i + most);
    for (const other of running) await shows(poor, `active/${other}`, "up\n");
    assert.deepEqual(await poor.ls("active"), running);
    await Deno.writeTextFile(`${poor.folder}/gate-${name}`, "go\n");
    await poor.in("complete", name);
  }
  assert.deepEqual(await poor.ls("failed"), []);
  await assertSound(poor);
});
