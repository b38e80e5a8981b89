/** Programs that read and search the mount, and those that wait for changes of it. */
import assert from "node:assert/strict";
import { follow, mkfifo } from "../mount/helpers.ts";
import { Qj, until } from "../mount/qj.ts";
import { lacks } from "./tools.ts";

const NEEDLE = "the needle";
const JOBS = "{pending,active,complete,failed}/*";
/** Fails where a program that reads on and on would not come back. */
const LIMIT = "timeout -s KILL 30";

/** A job in each directory with the needle in its text or log; the active one waits at `gate`. */
async function haystack(): Promise<Qj> {
  const qj = await Qj.start({ settings: { max_attempts: 1, max_job_count: 1 } });
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit("good", `seq 20000; echo '${NEEDLE}'`);
  await qj.in("complete", "good");
  await qj.submit("bad", `echo '${NEEDLE}'; exit 1`);
  await qj.in("failed", "bad");
  await qj.submit("runs", `echo '${NEEDLE}'; read line < gate; echo '${NEEDLE}'`);
  await using log = follow(await started(qj, "runs"));
  await log.shows(`\n${NEEDLE}\n`);
  await qj.submit("waits", `echo '${NEEDLE}'\n`);
  await qj.sh("for i in $(seq 200); do echo true > pending/$i; done");
  return qj;
}

async function started(qj: Qj, name: string): Promise<string> {
  await qj.in("active", name);
  return qj.path("active", name);
}

const FOUND = ["active/runs", "complete/good", "failed/bad", "pending/waits"];
/** Found by what searches the whole mount. */
const FOUND_BY_JOB = ["jobs/bad/log", "jobs/good/log", "jobs/runs/log", "jobs/waits/script"];

