import assert from "node:assert/strict";
import { CONFIG_INO, PENDING_INO, ROOT_INO, scriptIno } from "../../fs/ino.ts";
import type { ListedState } from "../../store/job.ts";
import { errnoOf, type FileSystemFixture, fileSystemTest } from "./file_system_fixture.ts";
import { FAILED } from "./store_fixture.ts";

const STATES = ["pending", "active", "complete", "failed"] as const;
const NOREPLACE = 1;
const EXCHANGE = 2;

/** A job called `name` in a directory. */
function put(f: FileSystemFixture, state: ListedState, name: string): void {
  if (state === "pending") f.submitted(name);
  else if (state === "active") f.running(name);
  else if (state === "complete") f.ended(name);
  else f.ended(name, FAILED);
}

/** From (down) and to (across): pending, active, complete, failed. */
const MOVES: Readonly<Record<ListedState, readonly [string, string, string, string]>> = {
  pending: ["ok", "EPERM", "EPERM", "ok"],
  active: ["ok", "EPERM", "EPERM", "ok"],
  complete: ["ok", "EPERM", "ok", "EPERM"],
  failed: ["ok", "EPERM", "EPERM", "ok"],
};

for (const from of STATES) {
  STATES.forEach((to, column) => {
    const expected = MOVES[from][column]!;

    fileSystemTest(`rename() from ${from} to ${to} under a new name: ${expected}`, (f) => {
      put(f, from, "x");
      assert.equal(errnoOf(() => f.rename(from, "x", to, "y")), expected);
      if (expected === "ok") {
        assert.equal(f.job("y").state, to);
        assert.equal(f.store.jobs.byName("x"), undefined);
      } else {
        assert.equal(f.job("x").state, from);
        assert.equal(f.store.jobs.byName("y"), undefined);
      }
      assert.deepEqual(f.logged, []);
    });

    // Onto itself inside one directory: nothing happens, says POSIX.
    fileSystemTest(`rename() from ${from} to ${to} under the same name: ${expected}`, (f) => {
      put(f, from, "x");
      const { id } = f.job("x");
      assert.equal(errnoOf(() => f.rename(from, "x", to)), expected);
      assert.equal(f.job("x").state, expected === "ok" ? to : from);
      assert.equal(f.job("x").id, id);
    });

    if (expected !== "ok") return;

    for (const target of STATES) {
      // Only a pending job can be replaced, and only by a pending one.
      const onto = from === "pending" && to === "pending" && target === "pending" ? "ok" : "EEXIST";
      fileSystemTest(`rename() from ${from} to ${to} onto a job in ${target}: ${onto}`, (f) => {
        put(f, target, "y");
        f.sql("UPDATE job SET priority = -1");
        put(f, from, "x");
        const { id } = f.job("x");
        assert.equal(errnoOf(() => f.rename(from, "x", to, "y")), onto);
        assert.equal(f.job("y").id === id, onto === "ok");
        if (onto === "EEXIST") assert.equal(f.job("x").state, from);
      });

      fileSystemTest(
        `rename() from ${from} to ${to} onto ${target} with NOREPLACE: EEXIST`,
        (f) => {
          put(f, target, "y");
          f.sql("UPDATE job SET priority = -1");
          put(f, from, "x");
          assert.equal(errnoOf(() => f.rename(from, "x", to, "y", NOREPLACE)), "EEXIST");
          assert.equal(f.job("x").state, from);
        },
      );
    }
  });
}

fileSystemTest("rename() with NOREPLACE to a free name does what it does without", (f) => {
  f.submitted("x");
  f.rename("pending", "x", "pending", "y", NOREPLACE);
  assert.equal(f.job("y").phase, "ready");
});

fileSystemTest("rename() onto itself with NOREPLACE finds the name in use", (f) => {
  f.submitted("x");
  assert.equal(errnoOf(() => f.rename("pending", "x", "pending", "x", NOREPLACE)), "EEXIST");
});

