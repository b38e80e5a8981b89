import assert from "node:assert/strict";
import type { Attr } from "../../ffi/operations.ts";
import {
  CONFIG_INO,
  DIRECTORY_INO,
  logIno,
  NEW_ID_INO,
  PENDING_INO,
  ROOT_INO,
  scriptIno,
} from "../../fs/ino.ts";
import type { JobId } from "../../store/job.ts";
import {
  errnoOf,
  fileSystemTest,
  O_CREAT,
  O_EXCL,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from "./file_system_fixture.ts";
import { COMPLETE, FAILED, START_MS } from "./store_fixture.ts";

const ROOT_NAMES = ["pending", "complete", "failed", "active", "new-id", "config.json"];
const DAY = 86_400;

fileSystemTest("no file has a negative offset or size", (f) => {
  const script = f.put("x", "true\n");
  const before = f.getattr(script);
  for (const ino of [script, CONFIG_INO]) {
    const fh = f.open(ino, O_RDWR);
    for (const at of [-1, -(2 ** 53) + 1, -(2 ** 63)]) {
      assert.equal(errnoOf(() => f.read(fh, at)), "EINVAL");
      assert.equal(errnoOf(() => f.write(fh, "x", at)), "EINVAL");
      assert.equal(errnoOf(() => f.setattr(ino, { size: at }, fh)), "EINVAL");
    }
    f.close(fh);
  }
  assert.deepEqual(f.getattr(script), before);
});

fileSystemTest("lookup() finds the fixed nodes, for a day", (f) => {
  const inos = { ...DIRECTORY_INO, "new-id": NEW_ID_INO, "config.json": CONFIG_INO };
  for (const [name, ino] of Object.entries(inos)) {
    const entry = f.lookup(ROOT_INO, name);
    assert.equal(entry.attr.ino, ino);
    assert.deepEqual([entry.entryTimeoutSec, entry.attrTimeoutSec], [DAY, 0]);
    assert.deepEqual(f.getattr(ino), entry.attr);
  }
});

fileSystemTest("lookup() finds a job in the directory of its state alone, for no time", (f) => {
  f.submitted("x");
  const { id } = f.job("x");
  const where = () =>
    Object.entries(DIRECTORY_INO).filter(([, ino]) =>
      errnoOf(() => f.lookup(ino, "x")) !== "ENOENT"
    ).map(([state]) => state);
  assert.deepEqual(where(), ["pending"]);
  const entry = f.lookup(PENDING_INO, "x");
  assert.equal(entry.attr.ino, scriptIno(id));
  assert.deepEqual([entry.entryTimeoutSec, entry.attrTimeoutSec], [0, 0]);
  const claim = f.claim();
  assert.deepEqual(where(), ["active"]);
  assert.equal(f.lookup(DIRECTORY_INO.active, "x").attr.ino, logIno(id));
  f.finish(claim, COMPLETE);
  assert.deepEqual(where(), ["complete"]);
  assert.equal(f.lookup(DIRECTORY_INO.complete, "x").attr.ino, logIno(id));
});

fileSystemTest("lookup() of what is not there", (f) => {
  f.submitted("x");
  for (const name of ["nothing", "toString", "__proto__", "constructor", ""]) {
    assert.equal(errnoOf(() => f.lookup(ROOT_INO, name)), "ENOENT", name);
    assert.equal(errnoOf(() => f.lookup(PENDING_INO, name)), "ENOENT", name);
  }
  assert.equal(errnoOf(() => f.lookup(PENDING_INO, null)), "ENOENT");
  assert.equal(errnoOf(() => f.lookup(PENDING_INO, "a\nb")), "ENOENT");
  assert.equal(errnoOf(() => f.lookup(PENDING_INO, "é".repeat(128))), "ENAMETOOLONG");
  assert.equal(errnoOf(() => f.lookup(scriptIno(f.job("x").id), "y")), "ENOTDIR");
});

fileSystemTest("create() makes a job of the caller", (f) => {
  f.caller = { uid: 0, gid: 77, pid: 1, umask: 0o027 };
  const { entry, fh } = f.create("x", { mode: 0o100640 });
  const { attr } = entry;
  assert.equal(attr.mode, 0o100640);
  assert.deepEqual([attr.uid, attr.gid, attr.nlink, attr.size], [0, 77, 1, 0]);
  assert.deepEqual(attr.mtime, { sec: START_MS / 1000, nsec: 0 });
  assert.deepEqual(f.lookup(PENDING_INO, "x"), entry);
  f.close(fh);
});

fileSystemTest("create() gives a job the group of a set-gid directory", (f) => {
  f.setattr(PENDING_INO, { mode: 0o2775, gid: 99 });
  f.setattr(PENDING_INO, { mode: 0o2775 });
  assert.equal(f.create("x").entry.attr.gid, 99);
});

fileSystemTest("create() of a name in use", (f) => {
  f.running("active");
  f.ended("failed", FAILED);
  f.submitted("pending", "text");
  for (const name of ["active", "failed"]) {
    for (const flags of [O_WRONLY, O_WRONLY | O_EXCL]) {
      assert.equal(errnoOf(() => f.create(name, { flags })), "EEXIST");
    }
  }
  assert.equal(errnoOf(() => f.create("pending", { flags: O_WRONLY | O_EXCL })), "EEXIST");
  const { fh, entry } = f.create("pending", { flags: O_RDWR });
  assert.equal(entry.attr.ino, scriptIno(f.job("pending").id));
  assert.equal(f.read(fh), "text");
  const truncated = f.create("pending", { flags: O_WRONLY | O_TRUNC | O_CREAT });
  assert.equal(truncated.entry.attr.size, 0);
});

fileSystemTest("create() with replace_finished forgets a finished job", (f) => {
  const old = f.ended("x");
  f.store.settings.apply({ replace_finished: true });
  f.close(f.create("x", { flags: O_WRONLY | O_EXCL }).fh);
  assert.notEqual(f.job("x").id, old.id);
  assert.equal(f.job("x").state, "pending");
  assert.equal(f.store.directories.count, 1);
});

fileSystemTest("create() and mknod() of names that no job can have", (f) => {
  for (
    const [name, errno] of [
      [null, "EILSEQ"],
      ["a\nb", "EINVAL"],
      ["a".repeat(256), "ENAMETOOLONG"],
    ] as const
  ) {
    assert.equal(errnoOf(() => f.create(name)), errno);
    assert.equal(errnoOf(() => f.mknod(PENDING_INO, name)), errno);
  }
  assert.equal(f.store.directories.count, 0);
});

fileSystemTest("create() and mknod() anywhere but in pending: EPERM", (f) => {
  for (const parent of [ROOT_INO, DIRECTORY_INO.active, DIRECTORY_INO.failed, CONFIG_INO]) {
    assert.equal(errnoOf(() => f.create("x", { parent })), "EPERM");
    assert.equal(errnoOf(() => f.mknod(parent, "x")), "EPERM");
  }
});

fileSystemTest("mknod() makes regular files only", (f) => {
  for (const type of [0o010000, 0o020000, 0o060000, 0o140000]) {
    assert.equal(errnoOf(() => f.mknod(PENDING_INO, "x", type | 0o644)), "EPERM");
  }
  assert.equal(f.mknod(PENDING_INO, "x", 0o100604).attr.mode, 0o100604);
  assert.equal(errnoOf(() => f.mknod(PENDING_INO, "x")), "EEXIST");
});

fileSystemTest("unlink() forgets a job in any directory", (f) => {
  f.running("active");
  f.ended("complete");
  f.ended("failed", FAILED);
  f.submitted("pending");
  for (const [name, ino] of Object.entries(DIRECTORY_INO)) {
    f.unlink(ino, name);
    assert.equal(errnoOf(() => f.lookup(ino, name)), "ENOENT");
    assert.equal(errnoOf(() => f.unlink(ino, name)), "ENOENT");
  }
  assert.equal(f.store.directories.count, 0);
  assert.equal(f.heard.at(-1)?.kind, "cancel");
});

fileSystemTest("unlink() of the files in the root: EPERM, of nothing: ENOENT", (f) => {
  for (const name of ROOT_NAMES) assert.equal(errnoOf(() => f.unlink(ROOT_INO, name)), "EPERM");
  assert.equal(errnoOf(() => f.unlink(ROOT_INO, "x")), "ENOENT");
});

fileSystemTest("a log is read only for everyone", (f) => {
  f.ended("x");
  const ino = logIno(f.job("x").id);
  for (const flags of [O_WRONLY, O_RDWR, O_TRUNC]) {
    assert.equal(errnoOf(() => f.open(ino, flags)), "EPERM");
  }
  assert.equal(errnoOf(() => f.setattr(ino, { size: 0 })), "EPERM");
  const fh = f.open(ino);
  assert.equal(errnoOf(() => f.write(fh, "x")), "EPERM");
  assert.equal(f.read(fh), ">>> true\n");
  f.close(fh);
});

fileSystemTest("a log has the mode of its job and its present length", (f) => {
  const claim = f.running("x");
  const ino = logIno(claim.job.id);
  assert.equal(f.getattr(ino).mode, 0o100644);
  const { size } = f.getattr(ino);
  f.nowMs += 1500;
  f.print(claim, "12345");
  const after = f.getattr(ino);
  assert.equal(after.size, size + 5);
  assert.deepEqual(after.mtime, { sec: START_MS / 1000 + 1, nsec: 500_000_000 });
});

fileSystemTest("a log grows for a reader that has reached its end, through retries too", (f) => {
  const claim = f.running("x");
  const fh = f.open(logIno(claim.job.id));
  let at = f.read(fh).length;
  assert.equal(f.read(fh, at), "");
  f.print(claim, "more\n");
  assert.equal(f.read(fh, at), "more\n");
  at += 5;
  f.finish(claim, { to: "pending", attempts: 1, lost: 0, retryAtMs: null }, {
    kind: "exited",
    code: 1,
  });
  assert.equal(f.read(fh, at), "\n[System Error]: exit status 1\n");
  at += 31;
  f.print(f.claim(), "again\n");
  assert.equal(f.read(fh, at), ">>> true\nagain\n");
});

fileSystemTest("getattr() of the directories", (f) => {
  const root = f.getattr(ROOT_INO);
  assert.deepEqual([root.mode, root.nlink], [0o040755, 7]);
  for (const ino of Object.values(DIRECTORY_INO)) {
    const { mode, nlink, uid, gid } = f.getattr(ino);
    assert.deepEqual([mode, nlink, uid, gid], [0o040755, 2, Deno.uid(), Deno.gid()]);
  }
  assert.equal(f.getattr(NEW_ID_INO).mode, 0o100444);
});

fileSystemTest("getattr() of what is gone: ESTALE", (f) => {
  for (const ino of [11, 15, 16, scriptIno(5 as JobId)]) {
    assert.equal(errnoOf(() => f.getattr(ino)), "ESTALE");
  }
});

fileSystemTest("the mtime of a directory follows its entries", (f) => {
  const times = (): Attr["mtime"][] =>
    Object.values(DIRECTORY_INO).map((ino) => f.getattr(ino).mtime);
  const before = times();
  f.nowMs += 2000;
  f.create("x");
  const changed = times().map((time, i) => time.sec !== before[i]!.sec);
  assert.deepEqual(changed, [true, false, false, false]);
});

fileSystemTest("statfs() counts jobs on top of the file system below", async (f) => {
  f.submitted("x");
  f.submitted("y");
  const stat = await f.statfs();
  assert.ok(stat.bsize > 0 && stat.blocks > 0 && stat.bavail <= stat.bfree);
  assert.equal(stat.namemax, 255);
  assert.equal(stat.files, stat.ffree + 2);
  f.submitted("z");
  const again = await f.statfs();
  assert.equal(again.files, stat.ffree + 3);
  assert.equal(again.ffree, stat.ffree, "asked at most once a second");
});

fileSystemTest("attributes that do not exist: ENODATA", (f) => {
  f.submitted("x");
  for (const ino of [ROOT_INO, PENDING_INO, scriptIno(f.job("x").id), CONFIG_INO]) {
    for (const name of ["security.capability", "user.nothing"]) {
      assert.equal(errnoOf(() => f.getxattr(ino, name)), "ENODATA");
    }
  }
});

fileSystemTest("an error that nobody has foreseen is EIO and logged as a bug", (f) => {
  assert.equal(f.fs.errnoOf(new Error("oh"), "read"), 5);
  assert.deepEqual(f.logged, ["unexpected: read: Error: oh"]);
});
