/** What a service manager hears: a receiver of datagrams in the place of systemd. */
import assert from "node:assert/strict";
import { Qj, until } from "./qj.ts";

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    print(s.recv(65536).decode().replace("\\n", " "), flush=True)
`;

/** Runs a test with what has been received so far, a line for each message. */
async function withManager(
  body: (folder: string, env: Record<string, string>, heard: () => string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  const path = `${folder}/notify`;
  const child = new Deno.Command("python3", {
    args: ["-c", RECEIVER, path],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let text = "";
  const reading = (async () => {
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) text += part;
  })();
  try {
    await until("the receiver", () => text.includes("bound"));
    await body(folder, { NOTIFY_SOCKET: path }, () => text);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await reading;
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("notify: ready when a job can be handed in, status, signs of life, stopping", async () => {
  await withManager(async (folder, env, heard) => {
    const args = ["--drain-timeout", "60"];
    await using qj = await Qj.start({ folder, args, env: { ...env, WATCHDOG_USEC: "100000" } });
    await until("READY=1", () => heard().includes("READY=1"));
    await qj.submit("a", "until [ -e go ]; do sleep 0.02; done; env");
    await until("its status", () => heard().includes("STATUS=1 running, 0 waiting, 0 failed"));
    await qj.submit("b", "#QJ delay=1h\ntrue");
    await until("the other's", () => heard().includes("STATUS=1 running, 1 waiting, 0 failed"));
    const before = heard().length;
    await until("signs of life", () => heard().slice(before).split("WATCHDOG=1").length > 3);
    Deno.kill(qj.pid, "SIGTERM");
    await until("STOPPING=1", () => heard().includes("STOPPING=1"));
    // It is alive while it waits for the job.
    const stopping = heard().length;
    await until("signs of life", () => heard().slice(stopping).split("WATCHDOG=1").length > 3);
    await Deno.writeTextFile(`${folder}/go`, "");
    assert.equal(await qj.exited(), 0);
    assert.match(heard(), /STOPPING=1 STATUS=stopping, 1 running, 1 waiting, 0 failed\n/);
    assert.equal(heard().split("READY=1").length, 2);
    // The job has ended by itself, and has not seen whose socket it is.
    await qj.restart();
    const log = await qj.in("complete", "a");
    assert.doesNotMatch(log, /NOTIFY_SOCKET|WATCHDOG|lost/);
  });
});

Deno.test("notify: a second signal does not wait for the jobs", async () => {
  await withManager(async (folder, env, heard) => {
    const args = ["--drain-timeout", "3600"];
    await using qj = await Qj.start({ folder, args, env });
    await qj.submit("a", "[ -e again ] && exit; touch again; sleep 1000");
    await qj.in("active", "a");
    await until("the job", () => heard().includes("STATUS=1 running"));
    Deno.kill(qj.pid, "SIGTERM");
    await until("STOPPING=1", () => heard().includes("STOPPING=1"));
    assert.deepEqual(await qj.ls("active"), ["a"]);
    assert.equal(await qj.end(), 0);
    await qj.restart();
    assert.match(await qj.in("complete", "a"), /lost: the daemon stopped\n/);
  });
});
