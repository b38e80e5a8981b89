/** Requests of every kind with hostile arguments, and what else may happen between them, as data. */
import fc from "fast-check";
import { hostStatLayout } from "../../ffi/abi.ts";
import { type Argument, fileInfo, type Slot } from "../unit/callbacks.ts";
import {
  anyBytes,
  askedSize,
  int32,
  int64,
  showBytes,
  strangeName,
  uint32,
  uint64,
} from "./hostile.ts";
import type { Arrival } from "./kernel.ts";
import { cName } from "./kernel.ts";
import { JOBS, MAX_SCRIPT_BYTES, NAMES, type World } from "./world.ts";

/** Something that happens. `text` is for people. */
export interface Step {
  readonly take: (world: World) => void | Promise<void>;
  readonly text: string;
}

/** An argument that is made when the request is sent, for what is not known before, and how it is shown. */
interface Arg {
  readonly make: (world: World) => Argument;
  readonly text: string;
}

type ArgOf = fc.Arbitrary<Arg>;

const encoder = new TextEncoder();

function plain(value: Argument, text = String(value)): Arg {
  return { make: () => value, text };
}

const ATTEMPTS_FROM = 2n ** 52n;
const ino: ArgOf = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 15 }).map(BigInt) },
  { weight: 8, arbitrary: fc.integer({ min: 16, max: 16 * (JOBS + 6) }).map(BigInt) },
  { weight: 3, arbitrary: fc.nat(16).map((n) => ATTEMPTS_FROM + BigInt(n)) },
  { weight: 1, arbitrary: uint64 },
).map((n) => plain(n));

/** A directory, mostly. */
const parent: ArgOf = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(2n, 2n, 2n, 3n, 4n, 5n, 8n, 1n).map((n) => plain(n)) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: JOBS }).map((n) => plain(BigInt(16 * n))) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: JOBS }).map((n) => plain(BigInt(16 * n + 3))) },
  { weight: 2, arbitrary: ino },
);

const ROOT_NAMES = ["new-id", "config.json", "jobs", "pending", "script", "log", "wait", "1.log"];
const name: ArgOf = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom(...NAMES, "x", ".x").map((text) => encoder.encode(text)),
  },
  { weight: 1, arbitrary: fc.constantFrom(...ROOT_NAMES).map((text) => encoder.encode(text)) },
  { weight: 4, arbitrary: strangeName },
).map((bytes) => plain(cName(bytes), showBytes(bytes)));

const O_BITS = [0o1, 0o2, 0o3, 0o100, 0o200, 0o1000, 0o2000, 0o4000, 0o10000, 0o4010000, 0o40000];
const openFlags = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 2, 0o1001, 0o2001, 0o1002) },
  {
    weight: 3,
    arbitrary: fc.subarray(O_BITS).map((bits) => bits.reduce((all, bit) => all | bit, 0)),
  },
  { weight: 1, arbitrary: int32 },
);
const opening: ArgOf = openFlags.map((flags) =>
  plain(fileInfo(0, flags), `0o${flags.toString(8)}`)
);

/** A handle: one that was given mostly, which may have been released. */
const handle: ArgOf = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.nat(30).map((pick) => ({
      make: ({ handles }: World) =>
        fileInfo(handles[handles.length - 1 - pick % handles.length] ?? 0n),
      text: `handle ${pick} from the newest`,
    })),
  },
  { weight: 1, arbitrary: uint64.map((fh) => plain(fileInfo(fh), `fh ${fh}`)) },
);
const maybeHandle: ArgOf = fc.oneof({ weight: 3, arbitrary: fc.constant(plain(null)) }, {
  weight: 1,
  arbitrary: handle,
});

const offset: ArgOf = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0n) },
  { weight: 2, arbitrary: fc.nat(12).map((n) => BigInt(MAX_SCRIPT_BYTES - 6 + n)) },
  { weight: 4, arbitrary: int64 },
).map((n) => plain(n));
const size: ArgOf = askedSize.map((n) => plain(BigInt(n)));

const MODES = [0o100644, 0o100755, 0o104755, 0o102775, 0o100000, 0o1777, 0o7777, 0, 0o010644];
const mode: ArgOf = fc.oneof(fc.constantFrom(...MODES, 0o060644, 0o140644, 0o120777), uint32)
  .map((n) => plain(n, `0o${n.toString(8)}`));

