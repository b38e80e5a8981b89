/** How long the kernel may keep what, and what it is told to forget: fs/cache.ts, with a kernel that keeps notes. */
import assert from "node:assert/strict";
import type { KernelCache } from "../../ffi/operations.ts";
import { Reply } from "../../ffi/reply.ts";
import {
  CONFIG_INO,
  DIRECTORY_INO,
  EVENTS_INO,
  jobIno,
  JOBS_INO,
  logIno,
  METRICS_INO,
  NEW_ID_INO,
  PENDING_INO,
  ROOT_INO,
  scriptIno,
} from "../../fs/ino.ts";
import type { Claim } from "../../store/attempts.ts";
import { LISTED_STATES } from "../../store/job.ts";
import { FileSystemFixture, fileSystemTest, O_EXCL, O_WRONLY } from "./file_system_fixture.ts";
import { RecorderSink } from "./recorder_sink.ts";
import { COMPLETE, FAILED, RETRY, withStore } from "./store_fixture.ts";

const DAY = 86_400;
const { active, complete, failed } = DIRECTORY_INO;

class NotingKernel implements KernelCache {
  readonly canForgetNames: boolean;
  names = 0;
  inos = new Set<number>();

  constructor(canForgetNames: boolean) {
    this.canForgetNames = canForgetNames;
  }

  forgetNames(): void {
    assert.ok(this.canForgetNames, "this kernel cannot");
    this.names++;
  }

  forgetAttributes(ino: number): void {
    this.inos.add(ino);
  }
}

class CacheFixture extends FileSystemFixture {
  readonly kernel: NotingKernel;
  /** For changes of a job that runs. */
  claimed: Claim | null = null;

  constructor(folder: string, canForgetNames: boolean) {
    super(folder);
    this.kernel = new NotingKernel(canForgetNames);
    this.fs.mounted(this.kernel);
  }

  /** For how long stat may be kept. */
  attrSec(ino: number): number {
    const sink = new RecorderSink();
    this.fs.getattr(new Reply(sink), ino);
    const [answer] = sink.answers;
    assert.ok(answer?.kind === "attr");
    return answer.timeoutSec;
  }

  /** For how long a name and its attributes may be kept. */
  entrySec(parent: number, name: string): [number, number] {
    const { entryTimeoutSec, attrTimeoutSec } = this.lookup(parent, name);
    return [entryTimeoutSec, attrTimeoutSec];
  }

  /** What is forgotten during an act. */
  forgets(act: () => unknown): { names: boolean; inos: number[] } {
    const before = this.kernel.names;
    this.kernel.inos = new Set();
    act();
    const inos = [...this.kernel.inos].sort((a, b) => a - b);
    return { names: this.kernel.names > before, inos };
  }
}

function cacheTest(
  name: string,
  body: (f: CacheFixture) => void | Promise<void>,
  canForgetNames = true,
): void {
  Deno.test(name, () => withStore(body, (folder) => new CacheFixture(folder, canForgetNames)));
}

const NOTHING = { names: false, inos: [] };

// What may be kept ---------------------------------------------------------------------------------------------

cacheTest("a finished job may be kept for a day, any other not at all", (f) => {
  f.submitted("x");
  const { id } = f.job("x");
  assert.deepEqual(f.entrySec(PENDING_INO, "x"), [0, 0]);
  assert.equal(f.attrSec(scriptIno(id)), 0);
  const first = f.claim();
  assert.deepEqual(f.entrySec(active, "x"), [0, 0]);
  assert.equal(f.attrSec(logIno(id)), 0);
  f.finish(first, RETRY, { kind: "exited", code: 1 });
  assert.deepEqual(f.entrySec(PENDING_INO, "x"), [0, 0]);
  assert.equal(f.attrSec(logIno(id)), 0);
  f.finish(f.claim(), FAILED, { kind: "exited", code: 1 });
  assert.deepEqual(f.entrySec(failed, "x"), [DAY, DAY]);
  assert.equal(f.attrSec(logIno(id)), DAY);
  assert.equal(f.attrSec(scriptIno(id)), 0, "the script's node is not what failed/ shows");
  f.rename("failed", "x", "pending");
  f.finish(f.claim(), COMPLETE);
  assert.deepEqual(f.entrySec(complete, "x"), [DAY, DAY]);
});

