import assert from "node:assert/strict";
import { openLibc } from "../../ffi/libfuse.ts";
import { readFile } from "../../ffi/read_file.ts";
import { groupOf } from "../../ffi/reaper.ts";
import {
  type AttemptProcesses,
  type Member,
  parseStat,
  Processes,
  readBootId,
  signal,
  startTicks,
} from "../../scheduler/processes.ts";

const BOOT = readBootId();
const libc = openLibc();

function membersOf(attempt: AttemptProcesses, bootId: string): Promise<Member[]> {
  const calls = {
    groupOf: (pid: number) => groupOf(pid, libc),
    readFile: (path: string) => readFile(path, libc),
  };
  return new Processes(calls, bootId).membersOf(attempt);
}

function stat(name: string): string {
  const fields = Array.from({ length: 49 }, (_, i) => String(1000 + i));
  return `42 (${name}) S 1 77 88 ${fields.slice(4).join(" ")}\n`;
}

for (const name of ["sh", "a) S 1 2 3", "((", "x y", ") Z (", ""]) {
  Deno.test(`parseStat() of a process called ${JSON.stringify(name)}`, () => {
    const parsed = parseStat(stat(name));
    assert.deepEqual([parsed.state, parsed.threads], ["S", 1017]);
    assert.equal(parsed.startTicks, 1019);
  });
}

Deno.test("startTicks() is null for a process that is gone", () => {
  assert.ok(startTicks(Deno.pid)! > 0);
  assert.equal(startTicks(2 ** 30), null);
});

Deno.test("signal() says whether there is such a process", () => {
  assert.equal(signal(Deno.pid, 0), "sent");
  assert.equal(signal(2 ** 30, 0), "gone");
});

/** Runs `body` beside a program that leads a session, has a token in its environment and has printed a number. */
async function withLeader(
  [program, ...args]: readonly [string, ...string[]],
  body: (attempt: AttemptProcesses, printed: number) => Promise<void>,
): Promise<void> {
  const token = crypto.randomUUID();
  const leader = new Deno.Command(program, {
    args,
    env: { QJ_ATTEMPT_ID: token },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    detached: true,
  }).spawn();
  const reader = leader.stdout.getReader();
  const { pid } = leader;
  try {
    const printed = Number(new TextDecoder().decode((await reader.read()).value));
    await body({ token, bootId: BOOT, pid, pidStart: startTicks(pid), keepsChildren: 0 }, printed);
  } finally {
    signal(pid, "SIGKILL");
    await leader.status;
    await reader.cancel();
  }
}

/** The leader is a shell, and has a child in a session of its own. */
async function withProcesses(
  body: (attempt: AttemptProcesses, child: number) => Promise<void>,
): Promise<void> {
  await withShell("setsid sh -c 'echo $$; exec sleep 60' & wait", body);
}

/** The leader is a shell that prints the pid of its child. */
async function withShell(
  script: string,
  body: (attempt: AttemptProcesses, child: number) => Promise<void>,
): Promise<void> {
  await withLeader(["/bin/bash", "-c", script], async (attempt, child) => {
    try {
      await body(attempt, child);
    } finally {
      signal(child, "SIGKILL");
    }
  });
}

Deno.test("membersOf() finds the group and what has left it", async () => {
  await withProcesses(async (attempt, child) => {
    const found = await membersOf(attempt, BOOT);
    const inGroup = new Map(found.map((member) => [member.pid, member.inGroup]));
    assert.deepEqual(inGroup, new Map([[child, false], [attempt.pid!, true]]));
  });
});

Deno.test("membersOf() finds the group without the token and the token without the group", async () => {
  await withProcesses(async (attempt, child) => {
    const byGroup = await membersOf({ ...attempt, token: crypto.randomUUID() }, BOOT);
    assert.deepEqual(byGroup, [{ pid: attempt.pid, inGroup: true }]);
    const byToken = await membersOf({ ...attempt, pid: null, pidStart: null }, BOOT);
    assert.deepEqual(
      new Set(byToken.map(({ pid }) => pid)),
      new Set([attempt.pid, child]),
    );
  });
});

Deno.test("membersOf() leaves a stranger alone that has the pid now", async () => {
  await withProcesses(async (attempt) => {
    const later = { ...attempt, token: crypto.randomUUID(), pidStart: attempt.pidStart! + 1 };
    assert.deepEqual(await membersOf(later, BOOT), []);
  });
});

Deno.test("membersOf() finds nothing of another boot", async () => {
  await withProcesses(async (attempt) => {
    assert.deepEqual(await membersOf({ ...attempt, bootId: "other" }, BOOT), []);
  });
});

Deno.test("membersOf() finds only the token where the pid is of another PID namespace", async () => {
  await withProcesses(async (attempt, child) => {
    const elsewhere = `${BOOT.split(" ")[0]} 123456789`;
    const found = await membersOf(attempt, elsewhere);
    assert.deepEqual(new Set(found.map(({ pid }) => pid)), new Set([attempt.pid, child]));
    assert.ok(found.every(({ inGroup }) => !inGroup));
    const byGroup = { ...attempt, token: crypto.randomUUID() };
    assert.deepEqual(await membersOf(byGroup, elsewhere), []);
  });
});

Deno.test("membersOf() finds what has neither the token nor the group, by the session, but not with keep-children", async () => {
  await withShell("set -m; env -i sleep 60 & echo $!; wait", async (attempt, child) => {
    const all = await membersOf(attempt, BOOT);
    const inGroup = new Map(all.map((member) => [member.pid, member.inGroup]));
    assert.deepEqual(inGroup, new Map([[child, false], [attempt.pid!, true]]));
    const kept = await membersOf({ ...attempt, keepsChildren: 1 }, BOOT);
    assert.deepEqual(kept, [{ pid: attempt.pid, inGroup: true }]);
  });
});

Deno.test("membersOf() takes only the whole token", async () => {
  await withProcesses(async (attempt) => {
    const part = { ...attempt, pid: null, pidStart: null, token: attempt.token.slice(0, 8) };
    assert.deepEqual(await membersOf(part, BOOT), []);
  });
});

Deno.test("membersOf() finds a process whose first thread has ended", async () => {
  const script = `
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print(1, flush=True)
ctypes.CDLL(None).syscall(${Deno.build.arch === "aarch64" ? 93 : 60}, 0)`;
  await withLeader(["python3", "-c", script], async (attempt) => {
    const { pid } = attempt;
    const state = () => parseStat(Deno.readTextFileSync(`/proc/${pid}/stat`)).state;
    while (state() !== "Z") await new Promise((resolve) => setTimeout(resolve, 1));
    const byToken = { ...attempt, pid: null, pidStart: null };
    assert.deepEqual(await membersOf(byToken, BOOT), [{ pid, inGroup: false }]);
  });
});
