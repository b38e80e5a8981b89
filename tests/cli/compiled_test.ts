/**
 * dist/qj, the executable, as a black box: no Deno on PATH, another directory, nothing of the project in reach.
 *
 * It is made with the denort of DENORT_BIN, or with the one that Deno downloads. Only where neither is possible and CI
 * is not set the tests are skipped, and say so.
 */
import assert from "node:assert/strict";
import { Qj } from "../mount/qj.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;

async function compile(): Promise<string | null> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "compile"],
    cwd: PROJECT,
    stdin: "null",
  }).output();
  return success ? null : new TextDecoder().decode(stderr);
}

const failure = await compile();
const skip = failure !== null && !Deno.env.get("CI") && !Deno.env.get("DENORT_BIN");
if (skip) {
  const reason = "skipped, since there is no denort to compile with (see DENORT_BIN in README.md)";
  await Deno.stderr.write(new TextEncoder().encode(`compiled program: ${reason}\n${failure}`));
}

/** Without Deno, and without a home to find one in. */
async function withProgram(body: (qj: Qj) => Promise<void>): Promise<void> {
  assert.equal(failure, null);
  await using qj = await Qj.start({
    program: `${PROJECT}dist/qj`,
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
  name: "compiled: it leaves no cache in the temporary folder",
  ignore: skip,
  fn: () =>
    withProgram(async () => {
      const names = await Array.fromAsync(Deno.readDir("/tmp"), ({ name }) => name);
      assert.deepEqual(names.filter((name) => /^deno-compile-qj/.test(name)), []);
    }),
});