cacheTest("a kernel that cannot forget names gets none, but may keep attributes", (f) => {
  f.ended("x");
  assert.deepEqual(f.entrySec(complete, "x"), [0, DAY]);
  assert.equal(f.attrSec(logIno(f.job("x").id)), DAY);
  f.store.settings.apply({ replace_finished: true });
  f.rename("complete", "x", "pending");
  f.finish(f.claim(), COMPLETE);
  f.create("x", { flags: O_WRONLY | O_EXCL });
}, false);

fileSystemTest("before the mount nothing may be kept", (f) => {
  f.ended("x");
  const { entryTimeoutSec, attrTimeoutSec } = f.lookup(complete, "x");
  assert.deepEqual([entryTimeoutSec, attrTimeoutSec], [0, 0]);
  f.rename("complete", "x", "pending");
});

cacheTest("listings with attributes let the kernel keep what look-ups do", (f) => {
  f.ended("done");
  f.submitted("x");
  for (const ino of [complete, PENDING_INO, JOBS_INO, ROOT_INO]) {
    const listed = f.readdir(ino, 2, 4096, true);
    assert.notEqual(listed.length, 0);
    for (const { name, entry: { entryTimeoutSec, attrTimeoutSec } } of listed) {
      assert.deepEqual([entryTimeoutSec, attrTimeoutSec], f.entrySec(ino, name), name);
    }
  }
});

cacheTest("where names may be taken over, listings let the kernel keep none", (f) => {
  // A listing is dated when the kernel takes it in: a name that is taken back in between would stay.
  f.store.settings.apply({ replace_finished: true });
  f.ended("x");
  const [listed] = f.readdir(complete, 2, 4096, true);
  assert.deepEqual([listed!.entry.entryTimeoutSec, listed!.entry.attrTimeoutSec], [0, DAY]);
  assert.deepEqual(f.entrySec(complete, "x"), [DAY, DAY], "a look-up is dated before it");
});

cacheTest("a log that somebody follows since it was live may not be kept until its close", (f) => {
  const claim = f.running("x");
  const ino = logIno(claim.job.id);
  const [one, two] = [f.open(ino), f.open(ino)];
  f.finish(claim, COMPLETE);
  assert.deepEqual(f.entrySec(complete, "x"), [DAY, 0]);
  f.close(one);
  assert.equal(f.attrSec(ino), 0);
  f.close(two);
  assert.equal(f.attrSec(ino), DAY);
  f.open(ino);
  assert.equal(f.attrSec(ino), DAY, "a reader of a finished log changes nothing");
});

cacheTest("the log of a job that was put aside may be kept when its attempt has ended", (f) => {
  const claim = f.running("x");
  f.rename("active", "x", "failed");
  const ino = logIno(claim.job.id);
  assert.deepEqual(f.entrySec(failed, "x"), [DAY, 0]);
  f.print(claim, "last words\n");
  assert.equal(f.attrSec(ino), 0);
  f.finish(claim, FAILED, { kind: "cancelled" });
  assert.equal(f.attrSec(ino), DAY);
});

cacheTest("names in the root may be kept; directories of jobs, what changes by itself not", (f) => {
  for (const name of ["pending", "complete", "jobs", "metrics", "events", "config.json"]) {
    assert.equal(f.entrySec(ROOT_INO, name)[0], DAY, name);
  }
  assert.equal(f.attrSec(ROOT_INO), DAY);
  for (const ino of [...Object.values(DIRECTORY_INO), JOBS_INO]) assert.equal(f.attrSec(ino), DAY);
  for (const ino of [NEW_ID_INO, CONFIG_INO, METRICS_INO, EVENTS_INO]) {
    assert.equal(f.attrSec(ino), 0);
  }
  f.ended("x");
  const { id } = f.job("x");
  for (const node of ["directory", "attempts", "status", "signal", "wait"] as const) {
    assert.equal(f.attrSec(jobIno(id, node)), 0, node);
  }
  assert.deepEqual(f.entrySec(JOBS_INO, "x"), [0, 0]);
});

