/** A state file on a file system that is full: a small tmpfs. Mounting one needs root. */
import assert from "node:assert/strict";
import { onSmallDisk } from "./small_disk.ts";

onSmallDisk(
  "disk full: a job that ends meanwhile is recorded when there is room again",
  "1m",
  async (qj, disk) => {
    await qj.submit(
      "a",
      "until [ -e go ]; do sleep 0.02; done; head -c 600000 /dev/zero | tr '\\0' x; echo",
    );
    await qj.in("active", "a");
    await disk.fill();
    await Deno.writeTextFile(`${qj.folder}/go`, "");
    await qj.logged(/the state file cannot be changed, will try again/);
    assert.deepEqual(await qj.ls("active"), ["a"]);
    await disk.remount("size=8m");
    const log = await qj.in("complete", "a");
    assert.equal(log.split("\n")[1]!.length, 600_000);
  },
);

onSmallDisk("disk full: the room of removed logs is used again", "1m", async (qj) => {
  for (let round = 0; round < 10; round++) {
    await qj.submit(`a${round}`, "head -c 150000 /dev/zero | tr '\\0' x; echo");
    assert.equal((await qj.in("complete", `a${round}`)).split("\n")[1]!.length, 150_000);
    assert.equal((await qj.sh(`rm complete/a${round}`)).code, 0);
  }
});

onSmallDisk(
  "disk full: a second signal ends the daemon, whose jobs run again when there is room",
  "1m",
  async (qj, disk) => {
    await qj.submit("a", "[ -e go ] && exit; touch go; head -c 900000 /dev/zero; sleep 1000");
    await qj.in("active", "a");
    await disk.fill();
    await qj.logged(/the state file cannot be changed, will try again/);
    const ended = qj.end();
    await qj.logged(/stopping/);
    await qj.end();
    assert.equal(await ended, 0);
    await disk.remount("size=8m");
    await qj.restart();
    await qj.in("complete", "a");
  },
);

onSmallDisk(
  "disk full: a large script that cannot be loaded takes no room, and its job runs later",
  "12m",
  async (qj, disk) => {
    await qj.configure({ paused: true });
    await qj.submit("big", `exit\n${"#".repeat(2_000_000)}\n`);
    const fill = async () => {
      for (let i = 0; i < 6; i++) await disk.fill();
    };
    const open = "exec 3<> pending/big";
    // Gives back what is unused in the state file, so that the next one has only the room that is left here.
    await fill();
    await qj.sh(open);
    await fill();
    await qj.sh(`truncate -s -500K ${disk.path}/ballast`);
    const deleted = async () => {
      const links = await qj.sh(`ls -l /proc/${qj.pid}/fd | grep -c deleted`, "/");
      return links.stdout.trim();
    };
    const before = await deleted();
    for (const command of ["cat pending/big", open]) {
      assert.match((await qj.sh(command)).stderr, /No space left on device/, command);
      assert.equal(await deleted(), before, command);
    }
    await disk.remount("size=32m");
    await qj.configure({ paused: false });
    await qj.in("complete", "big");
  },
);
