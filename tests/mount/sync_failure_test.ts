/** fsync where the disk fails once: the C library's fdatasync is replaced, since no disk fails when it is told to. */
import assert from "node:assert/strict";
import { Qj } from "./qj.ts";

async function compileShim(folder: string): Promise<string> {
  const library = `${folder}/fail_sync.so`;
  const source = new URL("fail_sync.c", import.meta.url).pathname;
  const { success, stderr } = await new Deno.Command("gcc", {
    args: ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return library;
}

Deno.test("fsync: after one that failed, the next syncs all that was committed, or fails too", async () => {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  try {
    const flag = `${folder}/fail`;
    await using qj = await Qj.start({
      folder,
      under: ["env", `LD_PRELOAD=${await compileShim(folder)}`, `FAIL_SYNC=${flag}`],
    });
    const log = () => Deno.statSync(`${qj.stateFile}-wal`).size;
    using file = await Deno.open(qj.path("pending", ".draft"), { write: true, createNew: true });
    await file.write(new TextEncoder().encode("echo a\n"));
    await file.sync();
    assert(log() > 0);
    await Deno.writeTextFile(flag, "");
    await file.write(new TextEncoder().encode("echo b\n"));
    await assert.rejects(file.sync(), /os error 5\b/);
    // What was not written counts as written for the kernel: it has to be written once more, elsewhere.
    await file.sync();
    assert.equal(log(), 0);
    await file.write(new TextEncoder().encode("echo c\n"));
    await file.sync();
    assert(log() > 0);
    assert.doesNotMatch(qj.log, /a bug in qj/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
