/** Numbers, names and bytes as nobody reasonable would send them, between reasonable ones. */
import fc from "fast-check";

/** Where 32-bit, 53-bit and 64-bit arithmetic ends, and the dates of JavaScript, in seconds. */
const EDGES: readonly bigint[] = [
  ...[8_640_000_000_000n, 8_640_000_000_001n],
  ...[0n, 1n, 2n, 3n, 7n, 255n, 256n, 4095n, 4096n, 65_535n, 65_536n, 65_537n],
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 31n + 1n, 2n ** 32n - 1n, 2n ** 32n],
  ...[2n ** 52n, 2n ** 52n + 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n],
  ...[2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

const edge = fc.constantFrom(...EDGES);

/** A value of off_t or time_t. */
export const int64 = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt(0n, 300n) },
  { weight: 3, arbitrary: edge.map((n) => BigInt.asIntN(64, n)) },
  { weight: 1, arbitrary: edge.map((n) => BigInt.asIntN(64, -n)) },
  { weight: 1, arbitrary: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) },
);

export const uint64 = fc.oneof(edge, fc.bigInt(0n, 2n ** 64n - 1n));

/** A value of `unsigned` or `int`. */
export const uint32 = fc.oneof(
  { weight: 2, arbitrary: fc.nat(0xff) },
  { weight: 1, arbitrary: edge.map((n) => Number(BigInt.asUintN(32, n))) },
  { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
);

export const int32 = uint32.map((n) => n | 0);

/** A size that the kernel asks for: it has 32 bits in the protocol, though no caller gets more than some pages. */
export const askedSize = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 23, 24, 32, 100, 152, 512, 4096, 131_072) },
  { weight: 2, arbitrary: fc.nat(600) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1) },
);

const encoder = new TextEncoder();

const STRANGE_TEXTS: readonly string[] = [
  ...[".", "..", "...", ".draft", "draft~", "#draft#", "#", "##", "~", " ", "-rf", "a b", "*"],
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "config.json"],
  ...[
    "pending",
    "new-id",
    "jobs",
    "attempts",
    "1.log",
    "01.log",
    "999999999.log",
    "script",
    "wait",
  ],
  ...["a\nb", "\t", "\x1b[31m", "\x7f", "\u0085", "\u009b", "a\rb", "\x01"],
  ...[
    "\u202egnp.sh",
    "\u2066x\u2069",
    "\u200b",
    "\ufeff",
    "\ufeffx",
    "\u2028",
    "\ufffd",
    "\ufffdx",
  ],
  ...["e\u0301", "\u00e9", "\u212b", "\u00c5", "日本語", "😀", "\u{10ffff}", "\u0130", "ß"],
  ...["'); DROP TABLE job; --", "%s%n", "$(id)", "`id`", '"', "'", "\\", "%2e%2e", "..%2f"],
  ...["x".repeat(254), "x".repeat(255), "x".repeat(256), "é".repeat(127), "é".repeat(128)],
  ...["😀".repeat(63), "😀".repeat(64), `${"日".repeat(85)}`, `${"日".repeat(85)}x`],
];

const STRANGE_BYTES: readonly (readonly number[])[] = [
  [0xff],
  [0xff, 0xfe],
  [0x61, 0xff],
  [0x61, 0xc3],
  [0xc3, 0x28],
  [0xed, 0xa0, 0x80],
  [0xed, 0xbf, 0xbf],
  [0xc0, 0xaf],
  [0xe0, 0x80, 0xaf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf0, 0x9f, 0x98],
  [0xef, 0xbf, 0xbd],
  [0xef, 0xbb, 0xbf, 0x61],
  [0x61, 0xef, 0xbf, 0xbe],
  new Array<number>(255).fill(0xff),
  new Array<number>(300).fill(0x80),
  // The kernel sends none of these; names from there end at a NUL and have no slash.
  [],
  [0x2f],
  [0x61, 0x2f, 0x62],
  [0x2e, 0x2e, 0x2f, 0x78],
];

const byte = fc.integer({ min: 1, max: 255 });

/** Bytes of a name, 0 to 300, without a NUL. */
export const strangeName: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...STRANGE_TEXTS).map((text) => encoder.encode(text)) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...STRANGE_BYTES).map((bytes) => Uint8Array.from(bytes)),
  },
  {
    weight: 2,
    arbitrary: fc.array(byte, { maxLength: 300 }).map((bytes) => Uint8Array.from(bytes)),
  },
  {
    weight: 1,
    arbitrary: fc.string({ unit: "binary", maxLength: 100 })
      .map((text) => encoder.encode(text.replaceAll("\0", ""))),
  },
);

/** Any bytes, short ones mostly. */
export const anyBytes: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.nat(70_000).map((size) => new Uint8Array(size).fill(0x41)) },
).map((bytes) => bytes.slice());

/** Bytes as one can read them: text where it is some. */
export function showBytes(bytes: Uint8Array): string {
  const part = bytes.subarray(0, 400);
  const text = Array.from(part, (code) => {
    const char = String.fromCharCode(code);
    return /[\x20-\x5b\x5d-\x7e]/.test(char) ? char : `\\x${code.toString(16).padStart(2, "0")}`;
  }).join("");
  return bytes.length > part.length ? `"${text}"… (${bytes.length} bytes)` : `"${text}"`;
}
