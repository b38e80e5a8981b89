/** pending/: files that become jobs. The queue is paused where a test looks at files only. */
import assert from "node:assert/strict";
import { fileSize } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

const PAUSED = { settings: { paused: true } };
const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("pending: all descriptors see one buffer, and so does stat", async () => {
  await using qj = await Qj.start(PAUSED);
  const path = qj.path("pending", "a");
  using writer = await Deno.open(path, { write: true, createNew: true });
  await writer.write(encode("hello world"));
  assert.equal(await fileSize(path), 11);
  using second = await Deno.open(path, { read: true, write: true });
  await second.seek(6, Deno.SeekMode.Start);
  await second.write(encode("there"));
  assert.equal(await Deno.readTextFile(path), "hello there");
  await writer.truncate(5);
  assert.equal(await Deno.readTextFile(path), "hello");
  await second.seek(7, Deno.SeekMode.Start);
  await second.write(encode("!"));
  assert.equal(await Deno.readTextFile(path), "hello\0\0!");
});

Deno.test("pending: append goes to the end, whoever has written before", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.sh("exec 3>>pending/a 4>>pending/a; echo 1 >&3; echo 2 >&4; echo 3 >&3");
  assert.equal(await Deno.readTextFile(qj.path("pending", "a")), "1\n2\n3\n");
});

Deno.test("pending: a hundred appenders at once lose nothing", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.sh("for i in $(seq 100); do echo $i >> pending/a & done; wait");
  assert.equal(
    (await qj.sh("sort -n pending/a | tr '\\n' ' '; seq 100 | tr '\\n' ' '")).stdout.length,
    584,
  );
  assert.equal((await qj.sh("sort -n pending/a | cmp - <(seq 100)")).code, 0);
});

Deno.test("pending: a name in use is EEXIST in any state, but a pending job is opened without O_EXCL", async () => {
  await using qj = await Qj.start();
  await qj.submit("done", "true");
  await qj.in("complete", "done");
  await qj.configure({ paused: true });
  await qj.submit("waits", "true");
  const { stderr } = await qj.sh("echo x > pending/done");
  assert.match(stderr, /File exists/);
  assert.match(
    (await qj.sh("set -o noclobber; echo x > pending/waits")).stderr,
    /cannot overwrite/,
  );
  assert.equal(
    (await qj.sh("echo false >> pending/waits; cat pending/waits")).stdout,
    "truefalse\n",
  );
});

Deno.test("pending: with replace_finished a new job takes the name of a finished one", async () => {
  await using qj = await Qj.start({ settings: { replace_finished: true } });
  await qj.submit("a", "echo first");
  await qj.in("complete", "a");
  const from = qj.logLength;
  await qj.submit("a", "echo second");
  await qj.logged(/"a" succeeded/, from);
  assert.equal(await qj.in("complete", "a"), ">>> echo second\nsecond\n");
});

Deno.test("pending: beyond max_script_bytes a write is EFBIG, and the part before it does not run", async () => {
  await using qj = await Qj.start({ settings: { max_script_bytes: 1000 } });
  const { stderr } = await qj.sh(
    "(printf 'touch ran\\n'; head -c 2000 /dev/zero) | dd bs=500 of=pending/a",
  );
  assert.match(stderr, /File too large/);
  assert.match(
    await qj.in("failed", "a"),
    /^\[System Error\]: not run: .*max_script_bytes \(1000\)/,
  );
  assert.equal((await qj.sh("truncate -s 1001 pending/b")).code, 1);
  assert.equal(await exists(`${qj.folder}/ran`), false);
});

Deno.test("pending: a job is held while a descriptor can write to it", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 0 } });
  using writer = await Deno.open(qj.path("pending", "held"), { write: true, createNew: true });
  await writer.write(encode("echo whole"));
  await writer.sync();
  await qj.submit("other", "true");
  await qj.in("complete", "other");
  assert.deepEqual(await qj.ls("pending"), ["held"]);
  writer.close();
  assert.equal(await qj.in("complete", "held"), ">>> echo whole\nwhole\n");
});

Deno.test("pending: a reader does not hold a job", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("a", "echo read");
  using reader = await Deno.open(qj.path("pending", "a"));
  await qj.configure({ paused: false });
  await qj.in("complete", "a");
  const text = new Uint8Array(20);
  const length = await reader.read(text);
  assert.equal(new TextDecoder().decode(text.subarray(0, length!)), "echo read");
});

