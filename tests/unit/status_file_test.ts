import assert from "node:assert/strict";
import { jobIno, scriptIno } from "../../fs/ino.ts";
import {
  errnoOf,
  type FileSystemFixture,
  fileSystemTest,
  O_RDWR,
  O_WRONLY,
} from "./file_system_fixture.ts";
import { COMPLETE, FAILED, RETRY, START_MS } from "./store_fixture.ts";

function ino(f: FileSystemFixture, name: string): number {
  return jobIno(f.job(name).id, "status");
}

function text(f: FileSystemFixture, name: string): string {
  const fh = f.open(ino(f, name));
  const shown = f.read(fh, 0, 10_000_000);
  f.close(fh);
  return shown;
}

function status(f: FileSystemFixture, name: string) {
  return JSON.parse(text(f, name));
}

/** A time as the document has it, in ms from the start of the test. */
function at(ms: number): string {
  return new Date(START_MS + ms).toISOString();
}

/** What a job has that was only made. */
const NEW = {
  ...{ name: "x", state: "pending", queue: null, priority: 0, uid: 0, gid: 0 },
  ...{ created: at(0), submitted: null, started: null, finished: null, run_time_sec: null },
  ...{ not_before: null, after: [], last_error: null, attempts: [] },
};

fileSystemTest("a status is one document, pretty-printed, and stat knows its size", (f) => {
  f.submitted("é日");
  f.finish(f.claim(), COMPLETE);
  const shown = text(f, "é日");
  assert.equal(shown, `${JSON.stringify(JSON.parse(shown), null, 2)}\n`);
  assert.equal(f.getattr(ino(f, "é日")).size, new TextEncoder().encode(shown).length);
});

fileSystemTest("the status of a draft, and of a job that was handed in", (f) => {
  f.written(".x");
  assert.deepEqual(status(f, ".x"), { ...NEW, name: ".x" });
  f.nowMs += 1000;
  f.rename("pending", ".x", "pending", "x");
  assert.deepEqual(status(f, "x"), { ...NEW, submitted: at(1000) });
});

fileSystemTest("the status of a job that runs", (f) => {
  f.submitted("x", "echo\n");
  f.nowMs += 2000;
  const claim = f.claim();
  f.store.attempts.setProcess(claim.attempt, 4711, 1);
  f.print(claim, "12345");
  f.nowMs += 1500;
  const attempt = {
    ...{ number: 1, start: at(2000), end: null, outcome: null, exit_code: null, signal: null },
    ...{ error: null, pid: 4711, output_bytes: 5 },
  };
  assert.deepEqual(status(f, "x"), {
    ...{ ...NEW, state: "active", submitted: at(0), started: at(2000), run_time_sec: 1.5 },
    attempts: [attempt],
  });
});

fileSystemTest(
  "the status of a job that waits for its retry, and of one that has succeeded",
  (f) => {
    f.submitted("x");
    const first = f.claim();
    f.print(first, "no\n");
    f.nowMs += 1000;
    f.finish(first, { ...RETRY, retryAtMs: f.nowMs + 4000 }, { kind: "exited", code: 3 });
    const attempt = {
      ...{ number: 1, start: at(0), end: at(1000), outcome: "exited", exit_code: 3, signal: null },
      ...{ error: null, pid: null, output_bytes: 3 },
    };
    const waiting = {
      ...{ ...NEW, submitted: at(0), started: at(0), run_time_sec: 1, not_before: at(5000) },
      ...{ last_error: "exit status 3", attempts: [attempt] },
    };
    assert.deepEqual(status(f, "x"), waiting);
    f.nowMs += 4000;
    f.store.queue.wake();
    const second = f.claim();
    f.nowMs += 500;
    f.finish(second, COMPLETE);
    assert.deepEqual(status(f, "x"), {
      ...waiting,
      ...{ state: "complete", started: at(5000), finished: at(5500), run_time_sec: 0.5 },
      ...{ not_before: null, last_error: null },
      attempts: [attempt, {
        ...{ ...attempt, number: 2, start: at(5000), end: at(5500) },
        ...{ exit_code: 0, output_bytes: 0 },
      }],
    });
  },
);

