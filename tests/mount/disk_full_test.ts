/** A state file on a file system that is full: a small tmpfs. Mounting one needs root. */
import assert from "node:assert/strict";
import { Qj, until } from "./qj.ts";

async function mountTmpfs(path: string): Promise<void> {
  await Deno.mkdir(path);
  const { success } = await new Deno.Command("mount", {
    args: ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", path],
  }).output();
  if (!success) throw new Error("cannot mount a tmpfs");
}

Deno.test({
  name: "disk full: the writer hears of it, reads go on, and it recovers by itself",
  ignore: Deno.uid() !== 0,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
    const state = `${folder}/tmpfs`;
    await mountTmpfs(state);
    try {
      await using qj = await Qj.start({ folder, stateFile: `${state}/state.db` });
      await qj.submit("before", "echo before");
      const log = await qj.in("complete", "before");
      await qj.sh(`head -c 2M /dev/zero > ${state}/ballast`);
      const full = await qj.sh("echo 'echo x' > pending/x");
      assert.equal(full.code, 1);
      assert.match(full.stderr, /No space left on device/);
      assert.equal(await Deno.readTextFile(qj.path("complete", "before")), log);
      assert.deepEqual(await qj.ls("complete"), ["before"]);
      await Deno.remove(`${state}/ballast`);
      await until(
        "room",
        async () => (await qj.sh("echo 'echo after' > pending/after")).code === 0,
      );
      assert.equal(await qj.in("complete", "after"), ">>> echo after\nafter\n");
    } finally {
      await new Deno.Command("umount", { args: ["-l", state] }).output();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "disk full: a job that ends meanwhile is recorded when there is room again",
  ignore: Deno.uid() !== 0,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
    const state = `${folder}/tmpfs`;
    await mountTmpfs(state);
    try {
      await using qj = await Qj.start({ folder, stateFile: `${state}/state.db` });
      await qj.submit(
        "a",
        "until [ -e go ]; do sleep 0.02; done; head -c 600000 /dev/zero | tr '\\0' x; echo",
      );
      await qj.in("active", "a");
      await qj.sh(`head -c 2M /dev/zero > ${state}/ballast`);
      await Deno.writeTextFile(`${folder}/go`, "");
      await qj.logged(/the state file cannot be changed, will try again/);
      assert.deepEqual(await qj.ls("active"), ["a"]);
      await new Deno.Command("mount", { args: ["-o", "remount,size=8m", state] }).output();
      const log = await qj.in("complete", "a");
      assert.equal(log.split("\n")[1]!.length, 600_000);
    } finally {
      await new Deno.Command("umount", { args: ["-l", state] }).output();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
