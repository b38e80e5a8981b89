/** Extended attributes, by getfattr and setfattr. */
import assert from "node:assert/strict";
import { mkfifo } from "./helpers.ts";
import { Qj } from "./qj.ts";

const hasTools = await new Deno.Command("getfattr", { args: ["--version"] }).output()
  .then(({ success }) => success, () => false);
if (!hasTools) {
  const text =
    "Extended attributes: tests skipped, since getfattr (package attr) is not installed\n";
  await Deno.stderr.write(new TextEncoder().encode(text));
}

function xattrTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `xattr: ${name}`, ignore: !hasTools, fn });
}

/** All user attributes of a file, as `getfattr -d` prints them. */
async function dump(qj: Qj, path: string): Promise<string[]> {
  const { code, stdout, stderr } = await qj.sh(`getfattr -d ${path}`);
  assert.deepEqual({ path, code, stderr }, { path, code: 0, stderr: "" });
  return stdout.split("\n").filter((line) => line.startsWith("user."));
}

/** "ok", or the reason that setfattr gives. */
async function set(qj: Qj, path: string, name: string, value: string): Promise<string> {
  const { code, stderr } = await qj.sh(`LC_ALL=C setfattr -n ${name} -v ${value} ${path}`);
  return code === 0 ? "ok" : stderr.trim().split(": ").at(-1)!;
}

xattrTest("getfattr -d shows what is known of a job, on each of its files", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 2, backoff_base: 0 } });
  await qj.submit("x", "exit 3");
  await qj.in("failed", "x");
  const expected = [
    ...['user.qj.attempts="2"', 'user.qj.exit_code="3"', 'user.qj.priority="0"'],
    'user.qj.state="failed"',
  ];
  const files = ["", "/script", "/log", "/attempts", "/attempts/2.log", "/status.json", "/signal"];
  for (const path of ["failed/x", ...files.map((file) => `jobs/x${file}`)]) {
    assert.deepEqual((await dump(qj, path)).sort(), expected, path);
  }
  for (const path of [".", "pending", "jobs", "config.json", "metrics", "events", "new-id"]) {
    assert.deepEqual(await dump(qj, path), [], path);
  }
});

xattrTest("the state follows the job", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await mkfifo(`${qj.folder}/gate`);
  const state = async () => (await qj.sh("getfattr --only-values -n user.qj.state jobs/x")).stdout;
  await qj.submit("x", "read line < gate");
  assert.equal(await state(), "pending");
  await qj.configure({ paused: false });
  await qj.in("active", "x");
  assert.equal(await state(), "active");
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
  await qj.in("complete", "x");
  assert.equal(await state(), "complete");
});

xattrTest("a higher priority starts first, whenever it was set", async () => {
  await using qj = await Qj.start({ settings: { paused: true, max_job_count: 1 } });
  for (const name of ["a", "b", "c", "d"]) await qj.submit(name, "echo $QJ_JOB >> order");
  assert.equal(await set(qj, "pending/c", "user.qj.priority", "10"), "ok");
  assert.equal(await set(qj, "jobs/d/script", "user.qj.priority", "1000"), "ok");
  assert.equal(await set(qj, "pending/a", "user.qj.priority", "-1000"), "ok");
  assert.equal(await set(qj, "pending/d", "user.qj.priority", "5"), "ok");
  await qj.end();
  await qj.restart();
  await qj.configure({ paused: false });
  await qj.in("complete", "a");
  assert.equal(await Deno.readTextFile(`${qj.folder}/order`), "c\nd\nb\na\n");
});

xattrTest("what cannot be set, and why", async () => {
  await using qj = await Qj.start();
  await qj.submit("done", "true");
  await qj.in("complete", "done");
  await qj.configure({ paused: true });
  await qj.submit("x", "true");
  for (const value of ["1001", "-1001", "ten", "1.5", '""', '" 1"']) {
    assert.equal(await set(qj, "pending/x", "user.qj.priority", value), "Invalid argument", value);
  }
  const refused = "Operation not permitted";
  assert.equal(await set(qj, "complete/done", "user.qj.priority", "1"), refused);
  for (const name of ["user.qj.state", "user.qj.queue", "user.mine"]) {
    assert.equal(await set(qj, "pending/x", name, "1"), "Operation not supported", name);
  }
  assert.equal(await set(qj, "config.json", "user.qj.error", "x"), "Operation not supported");
  const remove = async (name: string) =>
    (await qj.sh(`LC_ALL=C setfattr -x ${name} pending/x`)).stderr.trim().split(": ").at(-1);
  assert.equal(await remove("user.qj.priority"), refused);
  assert.equal(await remove("user.mine"), "No such attribute");
  assert.equal((await qj.sh("getfattr --only-values -n user.qj.priority pending/x")).stdout, "0");
});

xattrTest("config.json tells why a text was refused, until one is taken", async () => {
  await using qj = await Qj.start();
  const error = async () => await dump(qj, "config.json");
  await qj.sh(`echo '{"max_job_count": -1}' > config.json`);
  assert.deepEqual(await error(), [
    'user.qj.error="max_job_count must be at least 0, not -1"',
  ]);
  await qj.configure({ max_job_count: 3 });
  assert.deepEqual(await error(), []);
});

xattrTest(
  "programs that copy attributes, or ask for ACLs and capabilities, do not fail",
  async () => {
    await using qj = await Qj.start();
    await qj.submit("x", "true");
    await qj.in("complete", "x");
    const { code, stderr } = await qj.sh(`
    set -e
    cp --preserve=mode,ownership,timestamps,xattr complete/x ${qj.folder}/copy || true
    cmp complete/x ${qj.folder}/copy
    cp -a complete/x ${qj.folder}/other
    ls -l complete
    tar --xattrs -cf ${qj.folder}/x.tar complete/x`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  },
);
