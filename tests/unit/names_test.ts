import assert from "node:assert/strict";
import { FsError } from "../../fs/errno.ts";
import { attemptIno, attemptOf, jobIno, jobNode, stateOfDirectory } from "../../fs/ino.ts";
import { lookupName, newName } from "../../fs/names.ts";
import type { AttemptId, JobId } from "../../store/job.ts";

function errno(body: () => unknown): string {
  try {
    body();
    return "ok";
  } catch (error) {
    if (error instanceof FsError) return error.errno;
    throw error;
  }
}

const GOOD = [
  "x",
  "é",
  "日本語",
  "a b",
  ".x",
  "x~",
  "#x#",
  "-rf",
  "*",
  "\\",
  "😀",
  "a".repeat(255),
];
const LONG = ["a".repeat(256), "é".repeat(128), "日".repeat(86), "😀".repeat(64)];

Deno.test("newName() takes what a job may be called", () => {
  for (const name of [...GOOD, "é".repeat(127), "日".repeat(85), "\uFFFD"]) {
    assert.equal(newName(name), name);
  }
});

Deno.test("newName() refuses what no file can be called", () => {
  for (const name of ["", ".", "..", "/", "a/b", "../x"]) {
    assert.equal(errno(() => newName(name)), "EINVAL");
  }
});

Deno.test("newName() counts bytes", () => {
  for (const name of LONG) assert.equal(errno(() => newName(name)), "ENAMETOOLONG");
});

Deno.test("newName() refuses control characters and what is not UTF-8", () => {
  for (const name of ["a\nb", "\x01", "\x1b[0m", "\x7f", "\x85", "\t"]) {
    assert.equal(errno(() => newName(name)), "EINVAL", JSON.stringify(name));
  }
  assert.equal(errno(() => newName(null)), "EILSEQ");
});

Deno.test("lookupName() finds nothing under a name that no job can have", () => {
  assert.equal(errno(() => lookupName(null)), "ENOENT");
  for (const name of LONG) assert.equal(errno(() => lookupName(name)), "ENAMETOOLONG");
  for (const name of GOOD) assert.equal(lookupName(name), name);
});

Deno.test("jobNode() is the inverse of jobIno()", () => {
  const nodes = ["directory", "script", "log", "attempts", "status", "signal", "wait"] as const;
  for (const id of [1, 2, 1_000_000, 2 ** 40] as JobId[]) {
    nodes.forEach((node, i) => {
      assert.equal(jobIno(id, node), 16 * id + i);
      assert.deepEqual(jobNode(jobIno(id, node)), { id, node });
    });
  }
});

Deno.test("jobNode() knows no other inodes", () => {
  const others = [0, 1, 7, 10, 15, 23, 31, 2 ** 52, 2 ** 52 + 1];
  for (const ino of others) assert.equal(jobNode(ino), undefined, String(ino));
});

Deno.test("attemptOf() is the inverse of attemptIno(), and knows no other inodes", () => {
  for (const id of [1, 2, 1_000_000, 2 ** 40] as AttemptId[]) {
    assert.equal(attemptIno(id), 2 ** 52 + id);
    assert.equal(attemptOf(attemptIno(id)), id);
  }
  for (const ino of [0, 1, 16, 17, 2 ** 52]) assert.equal(attemptOf(ino), undefined, String(ino));
});

Deno.test("stateOfDirectory() knows the four directories", () => {
  const states = Array.from({ length: 20 }, (_, ino) => stateOfDirectory(ino));
  assert.deepEqual(states.filter(Boolean), ["pending", "complete", "failed", "active"]);
  assert.equal(stateOfDirectory(2), "pending");
});
