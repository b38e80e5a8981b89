/** jobs/NAME/, asked as the kernel asks it. */
import assert from "node:assert/strict";
import type { Attr } from "../../ffi/operations.ts";
import {
  attemptIno,
  EVENTS_INO,
  jobIno,
  type JobNode,
  JOBS_INO,
  PENDING_INO,
  ROOT_INO,
} from "../../fs/ino.ts";
import type { AttemptId, JobId } from "../../store/job.ts";
import {
  errnoOf,
  type FileSystemFixture,
  fileSystemTest,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  STRANGER,
} from "./file_system_fixture.ts";
import { COMPLETE, RETRY } from "./store_fixture.ts";

const LISTED = ["attempts", "script", "log", "status.json", "signal"];

/** Each node by its name in jobs/NAME/. */
const NODES: Readonly<Record<string, JobNode>> = {
  ".": "directory",
  attempts: "attempts",
  script: "script",
  log: "log",
  "status.json": "status",
  signal: "signal",
  wait: "wait",
};

function nodeIno(f: FileSystemFixture, job: string, name: string): number {
  return jobIno(f.job(job).id, NODES[name]!);
}

fileSystemTest("jobs lists every job in every state, drafts too, each under its name", (f) => {
  assert.deepEqual(f.names(JOBS_INO), []);
  f.running("active");
  f.ended("complete");
  f.submitted("pending");
  f.written(".draft");
  assert.deepEqual(f.names(JOBS_INO), ["active", "complete", "pending", ".draft"]);
  for (const size of [32, 100]) assert.equal(f.names(JOBS_INO, size).length, 4);
  f.rename("pending", "pending", "failed", "other");
  assert.deepEqual(f.names(JOBS_INO), ["active", "complete", "other", ".draft"]);
  f.store.moves.remove(f.job("active"));
  assert.deepEqual(f.names(JOBS_INO), ["complete", "other", ".draft"]);
});

fileSystemTest("a job keeps its directory and all inodes for its life", (f) => {
  f.submitted("x");
  const inos = () =>
    Object.keys(NODES).map((name) =>
      name === "."
        ? f.lookup(JOBS_INO, "y").attr.ino
        : f.lookup(nodeIno(f, "y", "."), name).attr.ino
    );
  f.rename("pending", "x", "pending", "y");
  const { id } = f.job("y");
  const before = inos();
  assert.deepEqual(before, [0, 3, 1, 2, 4, 5, 6].map((kind) => 16 * id + kind));
  f.finish(f.claim(), COMPLETE);
  assert.deepEqual(inos(), before);
  assert.equal(errnoOf(() => f.lookup(JOBS_INO, "x")), "ENOENT");
});

fileSystemTest("a job's directory lists its files but wait, which is there by its name", (f) => {
  f.submitted("x");
  const ino = nodeIno(f, "x", ".");
  for (const size of [40, 64, 4096]) assert.deepEqual(f.names(ino, size), LISTED);
  assert.equal(f.lookup(ino, "wait").attr.ino, nodeIno(f, "x", "wait"));
  for (const plus of [false, true]) {
    const [self, parent] = f.readdir(ino, 0, 4096, plus);
    assert.deepEqual([self!.entry.attr.ino, parent!.entry.attr.ino], [ino, JOBS_INO]);
  }
  const [self, parent] = f.readdir(nodeIno(f, "x", "attempts"));
  assert.deepEqual([self!.entry.attr.ino, parent!.entry.attr.ino], [ino + 3, ino]);
});

fileSystemTest("listings with attributes give what lookup() gives", (f) => {
  f.ended("x");
  for (const ino of [JOBS_INO, nodeIno(f, "x", "."), nodeIno(f, "x", "attempts")]) {
    const listed = f.readdir(ino, 2, 4096, true);
    assert.notEqual(listed.length, 0);
    for (const { name, entry } of listed) assert.deepEqual(entry, f.lookup(ino, name));
  }
});

fileSystemTest("listings without attributes give the same inodes and types", (f) => {
  f.ended("x");
  const S_IFMT = 0o170000;
  for (const ino of [ROOT_INO, PENDING_INO, JOBS_INO, nodeIno(f, "x", ".")]) {
    const shown = (plus: boolean) =>
      f.readdir(ino, 2, 4096, plus)
        .map(({ name, entry: { attr } }) => [name, attr.ino, attr.mode & S_IFMT]);
    assert.deepEqual(shown(false), shown(true));
  }
});

