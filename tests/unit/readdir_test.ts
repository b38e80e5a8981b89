import assert from "node:assert/strict";
import fc from "fast-check";
import { CONFIG_INO, DIRECTORY_INO, PENDING_INO, ROOT_INO } from "../../fs/ino.ts";
import { errnoOf, type FileSystemFixture, fileSystemTest } from "./file_system_fixture.ts";
import { COMPLETE } from "./store_fixture.ts";

function makeJobs(f: FileSystemFixture, count: number): string[] {
  return Array.from({ length: count }, (_, i) => f.written(`job${i}`).name);
}

fileSystemTest("readdir() of the root lists the fixed nodes", (f) => {
  for (const size of [64, 4096]) {
    assert.deepEqual(f.names(ROOT_INO, size), [
      ...["pending", "complete", "failed", "active", "jobs"],
      ...["new-id", "config.json", "metrics", "events"],
    ]);
  }
});

fileSystemTest("readdir() begins with the dots", (f) => {
  for (const ino of [ROOT_INO, PENDING_INO]) {
    const page = f.readdir(ino);
    assert.deepEqual(page.slice(0, 2).map(({ name }) => name), [".", ".."]);
    assert.deepEqual(page.slice(0, 2).map(({ entry }) => entry.attr.ino), [ino, ROOT_INO]);
    assert.deepEqual(page.slice(0, 2).map(({ next }) => next), [1, 2]);
  }
});

fileSystemTest("readdir() of a file: ENOTDIR", (f) => {
  assert.equal(errnoOf(() => f.readdir(CONFIG_INO)), "ENOTDIR");
});

fileSystemTest("readdir() takes any size, and a directory has no negative offsets", (f) => {
  f.written("x");
  for (const size of [2 ** 31, 2 ** 32 - 1]) {
    for (const plus of [false, true]) assert.equal(f.readdir(PENDING_INO, 0, size, plus).length, 3);
  }
  for (const offset of [-1, -(2 ** 63)]) {
    assert.equal(errnoOf(() => f.readdir(PENDING_INO, offset)), "EINVAL");
  }
  for (const offset of [2 ** 53 + 2, 2 ** 63]) {
    assert.deepEqual(f.readdir(PENDING_INO, offset), []);
  }
});

fileSystemTest("readdir() lists a directory's own jobs, drafts too", (f) => {
  f.ended("done");
  f.submitted("x");
  f.written(".draft");
  f.written("empty", "");
  assert.deepEqual(f.names(PENDING_INO), ["x", ".draft", "empty"]);
  assert.deepEqual(f.names(DIRECTORY_INO.complete), ["done"]);
  assert.deepEqual(f.names(DIRECTORY_INO.failed), []);
});

fileSystemTest("readdir() gives each job once whatever the size of a page", (f) => {
  const names = makeJobs(f, 100);
  for (const size of [32, 33, 100, 1000, 65_536]) {
    assert.deepEqual(f.names(PENDING_INO, size), names);
  }
});

fileSystemTest("readdir() with attributes gives what lookup() does", (f) => {
  makeJobs(f, 5);
  for (const { name, entry } of f.readdir(PENDING_INO, 2, 4096, true)) {
    assert.deepEqual(entry, f.lookup(PENDING_INO, name));
  }
});

fileSystemTest("readdir() goes on from any offset that it gave", (f) => {
  makeJobs(f, 10);
  const all = f.readdir(PENDING_INO);
  all.forEach(({ next }, i) => {
    const rest = f.readdir(PENDING_INO, next).map(({ name }) => name);
    assert.deepEqual(rest, all.slice(i + 1).map(({ name }) => name));
  });
});

/** What may happen between two pages, to the job of this index. */
const eventArbitrary = fc.tuple(
  fc.constantFrom("remove", "park", "run", "rename", "create", "back"),
  fc.nat(60),
);

fileSystemTest("readdir() gives what stays exactly once, while others come and go", (f) => {
  let runs = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 32, max: 400 }),
      fc.array(fc.array(eventArbitrary, { maxLength: 5 }), { maxLength: 20 }),
      (size, rounds) => {
        const prefix = `r${runs++}-`;
        const made = Array.from({ length: 30 }, (_, i) => f.submitted(`${prefix}${i}`));
        const touched = new Set<number>();
        const events = [...rounds];
        const seen: number[] = [];
        for (let offset = 0;;) {
          const page = f.readdir(PENDING_INO, offset, size);
          if (page.length === 0) break;
          seen.push(...page.map(({ entry }) => entry.attr.ino));
          offset = page.at(-1)!.next;
          for (const [what, which] of events.shift() ?? []) {
            const target = made[which % made.length]!;
            const job = f.store.jobs.byId(target.id);
            if (what === "create") {
              f.submitted(`${prefix}new${f.store.directories.count}-${seen.length}-${which}`);
            }
            if (job?.state === "failed" && what === "back") f.store.moves.requeue(job, job.name);
            if (job?.state !== "pending") continue;
            // A job that is renamed stays; what leaves and comes back may be seen or not, but not twice.
            if (what === "rename") f.store.moves.renamePending(job, `${job.name}'`, undefined);
            else if (what !== "create" && what !== "back") touched.add(job.id);
            if (what === "remove") f.store.moves.remove(job);
            if (what === "park") f.store.moves.park(job, job.name);
            if (what === "run") {
              f.finish(f.store.attempts.claim(job, "boot", 1024), COMPLETE);
            }
          }
        }
        const jobs = seen.slice(2);
        assert.equal(new Set(jobs).size, jobs.length, "nothing twice");
        for (const { id } of made) {
          if (!touched.has(id)) assert.ok(jobs.includes(id * 16 + 1), `job ${id} was left out`);
        }
        f.sql("UPDATE attempt SET live = 0");
        f.sql("DELETE FROM job");
      },
    ),
    { numRuns: 30, seed: 1 },
  );
});