Deno.test("pending: drafts are listed, never run, and become jobs by rename", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 0 } });
  for (const name of [".draft", "draft~", "#draft#"]) await qj.submit(name, `echo ${name}`);
  await qj.submit("last", "true");
  await qj.in("complete", "last");
  assert.deepEqual(await qj.ls("pending"), ["#draft#", ".draft", "draft~"]);
  await qj.sh("mv pending/.draft pending/job");
  assert.equal(await qj.in("complete", "job"), ">>> echo .draft\n.draft\n");
  assert.match((await qj.sh("mv pending/draft~ failed/")).stderr, /Operation not permitted/);
});

Deno.test("pending: an empty file is never run, until it has text", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 0 } });
  await qj.sh("touch pending/empty; true > pending/truncated");
  await qj.submit("last", "true");
  await qj.in("complete", "last");
  assert.deepEqual(await qj.ls("pending"), ["empty", "truncated"]);
  await qj.sh("echo 'echo now' > pending/empty");
  assert.equal(await qj.in("complete", "empty"), ">>> echo now\nnow\n");
});

Deno.test("pending: names are bytes of UTF-8 without control characters, up to 255 of them", async () => {
  await using qj = await Qj.start(PAUSED);
  const longest = "é".repeat(127) + "x";
  const names = [
    "a b",
    "-rf",
    "$(x)",
    "';--",
    "__proto__",
    "Job",
    "job",
    "ü",
    "u\u0308",
    "😀",
    longest,
  ];
  for (const name of names) await qj.submit(name, "true");
  assert.deepEqual(await qj.ls("pending"), [...names].sort());
  const tries = await qj.sh(`
    touch pending/${longest}x; touch "$(printf 'pending/\\xff')"; touch "$(printf 'pending/a\\nb')"
    stat "$(printf 'pending/\\xff')"; stat "$(printf 'pending/a\\nb')"`);
  const errors = tries.stderr.split("\n").map((line) => line.split(": ").at(-1));
  assert.deepEqual(errors.slice(0, 5), [
    "File name too long",
    "Invalid or incomplete multibyte or wide character",
    "Invalid argument",
    "No such file or directory",
    "No such file or directory",
  ]);
});

Deno.test("pending: an mtime ahead puts the start off, one that has passed does not", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 0 } });
  await qj.sh(
    `echo 'echo later' > pending/.x; touch -d '1 hour' pending/.x; mv pending/.x pending/x`,
  );
  await qj.submit("last", "true");
  await qj.in("complete", "last");
  assert.deepEqual(await qj.ls("pending"), ["x"]);
  await qj.sh("echo 'echo even later' >> pending/x");
  await qj.submit("last2", "true");
  await qj.in("complete", "last2");
  assert.deepEqual(await qj.ls("pending"), ["x"]);
  await qj.sh("touch pending/x");
  assert.match(await qj.in("complete", "x"), /even later/);
});

Deno.test("pending: an mtime ahead wakes the job by itself when its time comes", async () => {
  await using qj = await Qj.start();
  const at = Date.now() / 1000 + 1.5;
  await qj.sh(
    `echo 'date +%s.%N' > pending/.x; touch -d @${at} pending/.x; mv pending/.x pending/x`,
  );
  const ran = Number((await qj.in("complete", "x")).split("\n")[1]);
  assert(ran >= at, `${ran} is before ${at}`);
});

Deno.test("pending: programs that touch a file after closing it still find it, and it runs once", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 500 } });
  await Deno.writeTextFile(`${qj.folder}/job`, "echo ran >> runs\n");
  const { code, stderr } = await qj.sh(`
    set -e
    install -m 700 ../job pending/install
    cp -p ../job pending/cp
    cp ../job /dev/shm/qj-$$; mv /dev/shm/qj-$$ pending/mv
    tar -C .. -cf - job | tar -C pending -xf - --transform s/job/tar/
    echo 'echo wrong' > pending/sed; sed -i 's/wrong/ran >> runs/' pending/sed
    echo 'echo wrong' > pending/perl; perl -pi -e 's/wrong/ran >> runs/' pending/perl
    echo 'echo wrong >> runs' > pending/dd; printf 'echo ran  ' | dd of=pending/dd conv=notrunc status=none`);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  for (const name of ["install", "cp", "mv", "tar", "sed", "perl", "dd"]) {
    await qj.in("complete", name);
  }
  assert.equal(await Deno.readTextFile(`${qj.folder}/runs`), "ran\n".repeat(7));
});

