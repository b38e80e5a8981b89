import assert from "node:assert/strict";
import type { AttrChange } from "../../ffi/operations.ts";
import { CONFIG_INO, logIno, PENDING_INO, ROOT_INO, scriptIno } from "../../fs/ino.ts";
import { newMode } from "../../fs/set_attributes.ts";
import { statusText } from "../../fs/status_file.ts";
import {
  errnoOf,
  type FileSystemFixture,
  fileSystemTest,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  STRANGER,
} from "./file_system_fixture.ts";
import { START_MS } from "./store_fixture.ts";

const START = START_MS / 1000;

function submitted(f: FileSystemFixture): number {
  return scriptIno(f.submitted("x").id);
}

fileSystemTest("setattr() changes mode, owner and group of a job and keeps them", (f) => {
  const ino = submitted(f);
  f.nowMs += 3000;
  const attr = f.setattr(ino, { mode: 0o600, uid: 5, gid: 6 });
  assert.deepEqual([attr.mode, attr.uid, attr.gid], [0o100600, 5, 6]);
  assert.deepEqual([attr.ctime.sec, attr.mtime.sec], [START + 3, START]);
  f.reopen();
  assert.deepEqual(f.getattr(ino), attr);
  const claim = f.claim();
  assert.equal(f.getattr(logIno(claim.job.id)).mode, 0o100600);
});

fileSystemTest("the last time that can be kept is one that can be shown", (f) => {
  const ino = submitted(f);
  const last = 8.64e12;
  assert.deepEqual(f.setattr(ino, { mtime: { sec: last, nsec: 1 } }).mtime, { sec: last, nsec: 0 });
  const { not_before } = JSON.parse(statusText(f.store, f.job("x")));
  assert.equal(not_before, "+275760-09-13T00:00:00.000Z");
});

fileSystemTest("a nanosecond beyond a second is EINVAL, and nothing is changed", (f) => {
  const ino = submitted(f);
  for (const at of [ino, CONFIG_INO]) {
    const before = f.getattr(at);
    for (const nsec of [-1, 1_000_000_000, 2 ** 60]) {
      const times = { mtime: { sec: 1, nsec }, size: 0, mode: 0o600 };
      assert.equal(errnoOf(() => f.setattr(at, times)), "EINVAL");
    }
    assert.deepEqual(f.getattr(at), before);
  }
});

fileSystemTest("setattr() changes mode and owner of a fixed node and keeps them", (f) => {
  for (
    const [ino, type] of [[ROOT_INO, 0o040000], [PENDING_INO, 0o040000], [CONFIG_INO, 0o100000]]
  ) {
    const attr = f.setattr(ino!, { mode: 0o1770, uid: 5, gid: 6 });
    assert.deepEqual([attr.mode, attr.uid, attr.gid], [type! | 0o1770, 5, 6]);
    f.reopen();
    const again = f.getattr(ino!);
    assert.deepEqual([again.mode, again.uid, again.gid], [attr.mode, 5, 6]);
  }
});

fileSystemTest("setattr() of an owner keeps the set-gid bit of a directory", (f) => {
  f.setattr(PENDING_INO, { mode: 0o2775 });
  assert.equal(f.setattr(PENDING_INO, { gid: 99 }).mode, 0o042775);
});

fileSystemTest("setattr() keeps times to the nanosecond", (f) => {
  const ino = submitted(f);
  const [atime, mtime] = [{ sec: -1, nsec: 999_999_999 }, { sec: 2 ** 33, nsec: 1 }];
  const attr = f.setattr(ino, { atime, mtime });
  assert.deepEqual([attr.atime, attr.mtime], [atime, mtime]);
  f.nowMs += 1000;
  const now = f.setattr(ino, { atime: "now", mtime: "now" });
  assert.deepEqual([now.atime.sec, now.mtime.sec], [START + 1, START + 1]);
});

fileSystemTest("an mtime ahead keeps a job from starting, another lets it", (f) => {
  const ino = submitted(f);
  f.heard.length = 0;
  f.setattr(ino, { mtime: { sec: START + 60, nsec: 500_000 } });
  assert.equal(f.job("x").phase, "waiting");
  assert.deepEqual(f.heard, [{ kind: "queued" }]);
  assert.equal(f.store.queue.wake(), START_MS + 60_001);
  f.setattr(ino, { mtime: { sec: START - 60, nsec: 0 } });
  assert.equal(f.job("x").phase, "ready");
  f.setattr(ino, { mtime: { sec: START + 60, nsec: 0 } });
  f.setattr(ino, { mtime: "now" });
  assert.equal(f.job("x").phase, "ready");
});

fileSystemTest("a write does not clear the time before which a job does not start", (f) => {
  const ino = submitted(f);
  f.setattr(ino, { mtime: { sec: START + 60, nsec: 0 } });
  const fh = f.open(ino, O_WRONLY | O_TRUNC);
  f.write(fh, "other\n");
  f.close(fh);
  f.store.moves.submit([f.job("x").id]);
  assert.equal(f.job("x").phase, "waiting");
});

fileSystemTest("an mtime ahead of a draft counts when it is renamed", (f) => {
  const ino = f.put(".x", "true\n");
  f.setattr(ino, { mtime: { sec: START + 60, nsec: 0 } });
  f.rename("pending", ".x", "pending", "x");
  assert.equal(f.job("x").phase, "waiting");
});

