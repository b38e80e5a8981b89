/** What the keys of `#QJ` lines take, and what they say of what they do not. */
import assert from "node:assert/strict";
import { InvalidOptions, OPTION_NAMES, optionsOf, parseOptions } from "../../store/job_options.ts";
import { bytes } from "./store_fixture.ts";

function parse(line: string) {
  return parseOptions(bytes(`#QJ ${line}\n`), true);
}

/** Why a line is refused, without its number. */
function fault(line: string): string {
  try {
    parse(line);
  } catch (error) {
    assert.ok(error instanceof InvalidOptions, String(error));
    return error.message.replace(/^line 1: /, "");
  }
  return assert.fail(`${line} was taken`);
}

const TIME = "must be a time of at most a year, like 90, 90s, 15m, 2h or 1d";
const GOOD: Readonly<Record<string, Record<string, unknown>>> = {
  "timeout=60": { timeoutSec: 60 },
  "timeout=0": { timeoutSec: 0 },
  "timeout=0.5": { timeoutSec: 0.5 },
  "timeout=.5m": { timeoutSec: 30 },
  "timeout=90s": { timeoutSec: 90 },
  "timeout=15m": { timeoutSec: 900 },
  "timeout=1.5h": { timeoutSec: 5400 },
  "timeout=365d": { timeoutSec: 31_536_000 },
  "attempts=1": { maxAttempts: 1 },
  "attempts=1000000": { maxAttempts: 1_000_000 },
  "backoff-base=5": { backoffBase: 5 },
  "backoff-base=2m": { backoffBase: 120 },
  "backoff-base=0": { backoffBase: 0 },
  "backoff-mult=0": { backoffMult: 0 },
  "backoff-mult=1.5": { backoffMult: 1.5 },
  "backoff-mult=1000": { backoffMult: 1000 },
  "priority=10": { priority: 10 },
  "priority=+10": { priority: 10 },
  "priority=-1000": { priority: -1000 },
  "priority=1000": { priority: 1000 },
  "delay=90s": { delayMs: 90_000 },
  "delay=0.0001": { delayMs: 1 },
  "after=a": { after: ["a"] },
  "after=a,b,a": { after: ["a", "b"] },
  "after=b,a after=c,b": { after: ["b", "a", "c"] },
  "after=é,..": { after: ["é", ".."] },
  "queue=video": { queue: "video" },
  "queue=0": { queue: "0" },
  "queue=a.b_c-D9": { queue: "a.b_c-D9" },
  "on-lost=fail": { onLost: "fail" },
  "on-lost=retry": { onLost: "retry" },
  "cwd=/": { cwd: "/" },
  "cwd=/srv/a=b": { cwd: "/srv/a=b" },
  "env=A=": { env: { A: "" } },
  "env=_a1=b=c": { env: { _a1: "b=c" } },
  "env=A=1 env=B=2 env=A=3": { env: { A: "3", B: "2" } },
  "env=QJ=1": { env: { QJ: "1" } },
  "nice=-20": { nice: -20 },
  "nice=19": { nice: 19 },
  "keep-children": { keepChildren: true },
  [`queue=${"q".repeat(64)}`]: { queue: "q".repeat(64) },
};

for (const [line, options] of Object.entries(GOOD)) {
  Deno.test(`parseOptions() takes ${line}`, () => assert.deepEqual(parse(line), options));
}

