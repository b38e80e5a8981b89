/**
 * The tables of `ffi/abi.ts` against the headers that are installed: a C program, made from the tables themselves, says
 * what the compiler makes of each name.
 */
import assert from "node:assert/strict";
import * as abi from "../../ffi/abi.ts";
import { E } from "../../fs/errno.ts";

/** A C expression, and what it must be. The default is equal. */
interface Check {
  readonly c: string;
  readonly value: number;
  readonly relation?: "at most" | "at least";
  /** A condition of the preprocessor under which the expression exists. */
  readonly when?: string;
}

const PROLOGUE = `
#define _GNU_SOURCE
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#define SIZE(type, member) sizeof(((type *)0)->member)
/* The word behind the flags after one bit was set in it. */
#define BIT(name) ({ \\
  struct fuse_file_info info; unsigned word; \\
  memset(&info, 0, sizeof info); info.name = 1; \\
  memcpy(&word, (char *)&info + offsetof(struct fuse_file_info, flags) + sizeof info.flags, sizeof word); \\
  word; })
`;

async function run(program: string, args: readonly string[]): Promise<string> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    assert.fail(`${program} is not installed: ./bootstrap test installs what the tests need`);
  }
  const [stdout, stderr] = [output.stdout, output.stderr].map((b) => new TextDecoder().decode(b));
  assert.ok(output.success, `${program} ${args.join(" ")} failed:\n${stderr}`);
  return stdout!;
}

