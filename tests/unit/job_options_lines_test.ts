/** Where `#QJ` lines may stand in a script, how they are divided into words, and reading from the head of a script. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  InvalidOptions,
  type JobOptions,
  MoreNeeded,
  parseOptions,
} from "../../store/job_options.ts";
import { bytes } from "./store_fixture.ts";

function parse(script: string | Uint8Array, isWhole = true): JobOptions {
  return parseOptions(typeof script === "string" ? bytes(script) : script, isWhole);
}

function fault(script: string): string {
  try {
    parse(script);
  } catch (error) {
    if (error instanceof InvalidOptions) return error.message;
    throw error;
  }
  return "none";
}

const NICE = { nice: 5 };
/** Scripts whose options are `nice=5` and no others. */
const FOUND: Readonly<Record<string, string>> = {
  "in the first line": "#QJ nice=5\ntrue\n",
  "without a last newline": "#QJ nice=5",
  "after a shebang": "#!/bin/sh\n#QJ nice=5\n",
  "after comments and blank lines": "# a\n\n  \t\n\t # b\n#\n#QJ nice=5\ntrue\n",
  "with blanks around": " \t#QJ \t nice=5 \t \ntrue\n",
  "with ends of lines of another system": "#!/bin/sh\r\n\r\n# a\r\n#QJ nice=5\r\ntrue\r\n",
  "before an empty one": "#QJ nice=5\n#QJ\n#QJ \t\n",
  "and end at the first command": "#QJ nice=5\ntrue\n#QJ nice=7 nonsense\n",
  "and end at a command behind blanks": "#QJ nice=5\n  : x\n#QJ nonsense\n",
  "and not in comments that look alike":
    "# QJ nice=7\n#QJnice=7\n#QJx\n#qj nice=7\n##QJ nice=7\n#QJ nice=5",
  "after a comment with separators of Unicode": "# a\u2028b\u2029c\u0085d\n#QJ nice=5\n",
  "after a comment with a carriage return": "# a\rb\n#QJ nice=5\n",
  "after a comment with a NUL": "# a\0b\n#QJ nice=5\n",
};

for (const [where, script] of Object.entries(FOUND)) {
  Deno.test(`options stand ${where}`, () => assert.deepEqual(parse(script), NICE));
}

for (
  const script of [
    "",
    "\n",
    "true\n#QJ nice=5\n",
    "\uFEFF#QJ nice=5\n",
    "x #QJ nice=5\n",
    "\v#QJ nice=5\n",
  ]
) {
  Deno.test(`${JSON.stringify(script)} has no options`, () => assert.deepEqual(parse(script), {}));
}

Deno.test("options stand after comments that are not UTF-8", () => {
  const script = new Uint8Array([0x23, 0xff, 0xfe, 0x0a, ...bytes("#QJ nice=5\n")]);
  assert.deepEqual(parse(script), NICE);
});

Deno.test("options on many lines and on one are the same", () => {
  const many = parse(
    "#QJ timeout=1m\n#QJ attempts=2\n\n#QJ after=a\n#QJ after=b env=A=1\n#QJ env=B=2\n",
  );
  assert.deepEqual(many, parse("#QJ timeout=1m attempts=2 after=a,b env=A=1 env=B=2"));
});

Deno.test("what is given twice on different lines is refused", () => {
  assert.equal(fault("#QJ nice=5\n#QJ nice=5\n"), "line 2: nice is given twice");
  assert.match(fault("#QJ at=2027-01-01\n\n#QJ delay=5\n"), /^line 3: at and delay/);
});

Deno.test("a message gives the number of the line", () => {
  assert.equal(fault("#!/bin/sh\n# a\n\n#QJ x\n"), 'line 4: unknown option "x"');
  assert.equal(fault("\r\n#QJ x\r\n"), 'line 2: unknown option "x"');
  assert.match(fault("#QJ nice=1\n#QJ priority=1\n#QJ timeout=x"), /^line 3: timeout must/);
});

