/**
 * The log of a job in pieces for a page. What was dropped in the middle of a long output (see `store/output.ts`) is passed
 * over; the line at the end of such a hole says how many bytes are missing. Pieces end with whole characters.
 */
import type { Job, JobId } from "../store/job.ts";
import type { Hole } from "../store/output.ts";
import type { Store } from "../store/store.ts";

/** Read at once. */
const PART_BYTES = 65_536;
const NEWLINE = 10;

export interface LogPart {
  readonly bytes: Uint8Array;
  /** The offset behind it. */
  readonly end: number;
}

/** The next part of a log from an offset, at most 64 KiB; null: there is nothing more (yet). */
export function readLog(store: Store, job: Job, from: number, toEnd = false): LogPart | null {
  const holes = holesOf(store, job);
  const inside = holes.find(({ start, end }) => start <= from && from < end);
  const at = inside?.end ?? from;
  const next = holes.find(({ start }) => start > at)?.start ?? job.logSize;
  const size = Math.min(PART_BYTES, next - at);
  if (size <= 0) return null;
  const bytes = store.output.read(job.id, at, size);
  // A part that ends in the middle of a character waits for the rest, unless a hole or the end has cut it.
  const isCut = at + bytes.length < next || (next === job.logSize && !toEnd);
  const whole = isCut ? wholeCharacters(bytes) : bytes;
  return whole.length === 0 ? null : { bytes: whole, end: at + whole.length };
}

/** Without the beginning of a character of UTF-8 at the end. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return bytes;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** The holes of a log, in order. */
function holesOf(store: Store, { id, logDropped }: Job): readonly Hole[] {
  return logDropped === 0 ? [] : store.output.holes(id);
}

/** Where the last `bytes` of what is there of a log begin, at the beginning of a line if there is one near. */
export function tailStart(store: Store, job: Job, bytes: number): number {
  if (job.logSize - job.logDropped <= bytes) return 0;
  let from = job.logSize - bytes;
  for (const { start, end } of holesOf(store, job).toReversed()) {
    // Behind a hole that ends after it there is less than is wanted, by the length of the hole.
    if (end > from) from -= end - start;
  }
  const near = store.output.read(job.id, from, Math.min(bytes, 4096));
  const newline = near.indexOf(NEWLINE);
  return from + (newline === -1 ? Math.max(0, near.findIndex(isFirst)) : newline + 1);
}

/** True for the first byte of a character of UTF-8. */
function isFirst(byte: number): boolean {
  return (byte & 0xc0) !== 0x80;
}

/** The last line with text that the processes of a job have printed in its newest attempt, or null. */
export function lastLine(store: Store, id: JobId): string | null {
  const job = store.jobs.byId(id);
  const newest = store.history.newest(id);
  if (job === undefined || newest === undefined) return null;
  if (newest.outputStart === null || newest.outputEnd === null) return null;
  const end = newest.outputEnd;
  const hole = holesOf(store, job).findLast((hole) => hole.start < end)?.end ?? 0;
  const from = Math.max(newest.outputStart, hole, end - 1024);
  if (end <= from) return null;
  const text = new TextDecoder().decode(store.output.read(id, from, end - from));
  return text.split(/[\r\n]+/).findLast((line) => line.trim() !== "")?.trim() ?? null;
}
