/**
 * The callbacks that libfuse calls, called from here by their addresses in `fuse_lowlevel_ops`, with structures made by
 * hand and a library that keeps what it is told.
 */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { hostStatLayout, LOWLEVEL_OPS, putInt64, SET_ATTR } from "../../ffi/abi.ts";
import { Dispatcher } from "../../ffi/dispatch.ts";
import { cString, type LibfuseSymbols } from "../../ffi/libfuse.ts";
import { SinkBuffers } from "../../ffi/libfuse_sink.ts";
import type { Operations } from "../../ffi/operations.ts";
import type { Reply } from "../../ffi/reply.ts";
import { type Argument, Callbacks, fileInfo, type Slot } from "./callbacks.ts";

const { EIO, ENOENT } = constants.errno;
const REQUEST = Deno.UnsafePointer.create(0x1234n);

type Call = readonly [operation: string, ...args: unknown[]];
/** Operations that keep their arguments and do what the test says. */
function recorder(act: (reply: Reply) => void | Promise<void>) {
  const calls: Call[] = [];
  const logged: string[] = [];
  const timed: [string, number][] = [];
  const operations = new Proxy({} as Operations, {
    get: (_target, name: string) => {
      if (name === "errnoOf") {
        return (error: unknown, operation: string) => {
          logged.push(`${operation}: ${error}`);
          return ENOENT;
        };
      }
      if (name === "answered") {
        return (operation: string, ms: number) => void timed.push([operation, ms]);
      }
      if (name === "forgotten") return (operation: string) => void logged.push(operation);
      return (reply: Reply, ...args: unknown[]) => {
        calls.push([name, ...args.map((arg) => arg instanceof Uint8Array ? arg.slice() : arg)]);
        return act(reply);
      };
    },
  });
  return { calls, logged, timed, operations };
}

/** A dispatcher without libfuse. `answers` is what libfuse would have sent. */
class Bench {
  readonly answers: string[] = [];
  readonly dispatcher: Dispatcher;
  readonly #callbacks: Callbacks;
  readonly calls: Call[];
  readonly logged: string[];
  /** Of each answered request: the operation and the ms that it took. */
  readonly timed: [string, number][];

  constructor(act: (reply: Reply) => void | Promise<void> = (reply) => reply.ok()) {
    const { calls, logged, timed, operations } = recorder(act);
    this.calls = calls;
    this.timed = timed;
    this.logged = logged;
    const lib = {
      fuse_reply_err: (req: Deno.PointerValue, errno: number) => {
        assert.equal(Deno.UnsafePointer.value(req), 0x1234n);
        this.answers.push(`error ${errno}`);
        return 0;
      },
      fuse_reply_poll: (_req: Deno.PointerValue, revents: number) => {
        this.answers.push(`poll ${revents}`);
        return 0;
      },
      fuse_reply_none: () => void this.answers.push("none"),
    };
    this.dispatcher = new Dispatcher(operations, new SinkBuffers(lib as unknown as LibfuseSymbols));
    this.#callbacks = new Callbacks(this.dispatcher);
  }

  /** Calls an operation as libfuse does. */
  call(slot: Slot, ...args: Argument[]): void {
    this.#callbacks.call(slot, REQUEST, args);
  }
}

/** A bench for the length of a test. */
function benchTest(
  name: string,
  body: (bench: Bench) => void | Promise<void>,
  act?: (reply: Reply) => void | Promise<void>,
): void {
  Deno.test(name, async () => {
    const bench = new Bench(act);
    try {
      await body(bench);
    } finally {
      await bench.dispatcher.answered();
      bench.dispatcher.close();
    }
  });
}

const X = cString("x");
const DATA = new Uint8Array([1, 0, 255, 9]);
const FH = 2 ** 33 + 1;

