/** Requests of a kernel that is out to do harm: any operation on any inode and handle, with any arguments. */
import fc from "fast-check";
import type { AttrChange, Name, Result, Timespec } from "../../ffi/operations.ts";
import type { Reply } from "../../ffi/reply.ts";
import type { FileSystem } from "../../fs/file_system.ts";

/** What there is to ask for. */
export interface Targets {
  readonly inos: readonly number[];
  /** Open files. */
  readonly handles: number[];
}

export interface Request {
  readonly operation: string;
  readonly text: string;
  readonly ask: (fs: FileSystem, reply: Reply, targets: Targets) => Result;
  /** It may be answered later, or when the daemon ends. */
  readonly mayWait: boolean;
}

const pick = fc.nat(1000);
const number = fc.oneof(
  { weight: 3, arbitrary: fc.nat(200) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...[-1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 40, 2 ** 53 - 1, -(2 ** 53 - 1)],
    ),
  },
);
const size = fc.oneof(fc.nat(300), fc.constantFrom(0, 1, 4095, 4096, 131_072, 1_048_576));
const name: fc.Arbitrary<Name> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("pending", "active", "x", "y", "z", ".draft", "gone") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "script",
      "log",
      "attempts",
      "status.json",
      "wait",
      "signal",
      "1.log",
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[".", "..", "__proto__", "constructor", "toString", "~", "#", "##", "#x#", "x~", ".."],
      ...[
        "a".repeat(255),
        "a".repeat(256),
        "é".repeat(128),
        "\u202ex",
        "e\u0301",
        "\u00e9",
        "\x7f",
        "a\nb",
      ],
      ...["1.log", "-1.log", "1e3.log", "01.log", "99999999999999999999.log"],
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constant(null) },
).map((text) => text?.replace(/[\0/]/g, "_") ?? null);
const flags = fc.oneof(
  fc.constantFrom(0, 1, 2, 0o1001, 0o2001, 0o1101, 0o4010002),
  fc.nat(0o17777777),
);
const mode = fc.oneof(
  fc.constantFrom(0o100644, 0o100000, 0o40755, 0o10644, 0o20644, 0o140644),
  fc.nat(0o177777),
);
const time: fc.Arbitrary<Timespec | "now"> = fc.oneof(
  fc.constant("now" as const),
  fc.record({ sec: number, nsec: fc.nat(999_999_999) }),
  fc.constantFrom({ sec: -1, nsec: 0 }, { sec: 2 ** 53 - 1, nsec: 999_999_999 }),
);
const change: fc.Arbitrary<AttrChange> = fc.record({
  mode,
  uid: fc.constantFrom(0, 1, 65_534, 2 ** 32 - 1),
  gid: fc.constantFrom(0, 1, 65_534, 2 ** 32 - 1),
  size: number.filter((value) => value >= 0),
  atime: time,
  mtime: time,
}, { requiredKeys: [] });
const xattr = fc.oneof(
  fc.constantFrom(
    "user.qj.state",
    "user.qj.priority",
    "user.qj.error",
    "user.qj.queue",
    "security.capability",
  ),
  fc.string({ unit: "binary", maxLength: 30 }),
);
const data = fc.oneof(
  fc.uint8Array({ maxLength: 100 }),
  fc.constantFrom("echo x\n", "TERM", "9", "{}", '{"paused": true}', "5", "-1001").map((text) =>
    new TextEncoder().encode(text)
  ),
);

function at<T>(list: readonly T[], index: number, otherwise: T): T {
  return list.length === 0 ? otherwise : list[index % list.length]!;
}

function request<A extends unknown[]>(
  operation: string,
  args: { [K in keyof A]: fc.Arbitrary<A[K]> },
  ask: (fs: FileSystem, reply: Reply, targets: Targets, ...args: A) => Result,
  mayWait = false,
): fc.Arbitrary<Request> {
  return fc.tuple(...args).map((values) => ({
    operation,
    text: `${operation} ${JSON.stringify(values)}`,
    mayWait,
    ask: (fs, reply, targets) => ask(fs, reply, targets, ...values as unknown as A),
  }));
}

