import assert from "node:assert/strict";
import { jobIno } from "../../fs/ino.ts";
import { parseSignal } from "../../fs/signal_file.ts";
import type { Change, SignalResult } from "../../store/changes.ts";
import {
  errnoOf,
  type FileSystemFixture,
  fileSystemTest,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from "./file_system_fixture.ts";
import { COMPLETE, RETRY } from "./store_fixture.ts";

/** Answers as the scheduler does; gives the signals that were asked for. */
function scheduler(
  f: FileSystemFixture,
  result: SignalResult,
): Extract<Change, { kind: "signal" }>[] {
  const asked: Extract<Change, { kind: "signal" }>[] = [];
  f.store.changes.listen((change) => {
    if (change.kind !== "signal") return;
    asked.push(change);
    change.answer(result);
  });
  return asked;
}

/** As `echo TEXT > jobs/x/signal`. */
function echo(f: FileSystemFixture, text: string): string {
  const fh = f.open(jobIno(f.job("x").id, "signal"), O_WRONLY | O_TRUNC);
  const said = errnoOf(() => f.write(fh, text));
  f.close(fh);
  return said;
}

for (
  const [text, name] of [
    ["TERM", "SIGTERM"],
    ["USR1\n", "SIGUSR1"],
    ["SIGSTOP\n", "SIGSTOP"],
    [" sigcont \t\n", "SIGCONT"],
    ["Kill", "SIGKILL"],
  ]
) {
  Deno.test(`parseSignal() of ${JSON.stringify(text)} is ${name}`, () => {
    assert.equal(parseSignal(text!), name);
  });
}

for (
  const text of [
    "",
    "\n",
    "SIG",
    "FOO",
    "15",
    "SIGSIGTERM",
    "TERM KILL",
    "toString",
    "TER\0M",
    "ſigterm",
    "ﬁ",
  ]
) {
  Deno.test(`parseSignal() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseSignal(text), /no signal has the name/);
  });
}

fileSystemTest("a name is sent to the attempt that runs", (f) => {
  const { attempt } = f.running("x");
  const asked = scheduler(f, "sent");
  assert.equal(echo(f, "USR1\n"), "ok");
  assert.deepEqual(asked.map((one) => [one.attempt, one.signal]), [[attempt, "SIGUSR1"]]);
});

fileSystemTest("each write through a descriptor is a command, wherever it stands", (f) => {
  f.running("x");
  const asked = scheduler(f, "sent");
  const fh = f.open(jobIno(f.job("x").id, "signal"), O_WRONLY);
  f.write(fh, "STOP\n");
  f.write(fh, "CONT\n", 5);
  f.close(fh);
  assert.deepEqual(asked.map(({ signal }) => signal), ["SIGSTOP", "SIGCONT"]);
});

fileSystemTest("what is no name is EINVAL, and nothing is sent", (f) => {
  f.running("x");
  const asked = scheduler(f, "sent");
  assert.equal(echo(f, "FOO\n"), "EINVAL");
  assert.deepEqual(asked, []);
});

fileSystemTest("no attempt runs: ESRCH, in every state", (f) => {
  const asked = scheduler(f, "sent");
  f.submitted("x");
  assert.equal(echo(f, "TERM"), "ESRCH");
  f.finish(f.claim(), RETRY, { kind: "exited", code: 1 });
  assert.equal(echo(f, "TERM"), "ESRCH");
  f.finish(f.claim(), COMPLETE);
  assert.equal(echo(f, "TERM"), "ESRCH");
  assert.deepEqual(asked, []);
});

fileSystemTest("a job that was put aside can be signalled until its attempt has ended", (f) => {
  const claim = f.running("x");
  const asked = scheduler(f, "sent");
  f.store.moves.park(f.job("x"), "x");
  assert.equal(echo(f, "KILL"), "ok");
  assert.equal(asked.length, 1);
  f.finish(claim, COMPLETE, { kind: "cancelled" });
  assert.equal(echo(f, "KILL"), "ESRCH");
});

for (const [result, errno] of [["gone", "ESRCH"], ["denied", "EPERM"]] as const) {
  fileSystemTest(`processes that are ${result}: ${errno}`, (f) => {
    f.running("x");
    scheduler(f, result);
    assert.equal(echo(f, "TERM"), errno);
  });
}

fileSystemTest("nobody answers, as when the daemon ends: ESRCH", (f) => {
  f.running("x");
  assert.equal(echo(f, "TERM"), "ESRCH");
});

fileSystemTest("signal reads as nothing", (f) => {
  f.running("x");
  const ino = jobIno(f.job("x").id, "signal");
  const fh = f.open(ino, O_RDWR);
  assert.equal(f.read(fh), "");
  assert.equal(f.getattr(ino).size, 0);
});

fileSystemTest("a descriptor outlives its job: ESRCH once the attempt has ended", (f) => {
  const claim = f.running("x");
  const asked = scheduler(f, "sent");
  const fh = f.open(jobIno(claim.job.id, "signal"), O_WRONLY);
  f.store.moves.remove(f.job("x"));
  assert.equal(errnoOf(() => f.write(fh, "TERM")), "ok");
  assert.equal(asked.length, 1);
  f.finish(claim, COMPLETE, { kind: "cancelled" });
  assert.equal(errnoOf(() => f.write(fh, "TERM")), "ESRCH");
});
