/** Cases of jobs that run: too much output, too many processes, odd ends, the mount itself, order, the clock. */
import assert from "node:assert/strict";
import { FakeClock } from "../scheduler/fake_clock.ts";
import { World } from "../scheduler/world.ts";
import { assertSound, peakMb, python } from "./cases.ts";
import { isAlive } from "./helpers.ts";
import { ownersTest } from "./owners.ts";
import { exists, Qj, until } from "./qj.ts";

const AT_ONCE = { max_attempts: 1, kill_grace_sec: 0.2 };
/** A user of whom nothing else runs. */
const GAMES = 5;
/** What the daemon may take more than when it was idle, in MB, whatever is printed. */
const ROOM_MB = 120;

const hasEnded = async (qj: Qj, name: string) =>
  await exists(qj.path("complete", name)) || await exists(qj.path("failed", name));

Deno.test("R1: jobs that print gigabytes are capped, in bounded memory, and hold up neither others nor the mount", async () => {
  await using qj = await Qj.start({
    settings: { ...AT_ONCE, max_output_bytes: 1_000_000, timeout_sec: 0 },
  });
  const idle = peakMb(qj);
  const bombs = ["bytes", "lines", "line"];
  await qj.submit("bytes", "head -c 600M /dev/zero");
  await qj.submit("lines", "yes | head -c 200M");
  await qj.submit("line", "head -c 200M /dev/zero | tr '\\0' x");
  for (const name of bombs) await qj.in("active", name);
  // All of it while they print.
  for (let i = 0; i < 20; i++) {
    await qj.submit(`other${i}`, `echo ${i}`);
    assert.equal(await qj.in("complete", `other${i}`), `>>> echo ${i}\n${i}\n`);
    await qj.sh("ls -l active complete; stat complete/*");
  }
  for (const name of bombs) {
    await until(`the end of ${name}`, () => hasEnded(qj, name));
    const { size } = await Deno.stat(qj.path("complete", name));
    assert(size < 1_100_000, `${name}: ${size}`);
  }
  assert(peakMb(qj) - idle < ROOM_MB, `${peakMb(qj)} MB, ${idle} MB before`);
  await assertSound(qj);
});

/** Each process makes others, for as long as it may. A shell that may not ends. */
const BOMBS: Readonly<Record<string, string>> = {
  "a fork bomb": "bomb() { while :; do bomb & sleep 0.05; done; }; bomb &",
  // One that forks with signals blocked, as newer C libraries do, survives SIGTERM by chance.
  "a fork bomb that ignores SIGTERM":
    "bomb() { trap '' TERM; while :; do bomb & sleep 0.05; done; }; bomb &",
  "a fork bomb that ignores SIGTERM, with a session for each shell":
    "export BOMB='while :; do setsid sh -c \"$BOMB\" & sleep 0.05; done'; (trap '' TERM; exec setsid sh -c \"$BOMB\") &",
  "a fork bomb that ignores SIGTERM, with a session for each process, none of which ends":
    `python3 -c '
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        print("Cannot fork", flush=True)
    time.sleep(0.05)' &`,
};

for (const [name, bomb] of Object.entries(BOMBS)) {
  ownersTest(
    `R2: ${name} is held by its user's limit of processes, and is gone when its time is over`,
    async ({ qj, as }) => {
      await qj.configure({ kill_grace_sec: 0.2 });
      const script = `#QJ timeout=2\nprlimit --nproc=60 --pid $$\n${bomb}\nexec sleep 1000`;
      await as(GAMES, `cat > pending/bomb <<'END'\n${script}\nEND`);
      await as(GAMES, "echo echo beside > pending/beside");
      await qj.in("active", "bomb");
      const log = await qj.in("failed", "bomb");
      assert.match(log, /Cannot fork|Resource temporarily unavailable/);
      assert.match(log, /timed out after 2 s\n$/);
      const living = "ps -u games -o stat= | grep -vc ^Z";
      await until("the end of all", async () => (await qj.sh(living, "/")).stdout.trim() === "0");
      await as(GAMES, "echo echo after > pending/next");
      assert.match(await qj.in("complete", "next"), /\nafter\n$/);
      assert(isAlive(qj.pid));
    },
  );
}

