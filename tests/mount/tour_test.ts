import assert from "node:assert/strict";
import { Qj } from "./qj.ts";

Deno.test("tour: a command is queued, runs, and its log can be read", async () => {
  await using qj = await Qj.start();
  await qj.sh(`printf "echo 'hello world'" > pending/1`);
  assert.equal(await qj.in("complete", "1"), ">>> echo 'hello world'\nhello world\n");
  assert.deepEqual(await qj.ls("pending"), []);
});
