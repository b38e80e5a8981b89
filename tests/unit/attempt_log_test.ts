/** attempts/N.log: the sections of a log, each a file of its own. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Logs } from "../../fs/logs.ts";
import type { Claim } from "../../store/attempts.ts";
import type { Attempt } from "../../store/history.ts";
import type { Job } from "../../store/job.ts";
import {
  COMPLETE,
  FAILED,
  readAll,
  RETRY,
  sameText,
  StoreFixture,
  storeTest,
  withStore,
} from "./store_fixture.ts";

/** What a new reader of a section sees, read in pieces. */
function section(logs: Logs, job: Job, attempt: Attempt, size = 4096): string {
  const handle = logs.openSection(job, attempt);
  try {
    return readAll(handle, 0, size);
  } finally {
    handle.release?.();
  }
}

function sections(f: StoreFixture, job: Job, size?: number): string[] {
  const logs = new Logs(f.store);
  return f.store.history.page(job.id, 0, 1000).map((attempt) => {
    const shown = section(logs, job, attempt, size);
    assert.equal(logs.sectionSize(job, attempt), shown.length, `the size of ${attempt.number}`);
    return shown;
  });
}

function newest(f: StoreFixture, job: Job): Attempt {
  return f.store.history.newest(job.id)!;
}

storeTest("the sections of all attempts are the whole log", (f) => {
  f.submitted("x", "echo\n");
  for (const [i, next] of [RETRY, RETRY, FAILED].entries()) {
    const claim = f.claim();
    f.print(claim, `out ${i}\n`);
    f.finish(claim, next, { kind: "exited", code: i + 1 });
  }
  const job = f.job("x");
  const shown = sections(f, job);
  assert.deepEqual(
    shown,
    [1, 2, 3].map((n) => `>>> echo\nout ${n - 1}\n\n[System Error]: exit status ${n}\n`),
  );
  assert.equal(shown.join(""), f.log(job));
  for (const size of [1, 7, 100]) assert.deepEqual(sections(f, job, size), shown);
});

storeTest("a section after output without a newline begins with one", (f) => {
  f.submitted("x");
  const first = f.claim();
  f.print(first, "no newline");
  f.finish(first, COMPLETE);
  f.store.moves.requeue(f.job("x"), "x");
  f.finish(f.claim(), COMPLETE);
  const job = f.job("x");
  assert.deepEqual(sections(f, job), [">>> true\nno newline", "\n>>> true\n"]);
  assert.equal(sections(f, job).join(""), f.log(job));
});

storeTest("what is in the log for want of an attempt is in no section", (f) => {
  f.ended("x");
  f.store.moves.requeue(f.job("x"), ".x");
  f.store.admission.doubt(f.job(".x").id, "no room");
  f.store.moves.renamePending(f.job(".x"), "x", undefined);
  const job = f.job("x");
  assert.equal(job.state, "failed");
  assert.deepEqual(sections(f, job), [">>> true\n"]);
  assert.match(f.log(job), /^>>> true\n\n\[System Error\]: not run: no room\n$/);
});

storeTest("the section of an attempt that another daemon has left ends with that", (f) => {
  const claim = f.running("x");
  f.print(claim, "half");
  f.reopen();
  f.store.attempts.lose(f.store.attempts.left()[0]!, () => RETRY);
  f.store.attempts.gone(claim.attempt, claim.job.id);
  f.finish(f.claim(), COMPLETE);
  const job = f.job("x");
  const lost = ">>> true\nhalf\n\n[System Error]: lost: the daemon stopped\n";
  assert.deepEqual(sections(f, job), [lost, ">>> true\n"]);
});

storeTest("each section has its own holes", (f) => {
  f.submitted("x");
  const long = (char: string) => `${char.repeat(99)}\n`.repeat(200);
  for (const [char, next] of [["a", RETRY], ["b", RETRY], ["c", FAILED]] as const) {
    const claim = f.claim(2000);
    f.print(claim, long(char), long(char));
    f.finish(claim, next, { kind: "exited", code: 1 });
  }
  const job = f.job("x");
  const shown = sections(f, job);
  assert.equal(shown.join(""), f.log(job));
  ["a", "b", "c"].forEach((char, i) => {
    const kept = shown[i]!.split(char).length - 1;
    assert.ok(kept > 1900 && kept < 2000, `${kept} of ${char}`);
    assert.match(shown[i]!, /\[38000 bytes of output are missing here\]/);
  });
  for (const size of [1, 333]) assert.deepEqual(sections(f, job, size), shown);
});