fileSystemTest("rename() refuses other flags", (f) => {
  f.submitted("x");
  f.submitted("y");
  for (const flags of [EXCHANGE, 4, EXCHANGE | NOREPLACE]) {
    assert.equal(errnoOf(() => f.rename("pending", "x", "pending", "y", flags)), "EINVAL");
  }
});

fileSystemTest("rename() of a name that is not in that directory: ENOENT", (f) => {
  f.submitted("x");
  assert.equal(errnoOf(() => f.rename("complete", "x", "pending")), "ENOENT");
  assert.equal(errnoOf(() => f.rename("pending", "y", "failed")), "ENOENT");
  assert.equal(errnoOf(() => f.renameAt(PENDING_INO, null, PENDING_INO, "y")), "ENOENT");
});

fileSystemTest("rename() to a name that no job can have", (f) => {
  f.submitted("x");
  const to = (name: string | null) => () => f.renameAt(PENDING_INO, "x", PENDING_INO, name);
  assert.equal(errnoOf(to(null)), "EILSEQ");
  assert.equal(errnoOf(to("a\nb")), "EINVAL");
  assert.equal(errnoOf(to("a".repeat(256))), "ENAMETOOLONG");
  assert.equal(f.job("x").phase, "ready");
});

fileSystemTest("rename() in the root and out of it: EPERM", (f) => {
  f.submitted("x");
  assert.equal(errnoOf(() => f.renameAt(ROOT_INO, "config.json", ROOT_INO, "c")), "EPERM");
  assert.equal(errnoOf(() => f.renameAt(PENDING_INO, "x", ROOT_INO, "x")), "EPERM");
  assert.equal(errnoOf(() => f.renameAt(ROOT_INO, "new-id", PENDING_INO, "x")), "EPERM");
  assert.equal(errnoOf(() => f.renameAt(CONFIG_INO, "x", PENDING_INO, "x")), "EPERM");
});

fileSystemTest("rename() of a draft to failed: EPERM", (f) => {
  f.written(".x");
  assert.equal(errnoOf(() => f.rename("pending", ".x", "failed", "x")), "EPERM");
});

fileSystemTest("rename() from a draft runs it at once and keeps its inode", (f) => {
  const ino = f.put(".x", "true\n");
  f.heard.length = 0;
  f.rename("pending", ".x", "pending", "x");
  assert.equal(f.job("x").phase, "ready");
  assert.deepEqual(f.heard, [{ kind: "queued" }]);
  assert.equal(scriptIno(f.job("x").id), ino);
});

fileSystemTest("rename() of a draft that is still written waits for its writer", (f) => {
  const { fh } = f.create(".x");
  f.write(fh, "true\n");
  f.rename("pending", ".x", "pending", "x");
  assert.equal(f.store.queue.next(), undefined);
  f.close(fh);
  f.store.moves.submit([f.job("x").id]);
  assert.equal(f.store.queue.next()?.name, "x");
});

fileSystemTest("rename() over a pending job begins its attempts anew", (f) => {
  f.submitted("x");
  f.sql("UPDATE job SET attempts = 2");
  f.put(".x", "new\n");
  f.rename("pending", ".x", "pending", "x");
  assert.equal(f.job("x").attempts, 0);
});

fileSystemTest("rename() over a finished job needs replace_finished", (f) => {
  for (const state of ["complete", "failed"] as const) {
    put(f, state, "x");
    f.put(".x", "new\n");
    assert.equal(errnoOf(() => f.rename("pending", ".x", "pending", "x")), "EEXIST");
    f.store.settings.apply({ replace_finished: true });
    f.rename("pending", ".x", "pending", "x");
    assert.equal(f.job("x").phase, "ready");
    f.store.settings.apply({ replace_finished: false });
    f.unlink(PENDING_INO, "x");
  }
});

fileSystemTest("rename() over an active job is refused with replace_finished too", (f) => {
  f.store.settings.apply({ replace_finished: true });
  f.running("x");
  f.submitted("y");
  assert.equal(errnoOf(() => f.rename("pending", "y", "pending", "x")), "EEXIST");
  assert.equal(errnoOf(() => f.create("x")), "EEXIST");
});
