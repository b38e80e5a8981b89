/** Texts that somebody may write into config.json, from valid documents to noise, and how they come. */
import fc from "fast-check";
import { DEFAULT_SETTINGS } from "../../store/settings.ts";
import { anyBytes } from "./hostile.ts";

const encoder = new TextEncoder();
const KEYS = [...Object.keys(DEFAULT_SETTINGS), "__proto__", "constructor", "Paused", ""] as const;

const NUMBERS = [
  ...["0", "-0", "1", "-1", "1.5", "1e3", "1E+2", "1e309", "-1e309", "1e-400", "9007199254740993"],
  ...["31536001", "10001", "01", "+1", "1.", ".5", "0x10", "NaN", "Infinity", "-", "1e", "1_000"],
];
const TEXTS = [
  ...['""', '"nice"', '"é 日 😀"', '"\\ud800"', '"\\u0000"', '"\\n"', '"\u2028"', '"\\x"', "'x'"],
  ...[`"${"x".repeat(5000)}"`, '"\\u00e9"', '"\u009b31m"', '"\\"'],
];
const OTHERS = [
  ...["null", "true", "false", "[]", "{}", "[1]", '["nice", "-n", "10"]', '[""]', "[null]"],
  ...['{"video": {"max_job_count": 1}}', '{"__proto__": {"max_job_count": 1}}', "undefined"],
  ...['{"a": {"max_job_count": 1, "__proto__": 1}}', '{"a": {}}', '{"a b": {"max_job_count": 1}}'],
  ...['{"a": {"max_job_count": 1}, "a": {"max_job_count": 2}}', "// x", "/* x */ 1"],
  ...["[".repeat(31) + "]".repeat(31), "[".repeat(33) + "]".repeat(33), "[".repeat(20_000)],
  ...['{"x":'.repeat(40) + "1" + "}".repeat(40), "tru", "nul"],
];

const value = fc.oneof(
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(...TEXTS),
  fc.constantFrom(...OTHERS),
  fc.json(),
);
const goodValue = fc.constantFrom("0", "1", "5", "null", "true", "[]", "{}", '["é"]', '"é日😀 x"');
const key = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...KEYS).map((name) => JSON.stringify(name)) },
  { weight: 1, arbitrary: fc.constantFrom('"pa\\u0075sed"', '"\\u005f_proto__"', "paused", "1") },
  { weight: 1, arbitrary: fc.string().map((name) => JSON.stringify(name)) },
);
const space = fc.constantFrom("", "", "", " ", "\n", "\t", "\r\n", "\u00a0", "\ufeff", "\v");

function object(members: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(fc.array(members, { maxLength: 6 }), space, space, space)
    .map(([all, before, between, after]) =>
      `${before}{${between}${all.join(`,${between}`)}${between}}${after}`
    );
}

/** Most of these are valid. */
const reasonable = object(
  fc.oneof(
    fc.tuple(key, goodValue).map(([name, text]) => `${name}: ${text}`),
    fc.constantFrom(
      '"on_complete": "echo é日😀"',
      '"wrapper": ["ü", "日本"]',
      '"timeout_sec": 1.5e1',
    ),
    fc.nat(9).map((n) => `"max_attempts": ${n}`),
  ),
);
const GOOD = [
  ...['"max_attempts": 5', '"timeout_sec": 1.5e1', '"max_job_count": 0', '"backoff_jitter": 1e-1'],
  ...[
    '"retain_failed_sec": null',
    '"replace_finished": true',
    '"wrapper": ["ü", "日本", "\\u00e9"]',
  ],
  ...['"queues": {"video": {"max_job_count": 1}}', '"on_complete": "echo é日😀"', '"paused":false'],
  ...['"on_failed":"\\ud83d\\ude00 \\ud800 \\t\\\\"', '"pa\\u0075sed": true', '"queues": {}'],
];
/** All of these are, but for a key that comes twice. */
const valid = object(fc.constantFrom(...GOOD));
const strange = object(fc.tuple(key, value).map(([name, text]) => `${name}:${text}`));

const manyKeys = fc.nat(6000).map((n) =>
  `{${Array.from({ length: n }, (_, i) => `"${i.toString(36)}":1`).join(",")}}`
);

const text: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 6, arbitrary: valid },
  { weight: 4, arbitrary: reasonable },
  { weight: 6, arbitrary: strange },
  { weight: 1, arbitrary: value },
  { weight: 1, arbitrary: manyKeys },
).map((document) => encoder.encode(document));

interface Mutation {
  readonly at: number;
  readonly cut: number;
  readonly insert: Uint8Array;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(),
  cut: fc.nat(3),
  insert: fc.oneof(
    fc.constantFrom('"', "{", "}", "[", "]", ",", ":", "\\", "\0", "/", "-", "e", "\ufeff")
      .map((char) => encoder.encode(char)),
    fc.uint8Array({ maxLength: 3 }),
  ),
});

function mutate(document: Uint8Array, { at, cut, insert }: Mutation): Uint8Array {
  const place = at % (document.length + 1);
  const rest = document.subarray(place + cut);
  return Uint8Array.from([...document.subarray(0, place), ...insert, ...rest]);
}

/** What somebody may write into config.json. */
export const anyDocument: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 6, arbitrary: text },
  {
    weight: 4,
    arbitrary: fc.tuple(text, fc.array(mutation, { minLength: 1, maxLength: 3 }))
      .map(([document, mutations]) => mutations.reduce(mutate, document)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(text, fc.nat()).map(([document, at]) =>
      document.subarray(0, at % (document.length + 1))
    ),
  },
  { weight: 1, arbitrary: anyBytes },
);

/** Between all bytes of a text that is not long. */
const EVERYWHERE = Array.from({ length: 200 }, (_, i) => i / 200);

/** Where a text is cut into writes, as shares of its length. */
export const anyCuts: fc.Arbitrary<readonly number[]> = fc.oneof(
  fc.constant(EVERYWHERE),
  fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
);

/** A text in pieces. */
export function pieces(document: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((share) => Math.floor(share * document.length)).sort((a, b) => a - b);
  const ends = [...places, document.length];
  return ends.map((end, i) => document.subarray(ends[i - 1] ?? 0, end))
    .filter((piece) => piece.length > 0);
}
