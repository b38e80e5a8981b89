/** What the commands are given: few names, so that they meet; scripts whose end is known. */
import fc from "fast-check";
import { type Bytes, bytesOf } from "./bytes.ts";
import type { Directory } from "./model.ts";
import { CLIENTS } from "./world.ts";

const weighted = <T>(...parts: readonly (readonly [number, T])[]) =>
  fc.oneof(...parts.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));

export const client = fc.nat(CLIENTS - 1);
/** Taken modulo the number of open descriptors. */
export const choice = fc.nat(11);
export const directory = weighted<Directory>([6, "pending"], [3, "failed"], [3, "complete"], [
  1,
  "active",
]);

export const name = weighted<Bytes>(
  [8, "a"],
  [8, "b"],
  [5, "c"],
  [3, bytesOf("ü ~1")],
  [3, ".a"],
  [2, "b~"],
  [1, "#c#"],
  [1, "\xff"],
  [1, "new\nline"],
  [1, bytesOf("é").repeat(127) + "x"],
  [1, "x".repeat(256)],
);

/** Where a command goes: to a path, or to one of the jobs that are there then. */
export interface Place {
  readonly directory: Directory;
  readonly name: Bytes;
  /** Taken modulo the number of jobs; null: the path. */
  readonly choice: number | null;
}

export const place: fc.Arbitrary<Place> = fc.record({
  directory,
  name,
  choice: fc.option(fc.nat(5), { freq: 5 }),
});

/** Lines, so that what writes make of them still ends in a known way: the shell that runs them is asked. */
export const text = weighted<Bytes>(
  [5, "echo ab\n"],
  [4, "true\n"],
  [3, "exit 3\n"],
  [2, "printf x\n"],
  [2, "false"],
  [1, ">>> x\n"],
  [1, `: ${"y".repeat(9_990)}\n`],
);

export const offset = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(0, 5, 8, 16, 30) },
  { weight: 1, arbitrary: fc.nat(200) },
);
export const size = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.nat(40) },
  { weight: 1, arbitrary: fc.constantFrom(5_000, 100_000, 100_001) },
);
export const mode = fc.constantFrom(0o644, 0o600, 0o755, 0o777, 0o444);

const AHEAD = 4_000_000_000_000_000_001n;
/** Nanoseconds since the epoch; null: now. */
export const time = fc.constantFrom(null, 0n, 1_000_000_000_123_456_789n, AHEAD, AHEAD);
