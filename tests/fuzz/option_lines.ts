/** Scripts that begin with `#QJ` lines, from right ones to noise. */
import fc from "fast-check";
import { OPTION_NAMES } from "../../store/job_options.ts";
import { anyBytes } from "./hostile.ts";

const encoder = new TextEncoder();

const VALUES = [
  ...[
    "0",
    "-0",
    "1",
    "-1",
    "+1",
    "60",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "0x10",
    "Infinity",
    "1".repeat(400),
  ],
  ...[
    "90s",
    "15m",
    "2h",
    "1d",
    "366d",
    "31536000",
    "31536001",
    "1001",
    "-21",
    "1ms",
    "99999999999999999999",
  ],
  ...["2027-01-01T03:00", "2027-01-01", "2027-02-30", "2027-01-01T24:00Z", "0000-01-01"],
  ...["9999-12-31T23:59:59.999999999+23:59", "2027-03-28T02:30", "2027-01-01T03:00-2400"],
  ...["a", "a,b", "a,,b", ",", "a,a", "__proto__", "constructor", "é日😀", "../x", ".draft"],
  ...["video", "-video", "fail", "retry", "FAIL", "/", "/srv/app", "relative", "", "=", "\0"],
  ...["KEY=VALUE", "KEY=", "=VALUE", "QJ_JOB=x", "__proto__=x", "1KEY=x", "K=\u2028", "\u009b31m"],
  ...[
    '"two words"',
    "'two words'",
    "\\ ",
    '"open',
    "'",
    "\\",
    '"a"b',
    "\x1b[m",
    "x".repeat(70_000),
  ],
];
/** What is likely to be right. */
const GOOD = [
  ...["timeout=60", "timeout=1.5h", "attempts=1", "backoff-base=5", "backoff-mult=0.5", "nice=10"],
  ...["at=2027-01-01T03:00Z", "delay=90s", "after=A,B", "after=C", "queue=video", "on-lost=fail"],
  ...["cwd=/srv/app", "env=KEY=VALUE", 'env=A="b c"', "env=__proto__=x", "priority=-1000"],
  "keep-children",
];

/** Right but for a little. */
const BEYOND = [
  ...["priority=1001", "priority=-1001", "nice=20", "nice=-21", "nice=1.5", "attempts=0"],
  ...["attempts=1000001", "backoff-mult=1000.5", "timeout=365.5d", "delay=31536001", "cwd=srv"],
  ...["queue=.x", "env=QJ_X=1", "after=A,", "on-lost=Fail", "keep-children=1", "env=A=\0"],
];

const key = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...OPTION_NAMES) },
  { weight: 1, arbitrary: fc.constantFrom("", "__proto__", "TIMEOUT", "constructor", "x") },
);
const value = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);
const word = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...GOOD) },
  { weight: 1, arbitrary: fc.constantFrom(...BEYOND) },
  { weight: 2, arbitrary: fc.tuple(key, value).map(([name, text]) => `${name}=${text}`) },
  { weight: 1, arbitrary: fc.oneof(key, value) },
);
const START = ["#QJ", "#QJ", "#QJ", "#QJ", " #QJ", "\t#QJ", "#qj", "# QJ", "#QJX", "\ufeff#QJ"];
const optionLine = fc.tuple(
  fc.constantFrom(...START),
  fc.array(fc.tuple(fc.constantFrom(" ", " ", " ", "\t", "\u00a0"), word), { maxLength: 4 }),
).map(([start, words]) => start + words.map((parts) => parts.join("")).join(""));
const line = fc.oneof(
  { weight: 8, arbitrary: optionLine },
  { weight: 2, arbitrary: fc.constantFrom("", "#!/bin/sh", "# a comment", "  ", "true", ">>> x") },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);
const script = fc.tuple(
  fc.array(line, { maxLength: 6 }),
  fc.constantFrom("\n", "\n", "\r\n", "\r"),
  fc.constantFrom("", "\n", "\ntrue\n"),
).map(([lines, newline, end]) => encoder.encode(lines.join(newline) + end));

const mutated = fc.tuple(script, fc.nat(), fc.nat(2), fc.uint8Array({ maxLength: 2 }))
  .map(([text, at, cut, insert]) => {
    const place = at % (text.length + 1);
    const rest = text.subarray(place + cut);
    return Uint8Array.from([...text.subarray(0, place), ...insert, ...rest]);
  });

export const anyScript: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 8, arbitrary: script },
  { weight: 3, arbitrary: mutated },
  { weight: 1, arbitrary: anyBytes },
);

/** A few characters that are said again and again between a beginning and an end: what may take long to read. */
export type Repetition = readonly [start: string, again: string, end: string];

export const anyRepetition: fc.Arbitrary<Repetition> = fc.tuple(
  fc.oneof(
    fc.constantFrom("#QJ ", "#QJ", "", "#", " ", "#QJ env=A=", "#QJ 'x"),
    key.map((name) => `#QJ ${name}=`),
  ),
  fc.oneof(
    fc.constantFrom("1", "0", ".", "1.", "-", " ", "\t", "\\", "'", '"', "\r", ",", "a,", "="),
    fc.constantFrom("\n", "#\n", "#QJ\n", "#QJ env=A=x\n", "env=A=x ", "#QJ after=a\n", "é"),
    fc.string({ minLength: 1, maxLength: 3 }),
  ),
  fc.constantFrom("", "x", "\n", "'", " ", "s", "\ntrue\n"),
);