Deno.test("pending: the log of a job that is copied there goes to failed, saying what to do", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "echo x");
  await qj.in("complete", "a");
  await qj.sh("cp complete/a pending/b");
  assert.match(await qj.in("failed", "b"), /not run: this is the log of a job.*move it \(mv\)/);
});

Deno.test("pending: a script with a NUL byte goes to failed with the reason", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "echo \0");
  assert.match(await qj.in("failed", "a"), /not run: the script contains a NUL byte/);
});

Deno.test("pending: unlink cancels a waiting job, also while it is open", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.submit("a", "touch ran");
  using writer = await Deno.open(qj.path("pending", "b"), { write: true, createNew: true });
  await writer.write(encode("touch ran"));
  await qj.sh("rm pending/a pending/b");
  assert.equal((await writer.stat()).nlink, 0);
  await writer.write(encode(" again"));
  writer.close();
  await qj.configure({ paused: false });
  await qj.submit("last", "true");
  await qj.in("complete", "last");
  assert.equal(await exists(`${qj.folder}/ran`), false);
  assert.deepEqual(await qj.ls("pending"), []);
});

Deno.test("pending: rename over a waiting job replaces it whole", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.submit("a", "echo new");
  await qj.submit("b", "echo old");
  await qj.sh("mv pending/a pending/b");
  await qj.configure({ paused: false });
  assert.equal(await qj.in("complete", "b"), ">>> echo new\nnew\n");
  assert.deepEqual(await qj.ls("complete"), ["b"]);
});

Deno.test("pending: chmod, chown and times are kept, also by the next daemon", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.submit("a", "true");
  await qj.sh("chmod 640 pending/a; chmod 1777 pending; touch -d @1000000000.123456789 pending/a");
  const before = (await qj.sh("stat -c '%a %i %.Y' pending/a; stat -c '%a %i' pending")).stdout;
  assert.match(before, /^640 \d+ 1000000000\.123456789\n1777 2\n$/);
  assert.equal(await qj.end(), 0);
  await qj.restart();
  assert.equal(
    (await qj.sh("stat -c '%a %i %.Y' pending/a; stat -c '%a %i' pending")).stdout,
    before,
  );
});

Deno.test("pending: fsync returns when the text is in the state file", async () => {
  await using qj = await Qj.start(PAUSED);
  const { code } = await qj.sh(
    "dd if=/dev/zero of=pending/a bs=100 count=1 conv=fsync status=none; sync pending/a",
  );
  assert.equal(code, 0);
  using writer = await Deno.open(qj.path("pending", "b"), { write: true, createNew: true });
  await writer.write(encode("echo synced"));
  await writer.sync();
  await qj.end("SIGKILL");
  await qj.restart();
  assert.equal(await Deno.readTextFile(qj.path("pending", "b")), "echo synced");
});

Deno.test("pending: a listing shows each entry that stays exactly once, whatever comes and goes", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.sh("for i in $(seq 1500); do echo true > pending/stays$i; done");
  const churn = qj.sh(
    "for i in $(seq 150); do echo true > pending/new$i; rm pending/new$((i - 3)) 2>/dev/null; done; :",
  );
  let churning = true;
  void churn.then(() => churning = false);
  do {
    const listed = (await qj.sh("ls -f pending")).stdout.split("\n").filter((name) =>
      name.startsWith("stays")
    );
    assert.equal(listed.length, 1500);
    assert.equal(new Set(listed).size, 1500);
  } while (churning);
  await until("the end of the churn", () => !churning);
});

Deno.test("pending: after a failed append no later one makes the script whole again", async () => {
  await using qj = await Qj.start({ settings: { max_script_bytes: 60 } });
  await qj.sh(`
    echo 'echo A' > pending/.x; printf %0100d 1 >> pending/.x; echo 'echo C' >> pending/.x
    mv pending/.x pending/x
    echo 'echo A' > pending/.y; printf %0100d 1 >> pending/.y; touch pending/.y; mv pending/.y pending/y`);
  for (const name of ["x", "y"]) {
    assert.match(
      await qj.in("failed", name),
      /^\[System Error\]: not run: writing the script failed/,
    );
  }
  await qj.sh("mv failed/x pending/.x; echo 'echo whole' > pending/.x; mv pending/.x pending/x");
  assert.match(await qj.in("complete", "x"), /\nwhole\n$/);
});
