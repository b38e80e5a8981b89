/** What stat shows of the nodes in jobs/NAME/, and what chmod, chown and utimens do to them. */
import assert from "node:assert/strict";
import {
  attemptIno,
  jobIno,
  type JobNode,
  JOBS_INO,
  logIno,
  ROOT_INO,
  scriptIno,
} from "../../fs/ino.ts";
import { errnoOf, type FileSystemFixture, fileSystemTest } from "./file_system_fixture.ts";
import { COMPLETE, RETRY, START_MS } from "./store_fixture.ts";

const LISTED = ["attempts", "script", "log", "status.json", "signal"];
const DAY = 86_400;

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

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/** Of every node, for a job of mode 0750. */
const MODES: Readonly<Record<string, number>> = {
  ".": S_IFDIR | 0o755,
  attempts: S_IFDIR | 0o755,
  script: S_IFREG | 0o750,
  log: S_IFREG | 0o750,
  "status.json": S_IFREG | 0o440,
  signal: S_IFREG | 0o200,
  wait: S_IFREG | 0o440,
};

function owned(f: FileSystemFixture): void {
  f.submitted("x");
  f.setattr(scriptIno(f.job("x").id), { mode: 0o750, uid: 5, gid: 6 });
}

fileSystemTest("every node has the owner of the job, and its mode or one of its own", (f) => {
  owned(f);
  for (const [name, mode] of Object.entries(MODES)) {
    const attr = f.getattr(nodeIno(f, "x", name));
    assert.deepEqual([attr.mode.toString(8), attr.uid, attr.gid], [mode.toString(8), 5, 6], name);
  }
  f.finish(f.claim(), COMPLETE);
  const { mode, uid, gid } = f.lookup(nodeIno(f, "x", "attempts"), "1.log").attr;
  assert.deepEqual([mode, uid, gid], [S_IFREG | 0o440, 5, 6]);
});

fileSystemTest("link counts: a directory has one for each directory in it", (f) => {
  const links = (ino: number) => f.getattr(ino).nlink;
  assert.deepEqual([links(ROOT_INO), links(JOBS_INO)], [7, 2]);
  f.ended("y");
  f.submitted("x");
  assert.equal(links(JOBS_INO), 4);
  assert.deepEqual(
    Object.keys(NODES).map((name) => links(nodeIno(f, "x", name))),
    [3, 2, 1, 1, 1, 1, 1],
  );
});

fileSystemTest("what is made up has the times of its job", (f) => {
  f.submitted("x");
  f.nowMs += 3000;
  const claim = f.claim();
  const sec = (ms: number) => ({ sec: (START_MS + ms) / 1000, nsec: 0 });
  for (const name of [".", "attempts", "status.json", "signal", "wait"]) {
    const { atime, mtime, ctime } = f.getattr(nodeIno(f, "x", name));
    assert.deepEqual([atime, mtime, ctime], [sec(0), sec(3000), sec(3000)], name);
  }
  const attempt = () => f.getattr(attemptIno(claim.attempt)).mtime;
  f.nowMs += 2000;
  f.print(claim, "out\n");
  assert.deepEqual(attempt(), sec(5000));
  f.nowMs += 2000;
  f.finish(claim, RETRY);
  f.nowMs += 2000;
  f.claim();
  assert.deepEqual(attempt(), sec(7000), "the section has not changed since");
});

fileSystemTest("the mtime of jobs is that of the last job that came, went or got a name", (f) => {
  const changes: readonly (() => unknown)[] = [
    () => f.submitted("x"),
    () => f.claim(),
    () => f.store.moves.park(f.job("x"), "y"),
    () => f.rename("failed", "y", "failed", "z"),
    () => f.store.moves.remove(f.job("z")),
  ];
  for (const change of changes) {
    f.nowMs += 2000;
    change();
    assert.equal(f.getattr(JOBS_INO).mtime.sec, f.nowMs / 1000);
  }
});

/** Which nodes change when the mode of one is set to 0710: itself, or all that follow the job. */
const FOLLOW_JOB = ["script", "log"];
const FOLLOW_JOB_READING = ["status.json", "wait"];

for (const name of Object.keys(NODES)) {
  fileSystemTest(`chmod of ${name} changes what it says, and is kept`, (f) => {
    owned(f);
    f.nowMs += 2000;
    const own = [".", "attempts", "signal"].includes(name);
    const expected: Record<string, number> = { ...MODES };
    if (own) expected[name] = (MODES[name]! & 0o170000) | 0o710;
    else {
      for (const one of FOLLOW_JOB) expected[one] = S_IFREG | 0o710;
      for (const one of FOLLOW_JOB_READING) expected[one] = S_IFREG | 0o400;
    }
    const { ctime } = f.setattr(nodeIno(f, "x", name), { mode: 0o710 });
    assert.equal(ctime.sec, f.nowMs / 1000);
    const now = () =>
      Object.fromEntries(
        Object.keys(NODES).map((one) => [one, f.getattr(nodeIno(f, "x", one)).mode]),
      );
    assert.deepEqual(now(), expected);
    f.reopen();
    assert.deepEqual(now(), expected);
  });

  fileSystemTest(`chown of ${name} is a chown of the job, and is kept`, (f) => {
    owned(f);
    f.setattr(nodeIno(f, "x", name), { uid: 77, gid: 78 });
    f.reopen();
    for (const one of Object.keys(NODES)) {
      const { uid, gid } = f.getattr(nodeIno(f, "x", one));
      assert.deepEqual([uid, gid], [77, 78], one);
    }
  });
}

