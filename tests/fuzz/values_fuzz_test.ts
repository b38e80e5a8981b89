/** Any bytes as the name of a signal and as a priority: what is meant, or an error and nothing happens. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { constants } from "node:os";
import { E } from "../../fs/errno.ts";
import { fileInfo } from "../unit/callbacks.ts";
import { text } from "../unit/store_fixture.ts";
import { fuzz } from "./cases.ts";
import { anyBytes, int64, showBytes } from "./hostile.ts";
import { cName } from "./kernel.ts";
import { inWorld, type World } from "./world.ts";

const encoder = new TextEncoder();

/** Job 3 runs, job 7 is pending. */
const SIGNAL_INO = 3n * 16n + 5n;
const PENDING_SCRIPT = 7n * 16n + 1n;
const PRIORITY = cName(encoder.encode("user.qj.priority"));

const WORDS = [
  ...["TERM", "sigterm\n", "SigUsr1", " KILL ", "SIG", "SIGSIG", "SIGSIGTERM", "15", "-9", "0", ""],
  ...[
    "__proto__",
    "constructor",
    "TERM KILL",
    "TERM\nKILL\n",
    "TERM\0",
    "ſigterm",
    "ＴＥＲＭ",
    "STOP",
  ],
];
const NUMBERS = [
  ...["0", "-0", "+5", "1000", "-1000", "1001", "-1001", "007", "0x10", "1e2", "1.0", " 1", "1\n"],
  ...["", "+", "٣", "１", "9999", "10000", "1\0", "NaN", "--1"],
];
const word = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...WORDS).map((one) => encoder.encode(one)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...Object.keys(constants.signals)).map((one) => encoder.encode(one)),
  },
  { weight: 1, arbitrary: anyBytes },
);
const number = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...NUMBERS).map((one) => encoder.encode(one)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: -1500, max: 1500 }).map((n) => encoder.encode(`${n}`)),
  },
  { weight: 1, arbitrary: anyBytes },
);

let world: World;
const sent: string[] = [];

async function inOneWorld(cases: () => Promise<void>): Promise<void> {
  await inWorld(async (made) => {
    world = made;
    made.store.changes.listen((change) => {
      if (change.kind !== "signal") return;
      sent.push(change.signal);
      change.answer("sent");
    });
    await cases();
  });
}

fuzz("a signal is sent or refused", {
  share: 0.05,
  around: inOneWorld,
  arbitrary: fc.record({ data: word, offset: int64 }),
  body: ({ data, offset }) => {
    sent.length = 0;
    const opened = world.request("open", [SIGNAL_INO, fileInfo(0, 1)])!;
    const size = BigInt(data.length);
    const args = [SIGNAL_INO, data, size, offset, fileInfo(opened.fh!)];
    const { errno, kind } = world.request("write", args)!;
    world.request("release", [SIGNAL_INO, fileInfo(opened.fh!)]);
    const [name] = /^(sig)?[a-z0-9]+$/i.exec(text(data).trim()) ?? [];
    const signal = name && `SIG${name.toUpperCase().replace(/^SIG/, "")}`;
    const isOne = offset >= 0n && signal !== undefined && Object.hasOwn(constants.signals, signal);
    assert.deepEqual(sent, isOne ? [signal] : []);
    assert.equal(isOne ? kind : errno, isOne ? "write" : E.EINVAL);
  },
  show: ({ data, offset }) => `  ${showBytes(data)} at ${offset}`,
});

fuzz("a priority is taken as it is or refused", {
  share: 0.05,
  around: inOneWorld,
  arbitrary: number,
  body: (data) => {
    const priority = () => {
      const { bytes } = world.request("getxattr", [PENDING_SCRIPT, PRIORITY, 100n])!;
      return text(bytes!);
    };
    const before = priority();
    const args = [PENDING_SCRIPT, PRIORITY, data, BigInt(data.length), 0];
    const { errno } = world.request("setxattr", args)!;
    const asText = text(data);
    const isOne = /^[+-]?[0-9]{1,4}$/.test(asText) && Math.abs(parseInt(asText, 10)) <= 1000;
    assert.equal(errno, isOne ? 0 : E.EINVAL);
    assert.equal(priority(), isOne ? `${parseInt(asText, 10) + 0}` : before);
  },
  show: (data) => `  ${showBytes(data)}`,
});
