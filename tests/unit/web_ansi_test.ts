/** Logs as pages show them: colours become classes, everything else that could act is shown or left out. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ansiPieces } from "./ansi_pieces.ts";
import { AnsiReader, type Piece, visibleText } from "../../web/ansi.ts";

/** Pieces with the same look are one. */
function merged(pieces: readonly Piece[]): Piece[] {
  const result: [string, string][] = [];
  for (const [text, classes] of pieces) {
    const last = result.at(-1);
    if (last?.[1] === classes) last[0] += text;
    else result.push([text, classes]);
  }
  return result;
}

function whole(text: string): Piece[] {
  return merged(ansiPieces(text));
}

/** The same text in parts. */
function inParts(...parts: readonly string[]): Piece[] {
  const reader = new AnsiReader();
  const pieces = parts.flatMap((part) => reader.read(part));
  return merged([...pieces, ...reader.read("", true)]);
}

function cutAt(text: string, ...cuts: readonly number[]): string[] {
  const all = [0, ...cuts.toSorted((a, b) => a - b), text.length];
  return all.slice(1).map((end, i) => text.slice(all[i], end));
}

/** The classes of a text after the sequences of these codes. */
function after(...codes: readonly string[]): string {
  const pieces = whole(`${codes.map((code) => `\x1b[${code}m`).join("")}x`);
  assert.equal(pieces.length, 1);
  assert.equal(pieces[0]![0], "x");
  return pieces[0]![1];
}

const LOOKS: readonly (readonly [codes: readonly string[], classes: string])[] = [
  [[""], ""],
  [["0"], ""],
  [["1"], "bold"],
  [["2"], "dim"],
  [["3"], "italic"],
  [["4"], "underline"],
  [["7"], "inverse"],
  [["9"], "strike"],
  [["1;2;3;4;7;9;31;42"], "bold dim italic underline inverse strike f1 b2"],
  [["1", "31"], "bold f1"],
  [["01;031"], "bold f1"],
  [["1;31", "0"], ""],
  [["1;31", ""], ""],
  [["1;31;"], ""],
  [[";1"], "bold"],
  [["1;0;4"], "underline"],
  [["1;2", "22"], ""],
  [["3;1", "23"], "bold"],
  [["4;1", "24"], "bold"],
  [["7;1", "27"], "bold"],
  [["9;1", "29"], "bold"],
  [["31;42", "39"], "b2"],
  [["31;42", "49"], "f1"],
  ...Array.from({ length: 8 }, (_, n) =>
    [
      [[`3${n}`], `f${n}`],
      [[`9${n}`], `f${n + 8}`],
      [[`4${n}`], `b${n}`],
      [[`10${n}`], `b${n + 8}`],
    ] as const).flat(),
  // Of the 256: the 16, the corners of the cube, the greys.
  ...Array.from({ length: 16 }, (_, n) => [[`38;5;${n}`], `f${n}`] as const),
  ...[[16, 0], [196, 9], [46, 10], [226, 11], [21, 12], [201, 13], [51, 14], [231, 15], [124, 1]]
    .map(([n, colour]) => [[`38;5;${n}`], `f${colour}`] as const),
  ...[[232, 0], [244, 8], [250, 7], [255, 15]].map(([n, colour]) =>
    [[`48;5;${n}`], `b${colour}`] as const
  ),
  [["31", "38;5;256"], ""],
  [["38;2;255;0;0"], "f9"],
  [["48;2;0;128;0"], "b2"],
  [["38;2;0;0;0"], "f0"],
  [["38;2;255;255;255"], "f15"],
  [["38;2;999;0;0"], "f9"],
  // What follows a colour is a code of its own again.
  [["38;5;196;1"], "bold f9"],
  [["38;2;255;0;0;48;5;21;4"], "underline f9 b12"],
  // ISO 8613-6 has colons, and a place for a colour space.
  [["38:5:196"], "f9"],
  [["38:2::255:0:0"], "f9"],
  [["1;38:2::255:0:0;4"], "bold underline f9"],
  [["38:2:255:0:0"], "f9"],
  // An underline of another shape, or none.
  [["4:3"], "underline"],
  [["1;4", "4:0"], "bold"],
  // A colour for underlines, which has no class.
  [["58;5;1"], ""],
  [["58;2;1;4;9"], ""],
  [["58:2::1:4:9"], ""],
  [["31;58;5;4;1"], "bold f1"],
  [["5"], ""],
  [["999;10;53"], ""],
  [["31", "?1"], "f1"],
  [["31", ">4;1"], "f1"],
];

Deno.test("SGR becomes classes", () => {
  const wrong = LOOKS.filter(([codes, classes]) => after(...codes) !== classes)
    .map(([codes, classes]) => `${codes.join(" ")}: ${after(...codes)} instead of ${classes}`);
  assert.deepEqual(wrong, []);
});

Deno.test("every colour of the 256, and every other one, is one of the 16", () => {
  for (let n = 0; n < 256; n++) assert.match(after(`38;5;${n}`), /^f(\d|1[0-5])$/, String(n));
  const part = fc.nat(255);
  fc.assert(fc.property(part, part, part, (red, green, blue) => {
    assert.match(after(`48;2;${red};${green};${blue}`), /^b(\d|1[0-5])$/);
  }));
});

const SEQUENCES: Readonly<Record<string, string>> = {
  "a colour": "\x1b[1;38;2;255;0;0;4m",
  "a cursor movement": "\x1b[2J",
  "a private mode": "\x1b[?25l",
  "an intermediate": "\x1b[4 q",
  "a title": "\x1b]0;title\x07",
  "a link": "\x1b]8;;https://example.org/\x1b\\",
  "a title of two lines": "\x1b]0;one\r\ntwo\r\x07",
  "a DCS": "\x1bPq#0;2;0;0;0~~@@\x1b\\",
  "a PM": "\x1b^secret\x1b\\",
  "an APC": "\x1b_Gf=100;AAAA\x1b\\",
  "an SOS": "\x1bXtext\x1b\\",
  "a character set": "\x1b(B",
  "a keypad": "\x1b=",
  "a reset": "\x1bc",
  "an empty OSC": "\x1b]\x07",
};

for (const [what, sequence] of Object.entries(SEQUENCES)) {
  Deno.test(`${what} is left out, wherever it is cut`, () => {
    const text = `before${sequence}after`;
    const expected = whole(text);
    assert.equal(expected.map(([text]) => text).join(""), "beforeafter");
    for (let cut = 0; cut <= text.length; cut++) {
      const parts = cutAt(text, cut);
      assert.deepEqual(inParts(...parts), expected, JSON.stringify(parts));
      assert.deepEqual(inParts(parts[0]!, "", parts[1]!), expected);
    }
    assert.deepEqual(inParts(...text), expected, "character by character");
  });
}

const CONTROL = (text: string, classes = ""): Piece => [text, classes];
/** What is no sequence, and how it is shown. */
const SHOWN: readonly (readonly [text: string, pieces: readonly Piece[]])[] = [
  ["", []],
  ["plain", [["plain", ""]]],
  ["a\tb\nc\n", [["a\tb\nc\n", ""]]],
  ["a\r\nb\r\n", [["a\nb\n", ""]]],
  ["10%\r20%\r", [["10%\n20%\n", ""]]],
  ["a\r\r\nb\n\r", [["a\n\nb\n\n", ""]]],
  ["\0\x01\x07\b\v\f\x0e\x1f\x7f", [["␀␁␇␈␋␌␎␟␡", ""]]],
  ["N\bN", [["N␈N", ""]]],
  ["\x80\x9b31m\x9f", [["\\u0080\\u009b31m\\u009f", ""]]],
  ["a\u202eb\u2066c\u2069\u200e\u061c", [["a\\u202eb\\u2066c\\u2069\\u200e\\u061c", ""]]],
  ["a\u2028b\u2029", [["a\\u2028b\\u2029", ""]]],
  ["é 日本 🎉 \ufffd", [["é 日本 🎉 \ufffd", ""]]],
  ["<b>&amp;", [["<b>&amp;", ""]]],
  ["\x1b", [CONTROL("␛")]],
  ["\x1b\x1b", [CONTROL("␛␛")]],
  ["\x1b[", [CONTROL("␛"), ["[", ""]]],
  ["\x1b[31", [CONTROL("␛"), ["[31", ""]]],
  ["\x1b[3\n1m", [CONTROL("␛"), ["[3\n1m", ""]]],
  ["\x1b[31é", [CONTROL("␛"), ["[31é", ""]]],
  ["\x1b]0;title", [CONTROL("␛"), ["]0;title", ""]]],
  ["\x1b]0;title\x1b", [CONTROL("␛"), ["]0;title", ""], CONTROL("␛")]],
  ["\x1b]0;t\x1b[1mx", [CONTROL("␛"), ["]0;t", ""], ["x", "bold"]]],
  ["\x1b\n", [CONTROL("␛"), ["\n", ""]]],
  ["\x1b\x7f", [CONTROL("␛"), ["␡", ""]]],
  ["\x1bé", [CONTROL("␛"), ["é", ""]]],
  ["\x1b[1ma\x1bPb", [["a", "bold"], CONTROL("␛", "bold"), ["Pb", "bold"]]],
  ["a\r\x1b[1m\nb", [["a\n", ""], ["\nb", "bold"]]],
];

Deno.test("what is no sequence is shown, wherever it is cut", () => {
  for (const [text, unmerged] of SHOWN) {
    const pieces = merged(unmerged);
    assert.deepEqual(whole(text), pieces, JSON.stringify(text));
    for (let cut = 0; cut <= text.length; cut++) {
      const parts = cutAt(text, cut);
      assert.deepEqual(inParts(...parts), pieces, JSON.stringify(parts));
    }
    assert.deepEqual(inParts(...text.split("")), pieces, JSON.stringify(text));
  }
});

Deno.test("a part tells all but what it may have begun", () => {
  for (const text of ["a", "a\x1b[1mb", "a\x1b]0;t\x07", "a\n", "a\x1b(B", "\x1b\\a"]) {
    assert.deepEqual(merged(new AnsiReader().read(text)), whole(text), JSON.stringify(text));
  }
  for (
    const begun of ["\x1b", "\x1b[", "\x1b[1;", "\x1b[1 ", "\x1b]0;t", "\x1bPq\x1b", "\x1b(", "\r"]
  ) {
    assert.deepEqual(new AnsiReader().read(`a${begun}`), [["a", ""]], JSON.stringify(begun));
  }
});

Deno.test("a sequence of any length is the same in parts", () => {
  for (const length of [4000, 4095, 4096, 4097, 5000, 70_000]) {
    for (
      const text of [
        `a\x1b]52;c;${"A".repeat(length)}\x07b`,
        `a\x1bPq${"~".repeat(length)}\x1b\\b`,
        `a\x1b[${"1;".repeat(length / 2)}mb`,
        `a\x1b]${"A".repeat(length)}`,
      ]
    ) {
      const expected = whole(text);
      for (const cut of [1, 2, 3, 2000, 4095, 4096, 4097, 4098, 4099, 4100, length, length + 2]) {
        if (cut > text.length) continue;
        assert.deepEqual(inParts(...cutAt(text, cut)), expected, `${length} at ${cut}`);
      }
      assert.deepEqual(inParts(...cutAt(text, 1500, 3000, 4500)), expected);
    }
  }
});

const atoms = fc.oneof(
  fc.constantFrom(
    ...[
      "\x1b",
      "\x1b[",
      "\x1b]",
      "\x1bP",
      "\x1b\\",
      "\x07",
      "\r",
      "\n",
      "\r\n",
      "\t",
      "m",
      "1;",
      "31m",
    ],
    ...[
      "38;5;9m",
      "38:2::1:2:3m",
      "0",
      "?",
      " ",
      "(",
      "B",
      "a",
      "\b",
      "\x9b",
      "\u202e",
      "🎉",
      "\0",
    ],
    ...Object.values(SEQUENCES),
  ),
  fc.string({ maxLength: 3, unit: "binary" }),
);
const texts = fc.array(atoms, { maxLength: 20 }).map((parts) => parts.join(""));

Deno.test("pieces have no control characters but line feeds and tabs, and are the same in parts", () => {
  // deno-lint-ignore no-control-regex
  const raw = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
  const names = /^(|(bold|dim|italic|underline|inverse|strike|[fb](\d|1[0-5]))( (?!$)|$))+$/;
  fc.assert(
    fc.property(texts, fc.array(fc.nat(60), { maxLength: 4 }), (text, cuts) => {
      const pieces = whole(text);
      for (const [text, classes] of pieces) {
        assert.doesNotMatch(text, raw);
        assert.match(classes, names);
        assert.notEqual(text, "");
      }
      const parts = cutAt(text, ...cuts.map((cut) => Math.min(cut, text.length)));
      assert.deepEqual(inParts(...parts), pieces, JSON.stringify(parts));
    }),
    { numRuns: 3000 },
  );
});

Deno.test("visibleText() keeps tabs and shows all else that could act", () => {
  assert.equal(visibleText("a\tb\x1b[1m\0\r\u202e\x7f"), "a\tb␛[1m␀␍\\u202e␡");
});

/**
 * That something takes 16 times as long with 16 times as much, more or less, where a square would be 256 times. A machine that
 * does something else meanwhile makes both longer, so the shortest times count.
 */
function assertInProportion(what: string, make: (n: number) => void, n: number): void {
  let [short, long] = [Infinity, Infinity];
  for (let tries = 0; tries < 5; tries++) {
    for (let i = 0; i < 2; i++) short = Math.min(short, took(() => make(n)));
    long = Math.min(long, took(() => make(n * 16)));
    if (long / Math.max(short, 0.5) < 100) return;
  }
  assert.fail(`${JSON.stringify(what)}: ${short} and ${long} ms`);
}

function took(body: () => void): number {
  const before = performance.now();
  body();
  return performance.now() - before;
}

Deno.test("a text of anything takes a time in proportion to its length", () => {
  const repeated = (unit: string, size: number) =>
    assertInProportion(unit, (n) => void ansiPieces(unit.repeat(n / unit.length)), size);
  for (const unit of ["\x1b[", "\x1b]"]) repeated(unit, 16_384);
  for (const unit of ["\x1b", "\x1bP", "\x1b[1", "\x1b(", "\x1b\r", "\r", "\x1b[1m", "\x1b\x1b]"]) {
    repeated(unit, 4096);
  }
  for (const begin of ["\x1b]", "\x1b[", "\x1bP", "\x1b "]) {
    for (const filler of ["1", " ", "a"]) {
      assertInProportion(begin + filler, (n) => void ansiPieces(begin + filler.repeat(n)), 8192);
    }
  }
});

Deno.test("in parts too", () => {
  for (const begin of ["\x1b]", "\x1b[", "\x1b"]) {
    const part = "1".repeat(64);
    assertInProportion(begin, (n) => void inParts(begin, ...Array(n).fill(part)), 64);
  }
});