const BAD: Readonly<Record<string, string>> = {
  "timeout=": `timeout ${TIME}, not ""`,
  "timeout=-1": `timeout ${TIME}, not "-1"`,
  "timeout=1w": `timeout ${TIME}, not "1w"`,
  "timeout=1M": `timeout ${TIME}, not "1M"`,
  "timeout=1e3": `timeout ${TIME}, not "1e3"`,
  "timeout=s": `timeout ${TIME}, not "s"`,
  "timeout=1h30m": `timeout ${TIME}, not "1h30m"`,
  "timeout=366d": `timeout ${TIME}, not "366d"`,
  "timeout=31536001": `timeout ${TIME}, not "31536001"`,
  "backoff-base=x": `backoff-base ${TIME}, not "x"`,
  "delay=9999999999999d": `delay ${TIME}, not "9999999999999d"`,
  "attempts=0": 'attempts must be a whole number from 1 to 1000000, not "0"',
  "attempts=1.5": 'attempts must be a whole number from 1 to 1000000, not "1.5"',
  "attempts=1000001": 'attempts must be a whole number from 1 to 1000000, not "1000001"',
  "attempts=0x10": 'attempts must be a whole number from 1 to 1000000, not "0x10"',
  "attempts=Infinity": 'attempts must be a whole number from 1 to 1000000, not "Infinity"',
  "backoff-mult=-1": 'backoff-mult must be a number from 0 to 1000, not "-1"',
  "backoff-mult=1001": 'backoff-mult must be a number from 0 to 1000, not "1001"',
  "backoff-mult=NaN": 'backoff-mult must be a number from 0 to 1000, not "NaN"',
  "priority=1001": 'priority must be a whole number from -1000 to 1000, not "1001"',
  "priority=-1001": 'priority must be a whole number from -1000 to 1000, not "-1001"',
  "priority=high": 'priority must be a whole number from -1000 to 1000, not "high"',
  "priority= 5": 'priority must be a whole number from -1000 to 1000, not ""',
  "after=": 'after must be names of jobs, divided by commas, not ""',
  "after=a,": 'after must be names of jobs, divided by commas, not "a,"',
  "after=,a": 'after must be names of jobs, divided by commas, not ",a"',
  "on-lost=never": 'on-lost must be fail or retry, not "never"',
  "cwd=srv": 'cwd must be an absolute path, not "srv"',
  "cwd=": 'cwd must be an absolute path, not ""',
  "cwd=~/x": 'cwd must be an absolute path, not "~/x"',
  "cwd=/a\0b": 'cwd must not have a NUL byte, not "/a\\u0000b"',
  "env=A": 'env must be NAME=VALUE, not "A"',
  "env==x": 'env must be NAME=VALUE, not "=x"',
  "env=1A=x": 'env must be NAME=VALUE, not "1A=x"',
  "env=A-B=x": 'env must be NAME=VALUE, not "A-B=x"',
  "env=QJ_JOB=x": 'env must not set a variable whose name begins with QJ_, not "QJ_JOB=x"',
  "nice=20": 'nice must be a whole number from -20 to 19, not "20"',
  "nice=-21": 'nice must be a whole number from -20 to 19, not "-21"',
  "keep-children=yes": "keep-children takes no value",
  "keep-children=": "keep-children takes no value",
  "timeout": "timeout needs a value, as in timeout=…",
  "after a": "after needs a value, as in after=…",
  "time-out=5": 'unknown option "time-out"',
  "Timeout=5": 'unknown option "Timeout"',
  "=5": 'unknown option ""',
  "toString=5": 'unknown option "toString"',
  "__proto__=5": 'unknown option "__proto__"',
  "timeout=5 timeout=5": "timeout is given twice",
  "keep-children keep-children": "keep-children is given twice",
  "delay=5 at=2027-01-01": "at and delay cannot both be given",
  [`${"x".repeat(99)}=1`]: `unknown option "${"x".repeat(60)}…"`,
};

for (const [line, message] of Object.entries(BAD)) {
  Deno.test(`parseOptions() refuses ${JSON.stringify(line.slice(0, 40))}`, () => {
    assert.equal(fault(line), message);
  });
}

for (const name of ["", ".a", "-a", "_a", "a b", "a/b", "é", "__proto__", "q".repeat(65)]) {
  Deno.test(`parseOptions() refuses ${JSON.stringify(name.slice(0, 9))} as a queue`, () => {
    assert.match(fault(`queue="${name}"`), /^queue must be 1 to 64 letters, digits, dots, dashes/);
  });
}

Deno.test("parseOptions() keeps a variable of any name, over the state file too", () => {
  const options = parse("env=__proto__=x env=constructor=y");
  const stored = optionsOf({ options: JSON.stringify(options) });
  for (const { env } of [options, stored]) {
    assert.deepEqual(Object.entries(env!), [["__proto__", "x"], ["constructor", "y"]]);
  }
});

Deno.test("parseOptions() reads thousands of names and variables in a moment", () => {
  const numbers = Array.from({ length: 30_000 }, (_, i) => i);
  const started = performance.now();
  const { after, env } = parse(numbers.map((i) => `after=a${i} env=A${i}=`).join(" "));
  assert.deepEqual([after?.length, Object.keys(env!).length], [30_000, 30_000]);
  assert.ok(performance.now() - started < 3000);
});

Deno.test("optionsOf() of a script that was not read is nothing", () => {
  assert.deepEqual(optionsOf({ options: null }), {});
});

Deno.test("OPTION_NAMES are those that the manual tells of", async () => {
  const manual = await Deno.readTextFile(new URL("../../qj.5.scd", import.meta.url));
  const told = [...manual.matchAll(/^\|[ ]{2}([a-z-]+)(?:=\S+)?\n:[ ]{2}/gm)].map(([, name]) =>
    name
  );
  const all = new Set(told);
  for (const name of OPTION_NAMES) assert.ok(all.has(name), name);
  assert.equal(OPTION_NAMES.length, 14);
});

Deno.test("a number of very many digits takes no longer than other words", () => {
  for (const option of ["timeout", "attempts", "delay"]) {
    const since = performance.now();
    const script = bytes(`#QJ ${option}=${"1".repeat(1_000_000)}x`);
    assert.throws(() => parseOptions(script, true), InvalidOptions);
    assert.ok(performance.now() - since < 5000, option);
  }
});

Deno.test("zero has no sign", () => {
  assert.deepEqual(parse("nice=-0 priority=-0 backoff-mult=-0"), {
    nice: 0,
    priority: 0,
    backoffMult: 0,
  });
});
