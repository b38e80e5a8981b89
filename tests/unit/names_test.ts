import assert from "node:assert/strict";
import { FsError } from "../../fs/errno.ts";
import { jobFile, logIno, scriptIno, stateOfDirectory } from "../../fs/ino.ts";
import { lookupName, newName } from "../../fs/names.ts";
import type { JobId } from "../../store/job.ts";

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

Deno.test("jobFile() is the inverse of scriptIno() and logIno()", () => {
  for (const id of [1, 2, 1_000_000, 2 ** 40] as JobId[]) {
    assert.deepEqual(jobFile(scriptIno(id)), { id, file: "script" });
    assert.deepEqual(jobFile(logIno(id)), { id, file: "log" });
  }
});

Deno.test("jobFile() knows no other inodes", () => {
  for (const ino of [0, 1, 7, 15, 16, 31]) assert.equal(jobFile(ino), undefined, String(ino));
});

Deno.test("stateOfDirectory() knows the four directories", () => {
  const states = Array.from({ length: 20 }, (_, ino) => stateOfDirectory(ino));
  assert.deepEqual(states.filter(Boolean), ["pending", "complete", "failed", "active"]);
  assert.equal(stateOfDirectory(2), "pending");
});