fileSystemTest("the mtime of a log keeps no job from starting", (f) => {
  const { id } = f.ended("x");
  const fh = f.open(logIno(id));
  f.rename("complete", "x", "pending");
  f.setattr(logIno(id), { mtime: { sec: START + 60, nsec: 0 } }, fh);
  assert.equal(f.job("x").phase, "ready");
});

for (const sec of [2 ** 40, 2 ** 43, 9_007_199_254_741, 2 ** 53, 2 ** 62, -(2 ** 62)]) {
  fileSystemTest(`an mtime of ${sec} s leaves the queue usable`, (f) => {
    const ino = submitted(f);
    f.submitted("other");
    errnoOf(() => f.setattr(ino, { mtime: { sec, nsec: 0 } }));
    assert.deepEqual(f.logged, []);
    assert.ok(Number.isSafeInteger(f.getattr(ino).mtime.sec));
    assert.deepEqual(f.names(PENDING_INO), ["x", "other"]);
    f.store.queue.wake();
    f.reopen();
    assert.equal(f.job("x").name, "x");
    assert.equal(f.store.queue.wake() === null, sec < 0);
  });
}

fileSystemTest("an mtime set while a writer has the script open is kept by its close", (f) => {
  const { fh, entry } = f.create("x");
  f.write(fh, "true\n");
  f.setattr(entry.attr.ino, { mtime: { sec: 5, nsec: 6 } }, fh);
  f.close(fh);
  assert.deepEqual(f.getattr(entry.attr.ino).mtime, { sec: 5, nsec: 6 });
});

fileSystemTest("chmod after the close begins the time to settle anew", (f) => {
  const ino = f.put("x", "true\n");
  f.heard.length = 0;
  f.setattr(ino, { mode: 0o755 });
  assert.deepEqual(f.heard, [{ kind: "settle", job: f.job("x").id }]);
});

fileSystemTest("chmod of a job that waits for its retry does not start it", (f) => {
  const claim = f.running("x");
  f.finish(claim, { to: "pending", attempts: 1, lost: 0, retryAtMs: START_MS + 5000 });
  f.setattr(scriptIno(claim.job.id), { mode: 0o755 });
  assert.equal(f.job("x").phase, "waiting");
});

fileSystemTest("setattr() of a job that is gone: ESTALE", (f) => {
  const ino = submitted(f);
  f.unlink(PENDING_INO, "x");
  assert.equal(errnoOf(() => f.setattr(ino, { mode: 0o600 })), "ESTALE");
});

/** Mode, change, uid of the caller, mode after it: as chown(2) and write(2) say. */
const MODES: readonly [number, AttrChange, number, number][] = [
  [0o6755, { uid: 5 }, 1000, 0o755],
  [0o6755, { uid: 5 }, 0, 0o755],
  [0o6755, { gid: 5 }, 1000, 0o755],
  [0o2745, { gid: 5 }, 1000, 0o2745],
  [0o6755, { size: 0 }, 1000, 0o755],
  [0o6755, { size: 0 }, 0, 0o6755],
  [0o6755, { atime: "now" }, 1000, 0o6755],
  [0o755, { mode: 0o106755 }, 1000, 0o6755],
  [0o6755, { mode: 0o4755, uid: 5 }, 1000, 0o4755],
  [0o1777, { uid: 5 }, 1000, 0o1777],
];

for (const [mode, change, uid, after] of MODES) {
  const what = `${mode.toString(8)} after ${JSON.stringify(change)} by ${uid}`;
  Deno.test(`newMode() of ${what} is ${after.toString(8)}`, () => {
    assert.equal(newMode(mode, change, () => ({ uid, gid: uid, pid: 1, umask: 0 })), after);
  });
}

/** What other users may not do, whatever the modes say. */
const FORBIDDEN: Readonly<Record<string, (f: FileSystemFixture, ino: number) => unknown>> = {
  create: (f) => f.create("y"),
  mknod: (f) => f.mknod(PENDING_INO, "y"),
  "open for writing": (f, ino) => f.open(ino, O_WRONLY),
  "open to truncate": (f, ino) => f.open(ino, O_RDONLY | O_TRUNC),
  truncate: (f, ino) => f.setattr(ino, { size: 0 }),
  "rename in pending": (f) => f.rename("pending", "x", "pending", "y"),
  park: (f) => f.rename("pending", "x", "failed"),
  requeue: (f) => f.rename("complete", "done", "pending"),
  "write to config.json": (f) => f.open(CONFIG_INO, O_WRONLY),
};

for (const [what, act] of Object.entries(FORBIDDEN)) {
  fileSystemTest(`${what} by another user: EACCES, by root: ok`, (f) => {
    f.ended("done");
    const ino = submitted(f);
    f.caller = STRANGER;
    assert.equal(errnoOf(() => act(f, ino)), "EACCES");
    assert.equal(f.job("x").phase, "ready");
    f.caller = { ...STRANGER, uid: 0 };
    assert.equal(errnoOf(() => act(f, ino)), "ok");
  });
}

fileSystemTest("other users may read and unlink what the modes let them", (f) => {
  const ino = submitted(f);
  f.caller = STRANGER;
  assert.equal(f.read(f.open(ino)), "true\n");
  assert.equal(errnoOf(() => f.unlink(PENDING_INO, "x")), "ok");
});
