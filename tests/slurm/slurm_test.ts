/**
 * The setting `wrapper` with a real Slurm: one node on this machine, started and stopped by `one_node.sh`.
 *
 * qj reaches what is left of an attempt by its environment too. On a cluster the script runs where qj cannot reach it, so
 * most tests take that mark away: what they see is done by srun and Slurm alone.
 */
import assert from "node:assert/strict";
import { exists, Qj, until } from "../mount/qj.ts";
import { lacks } from "../programs/tools.ts";

const SCRIPT = new URL("one_node.sh", import.meta.url).pathname;
/** As the documentation has it. */
const SRUN = ["srun", "-Q", "-n1"];
/** As on another machine. */
const FAR = [...SRUN, "env", "-u", "QJ_ATTEMPT_ID"];

const reason = lacks(["srun", "slurmctld", "slurmd", "munged", "ip", "hostname"])
  ? "Slurm is not installed"
  : Deno.uid() !== 0 && Deno.networkInterfaces().every(({ name }) => name === "lo")
  ? "there is only the loopback network, and adding an address to it needs root"
  : null;

let folder = "";

async function oneNode(action: "start" | "stop"): Promise<void> {
  const { code, stderr } = await new Deno.Command("bash", {
    args: [SCRIPT, action, folder],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

async function slurm(command: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    env: { SLURM_CONF: `${folder}/slurm.conf` },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout).trim();
}

async function squeue(...args: readonly string[]): Promise<string[]> {
  return (await slurm("squeue", "--noheader", "--format=%A %T", ...args)).split("\n")
    .filter(Boolean);
}

async function nothingQueued(): Promise<void> {
  await until("an empty squeue", async () => (await squeue()).length === 0);
}

function startQj(wrapper: readonly string[]): Promise<Qj> {
  return Qj.start({
    env: { SLURM_CONF: `${folder}/slurm.conf` },
    settings: { wrapper, max_attempts: 1, timeout_sec: 0 },
  });
}

/** A script that tells its process id in the file `pid`, then runs for ever. */
const ENDLESS = "echo begun; echo $$ > pid.new; mv pid.new pid; while :; do sleep 0.1; done";

/** Submits a script that ends with {@linkcode ENDLESS}; returns its process id once it runs and its output is there. */
async function submitEndless(qj: Qj, name: string, before = ""): Promise<number> {
  const file = `${qj.folder}/pid`;
  await Deno.remove(file).catch(() => {});
  await qj.submit(name, before + ENDLESS);
  await until("the script runs", () => exists(file));
  await until("its output", async () => await countRuns(qj, name) === 1);
  return Number(await Deno.readTextFile(file));
}

/** How often {@linkcode ENDLESS} has begun, by the log. */
async function countRuns(qj: Qj, name: string): Promise<number> {
  const log = await Deno.readTextFile(qj.path("jobs", name, "log"));
  return log.match(/^begun$/gm)?.length ?? 0;
}

async function isGone(pid: number): Promise<void> {
  await until(`process ${pid} is gone`, async () => !await exists(`/proc/${pid}`));
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: reason === null ? `Slurm: ${name}` : `Slurm: ${name} (not run: ${reason})`,
    ignore: reason !== null,
    fn: async () => {
      await fn();
      await nothingQueued();
    },
  });
}

if (reason === null) {
  Deno.test.beforeAll(async () => {
    folder = await Deno.makeTempDir({ prefix: "qj-slurm-" });
    await oneNode("start");
  });
  Deno.test.afterAll(async () => {
    await oneNode("stop");
    await Deno.remove(folder, { recursive: true });
  });
}

test("output is live, and both streams keep their order", async () => {
  await using qj = await startQj(FAR);
  await qj.sh("mkfifo fifo", qj.folder);
  await qj.submit(
    "live",
    'echo "job $SLURM_JOB_ID"; read -r word < fifo; echo "$word"; echo err >&2; printf end',
  );
  await until(
    "the first line",
    async () =>
      /\njob \d+\n$/.test(await Deno.readTextFile(qj.path("active", "live")).catch(() => "")),
  );
  assert.match((await squeue()).join(), /^\d+ RUNNING$/);
  await Deno.writeTextFile(`${qj.folder}/fifo`, "second\n");
  assert.match(await qj.in("complete", "live"), /\njob \d+\nsecond\nerr\nend$/);
});

test("exit statuses pass, a signal is 128 and its number", async () => {
  await using qj = await startQj(FAR);
  await qj.submit("good", "exit 0");
  await qj.submit("bad", "exit 7");
  await qj.submit("killed", "kill -KILL $$");
  assert.equal(await qj.in("complete", "good"), ">>> exit 0\n");
  assert.match(await qj.in("failed", "bad"), /\n\[System Error\]: exit status 7\n$/);
  assert.match(await qj.in("failed", "killed"), /\n\[System Error\]: exit status 137\n$/);
});

test("the node gets working directory, environment, text, large and executable scripts", async () => {
  await using qj = await startQj(SRUN);
  await qj.submit(
    "text",
    `#QJ cwd=/usr env=GREETING=hello\n: ${"x".repeat(130_000)}\npwd; echo $GREETING $QJ_JOB $#`,
  );
  assert.match(await qj.in("complete", "text"), /\n\/usr\nhello text 0\n$/);
  await qj.submit("large", `: ${"x".repeat(200_000)}\necho large`);
  assert.match(await qj.in("complete", "large"), /\nlarge\n$/);
  await qj.submit("perl", "#!/usr/bin/perl\nprint qq(perl\\n);");
  assert.match(await qj.in("complete", "perl"), /\nperl\n$/);
});

