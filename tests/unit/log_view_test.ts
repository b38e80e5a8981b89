import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesToHole, offsetOf, skipHole } from "../../fs/log_view.ts";
import type { Hole } from "../../store/output.ts";

const HOLES: readonly Hole[] = [{ start: 10, end: 20 }, { start: 30, end: 35 }];

/** Holes with at least one byte before, between and behind them. */
const holesArbitrary = fc.array(
  fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
  {
    maxLength: 4,
  },
).map((pairs) => {
  let at = 0;
  return pairs.map(([gap, length]) => {
    const start = at + gap;
    at = start + length;
    return { start, end: at };
  });
});

function inHole(offset: number, holes: readonly Hole[]): boolean {
  return holes.some(({ start, end }) => start <= offset && offset < end);
}

Deno.test("offsetOf() counts the bytes that are there", () => {
  assert.deepEqual([0, 9, 10, 19, 20, 21].map((p) => offsetOf(p, HOLES)), [0, 9, 20, 29, 35, 36]);
  fc.assert(
    fc.property(holesArbitrary, (holes) => {
      const there = Array.from({ length: 100 }, (_, i) => i).filter((o) => !inHole(o, holes));
      there.forEach((offset, position) => assert.equal(offsetOf(position, holes), offset));
    }),
    { seed: 1 },
  );
});

Deno.test("skipHole() goes behind a hole and leaves everything else", () => {
  assert.deepEqual([9, 10, 15, 19, 20, 30, 34].map((o) => skipHole(o, HOLES)), [
    9,
    20,
    20,
    20,
    20,
    35,
    35,
  ]);
});

Deno.test("bytesToHole() is how far a read may go", () => {
  assert.deepEqual([0, 9, 20, 29].map((o) => bytesToHole(o, HOLES)), [10, 1, 10, 1]);
  assert.equal(bytesToHole(35, HOLES), Infinity);
  assert.equal(bytesToHole(0, []), Infinity);
});