cacheTest("what chmod answers may be kept like what stat does", (f) => {
  f.ended("x");
  const sink = new RecorderSink();
  f.fs.setattr(new Reply(sink), logIno(f.job("x").id), { mode: 0o600 }, undefined);
  const [answer] = sink.answers;
  assert.ok(answer?.kind === "attr");
  assert.deepEqual([answer.attr.mode, answer.timeoutSec], [0o100600, DAY]);
});

// What is forgotten --------------------------------------------------------------------------------------------

/** A look at every directory, after which the kernel may keep what it saw of them. */
function lookAround(f: CacheFixture): void {
  for (const ino of [ROOT_INO, JOBS_INO, ...Object.values(DIRECTORY_INO)]) f.attrSec(ino);
}

for (const next of [COMPLETE, FAILED]) {
  for (const newName of ["x", "y"]) {
    cacheTest(`mv ${next.to}/x pending/${newName} takes the name and the log back`, (f) => {
      f.ended("x", next);
      const log = logIno(f.job("x").id);
      const forgotten = f.forgets(() => f.rename(next.to as "complete", "x", "pending", newName));
      assert.deepEqual(forgotten, { names: true, inos: [log] });
      assert.deepEqual(f.entrySec(PENDING_INO, newName), [0, 0]);
    });
  }
}

cacheTest("a retried job that cannot run is back at once, and its log has changed", (f) => {
  f.ended("x", FAILED);
  f.store.admission.doubt(f.job("x").id, "no room");
  const log = logIno(f.job("x").id);
  const forgotten = f.forgets(() => f.rename("failed", "x", "pending"));
  assert.equal(f.job("x").state, "failed");
  assert.deepEqual(forgotten, { names: true, inos: [log] });
});

cacheTest("a new job that takes the name of a finished one takes it back", (f) => {
  f.store.settings.apply({ replace_finished: true });
  const old = logIno(f.ended("x").id);
  assert.deepEqual(f.forgets(() => f.create("x", { flags: O_WRONLY | O_EXCL })), {
    names: true,
    inos: [old],
  });
  const other = logIno(f.ended("y", FAILED).id);
  assert.deepEqual(f.forgets(() => f.mknod(PENDING_INO, "y")), { names: true, inos: [other] });
});

cacheTest("a draft that takes the name of a finished job takes it back", (f) => {
  f.store.settings.apply({ replace_finished: true });
  const old = logIno(f.ended("x").id);
  f.put(".x", "true\n");
  assert.deepEqual(f.forgets(() => f.rename("pending", ".x", "pending", "x")), {
    names: true,
    inos: [old],
  });
});

cacheTest("a refused move takes nothing back", (f) => {
  f.ended("x");
  f.submitted("y");
  lookAround(f);
  const refused: readonly (() => void)[] = [
    () => f.rename("complete", "x", "failed"),
    () => f.rename("complete", "x", "pending", "y"),
    () => f.rename("pending", "y", "pending", "x"),
    () => f.create("x"),
  ];
  for (const act of refused) assert.deepEqual(f.forgets(() => assert.throws(act)), NOTHING);
});

cacheTest("jobs that are not finished have no names to take back", (f) => {
  f.submitted("x");
  assert.deepEqual(f.forgets(() => f.rename("pending", "x", "pending", "y")), NOTHING);
  assert.deepEqual(f.forgets(() => f.rename("pending", "y", "failed", "z")), NOTHING);
  f.running("r");
  assert.deepEqual(f.forgets(() => f.rename("active", "r", "pending")), NOTHING);
});

cacheTest("what the kernel does itself is not taken back: unlink, rename in complete/", (f) => {
  f.ended("x");
  assert.deepEqual(f.forgets(() => f.rename("complete", "x", "complete", "y")), NOTHING);
  assert.deepEqual(f.forgets(() => f.unlink(complete, "y")), NOTHING);
});

