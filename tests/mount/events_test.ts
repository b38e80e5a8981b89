/** events: as a log that is followed, and as a file that is polled. */
import assert from "node:assert/strict";
import { follow } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

interface Event {
  readonly seq: number;
  readonly event: string;
  readonly job?: string;
}

async function events(qj: Qj): Promise<Event[]> {
  const text = await Deno.readTextFile(qj.path("events"));
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as Event);
}

Deno.test("events: what happens to a job is there, in order, also after a restart", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 2, backoff_base: 0 } });
  await qj.sh("echo x > pending/.draft; rm pending/.draft");
  await qj.submit("a", "exit 1");
  await qj.in("failed", "a");
  await qj.sh("mv failed/a failed/b; rm failed/b");
  await qj.submit("c", "true");
  await qj.in("complete", "c");
  const before = await events(qj);
  const attempt = ["started", "attempt_ended"];
  assert.deepEqual(before.map((event) => event.event), [
    ...["config_changed", "submitted", ...attempt, ...attempt, "failed", "renamed", "removed"],
    ...["submitted", ...attempt, "completed"],
  ]);
  assert.deepEqual(before.map((event) => event.seq), before.map((_, i) => i + 1));
  assert.equal(await qj.end(), 0);
  await qj.restart();
  assert.deepEqual(await events(qj), before);
});

Deno.test("events: tail -f follows, and epoll tells when there is more", async () => {
  await using qj = await Qj.start();
  await using tail = follow(qj.path("events"));
  await qj.submit("a", "true");
  await tail.shows('"event":"completed","job":"a"');
  const { code, stdout, stderr } = await qj.sh(`python3 - <<'END'
import os, select
fd = os.open("events", os.O_RDONLY)
poll = select.epoll()
poll.register(fd, select.EPOLLIN)
assert poll.poll(10), "readable at first"
while os.read(fd, 65536): pass
assert poll.poll(0) == [], "not at the end"
open("pending/b", "w").write("true")
assert poll.poll(30), "readable when there is more"
print(os.read(fd, 65536).decode().split("\\n")[0])
END`);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /"event":"submitted","job":"b"/);
});

/** Python that has `events` open as `fd` and at its end, and can submit a job. */
const AT_END = `
import os, select
fd = os.open("events", os.O_RDONLY)
def drain():
    text = b""
    while part := os.read(fd, 65536): text += part
    return text.decode()
def submit(name):
    with open("pending/" + name, "w") as script: script.write("true")
drain()
`;

async function python(qj: Qj, script: string): Promise<string> {
  const { code, stdout, stderr } = await qj.sh(`python3 - <<'END'\n${AT_END}${script}\nEND`);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  return stdout;
}

for (
  const [what, setUp, ready] of [
    ["poll", "p = select.poll(); p.register(fd, select.POLLIN)", "p.poll(MS)"],
    ["epoll", "p = select.epoll(); p.register(fd, select.EPOLLIN)", "p.poll(MS / 1000)"],
    [
      "edge-triggered epoll",
      "p = select.epoll(); p.register(fd, select.EPOLLIN | select.EPOLLET)",
      "p.poll(MS / 1000)",
    ],
    ["select", "", "select.select([fd], [], [], MS / 1000)[0]"],
  ] as const
) {
  Deno.test(`events: ${what} waits at the end of what was read, again and again`, async () => {
    await using qj = await Qj.start({ settings: { paused: true } });
    await python(
      qj,
      `
${setUp}
def ready(MS): return ${ready}
assert not ready(0)
for i in range(20):
    submit(f"job{i}")
    assert ready(30000), i
    assert f'"job":"job{i}"' in drain(), i
    assert not ready(0), i
`,
    );
  });
}

Deno.test("events: all that wait are told, and each has its own place", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await python(
    qj,
    `
pids = []
for _ in range(8):
    started, start = os.pipe()
    if pid := os.fork():
        os.close(start)
        os.read(started, 1)
        pids.append(pid)
        continue
    own = os.open("events", os.O_RDONLY)
    while os.read(own, 65536): pass
    p = select.epoll()
    p.register(own, select.EPOLLIN)
    os.write(start, b"x")
    os._exit(0 if p.poll(30) and b'"job":"x"' in os.read(own, 65536) else 1)
assert select.select([fd], [], [], 0)[0] == []
submit("x")
for pid in pids: assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert select.select([fd], [], [], 30)[0] == [fd], "nobody has read it here"
`,
  );
});

Deno.test("events: who is killed while it polls leaves nothing behind", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await python(
    qj,
    `
import signal
for i in range(5):
    started, start = os.pipe()
    if not (pid := os.fork()):
        own = os.open("events", os.O_RDONLY)
        while os.read(own, 65536): pass
        p = select.poll()
        p.register(own, select.POLLIN)
        os.write(start, b"x")
        p.poll()
        os._exit(0)
    os.read(started, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    submit(f"job{i}")
    assert select.select([fd], [], [], 30)[0]
    drain()
`,
  );
  assert.equal((await qj.sh(`umount ${qj.mountpoint}`, "/")).code, 0);
  assert.equal(await qj.exited(), 0);
});

Deno.test("events: what polls in the end of the daemon is woken by it", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  const polling = qj.sh(`python3 - <<'END'\n${AT_END}
p = select.poll()
p.register(fd, select.POLLIN)
open("${qj.folder}/polls", "w").close()
print(p.poll(60000) != [])
END`);
  await until("the poll", () => exists(`${qj.folder}/polls`));
  assert.equal(await qj.end(), 0);
  assert.equal((await polling).stdout, "True\n");
});

Deno.test("events: other files are always ready", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("x", "true");
  await python(
    qj,
    `
for path in ["pending/x", "config.json", "metrics", "jobs/x/log", "jobs/x/status.json"]:
    other = os.open(path, os.O_RDONLY)
    assert select.select([other], [other], [], 0) == ([other], [other], []), path
`,
  );
});

Deno.test("events: tail -n 0 -f shows what comes, as jq reads it", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("before", "true");
  await qj.in("complete", "before");
  const following = qj.sh(`
    mkfifo ${qj.folder}/lines; tail -n 0 -s 0.05 -f events > ${qj.folder}/lines & tail=$!
    exec 3< ${qj.folder}/lines; : > ${qj.folder}/follows
    jq -c --unbuffered 'select(.event == "failed") | [.job, .reason]' <&3 | head -n 1
    kill $tail`);
  await until("the follower", () => exists(`${qj.folder}/follows`));
  // Until tail has looked at the file, what happens counts as before.
  let i = 0;
  let done = false;
  void following.then(() => done = true);
  while (!done) {
    const name = `x${i++}`;
    await qj.submit(name, "exit 2");
    await qj.in("failed", name);
  }
  assert.match((await following).stdout, /^\["x\d+","exit status 2"\]\n$/);
});