Deno.test("searching: every program finds what is there, and comes to an end while a job runs", async (t) => {
  await using qj = await haystack();
  const searches: readonly (readonly [needs: string, command: string])[] = [
    ["grep", `grep -rl '${NEEDLE}' .`],
    ["grep", `grep -rl '${NEEDLE}' pending active complete failed`],
    ["grep", `grep -l '${NEEDLE}' ${JOBS}`],
    ["rg", `rg -l '${NEEDLE}' pending active complete failed`],
    ["rg", `rg -l --mmap '${NEEDLE}' pending active complete failed`],
    ["rg", `rg -l --hidden --no-ignore '${NEEDLE}' .`],
    ["find", `find . -type f -exec grep -l '${NEEDLE}' {} +`],
    ["find", `find . -type f -size +0 -print0 | xargs -0 grep -l '${NEEDLE}'`],
    ["perl", `perl -ne 'print "$ARGV\\n" if /${NEEDLE}/ && !$seen{$ARGV}++' ${JOBS}`],
    ["awk", `awk '/${NEEDLE}/ && !seen[FILENAME]++ { print FILENAME }' ${JOBS}`],
  ];
  for (const [needs, command] of searches) {
    await t.step({
      name: command,
      ignore: lacks([needs]),
      async fn() {
        const { stdout, stderr } = await qj.sh(
          `set -o pipefail; ${LIMIT} bash -c ${quote(command)}`,
        );
        assert.equal(stderr, "");
        const found = stdout.split("\n").map((path) => path.replace(/^\.\//, ""));
        const wanted = / \.( |$)/.test(command) ? [...FOUND, ...FOUND_BY_JOB] : FOUND;
        assert.deepEqual(wanted.filter((path) => !found.includes(path)), []);
      },
    });
  }
});

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

Deno.test("searching: what counts, sorts and compares comes to an end while a job runs", async (t) => {
  await using qj = await haystack();
  const programs = [
    "ls -laR . | grep -q runs",
    "find . -newermt 2001-01-01 -ls | grep -q runs",
    "du -a . | grep -q runs",
    "wc -c pending/* active/* | grep -q total",
    "md5sum complete/* active/* | grep -q runs",
    "file pending/* active/* 2> /dev/null || :",
    "tac active/runs | head -n 1 | grep -q needle",
    "tail -n 1 active/runs | grep -q needle",
    "tail -c 5 complete/good | grep -q edle",
    "head -n 1 complete/good | grep -q '>>>'",
    "less complete/good | tail -n 1 | grep -q needle",
    "cmp complete/good <(cat complete/good)",
    "cmp complete/good <(dd if=complete/good bs=100 status=none)",
    "[ $(tail -c +100001 complete/good | wc -c) = $(($(stat -c %s complete/good) - 100000)) ]",
    "sort complete/good | uniq -d | wc -l",
    "diff -r pending pending",
    "tar -cf - . | tar -tf - | grep -q active/runs",
    "cp -a . ../copy && cmp active/runs ../copy/active/runs",
    "rsync -a . ../copy && cmp active/runs ../copy/active/runs",
    "df . | grep -q mnt",
    "stat -f pending",
    "[ -s active/runs ] && [ -r pending/waits ] && [ -d failed ] && [ ! -x pending/waits ]",
  ];
  for (const command of programs) {
    await t.step({
      name: command,
      ignore: lacks([command.split(" ")[0]!.replace("[", "test")]),
      async fn() {
        const { code, stderr } = await qj.sh(`set -o pipefail; ${LIMIT} bash -c ${quote(command)}`);
        assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
      },
    });
  }
});

Deno.test("searching: find -delete removes what it finds and nothing else, however many there are", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.sh(
    "for i in $(seq 1000); do echo true > pending/$i; done; touch -d '8 days ago' pending/*0",
  );
  const { code, stderr } = await qj.sh("find pending -type f -mtime +7 -delete");
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.equal((await qj.ls("pending")).length, 900);
  assert.equal(
    (await qj.sh("find pending -name '*[1-5]' -delete; ls pending | wc -l")).stdout,
    "400\n",
  );
});

Deno.test("searching: find -delete cleans up what has long been finished", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  for (const name of ["old", "new"]) await qj.submit(name, "true");
  for (const name of ["old-bad", "new-bad"]) await qj.submit(name, "false");
  for (const name of ["old", "new"]) await qj.in("complete", name);
  for (const name of ["old-bad", "new-bad"]) await qj.in("failed", name);
  await qj.sh("touch -d '8 days ago' complete/old failed/old-bad");
  assert.equal((await qj.sh("find complete failed -type f -mtime +7 -delete")).code, 0);
  assert.deepEqual(await qj.ls("complete"), ["new"]);
  assert.deepEqual(await qj.ls("failed"), ["new-bad"]);
});

Deno.test({
  name: "searching: inotifywait reports what programs do",
  ignore: lacks(["inotifywait"]),
  async fn() {
    await using qj = await Qj.start({ settings: { paused: true } });
    await qj.submit("here", "true");
    const child = new Deno.Command("inotifywait", {
      args: ["-m", "--format", "%e %f", qj.path("pending")],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const decoder = new TextDecoder();
    let said = "";
    let events = "";
    const reading = Promise.all([
      child.stderr.pipeTo(
        new WritableStream({ write: (part) => void (said += decoder.decode(part)) }),
      ),
      child.stdout.pipeTo(
        new WritableStream({ write: (part) => void (events += decoder.decode(part)) }),
      ),
    ]);
    try {
      await until("the watch", () => said.includes("established"));
      await qj.sh(`echo true > pending/new; cat pending/new; chmod 600 pending/new
        mv pending/new pending/newer; rm pending/newer`);
      await until("the last event", () => events.includes("DELETE newer\n"));
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await reading;
    }
    assert.deepEqual(events.trim().split("\n"), [
      "CREATE new",
      "OPEN new",
      "MODIFY new",
      "CLOSE_WRITE,CLOSE new",
      "OPEN new",
      "ACCESS new",
      "CLOSE_NOWRITE,CLOSE new",
      "ATTRIB new",
      "MOVED_FROM new",
      "MOVED_TO newer",
      "DELETE newer",
    ]);
  },
});
