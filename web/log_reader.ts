/**
 * The log of a job in pieces for a page. What was dropped in the middle of a long output (see `store/output.ts`) is passed
 * over; the line at the end of such a hole says how many bytes are missing. Pieces end with whole characters.
 */
import type { Job, JobId } from "../store/job.ts";
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
  const holes = job.logDropped === 0 ? [] : store.output.holes(job.id);
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

/** Where the last `bytes` of a log begin, at the beginning of a line if there is one near. */
export function tailStart(store: Store, job: Job, bytes: number): number {
  if (job.logSize <= bytes) return 0;
  const from = job.logSize - bytes;
  const near = store.output.read(job.id, from, Math.min(bytes, 4096));
  return from + near.indexOf(NEWLINE) + 1;
}

/** The last line with text that the processes of a job have printed in its newest attempt, or null. */
export function lastLine(store: Store, id: JobId): string | null {
  const newest = store.history.newest(id);
  if (newest === undefined || newest.outputStart === null || newest.outputEnd === null) return null;
  const from = Math.max(newest.outputStart, newest.outputEnd - 1024);
  if (newest.outputEnd <= from) return null;
  const text = new TextDecoder().decode(store.output.read(id, from, newest.outputEnd - from));
  return text.split(/[\r\n]+/).findLast((line) => line.trim() !== "")?.trim() ?? null;
}