Deno.test("R3: what ignores SIGTERM, has stopped, or has left its session and holds the pipe is ended all the same", async () => {
  await using qj = await Qj.start({ settings: { ...AT_ONCE, max_job_count: 4 } });
  const jobs: Readonly<Record<string, string>> = {
    deaf: "#QJ timeout=0.3\ntrap '' TERM; echo $$ > deaf; while :; do sleep 0.1; done",
    stopped: "#QJ timeout=0.3\necho $$ > stopped; kill -STOP $$; sleep 1000",
    daemon: `python3 -c '
import os, sys, time
if os.fork(): sys.exit()
os.setsid()
if os.fork(): sys.exit()
open("daemon", "w").write(str(os.getpid()) + "\\n")
time.sleep(1000)'; until [ -s daemon ]; do sleep 0.02; done; echo ends`,
    // Its first thread has ended, so that it looks dead, and cannot be waited for.
    headless: `setsid python3 -c '
import ctypes, os, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
open("headless", "w").write(str(os.getpid()) + "\\n")
ctypes.CDLL(None).syscall(${Deno.build.arch === "aarch64" ? 93 : 60}, 0)' &
until grep -q "^State:.Z" /proc/$(cat headless)/status; do sleep 0.02; done; echo ends`,
  };
  for (const [name, script] of Object.entries(jobs)) await qj.submit(name, script);
  assert.match(await qj.in("failed", "deaf"), /timed out after 0\.3 s/);
  assert.match(await qj.in("failed", "stopped"), /timed out after 0\.3 s/);
  assert.match(await qj.in("complete", "daemon"), /\nends\n$/);
  assert.match(await qj.in("complete", "headless"), /\nends\n$/);
  // All slots are free again when what they held is gone.
  for (let i = 0; i < 4; i++) await qj.submit(`next${i}`, "true");
  for (let i = 0; i < 4; i++) await qj.in("complete", `next${i}`);
  for (const name of Object.keys(jobs)) {
    const pid = Number(await Deno.readTextFile(`${qj.folder}/${name}`));
    await until(`the end of ${name}`, () => !isAlive(pid));
  }
  await assertSound(qj);
});

Deno.test("R3: what somebody traces, and keeps from being waited for when it has died, does not hold up the queue", async () => {
  await using qj = await Qj.start({ settings: AT_ONCE });
  await qj.sh("mkfifo go", qj.folder);
  await qj.submit("traced", "setsid sleep 1000 & echo $! > traced; cat go > /dev/null; echo ends");
  const file = `${qj.folder}/traced`;
  await until("the process", async () => (await Deno.readTextFile(file).catch(() => "")) !== "");
  const pid = (await Deno.readTextFile(file)).trim();
  const tracer = new Deno.Command("python3", {
    args: [
      "-c",
      `import ctypes, sys, time
PTRACE_SEIZE = 0x4206
print(ctypes.CDLL(None).ptrace(PTRACE_SEIZE, ${pid}, None, None), flush=True)
time.sleep(1000)`,
    ],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = tracer.stdout.getReader();
  try {
    assert.match(new TextDecoder().decode((await reader.read()).value), /^0/);
    await qj.sh("echo > go", qj.folder);
    assert.match(await qj.in("complete", "traced"), /\nends\n$/);
    await qj.submit("beside", "echo beside");
    assert.match(await qj.in("complete", "beside"), /\nbeside\n$/);
    // It starts again when nothing is left of it.
    await qj.sh("mv complete/traced pending; echo > ../go");
    await qj.in("complete", "traced");
    assert.match(await Deno.readTextFile(`/proc/${pid}/stat`), /\) Z /);
  } finally {
    tracer.kill("SIGKILL");
    await tracer.status;
    await reader.cancel();
  }
});

Deno.test("R4: every kind of end leads to the right directory, with its status or signal", async () => {
  await using qj = await Qj.start({ settings: AT_ONCE });
  const gone = `${qj.folder}/gone`;
  await Deno.mkdir(gone);
  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ["zero", "exit 0", "complete", /^>>> exit 0\n$/],
    ["one", "exit 1", "failed", /exit status 1\n$/],
    ["not-executable", "/etc/passwd", "failed", /exit status 126\n$/],
    ["not-found", "nosuchcommand", "failed", /exit status 127\n$/],
    ["interrupt-like", "exit 130", "failed", /exit status 130\n$/],
    ["most", "exit 255", "failed", /exit status 255\n$/],
    ["child", "sh -c 'kill -TERM $$'", "failed", /exit status 143\n$/],
    ["kill", "kill -KILL $$", "failed", /signal: SIGKILL\n$/],
    ["abort", "ulimit -c unlimited; kill -ABRT $$", "failed", /signal: SIGABRT\n$/],
    ["segv", "kill -SEGV $$", "failed", /signal: SIGSEGV\n$/],
    ["syntax", "if", "failed", /exit status 2\n$/],
    [
      "format",
      "printf '\\177ELF' > elf; chmod +x elf; ./elf",
      "failed",
      /exit status (126|2|127)\n$/,
    ],
    ["cwd-gone", `#QJ cwd=${gone}/missing\ntrue`, "failed", /exit status 126\n$/],
    [
      "cwd-mount",
      `#QJ cwd=${qj.mountpoint}\ncat jobs/zero/wait > /dev/null; ls -d pending; cat complete/zero`,
      "complete",
      /\npending\n>>> exit 0\n$/,
    ],
  ];
  for (const [name, script] of cases) await qj.submit(name, script);
  for (const [name, , directory, log] of cases) {
    assert.match(await qj.in(directory, name), log, name);
  }
  const { attempts: [one] } = JSON.parse(
    await Deno.readTextFile(qj.path("jobs", "kill", "status.json")),
  );
  assert.deepEqual([one.outcome, one.signal, one.exit_code], ["signaled", "SIGKILL", null]);
  await qj.sh("rm -f failed/* complete/*");
  await assertSound(qj);
});

