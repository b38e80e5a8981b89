/** Processes that are spawned by the thread of a sandbox, as far as they differ from others: real ones. */
import assert from "node:assert/strict";
import { landlockAbi } from "../../ffi/landlock.ts";
import { openLibc, withholdDescriptors } from "../../ffi/libfuse.ts";
import { Sandbox, SandboxFailed } from "../../scheduler/sandbox.ts";
import { ruleset, type SandboxOptions } from "../../scheduler/sandbox_policy.ts";
import { startingNeeds } from "../../scheduler/starting_needs.ts";

const libc = openLibc();
// What the tests were started with is theirs alone.
withholdDescriptors(libc);
const abi = landlockAbi(libc);
const ignore = typeof abi === "string";
const ENV = { PATH: "/usr/bin:/bin" };

async function withSandbox(
  options: Partial<SandboxOptions>,
  body: (sandbox: Sandbox) => Promise<void>,
): Promise<void> {
  const nothing = { readFolders: [], readFiles: [], writeFolders: [], writeFiles: [] };
  const all = { ...nothing, connect: [], bind: [], ...options };
  const folder = await Deno.makeTempDir({ prefix: "qj-sandbox-" });
  const sandbox = await Sandbox.start(ruleset(all, await startingNeeds(folder), Number(abi)));
  try {
    await body(sandbox);
  } finally {
    sandbox.close();
    await Deno.remove(folder);
  }
}

async function run(sandbox: Sandbox, script: string) {
  const child = await sandbox.spawn({ program: "/bin/sh", args: ["-c", script], env: ENV });
  const [text, { code, signal }] = await Promise.all([
    new Response(child.stdout).text(),
    child.status,
  ]);
  return { text, code, signal };
}

function sandboxTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `Sandbox: ${name}`, ignore, fn });
}

sandboxTest(
  "output, exit status and signal are those of the process",
  () =>
    withSandbox({}, async (sandbox) => {
      assert.deepEqual(await run(sandbox, "echo out; exit 7"), {
        text: "out\n",
        code: 7,
        signal: null,
      });
      const { signal } = await run(sandbox, "kill -9 $$");
      assert.equal(signal, "SIGKILL");
    }),
);

sandboxTest(
  "what is not allowed is refused, and this thread keeps its rights",
  () =>
    withSandbox({}, async (sandbox) => {
      const { code } = await run(sandbox, "exec 2>/dev/null; read line < /etc/passwd");
      assert.notEqual(code, 0);
      const { success } = await new Deno.Command("/bin/sh", {
        args: ["-c", "read line < /etc/passwd"],
      }).output();
      assert.ok(success);
      await Deno.readTextFile("/etc/passwd");
    }),
);

sandboxTest(
  "each process has a session of its own, no new privileges, and three descriptors",
  () =>
    withSandbox({ readFolders: ["/proc", "/usr"] }, async (sandbox) => {
      const { text } = await run(
        sandbox,
        "grep NoNewPrivs /proc/self/status; cat /proc/$$/stat; ls /proc/$$/fd",
      );
      const [privs, stat, ...descriptors] = text.trim().split("\n");
      assert.match(privs!, /\t1$/);
      const [pid, , , , pgrp, session] = stat!.split(" ");
      assert.deepEqual([pgrp, session], [pid, pid]);
      assert.deepEqual(descriptors, ["0", "1", "2"]);
    }),
);

sandboxTest(
  "a program that cannot be started rejects, and others can be",
  () =>
    withSandbox({}, async (sandbox) => {
      const request = { program: "/nonexistent/program", args: [], env: ENV };
      // It is setsid(1) that finds out, where it makes the session.
      const end = await sandbox.spawn(request).then(
        async ({ stdout, status }) => {
          await stdout.cancel();
          return (await status).code;
        },
        () => "rejected",
      );
      assert.ok(end === "rejected" || end === 127 || end === 1, String(end));
      assert.equal((await run(sandbox, "echo on")).text, "on\n");
    }),
);

sandboxTest(
  "a process whose output is not read waits, and what was cancelled is not sent",
  () =>
    withSandbox({}, async (sandbox) => {
      const script = "i=0; while [ $i -lt 100000 ]; do echo $i; i=$((i+1)); done";
      const child = await sandbox.spawn({ program: "/bin/sh", args: ["-c", script], env: ENV });
      let hasEnded = false;
      const status = child.status.then((end) => {
        hasEnded = true;
        return end;
      });
      const reader = child.stdout.getReader();
      const first = await reader.read();
      assert.match(new TextDecoder().decode(first.value), /^0\n/);
      // Another one runs from beginning to end meanwhile.
      assert.equal((await run(sandbox, "echo other")).text, "other\n");
      assert.equal(hasEnded, false);
      await reader.cancel();
      // Nobody reads the pipe any more: the next write ends it.
      assert.equal((await status).success, false);
    }),
);

sandboxTest("many at once each get their own output", () =>
  withSandbox({}, async (sandbox) => {
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    const all = await Promise.all(
      numbers.map((i) => run(sandbox, `echo ${i}; echo ${i}; exit ${i}`)),
    );
    assert.deepEqual(
      all.map(({ text, code }) => [text, code]),
      numbers.map((i) => [`${i}\n${i}\n`, i]),
    );
  }));

sandboxTest("a path that does not exist fails its start", async () => {
  const rules = { handled: ["READ_FILE"], ports: [], capabilities: [] } as const;
  await assert.rejects(
    Sandbox.start({ ...rules, paths: [{ path: "/nonexistent", rights: ["READ_FILE"] }] }),
    (error) => error instanceof SandboxFailed && /"\/nonexistent": there is no/.test(error.message),
  );
});
