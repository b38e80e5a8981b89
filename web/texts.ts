/** Logs and scripts as plain text, piece by piece: they can be larger than memory should hold. */
import type { Job } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { readLog } from "./log_reader.ts";

const PART_BYTES = 65_536;

type Body = ReadableStream<Uint8Array>;

/** Pulled by the reader, so a slow one costs no memory. `from`, and what follows, is an offset. */
function pulled(next: (from: number) => { bytes: Uint8Array; end: number } | null, from = 0): Body {
  let at = from;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const part = next(at);
      if (part === null) return controller.close();
      at = part.end;
      controller.enqueue(part.bytes);
    },
  }, { highWaterMark: 0 });
}

export function logText(store: Store, { id, logSize }: Job): Body {
  return pulled((from) => {
    const job = store.jobs.byId(id);
    // Up to where it ended when it was asked for: what comes later would have no end.
    return job === undefined || from >= logSize ? null : readLog(store, job, from, true);
  });
}

/** Null: there is no such attempt. */
export function attemptText(store: Store, { id, logSize }: Job, number: number): Body | null {
  const attempt = store.history.byNumber(id, number);
  if (attempt === undefined) return null;
  const end = attempt.logEnd ?? logSize;
  return pulled((from) => {
    const job = store.jobs.byId(id);
    const part = job === undefined || from >= end ? null : readLog(store, job, from, true);
    return part &&
      {
        bytes: part.bytes.subarray(0, part.bytes.length - Math.max(0, part.end - end)),
        end: part.end,
      };
  }, attempt.logStart);
}

export function scriptText(store: Store, { id }: Job): Body {
  return pulled((from) => {
    const bytes = store.jobs.scriptPart(id, from, PART_BYTES);
    return bytes.length === 0 ? null : { bytes, end: from + bytes.length };
  });
}
