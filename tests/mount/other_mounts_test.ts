/** The daemon ends and its mount is not where it was made: only root can bring that about. */
import assert from "node:assert/strict";
import { Qj } from "./qj.ts";

const isRoot = Deno.uid() === 0;

Deno.test({
  name: "unmount: what somebody else has mounted on the same directory meanwhile stays",
  ignore: !isRoot,
  fn: async () => {
    await using first = await Qj.start();
    // Keeps the mount alive after it is detached.
    using _ = await Deno.open(first.path("metrics"));
    await first.sh(`umount -l ${first.mountpoint}`, "/");
    await using second = await Qj.start({
      folder: first.folder,
      stateFile: `${first.folder}/state/second.db`,
    });
    assert.equal(await first.end(), 0);
    await second.submit("a", "echo a");
    assert.match(await second.in("complete", "a"), /\na\n$/);
  },
});

Deno.test({
  name: "unmount: a mount that was moved with the folder above it is taken away",
  ignore: !isRoot,
  fn: async () => {
    const above = await Deno.makeTempDir({ prefix: "qj-test-" });
    try {
      await Deno.mkdir(`${above}/a`);
      await using qj = await Qj.start({ folder: `${above}/a` });
      await Deno.rename(`${above}/a`, `${above}/b`);
      try {
        assert.equal(await qj.end(), 0);
        assert.doesNotMatch(await Deno.readTextFile("/proc/self/mountinfo"), new RegExp(above));
      } finally {
        await Deno.rename(`${above}/b`, `${above}/a`);
      }
    } finally {
      await Deno.remove(above, { recursive: true });
    }
  },
});
