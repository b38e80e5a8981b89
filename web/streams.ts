/**
 * Server-sent events: that the queue has changed, and logs as they grow. A stream ends with its reader; what comes faster
 * than somebody reads waits in the store, not in memory.
 */
import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import type { Job, JobId } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { StoreError } from "../store/errors.ts";
import type { AppLog } from "./app.tsx";
import { AnsiReader } from "./ansi.ts";
import { readLog } from "./log_reader.ts";
import type { Site } from "./site.ts";

/** Open at a time; a browser tries again. */
const MAX_STREAMS = 200;
/** Between two looks at the log of a job that runs, in ms. */
const LOOK_MS = 200;
/** So that proxies and browsers see that the connection lives, in ms. */
const BEAT_MS = 20_000;
/** What is read of a log before the place where a stream begins. */
const BEFORE_BYTES = 65_536;
/** When a browser that has lost the connection tries again, in ms. */
const RETRY_MS = 1000;

export class Streams {
  readonly #site: Site;
  readonly #log: AppLog;
  #open = 0;

  constructor(site: Site, log: AppLog) {
    this.#site = site;
    this.#log = log;
  }

  #stream(c: Context, body: (stream: SSEStreamingApi, bell: Bell) => Promise<void>) {
    // It would have no reader, and so no end.
    if (c.req.raw.method === "HEAD") return c.body(null);
    if (this.#open >= MAX_STREAMS) {
      return c.text("Too many pages are open\n", 503, { "Retry-After": "5" });
    }
    this.#open++;
    // A reverse proxy that collects what it passes on would hold it back.
    c.header("X-Accel-Buffering", "no");
    return streamSSE(c, async (stream) => {
      const bell = new Bell();
      stream.onAbort(() => bell.close());
      try {
        await stream.write(`retry: ${RETRY_MS}\n\n`);
        await body(stream, bell);
      } catch (error) {
        // A state file that cannot be read says so elsewhere; the browser tries again.
        if (!(error instanceof StoreError)) this.#log.unexpected(c.req.path, error);
      } finally {
        bell.close();
        this.#open--;
      }
    });
  }

  /** The version of what the pages show, now and whenever it changes. */
  changes(c: Context) {
    const { live } = this.#site;
    return this.#stream(c, async (stream, bell) => {
      bell.hang(live.watch(() => bell.ring()));
      while (!bell.isClosed) {
        await stream.writeSSE({ event: "version", data: live.version });
        while (!await bell.rung(BEAT_MS) && !bell.isClosed) await stream.write(": beat\n\n");
      }
    });
  }

  /** The same for the page of a job, with its log from the offset `from`, as it grows. */
  log(c: Context, { id }: Job) {
    const { store, live } = this.#site;
    const asked = c.req.header("last-event-id") ?? c.req.query("from") ?? "0";
    let from = /^\d{1,15}$/.test(asked) ? Number(asked) : 0;
    return this.#stream(c, async (stream, bell) => {
      const decoder = new TextDecoder();
      const reader = readerAt(store, id, from);
      bell.hang(live.watch(() => {
        bell.isFresh = true;
        bell.ring();
      }));
      for (let beat = performance.now(); !bell.isClosed;) {
        const job = store.jobs.byId(id);
        if (bell.isFresh) {
          bell.isFresh = false;
          await stream.writeSSE({ event: "version", data: live.version });
        }
        if (job === undefined) return;
        const isRunning = job.state === "active" || store.attempts.isRunning(id);
        const part = readLog(store, job, from, !isRunning);
        if (part !== null) {
          from = part.end;
          const pieces = reader.read(decoder.decode(part.bytes, { stream: true }));
          const data = JSON.stringify({ pieces, end: from });
          await stream.writeSSE({ event: "log", data, id: String(from) });
          beat = performance.now();
          continue;
        }
        await bell.rung(isRunning ? LOOK_MS : BEAT_MS);
        if (performance.now() - beat < BEAT_MS || bell.isClosed) continue;
        await stream.write(": beat\n\n");
        beat = performance.now();
      }
    });
  }
}

/** A reader that has read what is before an offset: colours go on where a page ends, and so does half a sequence. */
function readerAt(store: Store, id: JobId, offset: number): AnsiReader {
  const reader = new AnsiReader();
  const decoder = new TextDecoder();
  for (let at = Math.max(0, offset - BEFORE_BYTES); at < offset;) {
    const job = store.jobs.byId(id);
    const part = job && readLog(store, job, at, true);
    if (!part) break;
    const more = Math.max(0, part.end - offset);
    const bytes = part.bytes.subarray(0, Math.max(0, part.bytes.length - more));
    reader.read(decoder.decode(bytes, { stream: true }));
    at = part.end;
  }
  return reader;
}

/** Wakes one who waits, before his time is over. */
class Bell {
  #wake = () => {};
  #isRung = false;
  #taken: (() => void)[] = [];
  isClosed = false;
  /** There is something that has not been told. */
  isFresh = true;

  ring(): void {
    this.#isRung = true;
    this.#wake();
  }

  /** `take` is called when the bell is closed. */
  hang(take: () => void): void {
    if (this.isClosed) take();
    else this.#taken.push(take);
  }

  /** Resolves to true when it has rung since the last time, to false after `ms` or when it is closed. */
  async rung(ms: number): Promise<boolean> {
    if (!this.#isRung && !this.isClosed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = () => {};
    const wasRung = this.#isRung;
    this.#isRung = false;
    return wasRung;
  }

  close(): void {
    this.isClosed = true;
    for (const take of this.#taken.splice(0)) take();
    this.#wake();
  }
}