async function isInstalled(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-abi-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Compiles the checks, runs them and compares. */
async function compare(checks: readonly Check[]): Promise<void> {
  assert.notEqual(checks.length, 0);
  await withFolder(async (folder) => {
    const lines = checks.map(({ c, when }, i) => {
      const line = `  printf("${i} %lld\\n", (long long)(${c}));`;
      return when === undefined ? line : `#if ${when}\n${line}\n#endif`;
    });
    const source = `${PROLOGUE}int main(void) {\n${lines.join("\n")}\n  return 0;\n}\n`;
    await Deno.writeTextFile(`${folder}/probe.c`, source);
    const flags = (await run("pkg-config", ["--cflags", "fuse3"])).trim().split(/\s+/);
    await run("gcc", [...flags, "-o", `${folder}/probe`, `${folder}/probe.c`]);
    const found = new Map(
      (await run(`${folder}/probe`, [])).trim().split("\n")
        .map((line) => line.split(" ").map(Number) as [number, number]),
    );
    checks.forEach(({ c, value, relation, when }, i) => {
      const compiled = found.get(i);
      if (compiled === undefined) return assert.ok(when, `${c} was not printed`);
      if (relation === "at most") assert.ok(compiled <= value, `${c} is ${compiled} > ${value}`);
      else if (relation === "at least") {
        assert.ok(compiled >= value, `${c}: ${compiled} < ${value}`);
      } else assert.equal(compiled, value, c);
    });
  });
}

/** Offsets of a table whose keys are the members' names. */
function offsets(type: string, table: Readonly<Record<string, number>>, except: string[]): Check[] {
  return Object.entries(table).filter(([name]) => !except.includes(name))
    .map(([name, value]) => ({ c: `offsetof(${type}, ${name})`, value }));
}

const STAT_MEMBERS: Readonly<Record<keyof abi.StatLayout, string>> = {
  size: "sizeof(struct stat)",
  ino: "offsetof(struct stat, st_ino)",
  nlink: "offsetof(struct stat, st_nlink)",
  nlinkBytes: "SIZE(struct stat, st_nlink)",
  mode: "offsetof(struct stat, st_mode)",
  uid: "offsetof(struct stat, st_uid)",
  gid: "offsetof(struct stat, st_gid)",
  fileSize: "offsetof(struct stat, st_size)",
  blksize: "offsetof(struct stat, st_blksize)",
  blksizeBytes: "SIZE(struct stat, st_blksize)",
  blocks: "offsetof(struct stat, st_blocks)",
  atime: "offsetof(struct stat, st_atim.tv_sec)",
  mtime: "offsetof(struct stat, st_mtim.tv_sec)",
  ctime: "offsetof(struct stat, st_ctim.tv_sec)",
};

/** What the encoder takes for granted besides the table. */
function statChecks(layout: abi.StatLayout): Check[] {
  const named = Object.entries(STAT_MEMBERS)
    .map(([name, c]) => ({ c, value: layout[name as keyof abi.StatLayout] }));
  const nanoseconds = (["atime", "mtime", "ctime"] as const).map((name) => ({
    c: `offsetof(struct stat, st_${name.slice(0, -1)}.tv_nsec)`,
    value: layout[name] + 8,
  }));
  const widths = [
    ["st_ino", 8],
    ["st_mode", 4],
    ["st_uid", 4],
    ["st_gid", 4],
    ["st_size", 8],
    ["st_blocks", 8],
    ["st_atim.tv_sec", 8],
    ["st_atim.tv_nsec", 8],
  ].map(([member, value]) => ({ c: `SIZE(struct stat, ${member})`, value: Number(value) }));
  return [...named, ...nanoseconds, ...widths];
}

Deno.test("STAT is struct stat of this machine", async () => {
  await compare(statChecks(abi.hostStatLayout()));
});

Deno.test("STAT.aarch64 is struct stat of aarch64", async () => {
  const compiler = "aarch64-linux-gnu-gcc";
  if (!await isInstalled(compiler)) {
    const reason = `${compiler} is not installed, so the table of aarch64 was not compiled\n`;
    Deno.stdout.writeSync(new TextEncoder().encode(reason));
    return;
  }
  await withFolder(async (folder) => {
    const lines = statChecks(abi.STAT.aarch64)
      .map(({ c, value }) => `_Static_assert(${c} == ${value}, "${c} is not ${value}");`);
    const includes = "#define _GNU_SOURCE\n#include <stddef.h>\n#include <sys/stat.h>\n" +
      "#define SIZE(type, member) sizeof(((type *)0)->member)\n";
    await Deno.writeTextFile(`${folder}/probe.c`, `${includes}${lines.join("\n")}\n`);
    await run(compiler, ["-fsyntax-only", `${folder}/probe.c`]);
  });
});

Deno.test("entryParamLayout() is struct fuse_entry_param", async () => {
  const layout = abi.entryParamLayout(abi.hostStatLayout());
  const type = "struct fuse_entry_param";
  await compare([
    { c: `sizeof(${type})`, value: layout.size },
    { c: `offsetof(${type}, ino)`, value: layout.ino },
    { c: `offsetof(${type}, generation)`, value: layout.generation },
    { c: `offsetof(${type}, attr)`, value: layout.attr },
    { c: `offsetof(${type}, attr_timeout)`, value: layout.attrTimeout },
    { c: `offsetof(${type}, entry_timeout)`, value: layout.entryTimeout },
    { c: `SIZE(${type}, attr_timeout)`, value: 8 },
  ]);
});

Deno.test("FILE_INFO holds every version's struct fuse_file_info", async () => {
  const type = "struct fuse_file_info";
  const { size, flags, bits, fh, directIo, keepCache } = abi.FILE_INFO;
  await compare([
    { c: `sizeof(${type})`, value: size, relation: "at most" },
    { c: `offsetof(${type}, flags)`, value: flags },
    { c: `offsetof(${type}, flags) + SIZE(${type}, flags)`, value: bits },
    { c: `offsetof(${type}, fh)`, value: fh },
    { c: `SIZE(${type}, fh)`, value: 8 },
    { c: "BIT(direct_io)", value: directIo },
    { c: "BIT(keep_cache)", value: keepCache },
  ]);
});

Deno.test("FUSE_BUF holds every version's struct fuse_buf", async () => {
  const type = "struct fuse_buf";
  await compare([
    { c: `sizeof(${type})`, value: abi.FUSE_BUF.size, relation: "at most" },
    { c: `offsetof(${type}, size)`, value: abi.FUSE_BUF.length },
    { c: `offsetof(${type}, mem)`, value: abi.FUSE_BUF.mem },
  ]);
});

Deno.test("FUSE_CTX is struct fuse_ctx", async () => {
  await compare([
    ...offsets("struct fuse_ctx", abi.FUSE_CTX, []),
    ...["uid", "gid", "pid", "umask"].map((m) => ({ c: `SIZE(struct fuse_ctx, ${m})`, value: 4 })),
  ]);
});

Deno.test("FUSE_ARGS is struct fuse_args", async () => {
  await compare([
    { c: "sizeof(struct fuse_args)", value: abi.FUSE_ARGS.size },
    ...offsets("struct fuse_args", abi.FUSE_ARGS, ["size"]),
  ]);
});

Deno.test("LIBFUSE_VERSION is struct libfuse_version", async () => {
  const when = "FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)";
  await compare([
    { c: "sizeof(struct libfuse_version)", value: abi.LIBFUSE_VERSION.size, when },
    ...offsets("struct libfuse_version", abi.LIBFUSE_VERSION, ["size"])
      .map((check) => ({ ...check, when })),
  ]);
});

Deno.test("LOWLEVEL_OPS is the beginning of struct fuse_lowlevel_ops", async () => {
  const type = "struct fuse_lowlevel_ops";
  await compare([
    { c: `sizeof(${type})`, value: abi.LOWLEVEL_OPS.size, relation: "at least" },
    { c: `offsetof(${type}, lseek) + SIZE(${type}, lseek)`, value: abi.LOWLEVEL_OPS.size },
    ...offsets(type, abi.LOWLEVEL_OPS, ["size"]),
  ]);
});

Deno.test("DIRENT and ENTRY_OUT are the kernel's structures", async () => {
  const { next, nameBytes, ino, type, name } = abi.DIRENT;
  const { size, nodeid, generation, ...rest } = abi.ENTRY_OUT;
  const timeouts: Readonly<Record<string, string>> = {
    entryValid: "entry_valid",
    attrValid: "attr_valid",
    entryValidNsec: "entry_valid_nsec",
    attrValidNsec: "attr_valid_nsec",
  };
  const attributes: Readonly<Record<string, string>> = {
    fileSize: "size",
    atimeNsec: "atimensec",
    mtimeNsec: "mtimensec",
    ctimeNsec: "ctimensec",
  };
  await compare([
    { c: "offsetof(struct fuse_dirent, ino)", value: ino },
    { c: "offsetof(struct fuse_dirent, off)", value: next },
    { c: "offsetof(struct fuse_dirent, namelen)", value: nameBytes },
    { c: "offsetof(struct fuse_dirent, type)", value: type },
    { c: "offsetof(struct fuse_dirent, name)", value: name },
    { c: "offsetof(struct fuse_direntplus, dirent)", value: size },
    { c: "offsetof(struct fuse_entry_out, nodeid)", value: nodeid },
    { c: "offsetof(struct fuse_entry_out, generation)", value: generation },
    ...Object.entries(rest).map(([member, value]) => ({
      c: `offsetof(struct fuse_entry_out, ${
        timeouts[member] ?? `attr.${attributes[member] ?? member}`
      })`,
      value,
    })),
  ]);
});

Deno.test("SET_ATTR has the bits of FUSE_SET_ATTR_*", async () => {
  const macro = (name: string) => `FUSE_SET_ATTR_${name.replace("Now", "_now").toUpperCase()}`;
  await compare(Object.entries(abi.SET_ATTR).map(([name, value]) => ({ c: macro(name), value })));
});

Deno.test("STATVFS is struct statvfs", async () => {
  const members = Object.entries(abi.STATVFS).filter(([name]) => name !== "size");
  await compare([
    { c: "sizeof(struct statvfs)", value: abi.STATVFS.size },
    ...members.flatMap(([name, value]) => [
      { c: `offsetof(struct statvfs, f_${name})`, value },
      { c: `SIZE(struct statvfs, f_${name})`, value: 8 },
    ]),
  ]);
});

Deno.test("PASSWD is struct passwd", async () => {
  const members = Object.entries(abi.PASSWD).filter(([name]) => name !== "size");
  await compare([
    { c: "sizeof(struct passwd)", value: abi.PASSWD.size },
    ...members.flatMap(([name, value]) => [
      { c: `offsetof(struct passwd, pw_${name})`, value },
      {
        c: `SIZE(struct passwd, pw_${name})`,
        value: name === "uid" || name === "gid" ? 4 : 8,
      },
    ]),
  ]);
});

Deno.test("POLLFD is struct pollfd", async () => {
  const { size, POLLIN, ...members } = abi.POLLFD;
  await compare([
    { c: "sizeof(struct pollfd)", value: size },
    { c: "POLLIN", value: POLLIN },
    ...offsets("struct pollfd", members, []),
  ]);
});

Deno.test("NOTIFICATION is struct fuse_out_header with a code in the place of the error", async () => {
  const type = "struct fuse_out_header";
  const { size, length, code, incrementEpoch } = abi.NOTIFICATION;
  await compare([
    { c: `sizeof(${type})`, value: size },
    { c: `offsetof(${type}, len)`, value: length },
    { c: `SIZE(${type}, len)`, value: 4 },
    { c: `offsetof(${type}, error)`, value: code },
    { c: `SIZE(${type}, error)`, value: 4 },
    // Zero in what a notification sends: nothing has asked for it.
    { c: `offsetof(${type}, unique) + SIZE(${type}, unique)`, value: size },
    {
      c: "FUSE_NOTIFY_INC_EPOCH",
      value: incrementEpoch,
      // A name of an enum, which the preprocessor does not see: it came with this version.
      when: "FUSE_KERNEL_VERSION > 7 || FUSE_KERNEL_MINOR_VERSION >= 44",
    },
    // Older headers: the number was free, so nothing else is done by a kernel that does not know it.
    {
      c: "FUSE_NOTIFY_CODE_MAX",
      value: incrementEpoch,
      relation: "at most",
      when: "FUSE_KERNEL_VERSION == 7 && FUSE_KERNEL_MINOR_VERSION < 44",
    },
  ]);
});

Deno.test("E has this system's errnos", async () => {
  await compare(Object.entries(E).map(([c, value]) => ({ c, value, when: `defined(${c})` })));
});

Deno.test("putInt64() writes what a BigInt would", () => {
  const view = new DataView(new ArrayBuffer(16));
  const values = [0, 1, -1, 2 ** 32 - 1, 2 ** 32, -(2 ** 32), -(2 ** 32) - 1, 2 ** 40 + 7];
  for (const value of [...values, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    abi.putInt64(view, 8, value);
    assert.equal(view.getBigInt64(8, true), BigInt(value));
    assert.equal(view.getBigInt64(0, true), 0n);
  }
});