const SETTINGS = [
  '{"replace_finished": true}',
  '{"max_script_bytes": 100}',
  '{"max_script_bytes": 65536, "paused": true}',
  '{"max_attempts": ',
  '{"no_such_key": 1}',
];
const SCRIPTS = [
  "true\n",
  "#QJ priority=3\n",
  "#QJ nonsense\n",
  ">>> true\n",
  "#QJ after=x\n",
  "\0",
];
const data = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...SCRIPTS, "TERM", "sigkill\n", "0", "").map(encode) },
  { weight: 1, arbitrary: fc.constantFrom(...SETTINGS).map(encode) },
  { weight: 2, arbitrary: anyBytes },
);

function encode(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** The last second of a Date. */
const LAST_DATE = 8_640_000_000_000n;

const statBytes: ArgOf = fc.record({
  mode: uint32,
  uid: fc.oneof(fc.constant(0), uint32),
  gid: uint32,
  size: int64,
  atime: int64,
  atimeNsec: fc.oneof(fc.bigInt(0n, 999_999_999n), int64),
  mtime: fc.oneof({ weight: 3, arbitrary: int64 }, {
    weight: 1,
    arbitrary: fc.constant(LAST_DATE),
  }),
  mtimeNsec: fc.oneof(fc.bigInt(0n, 999_999_999n), int64),
}).map((stat) => {
  const layout = hostStatLayout();
  const view = new DataView(new ArrayBuffer(layout.size));
  view.setUint32(layout.mode, stat.mode, true);
  view.setUint32(layout.uid, stat.uid, true);
  view.setUint32(layout.gid, stat.gid, true);
  view.setBigInt64(layout.fileSize, stat.size, true);
  view.setBigInt64(layout.atime, stat.atime, true);
  view.setBigInt64(layout.atime + 8, stat.atimeNsec, true);
  view.setBigInt64(layout.mtime, stat.mtime, true);
  view.setBigInt64(layout.mtime + 8, stat.mtimeNsec, true);
  const text = Object.entries(stat).map(([key, value]) => `${key} ${value}`).join(", ");
  return plain(new Uint8Array(view.buffer), `{${text}}`);
});
const toSet: ArgOf = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(0x8, 0x10, 0x20, 0x30) },
  { weight: 2, arbitrary: fc.nat(8).map((bit) => 1 << bit) },
  { weight: 1, arbitrary: fc.nat(0x7ff) },
  { weight: 1, arbitrary: int32 },
).map((bits) => plain(bits, `0x${(bits >>> 0).toString(16)}`));

const XATTRS = ["state", "attempts", "exit_code", "priority", "queue", "error", "", "__proto__"];
const xattrName: ArgOf = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...XATTRS).map((text) => encode(`user.qj.${text}`)) },
  { weight: 1, arbitrary: fc.constant(encode("system.posix_acl_access")) },
  { weight: 1, arbitrary: strangeName },
).map((bytes) => plain(cName(bytes), showBytes(bytes)));
const xattrValue = fc.oneof(
  fc.constantFrom("0", "1000", "-1000", "1001", "+5", "", "1e3", "0x10", " 1", "1\n", "٣").map(
    encode,
  ),
  anyBytes,
);

const caller = fc.constantFrom<Arrival>(
  ...[{}, {}, {}, {}, {}, {}, {}, {}, {}],
  { taken: false },
  { caller: { uid: 54_321, gid: 54_321, pid: 7, umask: 0o077 } },
  { caller: { uid: 0xffff_ffff, gid: 0, pid: 0, umask: 0o777 } },
);

/** A request with its arguments one by one; several of them may come of one value. */
function request(
  slot: Slot,
  ...args: (ArgOf | fc.Arbitrary<readonly Arg[]>)[]
): fc.Arbitrary<Step> {
  return fc.tuple(caller, ...args).map(([arrival, ...made]) => {
    const all = (made as (Arg | readonly Arg[])[]).flat() as Arg[];
    const who = Object.keys(arrival).length === 0 ? "" : ` as ${JSON.stringify(arrival)}`;
    return {
      text: `${slot}(${all.map(({ text }) => text).join(", ")})${who}`,
      take: (world) => void world.request(slot, all.map(({ make }) => make(world)), arrival),
    };
  });
}

const num = (arbitrary: fc.Arbitrary<number>): ArgOf => arbitrary.map((n) => plain(n));
/** Bytes and how many there are. */
const sized = (arbitrary: fc.Arbitrary<Uint8Array<ArrayBuffer>>) =>
  arbitrary.map((bytes) => [plain(bytes, showBytes(bytes)), plain(BigInt(bytes.length))]);