fileSystemTest("attempts has the log of each attempt under its number", (f) => {
  f.submitted("x");
  const ino = nodeIno(f, "x", "attempts");
  assert.deepEqual(f.names(ino), []);
  const ids = Array.from({ length: 12 }, () => {
    const claim = f.claim();
    f.finish(claim, RETRY, { kind: "exited", code: 1 });
    return claim.attempt;
  });
  for (const size of [32, 100, 4096]) {
    assert.deepEqual(f.names(ino, size), ids.map((_, i) => `${i + 1}.log`));
  }
  assert.equal(f.lookup(ino, "3.log").attr.ino, attemptIno(ids[2]!));
  assert.ok(attemptIno(ids[2]!) > 2 ** 52);
  for (const name of ["0.log", "13.log", "1", "01.log", "+1.log", "1.log ", "1.LOG", "-1.log"]) {
    assert.equal(errnoOf(() => f.lookup(ino, name)), "ENOENT", name);
  }
  for (const name of ["9999999999999999999.log", "1e0.log", "", ".log"]) {
    assert.equal(errnoOf(() => f.lookup(ino, name)), "ENOENT", name);
  }
});

fileSystemTest("the attempts of another job are not there", (f) => {
  f.ended("other");
  f.submitted("x");
  assert.equal(errnoOf(() => f.lookup(nodeIno(f, "x", "attempts"), "1.log")), "ENOENT");
});

fileSystemTest("names that are not there: ENOENT", (f) => {
  f.submitted("x");
  for (const name of ["none", "toString", "__proto__", "", "Script", "status"]) {
    assert.equal(errnoOf(() => f.lookup(JOBS_INO, name)), "ENOENT", name);
    assert.equal(errnoOf(() => f.lookup(nodeIno(f, "x", "."), name)), "ENOENT", name);
  }
  assert.equal(errnoOf(() => f.lookup(JOBS_INO, null)), "ENOENT");
  assert.equal(errnoOf(() => f.lookup(JOBS_INO, "a".repeat(256))), "ENAMETOOLONG");
});

fileSystemTest("files are no directories, and directories no files", (f) => {
  f.ended("x");
  const attempt = f.lookup(nodeIno(f, "x", "attempts"), "1.log").attr.ino;
  for (const ino of [...["script", "log", "wait"].map((n) => nodeIno(f, "x", n)), attempt]) {
    assert.equal(errnoOf(() => f.lookup(ino, "a")), "ENOTDIR");
    assert.equal(errnoOf(() => f.readdir(ino)), "ENOTDIR");
  }
  assert.equal(errnoOf(() => f.lookup(EVENTS_INO, "a")), "ENOTDIR");
  for (const name of [".", "attempts"]) {
    assert.equal(errnoOf(() => f.open(nodeIno(f, "x", name))), "EISDIR");
  }
});

// What can be done ---------------------------------------------------------------------------------------------

fileSystemTest("nothing can be made, removed or renamed: EPERM", (f) => {
  f.ended("x");
  f.submitted("y");
  const [directory, attempts] = [nodeIno(f, "x", "."), nodeIno(f, "x", "attempts")];
  for (const parent of [JOBS_INO, directory, attempts]) {
    assert.equal(errnoOf(() => f.create("new", { parent })), "EPERM");
    assert.equal(errnoOf(() => f.mknod(parent, "new")), "EPERM");
    assert.equal(errnoOf(() => f.unlink(parent, "none")), "ENOENT");
    for (const to of [PENDING_INO, JOBS_INO, directory]) {
      assert.equal(errnoOf(() => f.renameAt(parent, "x", to, "z")), "EPERM");
      assert.equal(errnoOf(() => f.renameAt(PENDING_INO, "y", parent, "z")), "EPERM");
    }
  }
  for (const name of [...LISTED, "wait"]) {
    assert.equal(errnoOf(() => f.unlink(directory, name)), "EPERM", name);
  }
  assert.equal(errnoOf(() => f.unlink(attempts, "1.log")), "EPERM");
  assert.equal(errnoOf(() => f.unlink(JOBS_INO, "x")), "EPERM");
  assert.equal(f.store.directories.count, 2);
});

fileSystemTest("status.json, log, attempts and wait cannot be written or truncated: EPERM", (f) => {
  f.ended("x");
  const attempt = f.lookup(nodeIno(f, "x", "attempts"), "1.log").attr.ino;
  const inos = ["status.json", "log", "wait"].map((name) => nodeIno(f, "x", name));
  for (const ino of [...inos, attempt]) {
    for (const flags of [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC]) {
      assert.equal(errnoOf(() => f.open(ino, flags)), "EPERM");
    }
    assert.equal(errnoOf(() => f.setattr(ino, { size: 0 })), "EPERM");
  }
});

