/**
 * How a reader sees a log that has holes (see `store/output.ts`).
 *
 * A finished log is shown without them: position p of the file is the p-th byte that is there. While a job runs, holes
 * grow and new ones come, so what a descriptor has once been shown must stay where it was: each keeps a list of the
 * places where it was led over a hole. `cat` and `tail -f` see every byte that is kept, in order, and are never sent
 * back; whoever seeks back finds what was there.
 */
import type { Hole } from "../store/output.ts";

/** From this position of the file on, the offset in the store is `shift` larger. */
interface Jump {
  readonly position: number;
  readonly shift: number;
}

/** The part of a log that one read may take. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

export class LogView {
  /** In the order of their positions. */
  #jumps: Jump[];
  /** The ends of holes as this reader knows them, by their starts. */
  readonly #known = new Map<number, number>();

  /** `compacted`: the holes that a finished log has when it is opened; empty for a live one. */
  constructor(compacted: readonly Hole[]) {
    let shift = 0;
    this.#jumps = compacted.map(({ start, end }) => {
      const position = start - shift;
      shift += end - start;
      this.#known.set(start, end);
      return { position, shift };
    });
  }

  /** Where in the store to read for `size` bytes at `position` of the file, given the holes of now. */
  extent(position: number, size: number, holes: readonly Hole[]): Extent {
    const shift = this.#jumps.findLast((jump) => jump.position <= position)?.shift ?? 0;
    const wanted = position + shift;
    const offset = this.#skip(wanted, holes);
    if (offset !== wanted) this.#jump(position, offset - position);
    const nextHole = holes.find(({ start }) => start > offset)?.start ?? Infinity;
    return { offset, size: Math.min(size, nextHole - offset) };
  }

  #skip(offset: number, holes: readonly Hole[]): number {
    const hole = holes.find((one) => one.start <= offset && offset < one.end + one.line);
    if (hole === undefined) return offset;
    const isInLine = offset >= hole.end;
    // A line that was put where this reader has read before is shown to it from its beginning.
    if (isInLine && this.#known.get(hole.start) === hole.end) return offset;
    this.#known.set(hole.start, hole.end);
    return hole.end;
  }

  #jump(position: number, shift: number): void {
    this.#jumps = [...this.#jumps.filter((jump) => jump.position < position), { position, shift }];
  }
}