for (
  const [what, change] of [
    ["chmod", { mode: 0o600 }],
    ["chown", { uid: 5 }],
    ["touch", { mtime: "now" }],
  ] as const
) {
  cacheTest(`${what} of a finished job through its script takes the log's attributes back`, (f) => {
    const { id } = f.ended("x");
    const through = (node: "script" | "log") =>
      f.forgets(() => f.setattr(jobIno(id, node), change));
    assert.deepEqual(through("script"), { names: false, inos: [logIno(id)] });
    assert.deepEqual(through("log"), NOTHING, "the answer tells");
  });
}

for (const node of ["directory", "attempts", "status", "signal", "wait"] as const) {
  cacheTest(`chmod of a finished job through ${node} takes the log's attributes back`, (f) => {
    const { id } = f.ended("x");
    const forgotten = f.forgets(() => f.setattr(jobIno(id, node), { mode: 0o600 }));
    assert.deepEqual(forgotten, { names: false, inos: [logIno(id)] });
  });
}

cacheTest("chmod through the log of an attempt takes the log's attributes back", (f) => {
  const { id } = f.ended("x");
  const attempt = f.lookup(jobIno(id, "attempts"), "1.log").attr.ino;
  const forgotten = f.forgets(() => f.setattr(attempt, { mode: 0o600 }));
  assert.deepEqual(forgotten, { names: false, inos: [logIno(id)] });
});

cacheTest("chmod of a job that is not finished takes nothing back", (f) => {
  const { id } = f.submitted("x");
  assert.deepEqual(f.forgets(() => f.setattr(scriptIno(id), { mode: 0o600 })), NOTHING);
});

// Directories ---------------------------------------------------------------------------------------------------

/** Changes, and the directories that they concern besides jobs. */
const CHANGES: readonly [string, number[], (f: CacheFixture) => unknown][] = [
  ["create", [PENDING_INO], (f) => f.create("new")],
  ["a submission", [], (f) => f.store.moves.submit([f.job("open").id])],
  ["a start", [PENDING_INO, active], (f) => f.claim()],
  ["an end", [complete, active], (f) => f.finish(f.claimed!, COMPLETE)],
  ["a retry", [PENDING_INO, active], (f) => f.finish(f.claimed!, RETRY)],
  ["unlink", [complete], (f) => f.unlink(complete, "done")],
  ["rename in a directory", [complete], (f) => f.rename("complete", "done", "complete", "d")],
  ["rename in pending", [PENDING_INO], (f) => f.rename("pending", "open", "pending", "o")],
  ["park", [PENDING_INO, failed], (f) => f.rename("pending", "open", "failed")],
];

for (const [what, concerned, change] of CHANGES) {
  cacheTest(`${what} takes the attributes of its directories back, once`, (f) => {
    f.ended("done");
    f.claimed = f.running("runs");
    f.submitted("ready");
    f.written("open");
    lookAround(f);
    const expected = concerned.length === 0 ? [] : [...concerned, JOBS_INO].sort((a, b) => a - b);
    assert.deepEqual(f.forgets(() => change(f)).inos, expected);
    assert.deepEqual(
      f.forgets(() => LISTED_STATES.forEach((state) => f.store.directories.renamed(state))).inos,
      [...Object.values(DIRECTORY_INO), JOBS_INO].sort((a, b) => a - b)
        .filter((ino) => !expected.includes(ino)),
      "what the kernel does not have is not taken back again",
    );
  });
}

cacheTest("a change that is rolled back takes nothing back", (f) => {
  f.submitted("x");
  lookAround(f);
  const forgotten = f.forgets(() =>
    assert.throws(() =>
      f.store.db.transaction(() => {
        f.store.moves.move(f.job("x"), "failed");
        throw new Error("no");
      })
    )
  );
  assert.deepEqual(forgotten, NOTHING);
});

cacheTest("a directory that the kernel looks at during a change shows what is committed", (f) => {
  const seen: number[] = [];
  f.attrSec(PENDING_INO);
  f.kernel.forgetAttributes = (ino) => {
    if (ino === PENDING_INO) seen.push(f.getattr(PENDING_INO).mtime.sec);
  };
  f.nowMs += 5000;
  f.create("x");
  assert.deepEqual(seen, [f.nowMs / 1000]);
});