fileSystemTest("chmod and chown of the log of an attempt are those of the job", (f) => {
  f.ended("x");
  const { ino } = f.lookup(nodeIno(f, "x", "attempts"), "1.log").attr;
  assert.equal(f.setattr(ino, { mode: 0o600 }).mode, S_IFREG | 0o400);
  f.setattr(ino, { uid: 77 });
  f.reopen();
  assert.equal(f.getattr(logIno(f.job("x").id)).mode, S_IFREG | 0o600);
  assert.equal(f.getattr(scriptIno(f.job("x").id)).uid, 77);
});

fileSystemTest(
  "chmod of a made-up file through a mode with set-id bits keeps them on the job",
  (f) => {
    owned(f);
    f.setattr(nodeIno(f, "x", "status.json"), { mode: 0o6755 });
    assert.equal(f.getattr(nodeIno(f, "x", "script")).mode, S_IFREG | 0o6755);
    assert.equal(f.getattr(nodeIno(f, "x", "status.json")).mode, S_IFREG | 0o444);
  },
);

fileSystemTest("a mode of its own goes with the job", (f) => {
  f.submitted("x");
  f.setattr(nodeIno(f, "x", "signal"), { mode: 0o222 });
  assert.equal(f.value("SELECT count(*) FROM node"), 1);
  f.store.moves.remove(f.job("x"));
  assert.equal(f.value("SELECT count(*) FROM node"), 0);
  f.submitted("x");
  assert.equal(f.getattr(nodeIno(f, "x", "signal")).mode, S_IFREG | 0o200);
});

fileSystemTest("a chmod that cannot be stored changes nothing", (f) => {
  f.submitted("x");
  f.sql("CREATE TRIGGER full BEFORE UPDATE ON job BEGIN SELECT raise(ABORT, 'full'); END");
  for (const name of [".", "signal", "script"]) {
    const ino = nodeIno(f, "x", name);
    const before = f.getattr(ino);
    assert.notEqual(errnoOf(() => f.setattr(ino, { mode: 0o777 })), "ok");
    assert.deepEqual(f.getattr(ino), before, name);
  }
});

fileSystemTest("times can be set of script and log, of nothing else: EPERM", (f) => {
  f.ended("x");
  const mtime = { sec: 5, nsec: 6 };
  const attempt = f.lookup(nodeIno(f, "x", "attempts"), "1.log").attr.ino;
  const inos = [".", "attempts", "status.json", "signal", "wait"].map((n) => nodeIno(f, "x", n));
  for (const ino of [...inos, attempt]) {
    assert.equal(errnoOf(() => f.setattr(ino, { mtime })), "EPERM");
    assert.equal(errnoOf(() => f.setattr(ino, { atime: "now" })), "EPERM");
  }
  for (const name of ["script", "log"]) {
    const ino = nodeIno(f, "x", name);
    f.setattr(ino, { mtime });
    assert.deepEqual(f.getattr(ino).mtime, mtime);
  }
  assert.deepEqual(f.getattr(nodeIno(f, "x", "log")).mtime, mtime);
});

fileSystemTest("the times of script and log are two", (f) => {
  f.ended("x");
  f.setattr(nodeIno(f, "x", "script"), { mtime: { sec: 1, nsec: 0 } });
  f.setattr(nodeIno(f, "x", "log"), { mtime: { sec: 2, nsec: 0 } });
  const mtime = (name: string) => f.getattr(nodeIno(f, "x", name)).mtime.sec;
  assert.deepEqual([mtime("script"), mtime("log")], [1, 2]);
});

fileSystemTest("names and inodes in a job's directory stay, those of jobs may change", (f) => {
  f.submitted("x");
  const timeouts = (parent: number, name: string) => {
    const { entryTimeoutSec, attrTimeoutSec } = f.lookup(parent, name);
    return [entryTimeoutSec, attrTimeoutSec];
  };
  assert.deepEqual(timeouts(JOBS_INO, "x"), [0, 0]);
  for (const name of [...LISTED, "wait"]) {
    assert.deepEqual(timeouts(nodeIno(f, "x", "."), name), [DAY, 0], name);
  }
});