const inoOf = (targets: Targets, i: number) => at(targets.inos, i, 1);
const fhOf = (targets: Targets, i: number) => i % 7 === 0 ? i : at(targets.handles, i, 0);

export const anyRequest: fc.Arbitrary<Request> = fc.oneof(
  request("lookup", [pick, name], (fs, r, t, i, n) => fs.lookup(r, inoOf(t, i), n)),
  request("getattr", [pick], (fs, r, t, i) => fs.getattr(r, inoOf(t, i))),
  request(
    "setattr",
    [pick, change, pick],
    (fs, r, t, i, c, h) => fs.setattr(r, inoOf(t, i), c, h % 2 === 0 ? undefined : fhOf(t, h)),
  ),
  request(
    "mknod",
    [pick, name, mode],
    (fs, r, t, i, n, m) => fs.mknod(r, i % 3 ? 2 : inoOf(t, i), n, m),
  ),
  request(
    "create",
    [pick, name, mode, flags],
    (fs, r, t, i, n, m, f) => fs.create(r, i % 4 ? 2 : inoOf(t, i), n, m, f),
  ),
  request("makeOther", [pick, name], (fs, r, t, i, n) => fs.makeOther(r, inoOf(t, i), n)),
  request(
    "unlink",
    [pick, name],
    (fs, r, t, i, n) => fs.unlink(r, i % 2 ? 2 + i % 4 : inoOf(t, i), n),
  ),
  request("rmdir", [pick, name], (fs, r, t, i, n) => fs.rmdir(r, inoOf(t, i), n)),
  request(
    "rename",
    [pick, name, pick, name, fc.nat(7)],
    (fs, r, t, i, n, j, m, f) =>
      fs.rename(
        r,
        i % 3 ? 2 + i % 4 : inoOf(t, i),
        n,
        j % 3 ? 2 + j % 4 : inoOf(t, j),
        m,
        f < 5 ? 0 : f,
      ),
  ),
  request("open", [pick, flags], (fs, r, t, i, f) => fs.open(r, inoOf(t, i), f)),
  request(
    "read",
    [pick, pick, number, size],
    (fs, r, t, i, h, o, s) => fs.read(r, inoOf(t, i), fhOf(t, h), Math.max(0, o), s),
    true,
  ),
  request(
    "write",
    [pick, pick, number, data, number],
    (fs, r, t, i, h, o, d, f) => fs.write(r, inoOf(t, i), fhOf(t, h), Math.max(0, o), d, f),
    true,
  ),
  request("flush", [pick, pick], (fs, r, t, i, h) => fs.flush(r, inoOf(t, i), fhOf(t, h))),
  request("release", [pick, pick], (fs, r, t, i, h) => {
    const fh = fhOf(t, h);
    fs.release(r, inoOf(t, i), fh);
  }),
  request("fsync", [pick, pick], (fs, r, t, i, h) => fs.fsync(r, inoOf(t, i), fhOf(t, h)), true),
  request(
    "poll",
    [pick, pick, fc.boolean()],
    (fs, r, t, i, h, waits) =>
      fs.poll(r, inoOf(t, i), fhOf(t, h), waits ? { notify() {}, drop() {} } : null),
  ),
  request("opendir", [pick], (fs, r, t, i) => fs.opendir(r, inoOf(t, i))),
  request(
    "readdir",
    [pick, number, size, fc.boolean()],
    (fs, r, t, i, o, s, plus) => fs.readdir(r, inoOf(t, i), o, s, plus),
  ),
  request("fsyncdir", [pick], (fs, r, _t, _i) => fs.fsyncdir(r), true),
  request("statfs", [pick], (fs, r, _t, _i) => fs.statfs(r), true),
  request(
    "setxattr",
    [pick, xattr, data],
    (fs, r, t, i, n, d) => fs.setxattr(r, inoOf(t, i), n, d),
  ),
  request(
    "getxattr",
    [pick, xattr, size],
    (fs, r, t, i, n, s) => fs.getxattr(r, inoOf(t, i), n, s),
  ),
  request("listxattr", [pick, size], (fs, r, t, i, s) => fs.listxattr(r, inoOf(t, i), s)),
  request("removexattr", [pick, xattr], (fs, r, t, i, n) => fs.removexattr(r, inoOf(t, i), n)),
);
