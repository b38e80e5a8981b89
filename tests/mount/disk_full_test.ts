/** A state file on a file system that is full: a small tmpfs. Mounting one needs root. */
import assert from "node:assert/strict";
import { Qj, until } from "./qj.ts";

/** Runs a test with a daemon whose state file is on a tmpfs of one MiB. */
function onSmallDisk(
  name: string,
  body: (qj: Qj, disk: SmallDisk) => Promise<void>,
): void {
  Deno.test({
    name: `disk full: ${name}`,
    ignore: Deno.uid() !== 0,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
      const disk = new SmallDisk(`${folder}/tmpfs`);
      await disk.mount();
      try {
        await using qj = await Qj.start({ folder, stateFile: `${disk.path}/state.db` });
        await body(qj, disk);
      } finally {
        await run("umount", "-l", disk.path);
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}

class SmallDisk {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  async mount(): Promise<void> {
    await Deno.mkdir(this.path);
    await run("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", this.path);
  }

  /** Takes all the room that is left. */
  async fill(): Promise<void> {
    await new Deno.Command("sh", { args: ["-c", `head -c 2M /dev/zero >> ${this.path}/ballast`] })
      .output();
  }

  async free(): Promise<void> {
    await Deno.remove(`${this.path}/ballast`);
  }

  async grow(): Promise<void> {
    await run("mount", "-o", "remount,size=8m", this.path);
  }
}

onSmallDisk("the writer hears of it, reads go on, and it recovers by itself", async (qj, disk) => {
  await qj.submit("before", "echo before");
  const log = await qj.in("complete", "before");
  // What qj can give back it uses first; then there is really no room.
  let full = await qj.sh(":");
  for (let i = 0; full.code === 0; i++) {
    assert(i < 100, "it never gets full");
    await disk.fill();
    full = await qj.sh(`echo 'sleep 1000' > pending/.x${i}`);
  }
  assert.match(full.stderr, /No space left on device/);
  assert.equal(await Deno.readTextFile(qj.path("complete", "before")), log);
  assert.deepEqual(await qj.ls("complete"), ["before"]);
  await disk.free();
  await until("room", async () => (await qj.sh("echo 'echo after' > pending/after")).code === 0);
  assert.equal(await qj.in("complete", "after"), ">>> echo after\nafter\n");
});

onSmallDisk("a job that ends meanwhile is recorded when there is room again", async (qj, disk) => {
  await qj.submit(
    "a",
    "until [ -e go ]; do sleep 0.02; done; head -c 600000 /dev/zero | tr '\\0' x; echo",
  );
  await qj.in("active", "a");
  await disk.fill();
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  await qj.logged(/the state file cannot be changed, will try again/);
  assert.deepEqual(await qj.ls("active"), ["a"]);
  await disk.grow();
  const log = await qj.in("complete", "a");
  assert.equal(log.split("\n")[1]!.length, 600_000);
});

onSmallDisk("the room of removed logs is used again", async (qj) => {
  for (let round = 0; round < 10; round++) {
    await qj.submit(`a${round}`, "head -c 150000 /dev/zero | tr '\\0' x; echo");
    assert.equal((await qj.in("complete", `a${round}`)).split("\n")[1]!.length, 150_000);
    assert.equal((await qj.sh(`rm complete/a${round}`)).code, 0);
  }
});

onSmallDisk(
  "a second signal ends the daemon, whose jobs run again when there is room",
  async (qj, disk) => {
    await qj.submit("a", "[ -e go ] && exit; touch go; head -c 900000 /dev/zero; sleep 1000");
    await qj.in("active", "a");
    await disk.fill();
    await qj.logged(/the state file cannot be changed, will try again/);
    const ended = qj.end();
    await qj.logged(/stopping/);
    await qj.end();
    assert.equal(await ended, 0);
    await disk.grow();
    await qj.restart();
    await qj.in("complete", "a");
  },
);
