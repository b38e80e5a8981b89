import assert from "node:assert/strict";
import { type StoreFixture, storeTest } from "./store_fixture.ts";

const INSERT = "INSERT INTO counter (name, value) VALUES (?, 1)";

function counters(f: StoreFixture): number {
  return Number(f.value("SELECT count(*) FROM counter"));
}

storeTest("afterCommit() calls in their order, once the change can be seen", (f) => {
  const { db } = f.store;
  const before = counters(f);
  const calls: string[] = [];
  db.transaction(() => {
    f.sql(INSERT, "a");
    db.afterCommit(() => calls.push(`first, ${counters(f) - before} more`));
    db.afterCommit(() => calls.push("second"));
    assert.deepEqual(calls, []);
  });
  assert.deepEqual(calls, ["first, 1 more", "second"]);
  db.transaction(() => {});
  assert.equal(calls.length, 2, "once");
});

storeTest("afterCommit() calls at once when no transaction is open", (f) => {
  let called = false;
  f.store.db.afterCommit(() => called = true);
  assert.equal(called, true);
});

storeTest("afterCommit() in an inner transaction waits for the outer one", (f) => {
  const { db } = f.store;
  const calls: string[] = [];
  db.transaction(() => {
    db.transaction(() => db.afterCommit(() => calls.push("inner")));
    calls.push("outer goes on");
  });
  assert.deepEqual(calls, ["outer goes on", "inner"]);
});

storeTest("afterCommit() calls nobody when the transaction is rolled back", (f) => {
  const { db } = f.store;
  let called = 0;
  const failing = () =>
    db.transaction(() => {
      db.afterCommit(() => called++);
      throw new Error("no");
    });
  assert.throws(failing, /^Error: no$/);
  db.transaction(() => {});
  db.afterCommit(() => {});
  assert.equal(called, 0);
});

storeTest("afterCommit() calls nobody when the commit itself fails", (f) => {
  const { db } = f.store;
  let called = 0;
  // A deferred constraint is looked at by the commit.
  f.sql("PRAGMA defer_foreign_keys = ON");
  assert.throws(() =>
    db.transaction(() => {
      f.sql("PRAGMA defer_foreign_keys = ON");
      f.sql("INSERT INTO script (job_id, content) VALUES (99, x'61')");
      db.afterCommit(() => called++);
    }), /FOREIGN KEY/);
  assert.equal(called, 0);
  assert.equal(f.value("SELECT count(*) FROM script"), 0);
  db.transaction(() => {});
  assert.equal(called, 0);
});

storeTest("what afterCommit() calls may begin a transaction of its own", (f) => {
  const { db } = f.store;
  const before = counters(f);
  const calls: string[] = [];
  db.transaction(() => {
    db.afterCommit(() => {
      calls.push("outer");
      db.transaction(() => {
        f.sql(INSERT, "b");
        db.afterCommit(() => calls.push("inner"));
      });
    });
    db.afterCommit(() => calls.push("last"));
  });
  assert.deepEqual(calls, ["outer", "inner", "last"]);
  assert.equal(counters(f), before + 1);
});

storeTest(
  "onRollback() tells of every transaction that was not committed, and of no other",
  (f) => {
    const { db } = f.store;
    let told = 0;
    db.onRollback(() => told++);
    db.transaction(() => {});
    assert.equal(told, 0);
    for (let i = 1; i <= 2; i++) {
      assert.throws(() =>
        db.transaction(() => {
          throw new Error("no");
        })
      );
      assert.equal(told, i);
    }
  },
);

storeTest("counts and times of directories follow commits, not attempts at them", (f) => {
  const { db, directories, moves } = f.store;
  f.submitted("x");
  const before = directories.changedAtMs("failed");
  f.nowMs += 2000;
  assert.throws(() =>
    db.transaction(() => {
      moves.move(f.job("x"), "failed");
      throw new Error("no");
    })
  );
  assert.deepEqual([directories.countOf("pending"), directories.countOf("failed")], [1, 0]);
  assert.equal(directories.changedAtMs("failed"), before);
  moves.move(f.job("x"), "failed");
  assert.deepEqual([directories.countOf("pending"), directories.countOf("failed")], [0, 1]);
  assert.equal(directories.changedAtMs("failed"), f.nowMs);
  f.reopen();
  assert.deepEqual([f.store.directories.countOf("failed"), f.store.directories.count], [1, 1]);
});

storeTest("bytes is the size of the file, without what is still in its log", async (f) => {
  f.written("x", "x".repeat(1_000_000));
  assert.ok(f.store.db.bytes > 1_000_000);
  f.sql("PRAGMA wal_checkpoint(TRUNCATE)");
  assert.equal((await Deno.stat(f.path)).size, f.store.db.bytes);
});
