/**
 * How a reader sees a log that has holes (see `store/output.ts`).
 *
 * A finished log is shown without them: position p of the file is the p-th byte that is there. While a job runs, holes
 * grow, so a reader of a live log gets the offsets of the store instead, and is led over a hole when it comes to one:
 * `cat` and `tail -f` see every byte that is kept, in order, and are never sent back.
 */
import type { Hole } from "../store/output.ts";

/** The offset in the store of a position in the log without its holes. */
export function offsetOf(position: number, holes: readonly Hole[]): number {
  let offset = position;
  for (const hole of holes) {
    if (offset < hole.start) break;
    offset += hole.end - hole.start;
  }
  return offset;
}

/** Where a live reader that wants `offset` goes on: behind the hole that it would fall into. */
export function skipHole(offset: number, holes: readonly Hole[]): number {
  const hole = holes.find(({ start, end }) => start <= offset && offset < end);
  return hole === undefined ? offset : hole.end;
}

/** How many bytes there are from `offset` before the next hole. */
export function bytesToHole(offset: number, holes: readonly Hole[]): number {
  const next = holes.find(({ start }) => start > offset);
  return next === undefined ? Infinity : next.start - offset;
}