Deno.test("R5: twenty jobs at once that read and write the mount itself do not lock it up", async () => {
  await using qj = await Qj.start({ settings: { ...AT_ONCE, max_job_count: 20 }, cwd: "/" });
  await qj.configure({ paused: true });
  for (let i = 0; i < 20; i++) {
    await qj.submit(
      `job${i}`,
      `#QJ cwd=${qj.mountpoint}
cat config.json events metrics > /dev/null; ls -lR . > /dev/null
echo "echo made by ${i}" > pending/made${i}; cat jobs/made${i}/wait > /dev/null
cat complete/made${i} active/job${i} > /dev/null; mv complete/made${i} complete/moved${i}`,
    );
  }
  // Those that are waited for need slots of their own.
  await qj.configure({ paused: false, max_job_count: 40 });
  for (let i = 0; i < 20; i++) {
    assert.doesNotMatch(await qj.in("complete", `job${i}`), /rror/);
    assert.match(await qj.in("complete", `moved${i}`), new RegExp(`\\nmade by ${i}\\n$`));
  }
  await assertSound(qj);
});

Deno.test("R6: thousands of jobs start by priority and order of submission; a cycle is rejected", async () => {
  await using qj = await Qj.start({ settings: { ...AT_ONCE, paused: true, max_job_count: 20 } });
  const JOBS = 1500;
  const written = await python(
    qj,
    `
    for i in range(args):
        assert put(f"pending/.j{i}", f"#QJ priority={i % 7}\\ntrue".encode()) is None
        os.rename(f"pending/.j{i}", f"pending/j{i}")
    assert put("pending/.a", b"#QJ after=b\\ntrue") is None and put("pending/.b", b"#QJ after=a\\ntrue") is None
    answer = None`,
    { args: JOBS },
  );
  assert.equal(written, null);
  // Both names exist when the first is handed in: the second closes the ring.
  await qj.submit("b", "true");
  await qj.sh("mv pending/.a pending/a; mv pending/.b pending/b");
  assert.match(await qj.in("failed", "b"), /not run: /);
  await qj.configure({ paused: false });
  await until("the end of all", async () => (await qj.ls("complete")).length >= JOBS);
  const { stdout } = await qj.sh("cat events");
  const started = [...stdout.matchAll(/"event":"started","job":"j(\d+)"/g)].map(([, i]) =>
    Number(i)
  );
  // The file has the newest thousand from before the start and all since.
  const order = Array.from({ length: JOBS }, (_, i) => i).sort((a, b) => b % 7 - a % 7 || a - b);
  assert.deepEqual(started, order.slice(-started.length));
  assert(started.length >= JOBS, `${started.length} starts`);
  await assertSound(qj);
});

Deno.test({
  name:
    "R7: a clock that jumps by a year, there and back, loses no job, doubles none, and measures no time below zero",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const YEAR_MS = 31_536_000_000;
    for (const jump of [YEAR_MS, -YEAR_MS]) {
      const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
      try {
        const world = new World(folder);
        assert(world.clock instanceof FakeClock);
        world.configure({ settle_ms: 0, max_attempts: 3, max_job_count: 2 });
        world.write("runs", "true");
        world.write("retries", "true");
        await world.clock.advance(100);
        world.end(1, 1, false);
        world.write("later", "#QJ delay=1h\ntrue");
        await world.clock.advance(100);
        world.clock.setBy(jump);
        await world.clock.advance(4000);
        world.check();
        // The backoff of 4 s is over, whatever the clock says; the hour is not, unless the clock says so.
        assert.equal(world.live.length, 2);
        world.clock.setBy(-jump);
        await world.clock.advance(1000);
        world.check();
        await world.drain();
        const rows = world.store.db.prepare(
          "SELECT name, state, (SELECT count(*) FROM attempt WHERE job_id = job.id) AS n, (SELECT min(run_ms) FROM attempt WHERE job_id = job.id) AS ms FROM job ORDER BY name",
        ).all();
        assert.deepEqual(rows.map(({ name, state, n }) => [name, state, n]), [
          ["later", "complete", 1],
          ["retries", "complete", 2],
          ["runs", "complete", 1],
        ]);
        for (const { ms } of rows) assert(Number(ms) >= 0);
        await world.close();
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    }
  },
});

Deno.test("R7: a daemon that was suspended goes on, and a time limit counts once", async () => {
  await using qj = await Qj.start({ settings: AT_ONCE });
  await qj.submit("a", "#QJ timeout=3600\nuntil [ -e go ]; do sleep 0.02; done; echo ends");
  await qj.in("active", "a");
  Deno.kill(qj.pid, "SIGSTOP");
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  await until(
    "the stopped daemon",
    () => /^State:\tT/m.test(Deno.readTextFileSync(`/proc/${qj.pid}/status`)),
  );
  Deno.kill(qj.pid, "SIGCONT");
  assert.match(await qj.in("complete", "a"), /\nends\n$/);
  const status = JSON.parse(await Deno.readTextFile(qj.path("jobs", "a", "status.json")));
  assert(status.run_time_sec > 0);
  await assertSound(qj);
});
