/** Cases of names: long, odd, hostile, taken. */
import assert from "node:assert/strict";
import { printableJson } from "../../store/printable.ts";
import { DatabaseSync } from "node:sqlite";
import { assertSound, python, shows } from "./cases.ts";
import { mkfifo } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

const AT_ONCE = { settings: { settle_ms: 0, max_attempts: 1 } };
const PAUSED = { settings: { paused: true } };

/** The state file itself has refused: SQLITE_CONSTRAINT, of https://sqlite.org/rescode.html */
function isConstraint(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === 19;
}

/** The names in pending/ as bytes, each byte as one character, sorted. */
async function bytesInPending(qj: Qj): Promise<string[]> {
  return await python(qj, `answer = sorted(n.decode("latin-1") for n in os.listdir(b"pending"))`);
}

function latin1(name: string): string {
  return String.fromCharCode(...new TextEncoder().encode(name));
}

Deno.test("N1: names of 255 and 256 bytes", async () => {
  await using qj = await Qj.start(AT_ONCE);
  const longest = ["x".repeat(255), "é".repeat(127) + "x"] as const;
  // Text goes to the shell as an argument, what begins with #! through a file, whose name must not be made from the job's.
  await qj.submit(longest[0], 'printf %s "$QJ_JOB" | wc -c');
  await qj.submit(longest[1], '#!/bin/sh\nprintf %s "$QJ_JOB" | wc -c; exit 3');
  assert.match(await qj.in("complete", longest[0]), /\n255\n$/);
  assert.match(await qj.in("failed", longest[1]), /\n255\n\n\[System Error\]: exit status 3\n$/);
  await qj.configure({ paused: true });
  await qj.submit("short", "true");
  const tooLong = await python(
    qj,
    `
    answer = []
    for name in ["x" * 256, "é" * 128, "x" * 4000]:
        path = "pending/" + name
        answer += [
            opened(path, os.O_CREAT | os.O_WRONLY), tried(os.mknod, path), tried(os.rename, "pending/short", path),
            renamed("pending/short", path, 1), tried(os.lstat, path), tried(os.unlink, path),
            tried(os.rename, "complete/" + "x" * 255, "complete/" + name), tried(os.lstat, "failed/" + name)]`,
  );
  assert.deepEqual(tooLong, Array(24).fill("ENAMETOOLONG"));
  assert.deepEqual(await qj.ls("pending"), ["short"]);
  await qj.sh(`mv pending/short pending/${"y".repeat(255)}`);
  assert.deepEqual(await qj.ls("pending"), ["y".repeat(255)]);
  await assertSound(qj);
});

Deno.test("N2: control characters are refused, what a shell would read is only a name", async () => {
  await using qj = await Qj.start(AT_ONCE);
  await qj.submit(".draft", "true");
  const refused = await python(
    qj,
    `
    answer = []
    for character in [*map(chr, range(1, 32)), *map(chr, range(127, 160))]:
        path = "pending/a" + character + "b"
        answer += [
            opened(path, os.O_CREAT | os.O_WRONLY), tried(os.mknod, path), tried(os.rename, "pending/.draft", path),
            tried(os.lstat, path)]`,
  );
  const answers = ["EINVAL", "EINVAL", "EINVAL", "ENOENT"];
  assert.deepEqual(refused, Array(31 + 33).fill(answers).flat());
  assert.deepEqual(await qj.ls("pending"), [".draft"]);

  const names = ["$(touch hit)", "`touch hit`", ";touch hit;", "' touch hit '", '" touch hit "']
    .concat(["a|b&c", "-rf", "--", " a  b ", "*", "?", "\\n", "%s%n", "{}", "$QJ_JOB", "!!", "a=b"])
    .concat(["> hit", "'); DROP TABLE job; --", "forged\u202e", "a\u2028b"]);
  for (const name of names) await qj.submit(name, 'printf "<%s>\\n" "$QJ_JOB"');
  for (const name of names) {
    const log = `>>> printf "<%s>\\n" "$QJ_JOB"\n<${name}>\n`;
    assert.equal(await qj.in("complete", name), log);
    const line = `job ${printableJson(name)} succeeded`;
    await until(line, () => qj.log.includes(line));
  }
  assert.equal(await exists(`${qj.folder}/hit`), false);
  assert.deepEqual(await qj.ls("complete"), [...names].sort());
  for (const line of qj.log.split("\n")) assert.match(line, /^20\d\d-\S+ qj [a-z]+: /);
  await assertSound(qj);
});

