/** Logs and scripts as plain text, piece by piece: they can be larger than memory should hold. */
import type { Job, JobId } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { readLog } from "./log_reader.ts";

/** SQLite reads the whole of a script for each part. */
const PART_BYTES = 1_048_576;

type Body = ReadableStream<Uint8Array>;

/** Pulled by the reader, so a slow one costs no memory. `from`, and what follows, is an offset. */
function pulled(next: (from: number) => { bytes: Uint8Array; end: number } | null, from = 0): Body {
  let at = from;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      try {
        const part = next(at);
        if (part === null) return controller.close();
        at = part.end;
        controller.enqueue(part.bytes);
      } catch (error) {
        // The answer has begun, so all that is left is to say that this is not all.
        const reason = error instanceof Error ? error.message : String(error);
        controller.enqueue(new TextEncoder().encode(`\n[the rest cannot be read: ${reason}]\n`));
        controller.close();
      }
    },
  }, { highWaterMark: 0 });
}

/** The log from one offset to another: up to where it ended when it was asked for, as what comes later would have no end. */
function logPart(store: Store, id: JobId, start: number, end: number): Body {
  return pulled((from) => {
    const job = store.jobs.byId(id);
    const part = job === undefined || from >= end ? null : readLog(store, job, from, true);
    if (part === null) return null;
    const more = Math.max(0, part.end - end);
    return { bytes: part.bytes.subarray(0, Math.max(0, part.bytes.length - more)), end: part.end };
  }, start);
}

export function logText(store: Store, { id, logSize }: Job): Body {
  return logPart(store, id, 0, logSize);
}

/** Null: there is no such attempt. */
export function attemptText(store: Store, { id, logSize }: Job, number: number): Body | null {
  const attempt = store.history.byNumber(id, number);
  return attempt === undefined
    ? null
    : logPart(store, id, attempt.logStart, attempt.logEnd ?? logSize);
}

export function scriptText(store: Store, { id }: Job): Body {
  return pulled((from) => {
    const bytes = store.jobs.scriptPart(id, from, PART_BYTES);
    return bytes.length === 0 ? null : { bytes, end: from + bytes.length };
  });
}