test("a job asks for other resources by environment variables, or is not handed over", async () => {
  await using qj = await startQj([
    "sh",
    "-c",
    '[ "$HERE" ] || set -- srun -Q -n1 -J "$QJ_JOB" "$@"; exec "$@"',
    "wrapper",
  ]);
  const show = 'squeue --noheader --job="$SLURM_JOB_ID" --format="%j %C %P %l"';
  await qj.submit(
    "wide",
    `#QJ env=SRUN_CPUS_PER_TASK=4 env=SLURM_PARTITION=main env=SLURM_TIMELIMIT=5\n${show}`,
  );
  assert.match(await qj.in("complete", "wide"), /\nwide 4 main 5:00\n$/);
  await qj.submit("nowhere", "#QJ env=SLURM_PARTITION=nowhere\ntrue");
  assert.match(
    await qj.in("failed", "nowhere"),
    /invalid partition.*nowhere\n(.*\n)*.*exit status 1\n$/,
  );
  await qj.submit("local", "#QJ env=HERE=1\necho ${SLURM_JOB_ID-none}");
  assert.match(await qj.in("complete", "local"), /\nnone\n$/);
});

test("rm, mv and a timeout cancel the Slurm job", async () => {
  await using qj = await startQj(FAR);
  let pid = await submitEndless(qj, "removed");
  await qj.sh("rm active/removed");
  await isGone(pid);
  await nothingQueued();

  pid = await submitEndless(qj, "parked");
  await qj.sh("mv active/parked failed/");
  await isGone(pid);
  assert.match(await qj.in("failed", "parked"), /\nbegun\n/);
  await nothingQueued();

  pid = await submitEndless(qj, "late", "#QJ timeout=1\n");
  assert.match(await qj.in("failed", "late"), /\n\[System Error\]: timed out after 1 s\n$/);
  await isGone(pid);
});

test("a job that still waits for the node is cancelled too", async () => {
  await using qj = await startQj(FAR);
  await slurm("scontrol", "update", "PartitionName=main", "State=DOWN");
  try {
    await qj.submit("waiting", "echo never");
    await until(
      "it is queued",
      async () => (await squeue()).some((line) => line.endsWith(" PENDING")),
    );
    await qj.sh("rm active/waiting");
    await nothingQueued();
    // The wait counts.
    await qj.submit("late", "#QJ timeout=1\necho never");
    assert.match(await qj.in("failed", "late"), /timed out after 1 s\n$/);
    await nothingQueued();
  } finally {
    await slurm("scontrol", "update", "PartitionName=main", "State=UP");
  }
  assert.deepEqual(await qj.ls("failed"), ["late"]);
});

test("a signal file reaches the script", async () => {
  await using qj = await startQj(FAR);
  await submitEndless(qj, "trapping", "trap 'echo got it; exit 3' USR1\n");
  await qj.sh("echo USR1 > jobs/trapping/signal");
  assert.match(await qj.in("failed", "trapping"), /\ngot it\n(.*\n)*.*exit status 3\n$/);
});

test("ten jobs at once", async () => {
  await using qj = await startQj(FAR);
  for (let i = 0; i < 10; i++) {
    await qj.submit(`j${i}`, `until [ -e go ]; do sleep 0.1; done; echo ${i}`);
  }
  await until("ten run", async () => (await squeue("--states=RUNNING")).length === 10);
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  for (let i = 0; i < 10; i++) {
    assert.match(await qj.in("complete", `j${i}`), new RegExp(`\n${i}\n$`));
  }
});

test("the end of the daemon leaves nothing", async () => {
  await using qj = await startQj(FAR);
  const pid = await submitEndless(qj, "endless");
  assert.equal(await qj.end(), 0);
  await isGone(pid);
  await nothingQueued();
});

test("after a crash of the daemon the old Slurm job ends before the job runs again", async () => {
  await using qj = await startQj(FAR);
  const look = 'squeue --noheader --states=RUNNING --format="now %A"; echo "own $SLURM_JOB_ID"\n';
  const found = async (pattern: RegExp) =>
    [...(await Deno.readTextFile(qj.path("jobs", "again", "log"))).matchAll(pattern)]
      .map(([, id]) => id);
  const pid = await submitEndless(qj, "again", look);
  await Deno.remove(`${qj.folder}/pid`);
  await qj.end("SIGKILL");
  assert.equal(await exists(`/proc/${pid}`), true);
  await qj.restart();
  await until("it runs again", () => exists(`${qj.folder}/pid`));
  assert.equal(await exists(`/proc/${pid}`), false);
  await until("its output", async () => await countRuns(qj, "again") === 2);
  const ids = await found(/^own (\d+)$/gm);
  assert.equal(new Set(ids).size, 2);
  assert.deepEqual(await found(/^now (\d+)$/gm), ids, "each run saw itself alone");
  await qj.sh("rm active/again");
});

test("what a killed srun leaves is ended by InactiveLimit", async () => {
  await using qj = await startQj(FAR);
  const pid = await submitEndless(qj, "killed");
  await qj.sh("echo KILL > jobs/killed/signal");
  assert.match(await qj.in("failed", "killed"), /\n\[System Error\]: signal: SIGKILL\n$/);
  assert.equal((await squeue("--states=RUNNING")).length, 1);
  await isGone(pid);
});
