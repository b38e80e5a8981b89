/** What a page moves is moved for the mount at once: the kernel keeps names and attributes of finished jobs for a day. */
import assert from "node:assert/strict";
import { Qj, until } from "../mount/qj.ts";
import { handleOf, HTTP } from "./attacks.ts";
import { Client } from "./client.ts";

/** Lets the kernel take in all that it may keep. */
async function look(qj: Qj): Promise<string> {
  const { stdout } = await qj.sh(
    "ls -l complete failed jobs > /dev/null; stat -c %n */*; ls -l complete failed > /dev/null; ls */",
  );
  return stdout;
}

Deno.test("pages: the kernel does not keep what a page has moved or deleted", async () => {
  await using qj = await Qj.start({
    args: HTTP,
    settings: { max_attempts: 1, replace_finished: true },
  });
  const client = await Client.signedIn(qj);
  for (const name of ["retried", "deleted"]) {
    await qj.submit(name, "exit 1");
    await qj.in("failed", name);
  }
  await qj.submit("replaced", "echo old");
  await qj.in("complete", "replaced");
  await qj.configure({ paused: true });
  await look(qj);

  await client.post("/actions", { command: "retry", job: await handleOf(client, "retried") });
  const gone = async (path: string) => assert.equal((await qj.sh(`stat ${path}`)).code, 1, path);
  await gone("failed/retried");
  assert.equal((await qj.sh("cat pending/retried")).stdout, "exit 1");
  await client.post("/actions", { command: "delete", job: await handleOf(client, "deleted") });
  await gone("failed/deleted");
  await gone("jobs/deleted");
  assert.deepEqual([await qj.ls("failed"), await qj.ls("pending")], [[], ["retried"]]);

  const { status } = await client.post("/submit", { name: "replaced", script: "echo new" });
  assert.equal(status, 303);
  await gone("complete/replaced");
  assert.equal((await qj.sh("cat pending/replaced")).stdout, "echo new");
  assert.doesNotMatch(await look(qj), /(failed|complete)\/\w/);
  await qj.configure({ paused: false });
  await until("it has run", async () => (await qj.in("complete", "replaced")).endsWith("\nnew\n"));
});