const WORDS: Readonly<Record<string, string>> = {
  'env=A="two words"': "two words",
  "env=A='two words'": "two words",
  '"env=A=two words"': "two words",
  "e\"n\"v=A=two' 'words": "two words",
  "env=A=two\\ words": "two words",
  'env=A="it\'s"': "it's",
  "env=A='\"'": '"',
  'env=A="a\\nb"': "a\\nb",
  "env=A='a\\'": "a\\",
  "env=A=a\\\\b": "a\\b",
  "env=A=a\\": "a\\",
  'env=A=\\"': '"',
  'env=A=""': "",
  'env=A=""b""': "b",
  "env=A=$HOME`x`$(y)*": "$HOME`x`$(y)*",
  "env=A=a#b": "a#b",
  "env=A=\u00a0": "\u00a0",
  "env=A=é😀": "é😀",
  "env=A=\u2028": "\u2028",
  'env=A="\t"': "\t",
};

for (const [word, value] of Object.entries(WORDS)) {
  Deno.test(`the word ${word} gives ${JSON.stringify(value)}`, () => {
    assert.deepEqual(parse(`#QJ nice=5 ${word}\n`), { env: { A: value }, nice: 5 });
  });
}

Deno.test("a quote that is not closed is refused, also when the next line has one", () => {
  assert.equal(fault('#QJ env=A="x\n#QJ env=B=y"\n'), 'line 1: a " is not closed');
  assert.equal(fault("#QJ env=A='x\n"), "line 1: a ' is not closed");
});

Deno.test("an empty word is no option", () => assert.match(fault('#QJ ""'), /unknown option ""/));

Deno.test("a head that ends before the first command needs more", () => {
  for (const head of ["", "#", "#QJ nice=5", "#QJ nice=5\n", "# a\n\n", "#!/bin/sh", "tru"]) {
    assert.throws(() => parse(head, false), MoreNeeded, JSON.stringify(head));
  }
  assert.deepEqual(parse("#QJ nice=5\ntrue\n", false), NICE);
});

Deno.test("a line of megabytes is read", () => {
  const value = "x".repeat(3_000_000);
  assert.equal(parse(`#QJ env=A=${value}\ntrue\n`).env?.["A"]?.length, value.length);
  assert.deepEqual(parse(`# ${value}\n#QJ nice=5\n`), NICE);
});

/** What comes of reading: the options, or how it failed. */
function verdict(script: Uint8Array, isWhole: boolean): JobOptions | string {
  try {
    return parseOptions(script, isWhole);
  } catch (error) {
    if (error instanceof MoreNeeded) return "more";
    if (error instanceof InvalidOptions) return error.message;
    throw error;
  }
}

const PARTS = [
  ..."#QJ \t\n\r\\\"'=,é\0".split(""),
  ...["#QJ ", "\n#QJ ", "nice=5", "after=a,b", "env=A=b", "true\n", "keep-children", "#!/bin/sh\n"],
].map((part) => [...bytes(part)]);
const script = fc.array(
  fc.oneof(fc.constantFrom(...PARTS), fc.uint8Array({ maxLength: 3 }).map((some) => [...some])),
  { maxLength: 25 },
).map((parts) => new Uint8Array(parts.flat()));

Deno.test("parseOptions() has a verdict on any bytes", () => {
  fc.assert(
    fc.property(script, fc.boolean(), (data, isWhole) => {
      const result = verdict(data, isWhole);
      if (isWhole) assert.notEqual(result, "more");
    }),
    { numRuns: 2000, seed: 1 },
  );
});

Deno.test("parseOptions() of a head says the same as of the whole, or that it needs more", () => {
  fc.assert(
    fc.property(script, (data) => {
      const whole = verdict(data, true);
      for (let cut = 0; cut <= data.length; cut++) {
        const head = verdict(data.subarray(0, cut), false);
        if (head !== "more") assert.deepEqual(head, whole);
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});
