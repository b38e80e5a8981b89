import assert from "node:assert/strict";
import { mountAt, parseMounts } from "../../cli/mounts.ts";

function line(mountpoint: string, type: string, options = "master:1"): string {
  return `36 35 98:0 / ${mountpoint} rw,noatime ${options}${options && " "}- ${type} qj rw\n`;
}

Deno.test("parseMounts() reads id, mountpoint and type", () => {
  const text = line("/", "ext4") + line("/mnt/q", "fuse.qj", "") +
    line("/x", "tmpfs", "shared:2 master:1");
  assert.deepEqual(parseMounts(text), [
    { id: "36", mountpoint: "/", type: "ext4" },
    { id: "36", mountpoint: "/mnt/q", type: "fuse.qj" },
    { id: "36", mountpoint: "/x", type: "tmpfs" },
  ]);
  assert.deepEqual(parseMounts(""), []);
});

/** As the kernel writes a path: proc(5). */
function escaped(path: string): string {
  return path.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

for (
  const path of ["/a b", "/a\tb\nc", "/a\\040b", "/a - b", "/é", "/é ü x", "/日本 語 q", "/\\"]
) {
  Deno.test(`parseMounts() reads the mountpoint ${JSON.stringify(path)}`, () => {
    assert.deepEqual(parseMounts(line(escaped(path), "fuse.qj")), [
      { id: "36", mountpoint: path, type: "fuse.qj" },
    ]);
  });
}

Deno.test("mountAt() knows the mounts of this machine", () => {
  assert.equal(mountAt("/proc")?.type, "proc");
  assert.equal(mountAt("/proc/self/nothing"), undefined);
});