Deno.test("N3: a name never leads out of its directory", async () => {
  await using qj = await Qj.start(AT_ONCE);
  await qj.submit("plain", "true");
  await qj.in("complete", "plain");
  await qj.submit(".draft", "true");
  const answers = await python(
    qj,
    `
    create = os.O_CREAT | os.O_WRONLY
    answer = [opened("pending/" + name, create) for name in [".", "..", "a/", ".draft/x", "no/x", "../../etc/x"]]
    answer += [tried(os.rename, "pending/.draft", "pending/" + name) for name in [".", "..", "no/x"]]
    answer += [opened("pending/..%2fx", create), opened("pending/%2e%2e%2fetc%2fx", create)]`,
  );
  assert.deepEqual(answers, [
    ...["EISDIR", "EISDIR", "EISDIR", "ENOTDIR", "ENOENT", "ENOENT"],
    ...["EBUSY", "EBUSY", "ENOENT"],
    ...[null, null],
  ]);
  // The first begins with a dot, so it is a draft; the second is a job like any other.
  for (const name of ["..%2fx", "%2e%2e%2fetc%2fx", "..\\..\\x"]) await qj.submit(name, "echo ran");
  assert.equal(await qj.in("complete", "%2e%2e%2fetc%2fx"), ">>> echo ran\nran\n");
  assert.deepEqual(await qj.ls("pending"), ["..%2fx", "..\\..\\x", ".draft"]);
  assert.match(
    (await qj.sh("for i in $(seq 50); do cat new-id; done")).stdout,
    /^([a-z0-9]{4}\n){50}$/,
  );

  assert.equal(await qj.end(), 0);
  {
    using state = new DatabaseSync(qj.stateFile);
    const rename = state.prepare("UPDATE job SET name = ? WHERE name = 'plain'");
    for (const name of [".", "..", "../../etc/x", "/etc/x", "a/b", "a\0b", "x".repeat(256), ""]) {
      assert.throws(() => rename.run(name), isConstraint, JSON.stringify(name));
    }
  }
  await qj.restart();
  assert((await qj.ls("complete")).includes("plain"));
  await assertSound(qj);
});

Deno.test("N4: names are kept byte by byte, and what is not UTF-8 is refused", async () => {
  await using qj = await Qj.start(PAUSED);
  const refused = await python(
    qj,
    `
    open(b"pending/.draft", "w").close()
    answer = []
    # Single bytes, cut sequences, overlong forms of / and NUL, a surrogate, beyond U+10FFFF.
    for name in [b"\\xff\\xfe", b"\\x80", b"a\\xc3", b"\\xe2\\x82", b"\\xc0\\xaf", b"\\xe0\\x80\\xaf", b"\\xc0\\x80",
                 b"\\xed\\xa0\\x80", b"\\xf4\\x90\\x80\\x80", b"\\xef\\xbf\\xbd\\xff"]:
        path = b"pending/" + name
        answer += [
            opened(path, os.O_CREAT | os.O_WRONLY), tried(os.mknod, path), tried(os.rename, b"pending/.draft", path),
            tried(os.lstat, path), tried(os.unlink, path)]`,
  );
  const answers = ["EILSEQ", "EILSEQ", "EILSEQ", "ENOENT", "ENOENT"];
  assert.deepEqual(refused, Array(10).fill(answers).flat());

  // Composed and decomposed, with and without a byte order mark, look-alikes, the replacement character itself.
  const names = [
    "é",
    "e\u0301",
    "bom",
    "\ufeffbom",
    "bom\ufeff",
    "K",
    "\u212a",
    "\ufffd",
    "\ufffd\ufffd",
  ]
    .concat(["😀", "👩‍👧", "\u200bx", "x", "\uffff", "\u{10ffff}", "日本語", "ß", "ss"]);
  for (const name of names) await qj.submit(name, `echo ${[...latin1(name)].length}`);
  assert.deepEqual(await bytesInPending(qj), [...names.map(latin1), ".draft"].sort());
  await qj.configure({ paused: false });
  for (const name of names) {
    const length = latin1(name).length;
    assert.equal(await qj.in("complete", name), `>>> echo ${length}\n${length}\n`);
  }
  assert.deepEqual(await qj.ls("complete"), [...names].sort());
  await assertSound(qj);
});