for (
  const [outcome, shown, lastError] of [
    [{ kind: "signaled", signal: "SIGSEGV" }, { signal: "SIGSEGV" }, "signal: SIGSEGV"],
    [{ kind: "timeout", seconds: 9 }, {}, "timed out after 9 s"],
    [{ kind: "cancelled" }, {}, "cancelled"],
    [{ kind: "error", reason: "no fork" }, { error: "no fork" }, "no fork"],
  ] as const
) {
  fileSystemTest(`the status of a job that has failed: ${outcome.kind}`, (f) => {
    f.finish(f.running("x"), FAILED, outcome);
    const { state, last_error, attempts } = status(f, "x");
    assert.deepEqual([state, last_error], ["failed", lastError]);
    const { outcome: kind, exit_code, signal, error } = attempts[0];
    assert.deepEqual(
      { outcome: kind, exit_code, signal, error },
      { ...{ outcome: outcome.kind, exit_code: null, signal: null, error: null }, ...shown },
    );
  });
}

fileSystemTest("a job that was put aside, or could not run, says why and has no attempt", (f) => {
  f.submitted("x");
  f.rename("pending", "x", "failed");
  f.submitted("y", ">>> true\n");
  const shown = (name: string) => {
    const { state, last_error, started, attempts } = status(f, name);
    assert.deepEqual([state, started, attempts], ["failed", null, []]);
    return last_error;
  };
  assert.equal(shown("x"), "moved to failed");
  assert.match(shown("y"), /^not run: this is the log of a job/);
});

fileSystemTest("the bound of an mtime ahead is told, while the job is pending", (f) => {
  const id = f.submitted("x").id;
  f.setattr(scriptIno(id), { mtime: { sec: START_MS / 1000 + 60, nsec: 1 } });
  assert.equal(status(f, "x").not_before, at(60_001));
  f.rename("pending", "x", "failed");
  assert.equal(status(f, "x").not_before, null);
});

fileSystemTest("owner, priority and queue are those of now", (f) => {
  const { id } = f.submitted("x");
  f.setattr(scriptIno(id), { uid: 5, gid: 6 });
  f.sql("UPDATE job SET queue = 'video', priority = -7");
  const { uid, gid, queue, priority } = status(f, "x");
  assert.deepEqual([uid, gid, queue, priority], [5, 6, "video", -7]);
});

fileSystemTest("output_bytes counts what is not kept too", (f) => {
  f.submitted("x");
  const claim = f.claim(1024);
  f.print(claim, "x".repeat(100_000));
  assert.equal(status(f, "x").attempts[0].output_bytes, 100_000);
  f.finish(claim, FAILED, { kind: "exited", code: 1 });
  assert.equal(status(f, "x").attempts[0].output_bytes, 100_000);
});

fileSystemTest("a run time is never below 0, whatever the clock does", (f) => {
  f.running("x");
  f.nowMs -= 5000;
  assert.equal(status(f, "x").run_time_sec, 0);
});

fileSystemTest("of many attempts the newest thousand are shown, oldest first", (f) => {
  const { id } = f.ended("x");
  f.store.db.transaction(() => {
    for (let number = 2; number <= 1500; number++) {
      f.sql(
        `INSERT INTO attempt (job_id, job_name, number, token, boot_id, started_ms, ended_ms,
           outcome, exit_code, log_start, live) VALUES (?, 'x', ?, 't', 'b', 1, 2, 'exited', 1, 0, 0)`,
        id,
        number,
      );
    }
  });
  const numbers = status(f, "x").attempts.map(({ number }: { number: number }) => number);
  assert.deepEqual(numbers, Array.from({ length: 1000 }, (_, i) => 501 + i));
});

fileSystemTest("a descriptor shows the status of when it was opened", (f) => {
  f.submitted("x");
  const fh = f.open(ino(f, "x"));
  const before = f.read(fh);
  f.claim();
  assert.equal(f.read(fh), before);
  assert.equal(f.read(fh, 3, 10), before.slice(3, 13));
  assert.equal(f.read(fh, before.length), "");
});

fileSystemTest("a status is read only", (f) => {
  f.submitted("x");
  for (const flags of [O_WRONLY, O_RDWR]) {
    assert.equal(errnoOf(() => f.open(ino(f, "x"), flags)), "EPERM");
  }
  const fh = f.open(ino(f, "x"));
  assert.equal(errnoOf(() => f.write(fh, "x")), "EPERM");
});
