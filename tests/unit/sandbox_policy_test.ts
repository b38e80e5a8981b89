import assert from "node:assert/strict";
import { FILE_RIGHTS, type Right, RIGHTS } from "../../ffi/landlock.ts";
import {
  leftOpen,
  ruleset,
  type SandboxOptions,
  wantsSandbox,
} from "../../scheduler/sandbox_policy.ts";

const NOTHING: SandboxOptions = {
  ...{ readFolders: [], readFiles: [], writeFolders: [], writeFiles: [] },
  ...{ connect: [], bind: [] },
};
const NEWEST = 9;

function rightsOf(options: Partial<SandboxOptions>, abi = NEWEST): readonly Right[] {
  const { paths } = ruleset({ ...NOTHING, ...options }, [], abi);
  assert.equal(paths.length, 1);
  return paths[0]!.rights;
}

Deno.test("wantsSandbox() when any of the options is given, and only then", () => {
  assert.equal(wantsSandbox(NOTHING), false);
  for (const key of Object.keys(NOTHING)) {
    const value = key === "connect" || key === "bind" ? [80] : ["/srv"];
    assert.equal(wantsSandbox({ ...NOTHING, [key]: value }), true, key);
  }
  const others = { ...NOTHING, stateFile: "/q.db", mountpoint: "/mnt" };
  assert.equal(wantsSandbox(others), false);
});

Deno.test("ruleset() handles all that the kernel knows, and nothing that it does not", () => {
  for (let abi = 1; abi <= NEWEST; abi++) {
    const known = (Object.keys(RIGHTS) as Right[]).filter((right) => RIGHTS[right].abi <= abi);
    const all = { readFolders: ["/a"], writeFolders: ["/b"], connect: [1], bind: [2] };
    const { handled, paths, ports } = ruleset({ ...NOTHING, ...all }, [
      { path: "/dev/null", access: "write" },
    ], abi);
    assert.deepEqual(handled, known);
    for (const { rights } of [...paths, ...ports]) {
      assert.ok(rights.length > 0);
      assert.deepEqual(rights.filter((right) => !known.includes(right)), [], `ABI ${abi}`);
    }
    assert.equal(ports.length, abi < 4 ? 0 : 2);
  }
});

Deno.test("what may be read may be executed, and not changed", () => {
  assert.deepEqual(
    new Set(rightsOf({ readFolders: ["/usr"] })),
    new Set(["READ_FILE", "READ_DIR", "EXECUTE"]),
  );
  assert.deepEqual(new Set(rightsOf({ readFiles: ["/f"] })), new Set(["READ_FILE", "EXECUTE"]));
});

Deno.test("what may be changed may be so in every way but by devices", () => {
  const rights = new Set(rightsOf({ writeFolders: ["/srv"] }));
  for (const right of ["READ_FILE", "EXECUTE", "WRITE_FILE", "MAKE_REG", "REFER", "TRUNCATE"]) {
    assert.ok(rights.has(right as Right), right);
  }
  for (const right of ["MAKE_CHAR", "MAKE_BLOCK", "BIND_TCP", "SIGNAL"]) {
    assert.equal(rights.has(right as Right), false, right);
  }
});

Deno.test("a rule on a file has only the rights that a file can have", () => {
  for (const options of [{ readFiles: ["/f"] }, { writeFiles: ["/f"] }]) {
    for (const right of rightsOf(options)) assert.ok(FILE_RIGHTS.has(right), right);
  }
});

Deno.test("what starting needs can be run, read or written, and no more", () => {
  const { paths } = ruleset(NOTHING, [
    { path: "/bin/sh", access: "run" },
    { path: "/dev/zero", access: "read" },
    { path: "/dev/null", access: "write" },
  ], NEWEST);
  assert.deepEqual(paths.map(({ path, rights }) => [path, rights]), [
    ["/bin/sh", ["READ_FILE", "EXECUTE"]],
    ["/dev/zero", ["READ_FILE"]],
    ["/dev/null", ["READ_FILE", "WRITE_FILE", "TRUNCATE", "IOCTL_DEV"]],
  ]);
});

Deno.test("ports are ports of their direction", () => {
  const { ports } = ruleset({ ...NOTHING, connect: [443], bind: [0] }, [], NEWEST);
  assert.deepEqual(ports, [
    { port: 443, rights: ["CONNECT_TCP"] },
    { port: 0, rights: ["BIND_TCP"] },
  ]);
});

Deno.test("leftOpen() names what an older kernel cannot restrict", () => {
  assert.deepEqual(leftOpen(NEWEST), []);
  assert.deepEqual(leftOpen(7), ["Unix sockets that have a path"]);
  assert.deepEqual(leftOpen(3), [
    "TCP ports (--connect, --bind)",
    "ioctl on devices",
    "abstract Unix sockets",
    "signals to other processes",
    "Unix sockets that have a path",
  ]);
  assert.ok(leftOpen(1).includes("truncating files"));
});