Deno.test("N5: case variants, names of qj's own files and of JavaScript's objects are ordinary jobs", async () => {
  await using qj = await Qj.start(AT_ONCE);
  const names = ["Job", "job", "JOB", "config.json", "new-id", "running", "pending", "active"]
    .concat(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"])
    .concat(["null", "undefined", "NaN", "0", "-1", "1e3", "length", "then"]);
  const settings = await Deno.readTextFile(qj.path("config.json"));
  for (const name of names) {
    for (const directory of [".", "pending", "active", "complete", "failed"]) {
      const isFixed = directory === "." && await exists(`${qj.mountpoint}/${name}`);
      assert.equal(
        isFixed,
        ["config.json", "new-id", "pending", "active"].includes(name) && directory === ".",
      );
      if (directory !== ".") assert.equal(await exists(qj.path(directory, name)), false, name);
    }
  }
  for (const name of names) await qj.submit(name, `echo 'this is ${name}'`);
  for (const name of names) {
    assert.equal(await qj.in("complete", name), `>>> echo 'this is ${name}'\nthis is ${name}\n`);
  }
  assert.deepEqual(await qj.ls("complete"), [...names].sort());
  assert.equal(await Deno.readTextFile(qj.path("config.json")), settings);
  await qj.sh("rm complete/__proto__ && mv complete/constructor complete/__proto__");
  assert.match(await qj.in("complete", "__proto__"), /\nthis is constructor\n$/);
  assert.equal(await exists(qj.path("complete", "constructor")), false);
  await assertSound(qj);
});

Deno.test("N6: drafts do not run before they are renamed, a temporary file runs once under its last name", async () => {
  // Long enough for a program to rename its file after it has closed it, however slow the machine is.
  await using qj = await Qj.start({ settings: { settle_ms: 1500 } });
  const drafts = [".hidden", ".job.swp", ".job.swpx", "job~", "~", "#job#", ".#job"];
  const jobs = ["#x", "x#", "~x", "a.swp", "a.b", "x~y"];
  for (const name of [...drafts, ...jobs]) await qj.submit(name, 'echo "$QJ_JOB" >> runs');
  const { code, stderr } = await qj.sh(`
    set -e
    echo 'echo wrong >> runs' > pending/edited
    sed -i 's/wrong/edited/' pending/edited
    echo 'echo sedXXXXXX >> runs' > pending/sedXXXXXX
    mv pending/sedXXXXXX pending/renamed
    echo 'echo hidden-before >> runs' > pending/.temporary
    mv pending/.temporary pending/published`);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  for (const name of [...jobs, "edited", "renamed", "published"]) await qj.in("complete", name);
  assert.deepEqual(await qj.ls("pending"), [...drafts].sort());
  assert.deepEqual(await qj.ls("complete"), [...jobs, "edited", "renamed", "published"].sort());
  const runs = (await Deno.readTextFile(`${qj.folder}/runs`)).trim().split("\n");
  assert.deepEqual(runs.sort(), [...jobs, "edited", "hidden-before", "sedXXXXXX"].sort());
  assert.equal((await qj.sh("LC_ALL=C ls pending")).stdout, "#job#\njob~\n~\n");
  await qj.sh("mv '#job#' was-draft", qj.path("pending"));
  await qj.in("complete", "was-draft");
  await assertSound(qj);
});

Deno.test("N7: a name in use is refused or opened, by the state of its job", async () => {
  await using qj = await Qj.start(AT_ONCE);
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit("good", "echo good");
  await qj.submit("bad", "echo bad; exit 1");
  await qj.submit("runs", "echo up; read line < gate; echo down");
  await qj.in("complete", "good");
  await qj.in("failed", "bad");
  await shows(qj, "active/runs", "up\n");
  await qj.configure({ paused: true });
  await qj.submit("waits", "echo first");
  await qj.submit(".draft", "echo draft");
  const tries = await python(
    qj,
    `
    flags = [os.O_EXCL, os.O_TRUNC, os.O_APPEND, 0]
    answer = {}
    for name in ["good", "bad", "runs", "waits"]:
        path = "pending/" + name
        answer[name] = [opened(path, os.O_WRONLY | os.O_CREAT | flag) for flag in flags]
        answer[name] += [tried(os.mknod, path), renamed("pending/.draft", path, 1)]
        if name != "waits":
            answer[name] += [tried(os.rename, "pending/.draft", path)]`,
  );
  const taken = Array(7).fill("EEXIST");
  const pending = ["EEXIST", null, null, null, "EEXIST", "EEXIST"];
  assert.deepEqual(tries, { good: taken, bad: taken, runs: taken, waits: pending });
  assert.equal(await Deno.readTextFile(qj.path("pending", "waits")), "");
  assert.equal(await Deno.readTextFile(qj.path("pending", ".draft")), "echo draft");
  await qj.submit("waits", "echo second");
  await qj.configure({ paused: false });
  assert.equal(await qj.in("complete", "waits"), ">>> echo second\nsecond\n");
  assert.equal(await qj.in("complete", "good"), ">>> echo good\ngood\n");
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
  assert.match(await qj.in("complete", "runs"), /\nup\ndown\n$/);
  // Once the old job is forgotten the name is free.
  await qj.sh("rm complete/good");
  await qj.submit("good", "echo again");
  assert.equal(await qj.in("complete", "good"), ">>> echo again\nagain\n");
  await assertSound(qj);
});