fileSystemTest("script is the script in every state, and is written in pending only", (f) => {
  f.submitted("x", "echo x\n");
  const ino = nodeIno(f, "x", "script");
  const { ino: same } = f.lookup(PENDING_INO, "x").attr;
  assert.equal(same, ino);
  const writer = f.open(ino, O_WRONLY | O_TRUNC);
  f.write(writer, "echo y\n");
  assert.equal(f.store.queue.next(), undefined, "it is held meanwhile");
  f.close(writer);
  f.store.moves.submit([f.job("x").id]);
  const claim = f.claim();
  const reads = () => {
    const fh = f.open(ino);
    assert.equal(f.read(fh), "echo y\n");
    f.close(fh);
    assert.equal(f.getattr(ino).size, 7);
  };
  reads();
  assert.equal(errnoOf(() => f.open(ino, O_WRONLY)), "ESTALE");
  assert.equal(errnoOf(() => f.setattr(ino, { size: 0 })), "ESTALE");
  f.finish(claim, COMPLETE);
  reads();
});

fileSystemTest("log is there in every state, first empty, then as far as it goes", (f) => {
  f.submitted("x");
  const ino = nodeIno(f, "x", "log");
  const fh = f.open(ino);
  assert.deepEqual([f.read(fh), f.getattr(ino).size], ["", 0]);
  const claim = f.claim();
  assert.equal(f.read(fh), ">>> true\n");
  f.finish(claim, RETRY, { kind: "exited", code: 1 });
  assert.equal(f.job("x").state, "pending");
  const whole = ">>> true\n\n[System Error]: exit status 1\n";
  assert.equal(f.read(fh), whole);
  const other = f.open(ino);
  assert.deepEqual([f.read(other), f.getattr(ino).size], [whole, whole.length]);
});

fileSystemTest("another user cannot write a script by way of jobs/ either", (f) => {
  f.submitted("x");
  f.caller = STRANGER;
  const ino = nodeIno(f, "x", "script");
  assert.equal(errnoOf(() => f.open(ino, O_WRONLY)), "EACCES");
  assert.equal(errnoOf(() => f.setattr(ino, { size: 0 })), "EACCES");
  assert.equal(errnoOf(() => f.open(ino)), "ok");
});

// What is gone --------------------------------------------------------------------------------------------------

fileSystemTest("what is in the directory of a job that is gone: ESTALE", (f) => {
  f.ended("x");
  const inos = Object.keys(NODES).map((name) => nodeIno(f, "x", name));
  const attempt = f.lookup(nodeIno(f, "x", "attempts"), "1.log").attr.ino;
  f.unlink(3, "x");
  for (const ino of [...inos, attempt]) {
    assert.equal(errnoOf(() => f.open(ino)), "ESTALE");
    assert.equal(errnoOf(() => f.setattr(ino, { mode: 0 })), "ESTALE");
  }
  assert.equal(errnoOf(() => f.lookup(inos[0]!, "script")), "ESTALE");
  assert.equal(errnoOf(() => f.readdir(inos[0]!)), "ESTALE");
  assert.equal(errnoOf(() => f.getattr(attempt)), "ESTALE");
});

fileSystemTest("inode numbers of nothing: ESTALE", (f) => {
  f.submitted("x");
  const base = 16 * f.job("x").id;
  const none = [11, 15, base + 7, base + 15, 16 * 99, 2 ** 52, attemptIno(1 as AttemptId)];
  for (const ino of none) {
    assert.equal(errnoOf(() => f.getattr(ino)), "ESTALE", String(ino));
    assert.equal(errnoOf(() => f.open(ino)), "ESTALE", String(ino));
    assert.equal(errnoOf(() => f.readdir(ino)), "ESTALE", String(ino));
  }
  assert.equal(errnoOf(() => f.getattr(jobIno(99 as JobId, "wait"))), "ESTALE");
});

fileSystemTest("a removed job that somebody has open has no links and is nowhere listed", (f) => {
  f.ended("x");
  const inos = Object.keys(NODES).map((name) => nodeIno(f, "x", name));
  const { ino: attempt } = f.lookup(nodeIno(f, "x", "attempts"), "1.log").attr;
  const fh = f.open(attempt);
  f.unlink(3, "x");
  const links = (attrs: readonly Attr[]) => new Set(attrs.map(({ nlink }) => nlink));
  assert.deepEqual(links([...inos, attempt].map((ino) => f.getattr(ino))), new Set([0]));
  assert.deepEqual([f.names(JOBS_INO), f.getattr(JOBS_INO).nlink], [[], 2]);
  assert.equal(f.read(fh), ">>> true\n");
  f.submitted("x");
  assert.notEqual(f.lookup(JOBS_INO, "x").attr.ino, inos[0]);
});
