/** `#QJ` lines: options within their limits, or a line with its number and a reason in one line, and never anything else. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidOptions, MoreNeeded, OPTION_NAMES, parseOptions } from "../../store/job_options.ts";
import { LIMITS } from "../../store/limits.ts";
import { cases } from "./settings.ts";

const encode = (text: string) => new TextEncoder().encode(text);

const key = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...OPTION_NAMES) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
);
const value = fc.oneof(
  fc.constantFrom("60", "90s", "1d", "-1", "1e9", "1001", "2027-01-01T03:00", "2027-02-30T03:00Z"),
  fc.constantFrom("A=B", '"two words"', '"open', "a,b,,c", "/srv/x", "fail", "", "NaN", "0x10"),
  fc.constantFrom("2027-01-01T03:00+14:00", "99999999999999999999d", "a".repeat(300), "\u202e"),
  fc.integer().map(String),
  fc.double().map(String),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const word = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(key, value).map(([name, text]) => `${name}=${text}`) },
  { weight: 1, arbitrary: key },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
);
const line = fc.oneof(
  { weight: 6, arbitrary: fc.array(word, { maxLength: 4 }).map((all) => `#QJ ${all.join(" ")}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", "#", "# QJ timeout=1", "#QJ", "#!/bin/sh", "echo x", "\t#QJ x"),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
);
const script = fc.oneof(
  fc.tuple(fc.array(line, { maxLength: 6 }), fc.constantFrom("\n", "\r\n", "\n\n"))
    .map(([lines, end]) => encode(lines.join(end))),
  fc.uint8Array({ maxLength: 200 }),
);

Deno.test("fuzz: #QJ lines", () => {
  let valid = 0;
  let invalid = 0;
  fc.assert(
    fc.property(script, fc.boolean(), (bytes, isWhole) => {
      try {
        const options = parseOptions(bytes, isWhole);
        valid++;
        const {
          timeoutSec = 0,
          maxAttempts: attempts = 1,
          priority = 0,
          nice = 0,
          atMs = 0,
          delayMs = 0,
        } = options;
        assert(timeoutSec >= 0 && timeoutSec <= LIMITS.maxSeconds);
        assert(Number.isInteger(attempts) && attempts >= 1 && attempts <= LIMITS.maxAttempts);
        assert(Number.isInteger(priority) && Math.abs(priority) <= 1000);
        assert(Number.isInteger(nice) && Math.abs(nice) <= 20);
        for (const ms of [atMs, delayMs]) assert(Number.isSafeInteger(ms) && ms >= 0);
        // As it is kept: nothing is lost on the way.
        assert.deepEqual(JSON.parse(JSON.stringify(options)), options);
      } catch (error) {
        if (error instanceof MoreNeeded) return assert.equal(isWhole, false);
        if (!(error instanceof InvalidOptions)) throw error;
        invalid++;
        assert.match(error.message, /\bline \d+\b/);
        // deno-lint-ignore no-control-regex
        assert.doesNotMatch(error.message, /[\0-\x1f\x7f]/);
        assert(error.message.length < 500, error.message);
      }
    }),
    cases(0.35),
  );
  assert(valid > 0 && invalid > 0, `${valid} valid, ${invalid} invalid`);
});

Deno.test("fuzz: #QJ lines of twice the length take not much more than twice the time", () => {
  const shapes: readonly ((n: number) => string)[] = [
    (n) => "#QJ timeout=1\n".repeat(1) + "# comment\n".repeat(n),
    (n) =>
      `#QJ after=${Array.from({ length: Math.min(n, 900) }, (_, i) => `n${i}`).join()}\n${
        "#\n".repeat(n)
      }`,
    (n) => `#QJ env=A="${"x ".repeat(n)}\n`,
    (n) => `#QJ ${" ".repeat(n)}timeout=x\n`,
    (n) => `#QJ ${"=".repeat(n)}\n`,
    (n) => `#QJ ${'"'.repeat(n)}\n`,
  ];
  const time = (text: string) => {
    const bytes = encode(text);
    const times = Array.from({ length: 5 }, () => {
      const from = performance.now();
      try {
        parseOptions(bytes, true);
      } catch (error) {
        if (!(error instanceof InvalidOptions)) throw error;
      }
      return performance.now() - from;
    });
    return Math.min(...times);
  };
  for (const shape of shapes) {
    const [one, eight] = [time(shape(40_000)), time(shape(320_000))];
    // Quadratic would be 64 times as long. Below a millisecond nothing can be told.
    assert(eight < 30 * Math.max(one, 1), `${shape}: ${one} ms, ${eight} ms`);
  }
});
