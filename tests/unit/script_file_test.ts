import assert from "node:assert/strict";
import { PENDING_INO, scriptIno } from "../../fs/ino.ts";
import {
  errnoOf,
  FileSystemFixture,
  fileSystemTest,
  O_APPEND,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from "./file_system_fixture.ts";
import { text } from "./store_fixture.ts";

/** The committed script of a job. */
function committed(f: FileSystemFixture, name = "x"): string {
  return text(f.store.jobs.script(f.job(name).id));
}

fileSystemTest("a script is what was written and is not committed before flush()", (f) => {
  const { fh, entry } = f.create("x");
  assert.equal(f.write(fh, "echo "), 5);
  assert.equal(f.write(fh, "hello\n", 5), 6);
  assert.equal(f.getattr(entry.attr.ino).size, 11);
  assert.equal(committed(f), "");
  f.flush(fh);
  assert.equal(committed(f), "echo hello\n");
  f.release(fh);
});

fileSystemTest("a flush with nothing written means nothing", (f) => {
  const { fh } = f.create("x");
  const before = f.job("x");
  f.flush(fh);
  assert.deepEqual({ ...f.job("x") }, { ...before });
  f.release(fh);
  assert.equal(f.job("x").phase, "open");
});

fileSystemTest("all descriptors see one buffer", (f) => {
  const { fh, entry } = f.create("x", { flags: O_RDWR });
  const reader = f.open(entry.attr.ino);
  const other = f.open(entry.attr.ino, O_WRONLY);
  f.write(fh, "aaaa");
  f.write(other, "bb", 1);
  assert.equal(f.read(reader), "abba");
  assert.equal(f.read(fh, 1, 2), "bb");
  assert.equal(f.read(reader, 4), "");
  assert.equal(f.read(reader, 2 ** 40), "");
  for (const handle of [fh, reader, other]) f.close(handle);
  assert.equal(committed(f), "abba");
});

fileSystemTest("a write behind the end leaves zeros, also where there were bytes once", (f) => {
  const { fh, entry } = f.create("x");
  f.write(fh, "abcdef");
  f.setattr(entry.attr.ino, { size: 2 }, fh);
  f.write(fh, "z", 5);
  f.close(fh);
  assert.equal(committed(f), "ab\0\0\0z");
});

fileSystemTest("setattr() makes a script longer with zeros", (f) => {
  const ino = f.put("x", "ab");
  assert.equal(f.setattr(ino, { size: 4 }).size, 4);
  assert.equal(committed(f), "ab\0\0");
});

fileSystemTest("O_APPEND writes at the end, whoever has moved it", (f) => {
  const ino = f.put("x", "a");
  const [one, two] = [f.open(ino, O_WRONLY | O_APPEND), f.open(ino, O_WRONLY | O_APPEND)];
  f.write(one, "b", 1);
  f.write(two, "c", 1);
  f.write(one, "d", 2);
  f.close(one);
  f.close(two);
  assert.equal(committed(f), "abcd");
});

fileSystemTest("a job is held until its last writer is gone, then settles", (f) => {
  const { fh, entry } = f.create("x");
  const { id } = f.job("x");
  const second = f.open(entry.attr.ino, O_WRONLY);
  const reader = f.open(entry.attr.ino);
  f.write(fh, "true\n");
  f.close(fh);
  assert.ok(f.store.queue.isHeld(id));
  assert.deepEqual(f.heard, []);
  f.close(second);
  assert.ok(!f.store.queue.isHeld(id));
  assert.deepEqual(f.heard, [{ kind: "settle", job: id }]);
  f.store.moves.submit([id]);
  assert.equal(f.store.queue.next()?.name, "x", "a reader holds nothing up");
  f.close(reader);
});

fileSystemTest("an empty file and a draft never settle", (f) => {
  f.close(f.create("x").fh);
  f.put(".x", "true\n");
  assert.deepEqual(f.heard, []);
});

fileSystemTest("opening for writing takes a ready job out of the queue until it is closed", (f) => {
  const ino = f.put("x", "true\n");
  f.store.moves.submit([f.job("x").id]);
  const fh = f.open(ino, O_WRONLY);
  assert.equal(f.store.queue.next(), undefined);
  f.close(fh);
  f.store.moves.submit([f.job("x").id]);
  assert.equal(f.store.queue.next()?.name, "x");
});

fileSystemTest("a truncation to nothing is committed with what follows it", (f) => {
  const ino = f.put("x", "old\n");
  const fh = f.open(ino, O_WRONLY | O_TRUNC);
  assert.equal(f.getattr(ino).size, 0);
  f.flush(fh);
  assert.equal(committed(f), "old\n");
  f.write(fh, "new\n");
  f.flush(fh);
  assert.equal(committed(f), "new\n");
  f.release(fh);
});

fileSystemTest("a truncation to nothing is committed by the last close", (f) => {
  const ino = f.put("x", "old\n");
  f.close(f.open(ino, O_WRONLY | O_TRUNC));
  assert.equal(committed(f), "");
  f.store.moves.submit([f.job("x").id]);
  assert.equal(f.job("x").phase, "open");
});

fileSystemTest("fsync() commits a truncation and what any descriptor wrote", async (f) => {
  const ino = f.put("x", "old\n");
  const writer = f.open(ino, O_WRONLY | O_TRUNC);
  await f.fsync(ino, writer);
  assert.equal(committed(f), "");
  f.write(writer, "new\n");
  const reader = f.open(ino);
  await f.fsync(ino, reader);
  assert.equal(committed(f), "new\n");
  f.close(reader);
  f.close(writer);
});

fileSystemTest("truncate by path is committed at once", (f) => {
  const ino = f.put("x", "abcd");
  f.setattr(ino, { size: 2 });
  assert.equal(committed(f), "ab");
  assert.equal(f.store.queue.isHeld(f.job("x").id), false);
});

fileSystemTest("truncate by path goes into the buffer of a writer", (f) => {
  const { fh, entry } = f.create("x");
  f.write(fh, "abcd");
  f.setattr(entry.attr.ino, { size: 2 });
  f.write(fh, "z", 2);
  f.close(fh);
  assert.equal(committed(f), "abz");
});

fileSystemTest("O_RDONLY with O_TRUNC empties a script, as on a local file system", (f) => {
  const ino = f.put("x", "old\n");
  f.close(f.open(ino, O_RDONLY | O_TRUNC));
  assert.equal(f.getattr(ino).size, 0);
  assert.equal(committed(f), "");
});

fileSystemTest("O_RDONLY with O_TRUNC holds the job", async (f) => {
  const ino = f.put("x", "old\n");
  f.store.moves.submit([f.job("x").id]);
  const fh = f.open(ino, O_RDONLY | O_TRUNC);
  assert.equal(f.store.queue.next(), undefined);
  await f.fsync(ino, fh);
  f.close(fh);
  assert.deepEqual(f.logged, []);
});

fileSystemTest("a script that would be too large: EFBIG, and it does not run", (f) => {
  f.store.settings.apply({ max_script_bytes: 8 });
  const { fh, entry } = f.create("x");
  assert.equal(f.write(fh, "12345678"), 8);
  assert.equal(errnoOf(() => f.write(fh, "9", 8)), "EFBIG");
  assert.equal(errnoOf(() => f.write(fh, "9", 2 ** 52)), "EFBIG");
  assert.equal(errnoOf(() => f.setattr(entry.attr.ino, { size: 9 }, fh)), "EFBIG");
  f.close(fh);
  f.store.moves.submit([f.job("x").id]);
  assert.equal(f.job("x").state, "failed");
  assert.match(f.log(f.job("x")), /not run: writing the script failed: .*max_script_bytes \(8\)/);
});

fileSystemTest("a script whose writing failed runs after a complete rewrite", (f) => {
  f.store.settings.apply({ max_script_bytes: 8 });
  const { fh, entry } = f.create("x");
  f.write(fh, "1234");
  assert.equal(errnoOf(() => f.write(fh, "567890", 4)), "EFBIG");
  f.setattr(entry.attr.ino, { size: 0 }, fh);
  f.write(fh, "true");
  f.close(fh);
  f.store.moves.submit([f.job("x").id]);
  assert.equal(f.job("x").phase, "ready");
});

fileSystemTest("a script whose writing failed does not run after a restart either", (f) => {
  f.store.settings.apply({ max_script_bytes: 8 });
  const { fh } = f.create("x");
  f.write(fh, "1234");
  assert.equal(errnoOf(() => f.write(fh, "567890", 4)), "EFBIG");
  f.close(fh);
  f.reopen();
  f.store.recoverOpenJobs();
  assert.equal(f.job("x").state, "failed");
});

fileSystemTest("a script of a job that has left pending cannot be opened for writing", (f) => {
  const ino = f.put("x", "true\n");
  f.store.moves.submit([f.job("x").id]);
  f.claim();
  assert.equal(errnoOf(() => f.open(ino, O_WRONLY)), "ESTALE");
  assert.equal(errnoOf(() => f.setattr(ino, { size: 0 })), "ESTALE");
  assert.equal(f.read(f.open(ino)), "true\n");
});

fileSystemTest("a removed script can be read and written to its last close", (f) => {
  const { fh, entry } = f.create("x", { flags: O_RDWR });
  const { ino } = entry.attr;
  f.unlink(PENDING_INO, "x");
  f.write(fh, "text");
  assert.equal(f.read(fh), "text");
  assert.equal(f.getattr(ino).nlink, 0);
  f.close(fh);
  assert.equal(errnoOf(() => f.open(ino)), "ESTALE");
  // Who has looked the name up just before may still ask.
  assert.equal(f.getattr(ino).nlink, 0);
  assert.deepEqual(f.logged, []);
});

fileSystemTest("a write by somebody else than root takes the set-id bits", (f) => {
  for (const [uid, mode] of [[0, 0o6755], [Deno.uid() || 1000, 0o755]] as const) {
    const name = `x${uid}`;
    const { fh, entry } = f.create(name, { mode: 0o6755 });
    f.caller = { uid, gid: uid, pid: 1, umask: 0 };
    f.write(fh, "true\n");
    f.caller = null;
    assert.equal(f.getattr(entry.attr.ino).mode & 0o7777, mode);
    f.close(fh);
  }
});

fileSystemTest("close() at the end commits what clients still had open", (f) => {
  const { fh } = f.create("x");
  f.write(fh, "true\n");
  f.fs.close();
  assert.equal(committed(f), "true\n");
});

fileSystemTest("an open that the caller no longer wants is undone", (f) => {
  const ino = f.put("x", "true\n");
  f.taken = false;
  f.open(ino, O_WRONLY);
  f.create("y");
  f.taken = true;
  for (const name of ["x", "y"]) assert.ok(!f.store.queue.isHeld(f.job(name).id), name);
  assert.equal(scriptIno(f.job("x").id), ino);
});

fileSystemTest("a job with an unknown descriptor: EBADF", (f) => {
  for (const body of [() => f.read(99), () => f.write(99, "x"), () => f.flush(99)]) {
    assert.equal(errnoOf(body), "EBADF");
  }
});
