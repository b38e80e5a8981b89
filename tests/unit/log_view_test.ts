import assert from "node:assert/strict";
import fc from "fast-check";
import { LogView } from "../../fs/log_view.ts";
import type { Hole } from "../../store/output.ts";

const FIRST: Hole = { start: 100, end: 200, line: 40 };
const SECOND: Hole = { start: 400, end: 1400, line: 42 };

/** Reads piece by piece from `position` to `end` of the store; returns the offsets in the order in which they come. */
function offsetsRead(
  view: LogView,
  holes: readonly Hole[],
  end: number,
  options: { readonly position?: number; readonly piece?: number } = {},
): number[] {
  const { piece = 64 } = options;
  const offsets: number[] = [];
  for (let position = options.position ?? 0;;) {
    const extent = view.extent(position, piece, holes);
    const size = Math.min(extent.size, end - extent.offset);
    if (size <= 0) return offsets;
    for (let i = 0; i < size; i++) offsets.push(extent.offset + i);
    position += size;
  }
}

function present(holes: readonly Hole[], end: number): number[] {
  return Array.from({ length: end }, (_, i) => i)
    .filter((offset) => !holes.some((hole) => hole.start <= offset && offset < hole.end));
}

/** Holes with room before, and room for their line behind. */
const holesArbitrary = fc.array(
  fc.tuple(fc.integer({ min: 80, max: 300 }), fc.integer({ min: 1, max: 5000 })),
  { maxLength: 4 },
).map((pairs) => {
  let at = 0;
  return pairs.map(([gap, length]) => {
    const start = at + gap;
    at = start + length;
    return { start, end: at, line: 40 };
  });
});

Deno.test("LogView shows every byte that is there once, of a finished log and of a live one", () => {
  fc.assert(
    fc.property(
      holesArbitrary,
      fc.integer({ min: 1, max: 500 }),
      fc.boolean(),
      (holes, piece, live) => {
        const end = (holes.at(-1)?.end ?? 0) + 200;
        const view = new LogView(live ? [] : holes);
        assert.deepEqual(offsetsRead(view, holes, end, { piece }), present(holes, end));
      },
    ),
    { seed: 1, numRuns: 60 },
  );
});

Deno.test("LogView finds any position of a finished log without reading what is before", () => {
  const holes = [FIRST, SECOND];
  const offsets = present(holes, 2000);
  for (const position of [0, 99, 100, 150, 299, 300, 301, 700]) {
    const view = new LogView(holes);
    assert.equal(view.extent(position, 1, holes).offset, offsets[position]);
  }
});

Deno.test("LogView lets a reader of a live log go back to where it was", () => {
  const view = new LogView([]);
  offsetsRead(view, [FIRST], 600);
  assert.deepEqual(view.extent(0, 64, [FIRST]), { offset: 0, size: 64 });
  assert.deepEqual(view.extent(90, 64, [FIRST]), { offset: 90, size: 10 });
  assert.equal(view.extent(100, 64, [FIRST]).offset, 200);
  assert.equal(view.extent(150, 64, [FIRST]).offset, 250);
});

Deno.test("LogView leads a reader that is overtaken to the line that says so, from its beginning", () => {
  const view = new LogView([]);
  const before = offsetsRead(view, [FIRST], 300);
  // It has read up to 300. The hole grows so that 300 is inside the new line.
  const grown = { start: 100, end: 265, line: 40 };
  const next = view.extent(before.length, 64, [grown]);
  assert.equal(next.offset, grown.end);
  // What follows is read from there on, and once.
  assert.equal(view.extent(before.length + 10, 64, [grown]).offset, grown.end + 10);
});

Deno.test("LogView of a finished log goes on when the job runs again and drops output", () => {
  const view = new LogView([FIRST]);
  const first = offsetsRead(view, [FIRST], 400);
  const rest = offsetsRead(view, [FIRST, SECOND], 1600, { position: first.length });
  assert.deepEqual([...first, ...rest], present([FIRST, SECOND], 1600));
});