/** Arguments of the callbacks, and the call that they are to become. */
const DECODED: readonly [Slot, Argument[], Call][] = [
  ["lookup", [2n ** 40n, X], ["lookup", 2 ** 40, "x"]],
  ["getattr", [17n, null], ["getattr", 17, undefined]],
  ["getattr", [17n, fileInfo(FH)], ["getattr", 17, FH]],
  ["mknod", [2n, X, 0o100644, 0n], ["mknod", 2, "x", 0o100644]],
  ["mkdir", [2n, X, 0o755], ["makeOther", 2, "x"]],
  ["symlink", [cString("to"), 2n, X], ["makeOther", 2, "x"]],
  ["link", [17n, 2n, X], ["makeOther", 2, "x"]],
  ["unlink", [3n, X], ["unlink", 3, "x"]],
  ["rmdir", [1n, X], ["rmdir", 1, "x"]],
  ["rename", [2n, X, 4n, cString("y"), 1], ["rename", 2, "x", 4, "y", 1]],
  ["create", [2n, X, 0o100640, fileInfo(0, 0o1101)], ["create", 2, "x", 0o100640, 0o1101]],
  ["open", [17n, fileInfo(0, 0o2001)], ["open", 17, 0o2001]],
  ["read", [17n, 4096n, 2n ** 40n, fileInfo(FH)], ["read", 17, FH, 2 ** 40, 4096]],
  [
    "write",
    [17n, DATA, 3n, 2n ** 40n, fileInfo(FH, 0o2001)],
    ["write", 17, FH, 2 ** 40, DATA.slice(0, 3), 0o2001],
  ],
  ["flush", [17n, fileInfo(FH)], ["flush", 17, FH]],
  ["release", [17n, fileInfo(FH)], ["release", 17, FH]],
  ["fsync", [17n, 1, fileInfo(FH)], ["fsync", 17, FH]],
  ["opendir", [2n, fileInfo(0)], ["opendir", 2]],
  ["readdir", [2n, 4096n, 7n, fileInfo(0)], ["readdir", 2, 7, 4096, false]],
  ["readdirplus", [2n, 4096n, 7n, fileInfo(0)], ["readdir", 2, 7, 4096, true]],
  ["fsyncdir", [2n, 0, fileInfo(0)], ["fsyncdir", 2]],
  ["statfs", [1n], ["statfs", 1]],
  ["setxattr", [7n, X, DATA, 4n, 0], ["setxattr", 7, "x", DATA]],
  ["setxattr", [7n, X, null, 0n, 0], ["setxattr", 7, "x", new Uint8Array(0)]],
  ["getxattr", [7n, X, 100n], ["getxattr", 7, "x", 100]],
  ["listxattr", [7n, 0n], ["listxattr", 7, 0]],
  ["removexattr", [7n, X], ["removexattr", 7, "x"]],
  ["poll", [10n, fileInfo(FH), null], ["poll", 10, FH, null]],
];

DECODED.forEach(([slot, args, call], i) => {
  benchTest(`${slot} is decoded (${i})`, (bench) => {
    bench.call(slot, ...args);
    assert.deepEqual(bench.calls, [call]);
    assert.deepEqual(bench.answers, ["error 0"]);
  });
});

benchTest("every operation but init and destroy has a callback", ({ dispatcher }) => {
  const view = new DataView(dispatcher.ops.buffer);
  for (const [name, offset] of Object.entries(LOWLEVEL_OPS)) {
    if (["size", "init", "destroy", "lseek"].includes(name)) continue;
    assert.notEqual(view.getBigUint64(offset, true), 0n, name);
  }
});

benchTest("forget is answered with none", (bench) => {
  bench.call("forget", 17n, 1n);
  bench.call("forget_multi", 0n, null);
  assert.deepEqual(bench.answers, ["none", "none"]);
});

benchTest("releasedir is answered", (bench) => {
  bench.call("releasedir", 2n, fileInfo(0));
  assert.deepEqual(bench.answers, ["error 0"]);
});

const HANDLE = { notify: () => {}, drop: () => {} };

benchTest("poll with a handle is decoded, and the session makes of it what is told", (bench) => {
  const addresses: bigint[] = [];
  bench.dispatcher.pollHandle = (pointer) => {
    addresses.push(BigInt(Deno.UnsafePointer.value(pointer)));
    return HANDLE;
  };
  // What libfuse gives is only passed on: any address will do.
  const native = new Uint8Array(8);
  bench.call("poll", 10n, fileInfo(FH), native);
  assert.deepEqual(addresses, [BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(native)))]);
  assert.deepEqual(bench.calls, [["poll", 10, FH, HANDLE]]);
});

benchTest("poll makes a handle only where libfuse gives one", (bench) => {
  let made = 0;
  bench.dispatcher.pollHandle = () => (made++, HANDLE);
  bench.call("poll", 10n, fileInfo(FH), null);
  assert.equal(made, 0);
});

benchTest("poll is answered with what is ready", (bench) => {
  bench.call("poll", 10n, fileInfo(FH), null);
  assert.deepEqual(bench.answers, ["poll 65"]);
}, (reply) => reply.poll(0x41));

benchTest("what is answered is told, with the operation and a time", async (bench) => {
  bench.call("opendir", 2n, fileInfo(0));
  bench.call("readdirplus", 2n, 4096n, 0n, fileInfo(0));
  bench.call("statfs", 1n);
  await bench.dispatcher.answered();
  assert.deepEqual(bench.timed.map(([operation]) => operation), [
    ...["opendir", "readdirplus", "statfs"],
  ]);
  for (const [, ms] of bench.timed) assert.ok(ms >= 0 && ms < 60_000);
}, (reply) => Promise.resolve().then(() => reply.ok()));

