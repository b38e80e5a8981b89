/**
 * What the last daemon has left, as the next one finds it in the state file: whose processes are stopped, and whose are left
 * alone. Between the two daemons the record of an attempt is changed to what it would be elsewhere.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { readBootId, startTicks } from "../../scheduler/processes.ts";
import { isAlive } from "./helpers.ts";
import { Qj, until } from "./qj.ts";

/** A process of nobody's job. */
class Stranger implements AsyncDisposable {
  readonly #child = new Deno.Command("setsid", {
    args: ["sleep", "1000"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();

  get pid(): number {
    return this.#child.pid;
  }

  get isAlive(): boolean {
    return isAlive(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

/** A daemon that was killed while its job slept in a process of its own. The second attempt of the job ends at once. */
async function killed(settings: Readonly<Record<string, unknown>> = {}) {
  const qj = await Qj.start({ settings: { kill_grace_sec: 0.2, ...settings } });
  await qj.submit("a", "echo $$ >> pids; [ $(wc -l < pids) = 2 ] && exit; sleep 1000; :");
  const [pid] = await pids(qj, 1);
  await qj.logged(/"a" started/);
  await qj.end("SIGKILL");
  return { qj, pid: pid! };
}

async function pids(qj: Qj, count: number): Promise<number[]> {
  let found: number[] = [];
  await until(`${count} pids`, async () => {
    const text = await Deno.readTextFile(`${qj.folder}/pids`).catch(() => "");
    found = text.split("\n").slice(0, -1).map(Number);
    return found.length >= count;
  });
  return found;
}

function change(qj: Qj, sql: string, ...values: (string | number)[]): void {
  using db = new DatabaseSync(qj.stateFile);
  assert.equal(db.prepare(sql).run(...values).changes, 1);
}

/** A daemon of the test that ended without looking after its job: somebody has to. */
function stop(pid: number): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

Deno.test("recovery: every attempt is recorded with its pid, the start of that and the boot", async () => {
  await using qj = await Qj.start();
  await qj.submit("a", "echo $$ > pids; sleep 1000; :");
  const [pid] = await pids(qj, 1);
  await qj.logged(/"a" started/);
  using db = new DatabaseSync(qj.stateFile, { readOnly: true });
  const attempt = db.prepare("SELECT pid, pid_start, boot_id FROM attempt").get();
  assert.deepEqual({ ...attempt }, {
    pid,
    pid_start: startTicks(pid!),
    boot_id: readBootId(),
  });
});

Deno.test("recovery: what is found by its group, its session or its environment is stopped before the job runs again", async () => {
  const qj = await Qj.start({ settings: { kill_grace_sec: 0.2 } });
  await using _ = qj;
  // The shell, a child that has the environment no more, and one that has neither group nor session.
  await qj.submit(
    "a",
    `exec 9>> lock; flock -n 9 || echo OVERLAP; [ -e pids ] && exit
     env -i sleep 1000 & other=$!; setsid sleep 1000 & echo $$ > new; echo $other >> new; echo $! >> new
     mv new pids; wait`,
  );
  const old = await pids(qj, 3);
  await qj.end("SIGKILL");
  assert.deepEqual(old.map(isAlive), [true, true, true]);
  await qj.restart();
  assert.doesNotMatch(await qj.in("complete", "a"), /^OVERLAP/m);
  assert.deepEqual(old.map(isAlive), [false, false, false]);
});

Deno.test("recovery: another program that has the pid by now is left alone", async () => {
  await using stranger = new Stranger();
  const { qj, pid } = await killed();
  await using _ = qj;
  stop(pid);
  // It has started before the attempt, as far as the record goes: so it is none of its processes.
  change(
    qj,
    "UPDATE attempt SET pid = ?, pid_start = ?",
    stranger.pid,
    startTicks(stranger.pid)! + 1,
  );
  await qj.restart();
  await qj.in("complete", "a");
  assert(stranger.isAlive);
});

Deno.test("recovery: after a reboot nothing is stopped, whatever its pid, start and environment", async () => {
  const { qj, pid } = await killed();
  try {
    await using _ = qj;
    change(qj, "UPDATE attempt SET boot_id = ?", "00000000-0000-0000-0000-000000000000");
    await qj.restart();
    assert.match(await qj.in("complete", "a"), /lost: the daemon stopped/);
    assert(isAlive(pid));
  } finally {
    stop(pid);
  }
});

Deno.test("recovery: the name of a removed job is used again only when its processes are gone", async () => {
  await using qj = await Qj.start({ settings: { kill_grace_sec: 0.5 } });
  await qj.submit(
    "a",
    `exec 9> lock; flock 9; trap '' TERM; echo $$ > pids; while :; do sleep 0.1; done`,
  );
  const [pid] = await pids(qj, 1);
  await qj.sh("rm active/a");
  await qj.submit("a", "flock -n lock echo alone || echo OVERLAP");
  await qj.end("SIGKILL");
  assert(isAlive(pid!));
  await qj.restart();
  assert.match(await qj.in("complete", "a"), /\nalone\n$/);
  assert.equal(isAlive(pid!), false);
});

Deno.test("recovery: lost attempts do not count, and status.json has them", async () => {
  const { qj } = await killed({ max_attempts: 1 });
  await using _ = qj;
  await qj.restart();
  await qj.in("complete", "a");
  const { attempts } = JSON.parse(await Deno.readTextFile(qj.path("jobs", "a", "status.json")));
  assert.deepEqual(
    attempts.map(({ number, outcome }: Record<string, unknown>) => [number, outcome]),
    [[1, "lost"], [2, "exited"]],
  );
  const { stdout } = await qj.sh("getfattr --only-values -n user.qj.attempts complete/a");
  assert.equal(stdout, "1");
});
