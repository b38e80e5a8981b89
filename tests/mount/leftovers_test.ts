/** What jobs leave behind, and what it must not do to others: see `scheduler/leftovers.ts`. */
import assert from "node:assert/strict";
import { isAlive } from "./helpers.ts";
import { Qj, qjCommand, until } from "./qj.ts";

const AT_ONCE = { max_attempts: 1, kill_grace_sec: 0.2 };

/** Becomes another program while it has a file open that execve(2) closes, on the mount in its first argument. */
const EXEC = `import os, signal, sys
file = os.open(sys.argv[1] + "/pending/.open" + str(os.getpid()), os.O_CREAT | os.O_WRONLY)
os.write(file, b"x")
`;

/** Counts the SIGTERMs it gets, for as long as it lives. */
const COUNTER = `import os, signal, sys, time
count = 0
def term(*_):
    global count
    count += 1
    open(sys.argv[1], "w").write(str(count))
signal.signal(signal.SIGTERM, term)
open(sys.argv[1], "w").write("0")
while True: time.sleep(0.02)
`;

async function readWhenThere(file: string): Promise<string> {
  let text = "";
  await until(file, async () => {
    text = await Deno.readTextFile(file).catch(() => "");
    return text !== "";
  });
  return text.trim();
}

Deno.test("leftovers: who becomes another program with a file of the mount open does not hold up the daemon that looks for processes", async () => {
  await using qj = await Qj.start({ settings: { ...AT_ONCE, kill_grace_sec: 1000 } });
  await Deno.writeTextFile(
    `${qj.folder}/exec.py`,
    `${EXEC}
if len(sys.argv) > 2: os.execv("/bin/true", ["true"])
for i in range(200): os.spawnv(os.P_WAIT, sys.executable, [sys.executable, sys.argv[0], sys.argv[1], "again"])`,
  );
  // Three walks through /proc are under way at any time.
  for (const name of ["a", "b", "c"]) {
    await qj.submit(
      name,
      `setsid sh -c 'trap "" TERM; echo $$ > ${name}; while :; do sleep 1; done' & until [ -s ${name} ]; do sleep 0.02; done`,
    );
  }
  for (const name of ["a", "b", "c"]) await qj.in("complete", name);
  const { code, stderr } = await qj.sh(
    `timeout 5 python3 ../exec.py ${qj.mountpoint}; timeout 5 python3 ../exec.py ${qj.mountpoint} & wait; cat new-id`,
  );
  assert.equal(code, 0, stderr);
  for (const name of ["a", "b", "c"]) {
    Deno.kill(Number(await readWhenThere(`${qj.folder}/${name}`)), "SIGKILL");
  }
});

Deno.test("leftovers: a process that another file system holds up in execve(2) holds up neither the daemon nor other jobs", async () => {
  await using other = await Qj.start();
  await using qj = await Qj.start({ settings: AT_ONCE });
  await Deno.writeTextFile(
    `${qj.folder}/held.py`,
    `${EXEC}
open("held", "w").write(str(os.getpid()))
os.kill(int(sys.argv[2]), signal.SIGSTOP)
os.execv("/bin/sleep", ["sleep", "1000"])`,
  );
  try {
    await qj.submit(
      "holder",
      `setsid python3 held.py ${other.mountpoint} ${other.pid} & until [ -s held ]; do sleep 0.02; done; sleep 0.5`,
    );
    const pid = Number(await readWhenThere(`${qj.folder}/held`));
    const stopped = async () => / T /.test(await Deno.readTextFile(`/proc/${other.pid}/stat`));
    await until("the other daemon has stopped", stopped);
    await qj.submit("beside", "setsid sleep 1000 & echo beside");
    assert.match(await qj.in("complete", "beside"), /\nbeside\n$/);
    await qj.in("complete", "holder");
    await qj.submit("after", "echo after");
    assert.match(await qj.in("complete", "after"), /\nafter\n$/);
    Deno.kill(pid, "SIGKILL");
  } finally {
    Deno.kill(other.pid, "SIGCONT");
  }
});

Deno.test("leftovers: what has left its attempt after it was looked at does not keep that from ending", async () => {
  await using qj = await Qj.start({ settings: AT_ONCE });
  // Each has an orphan that is looked at when another attempt ends, and then is none of the attempt's any more.
  const wait = (file: string) => `until [ -e ${file} ]; do sleep 0.02; done`;
  const orphan = (name: string, become: string) =>
    `(sh -c 'echo $$ > ${name}; ${wait("leave")}; exec ${become} sleep 1000' &); ${wait("end")}`;
  await qj.submit("kept", `#QJ keep-children\n${orphan("kept", "setsid")}`);
  await qj.submit("bare", orphan("bare", "env -i setsid"));
  const pids: number[] = [];
  try {
    for (const name of ["kept", "bare"]) {
      pids.push(Number(await readWhenThere(`${qj.folder}/${name}`)));
    }
    await qj.submit("beside", "echo beside");
    await qj.in("complete", "beside");
    await Deno.writeTextFile(`${qj.folder}/leave`, "");
    for (const pid of pids) {
      const session = async () => (await qj.sh(`ps -o sid= -p ${pid}`, "/")).stdout.trim();
      await until("it has left", async () => await session() === String(pid));
    }
    await Deno.writeTextFile(`${qj.folder}/end`, "");
    await qj.in("complete", "kept");
    await qj.in("complete", "bare");
    assert.deepEqual(pids.map(isAlive), [true, true]);
  } finally {
    for (const pid of pids) Deno.kill(pid, "SIGKILL");
  }
});