benchTest("a request that fails was answered too", (bench) => {
  bench.call("statfs", 1n);
  assert.deepEqual(bench.timed.map(([operation]) => operation), ["statfs"]);
}, () => {
  throw new Error("no");
});

const NAMES: readonly [string, number[], string | null][] = [
  ["UTF-8", [...new TextEncoder().encode("é日😀")], "é日😀"],
  ["the replacement character itself", [0xef, 0xbf, 0xbd], "\uFFFD"],
  ["a byte order mark", [0xef, 0xbb, 0xbf, 0x61], "\uFEFFa"],
  ["a byte that is not UTF-8", [0x61, 0xff], null],
  ["a character that was cut off", [0x61, 0xc3], null],
  ["a surrogate", [0xed, 0xa0, 0x80], null],
  ["an overlong form", [0xc0, 0xaf], null],
  ["nothing", [], ""],
];

for (const [what, data, name] of NAMES) {
  benchTest(`a name of ${what} is decoded`, (bench) => {
    bench.call("lookup", 1n, new Uint8Array([...data, 0]));
    assert.deepEqual(bench.calls, [["lookup", 1, name]]);
  });
}

benchTest("setattr takes what to_set names", (bench) => {
  const layout = hostStatLayout();
  const view = new DataView(new ArrayBuffer(layout.size));
  view.setUint32(layout.mode, 0o100600, true);
  view.setUint32(layout.uid, 4_000_000_000, true);
  view.setUint32(layout.gid, 7, true);
  putInt64(view, layout.fileSize, 2 ** 40);
  putInt64(view, layout.atime, -2);
  putInt64(view, layout.atime + 8, 999_999_999);
  putInt64(view, layout.mtime, 2 ** 34);
  putInt64(view, layout.mtime + 8, 1);
  const stat = new Uint8Array(view.buffer);
  const { mode, uid, gid, size, atime, mtime, atimeNow, mtimeNow, ctime } = SET_ATTR;
  const cases: [number, Record<string, unknown>][] = [
    [0, {}],
    [mode, { mode: 0o100600 }],
    [uid | gid, { uid: 4_000_000_000, gid: 7 }],
    [size, { size: 2 ** 40 }],
    [atime, { atime: { sec: -2, nsec: 999_999_999 } }],
    [mtime, { mtime: { sec: 2 ** 34, nsec: 1 } }],
    [atime | atimeNow | mtime | mtimeNow, { atime: "now", mtime: "now" }],
    [ctime, {}],
  ];
  for (const [toSet] of cases) {
    bench.call("setattr", 17n, stat, toSet, null);
  }
  const expected = cases.map(([, change]) => ["setattr", 17, change, undefined]);
  assert.deepEqual(bench.calls, expected);
});

benchTest("a handler that throws is answered with the errno of its error", (bench) => {
  bench.call("statfs", 1n);
  assert.deepEqual(bench.answers, [`error ${ENOENT}`]);
  assert.deepEqual(bench.logged, ["statfs: Error: no"]);
}, () => {
  throw new Error("no");
});

benchTest("a handler that throws after its answer is not answered again", (bench) => {
  bench.call("statfs", 1n);
  assert.deepEqual(bench.answers, ["error 0"]);
  assert.deepEqual(bench.logged, ["statfs: Error: late"]);
}, (reply) => {
  reply.ok();
  throw new Error("late");
});

benchTest("a handler that does not answer is answered with EIO", (bench) => {
  bench.call("opendir", 1n, fileInfo(0));
  assert.deepEqual(bench.answers, [`error ${EIO}`]);
  assert.deepEqual(bench.logged, ["opendir"]);
}, () => {});

benchTest("a handler that answers later is answered once", async (bench) => {
  bench.call("statfs", 1n);
  assert.deepEqual(bench.answers, []);
  await bench.dispatcher.answered();
  assert.deepEqual(bench.answers, ["error 0"]);
}, async (reply) => {
  await Promise.resolve();
  reply.ok();
});

benchTest("a handler that rejects is answered with the errno of its error", async (bench) => {
  bench.call("statfs", 1n);
  await bench.dispatcher.answered();
  assert.deepEqual(bench.answers, [`error ${ENOENT}`]);
}, () => Promise.reject(new Error("no")));

benchTest("a handler that resolves without an answer is answered with EIO", async (bench) => {
  bench.call("statfs", 1n);
  await bench.dispatcher.answered();
  assert.deepEqual(bench.answers, [`error ${EIO}`]);
  assert.deepEqual(bench.logged, ["statfs"]);
}, () => Promise.resolve());