const u64: ArgOf = uint64.map((n) => plain(n));
const renameFlags: ArgOf = num(fc.oneof(fc.constantFrom(0, 0, 0, 1, 2, 4, 3), uint32));
const directoryOffset: ArgOf = fc.oneof(fc.bigInt(0n, 20n), int64).map((n) => plain(n));

const REQUESTS: readonly (readonly [weight: number, fc.Arbitrary<Step>])[] = [
  [4, request("lookup", parent, name)],
  [1, request("forget", ino, u64)],
  [3, request("getattr", ino, maybeHandle)],
  [6, request("setattr", ino, statBytes, toSet, maybeHandle)],
  [2, request("mknod", parent, name, mode, u64)],
  [1, request("mkdir", parent, name, mode)],
  [3, request("unlink", parent, name)],
  [1, request("rmdir", parent, name)],
  [1, request("symlink", name, parent, name)],
  [5, request("rename", parent, name, parent, name, renameFlags)],
  [1, request("link", ino, parent, name)],
  [8, request("open", ino, opening)],
  [6, request("read", ino, size, offset, handle)],
  [8, writing()],
  [3, request("flush", ino, handle)],
  [3, request("release", ino, handle)],
  [1, request("fsync", ino, num(int32), handle)],
  [1, request("opendir", ino, opening)],
  [2, request("readdir", parent, size, directoryOffset, handle)],
  [2, request("readdirplus", parent, size, directoryOffset, handle)],
  [1, request("releasedir", ino, handle)],
  [1, request("fsyncdir", ino, num(int32), handle)],
  [1, request("statfs", ino)],
  [3, request("setxattr", ino, xattrName, sized(xattrValue), num(int32))],
  [2, request("getxattr", ino, xattrName, size)],
  [1, request("listxattr", ino, size)],
  [1, request("removexattr", ino, xattrName)],
  [6, request("create", parent, name, mode, opening)],
  [1, request("forget_multi", u64, fc.constant(plain(null)))],
  [2, request("poll", ino, handle, fc.constant(plain(new Uint8Array(8), "poll handle")))],
  [1, request("poll", ino, handle, fc.constant(plain(null)))],
];

function writing(): fc.Arbitrary<Step> {
  return request("write", ino, sized(data), offset, handle);
}

/** Opens one of the files of a job and reads it: those that are drawn one by one seldom come together. */
const reading: fc.Arbitrary<Step> = fc.tuple(fc.integer({ min: 1, max: JOBS + 3 }), fc.nat(6)).map(
  ([job, node]) => {
    const inode = BigInt(16 * job + node);
    return step(`open and read ${inode}`, (world) => {
      const opened = world.request("open", [inode, fileInfo(0, 0)]);
      if (opened?.fh !== undefined) {
        world.request("read", [inode, 4096n, 0n, fileInfo(opened.fh)]);
      }
    });
  },
);

/** What is no request. */
const EVENTS: readonly (readonly [weight: number, fc.Arbitrary<Step>])[] = [
  [2, fc.constant(step("a job starts", (world) => world.start()))],
  [2, fc.nat(9).map((n) => step(`attempt ${n} ends`, (world) => world.stop(n)))],
  [
    1,
    fc.tuple(fc.nat(9), fc.constantFrom(1, 100, 5000, 70_000)).map(([n, bytes]) =>
      step(`attempt ${n} prints ${bytes} bytes`, (world) => world.printTo(n, bytes))
    ),
  ],
  [2, fc.constant(step("jobs settle", (world) => world.settle()))],
  [
    1,
    fc.nat(9).map((n) => step(`waiter ${n} is interrupted`, ({ kernel }) => kernel.interrupt(n))),
  ],
  [
    1,
    fc.constantFrom(10, 3_600_000).map((ms) =>
      step(`${ms} ms pass`, (world) => void (world.nowMs += ms))
    ),
  ],
  [
    1,
    fc.constant(
      step("a turn passes", () => new Promise<void>((resolve) => setTimeout(resolve, 0))),
    ),
  ],
];

function step(text: string, take: Step["take"]): Step {
  return { text, take };
}

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  ...[[3, reading] as const, ...REQUESTS, ...EVENTS].map(([weight, arbitrary]) => ({
    weight,
    arbitrary,
  })),
);