const attemptsArbitrary = fc.array(
  fc.record({
    cap: fc.integer({ min: 1024, max: 8000 }),
    parts: fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 4 }),
    newline: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

Deno.test("sections and the whole log agree, whatever the attempts print", async () => {
  await fc.assert(
    fc.asyncProperty(
      attemptsArbitrary,
      fc.integer({ min: 50, max: 5000 }),
      (attempts, size) =>
        withStore((f) => {
          f.submitted("x");
          attempts.forEach(({ cap, parts, newline }, i) => {
            const claim = f.claim(cap);
            for (const length of parts) f.print(claim, `${i}`.repeat(length));
            if (newline) f.print(claim, "\n");
            f.finish(claim, RETRY, { kind: "exited", code: i });
          });
          const job = f.job("x");
          sameText(sections(f, job, size).join(""), f.log(job));
        }, (folder) => new StoreFixture(folder)),
    ),
    { seed: 1, numRuns: 25 },
  );
});

// Live ---------------------------------------------------------------------------------------------------------

function follow(f: StoreFixture, claim: Claim) {
  const handle = new Logs(f.store).openSection(claim.job, newest(f, claim.job));
  let at = 0;
  /** What has come since the last call. */
  return () => {
    const more = readAll(handle, at);
    at += more.length;
    return more;
  };
}

storeTest("a live section grows to its end, and stops there when the next begins", (f) => {
  f.submitted("x");
  const claim = f.claim();
  const more = follow(f, claim);
  assert.equal(more(), ">>> true\n");
  assert.equal(more(), "");
  f.print(claim, "one\n");
  assert.equal(more(), "one\n");
  f.finish(claim, RETRY, { kind: "exited", code: 1 });
  assert.equal(more(), "\n[System Error]: exit status 1\n");
  f.print(f.claim(), "two\n");
  assert.equal(more(), "");
});

storeTest("the size of a live section is its length so far", (f) => {
  f.ended("x");
  f.store.moves.requeue(f.job("x"), "x");
  const claim = f.claim();
  const logs = new Logs(f.store);
  const size = () => logs.sectionSize(f.job("x"), newest(f, claim.job));
  assert.equal(size(), ">>> true\n".length);
  f.print(claim, "12345");
  assert.equal(size(), ">>> true\n12345".length);
});

storeTest(
  "a reader of a live section is led over what is dropped, and sees each byte once",
  (f) => {
    f.ended("x");
    f.store.moves.requeue(f.job("x"), "x");
    const claim = f.claim(1024);
    const more = follow(f, claim);
    let seen = "";
    for (let i = 0; i < 50; i++) {
      f.print(claim, `${"x".repeat(200)}${i}\n`);
      seen += more();
    }
    f.finish(claim, COMPLETE);
    seen += more();
    // It has kept pace, so nothing was dropped before it was read.
    const all = Array.from({ length: 50 }, (_, i) => `${"x".repeat(200)}${i}\n`).join("");
    sameText(seen.replace(/\n\[\d+ bytes of output are missing here\]\n/g, ""), `>>> true\n${all}`);
  },
);

storeTest("while somebody follows a section its size does not shrink", (f) => {
  f.submitted("x");
  const claim = f.claim(1024);
  const logs = new Logs(f.store);
  const handle = logs.openSection(claim.job, newest(f, claim.job));
  const size = () => logs.sectionSize(f.job("x"), newest(f, claim.job));
  f.print(claim, "x".repeat(50_000));
  const live = size();
  f.finish(claim, COMPLETE);
  assert.ok(size() >= live);
  handle.release?.();
  assert.ok(size() < 2000);
  assert.equal(size(), section(logs, f.job("x"), newest(f, claim.job)).length);
});

storeTest("sections and the whole log are followed apart from each other", (f) => {
  f.submitted("x");
  const claim = f.claim(1024);
  const logs = new Logs(f.store);
  const handle = logs.openSection(claim.job, newest(f, claim.job));
  f.print(claim, "x".repeat(50_000));
  f.finish(claim, COMPLETE);
  const job = f.job("x");
  assert.equal(logs.isSettled(job), true);
  assert.equal(logs.size(job), f.log(job).length);
  handle.release?.();
});

storeTest("a section of a removed job reads to its end", (f) => {
  const claim = f.running("x");
  const handle = new Logs(f.store).openSection(claim.job, newest(f, claim.job));
  f.print(claim, "out\n");
  f.store.moves.remove(f.job("x"));
  assert.equal(readAll(handle), ">>> true\nout\n");
  f.finish(claim, COMPLETE, { kind: "cancelled" });
  assert.equal(readAll(handle), ">>> true\nout\n\n[System Error]: cancelled\n");
  handle.release?.();
  assert.equal(f.store.jobs.byId(claim.job.id), undefined);
});