Deno.test("leftovers: each process is sent SIGTERM once, whichever way its attempt ends", async () => {
  await using qj = await Qj.start({ settings: { ...AT_ONCE, kill_grace_sec: 1 } });
  await Deno.writeTextFile(`${qj.folder}/counter.py`, COUNTER);
  const counts = (name: string) =>
    `python3 counter.py ${name} & until [ -s ${name} ]; do sleep 0.02; done`;
  const apart = (name: string) => counts(name).replace("python3", "setsid python3");
  // The shell ends; its time is over, and it ends or stays; it is cancelled.
  await qj.submit("ends", counts("ends"));
  await qj.submit("ends-apart", apart("ends-apart"));
  await qj.submit("late", `#QJ timeout=0.7\n${counts("late")}; sleep 1000`);
  await qj.submit("late-apart", `#QJ timeout=0.7\n${apart("late-apart")}; sleep 1000`);
  await qj.submit("stays", "#QJ timeout=0.7\nexec python3 counter.py stays");
  await qj.submit("cancelled", "exec python3 counter.py cancelled");
  await readWhenThere(`${qj.folder}/cancelled`);
  await qj.sh("mv active/cancelled failed");
  for (const name of ["ends", "ends-apart"]) await qj.in("complete", name);
  for (const name of ["late", "late-apart", "stays", "cancelled"]) await qj.in("failed", name);
  // All slots are free when all have been killed.
  await qj.configure({ max_job_count: 1 });
  await qj.submit("next", "true");
  await qj.in("complete", "next");
  const names = ["ends", "ends-apart", "late", "late-apart", "stays", "cancelled"];
  const told = names.map((name) => Deno.readTextFileSync(`${qj.folder}/${name}`));
  assert.deepEqual(told, names.map(() => "1"), names.join(" "));
});

Deno.test("leftovers: a job that ended in time has, though the daemon was held up until its time was over", async () => {
  const timeoutSec = 3;
  await using qj = await Qj.start({ settings: { ...AT_ONCE, timeout_sec: timeoutSec } });
  await qj.submit("a", "echo $$ > shell; until [ -e go ]; do sleep 0.02; done; echo ends");
  const shell = Number(await readWhenThere(`${qj.folder}/shell`));
  const state = (pid: number) => /\) (\S)/.exec(Deno.readTextFileSync(`/proc/${pid}/stat`))?.[1];
  Deno.kill(qj.pid, "SIGSTOP");
  await until("the daemon has stopped", () => state(qj.pid) === "T");
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  await until("the shell has ended", () => state(shell) === "Z");
  // It was written after the start of the attempt.
  const { mtime } = await Deno.stat(`${qj.folder}/shell`);
  await until("its time is over", () => Date.now() > mtime!.getTime() + timeoutSec * 1000);
  Deno.kill(qj.pid, "SIGCONT");
  assert.match(await qj.in("complete", "a"), /\nends\n$/);
});

Deno.test({
  name: "leftovers: after a restart in another PID namespace, who has the pid there is left alone",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
    try {
      await Deno.mkdir(`${folder}/mnt`);
      const [program, args] = qjCommand(["--state-file", `${folder}/state.db`, `${folder}/mnt`]);
      // Everything ends with the first process of the namespace, as in a container.
      const inNamespace = async (script: string) => {
        const { code, stdout, stderr } = await new Deno.Command("timeout", {
          args: ["-s", "KILL", "60", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
            .concat(["--mount-proc", "bash", "-euc", script, "bash", program, ...args]),
          cwd: folder,
          stdin: "null",
        }).output();
        const decoder = new TextDecoder();
        assert.equal(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
      };
      await inNamespace(`"$@" & until [ -e mnt/new-id ]; do sleep 0.05; done
        echo 'if [ -e first ]; then echo > again; exit; fi; echo $$ > first; sleep 1000' > mnt/pending/a
        until [ -s first ]; do sleep 0.05; done; until grep -q started mnt/events; do sleep 0.05; done`);
      // Another service of the container has the pid: each leads its session.
      await inNamespace(`read -r pid < first
        for ((;;)); do setsid sleep 1000 & if (($! >= pid)); then break; fi; done
        (($! == pid))
        "$@" & until [ -e again ]; do sleep 0.05; done
        kill -0 "$pid"`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
