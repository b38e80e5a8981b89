/** What the kernel keeps of a finished job is gone when somebody moves it. */
import assert from "node:assert/strict";
import { Qj } from "./qj.ts";

Deno.test("cache: a job that goes back to pending shows its script at once, never its log", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("x", "echo script");
  const { code, stderr } = await qj.sh(`python3 - <<'END'
import os
held = None
for i in range(300):
    os.rename("pending/x", "failed/x")
    log = os.stat("failed/x")
    assert os.stat("failed/x").st_ino == log.st_ino
    held = held or os.open("failed/x", os.O_RDONLY)
    os.rename("failed/x", "pending/x")
    assert open("pending/x").read() == "echo script", i
    assert os.stat("pending/x").st_ino == log.st_ino - 1, i
    assert os.fstat(held).st_ino == log.st_ino
    os.chmod("pending/x", 0o600 + i % 8)
    assert os.fstat(held).st_mode & 0o777 == 0o600 + i % 8, i
END`);
  assert.deepEqual([code, stderr], [0, ""]);
});
