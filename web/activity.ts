/**
 * What has happened in the last day, minute by minute: jobs that have ended, how long attempts waited and how long they
 * ran. Read from the events of the store when somebody wants to know, so that nobody pays for it who does not look; and
 * when so many have come that the oldest might be dropped. After a restart it knows what the events still tell.
 */
import type { Store } from "../store/store.ts";

const MINUTE_MS = 60_000;
/** A day. */
const MINUTES = 1440;
/** Events that are read in one turn of the loop. */
const READ_AT_ONCE = 500;
/** Bytes of events after which they are read, though nobody asks. */
const READ_BYTES = 1_048_576;
/** Of each minute so many times are kept, chosen at random, for the median. */
const KEPT = 64;

/** Times of one minute, in seconds. */
export interface Times {
  readonly kept: readonly number[];
  readonly count: number;
  readonly max: number;
}

class Sample implements Times {
  readonly kept: number[] = [];
  count = 0;
  max = 0;

  /** As likely in the sample as any other: algorithm R of Vitter, "Random sampling with a reservoir", 1985. */
  add(value: number): void {
    this.count++;
    this.max = Math.max(this.max, value);
    if (this.kept.length < KEPT) this.kept.push(value);
    else {
      const at = Math.floor(Math.random() * this.count);
      if (at < KEPT) this.kept[at] = value;
    }
  }
}

/** What has ended in one minute. */
export interface Minute {
  readonly complete: number;
  readonly failed: number;
  readonly waited: Times;
  readonly ran: Times;
}

interface Count {
  /** Minutes since the epoch. */
  minute: number;
  complete: number;
  failed: number;
  readonly waited: Sample;
  readonly ran: Sample;
}

/** The fields of events that are counted. */
interface Event {
  readonly event: string;
  readonly time: string;
  readonly waited_sec?: number;
  readonly run_time_sec?: number;
}

export class Activity {
  readonly #store: Store;
  readonly #minutes = new Map<number, Count>();
  /** Up to where the events were read. */
  #position = 0;
  #reading: Promise<void> | null = null;

  constructor(store: Store) {
    this.#store = store;
    store.changes.listen((change) => {
      if (change.kind !== "events" || this.#unread < READ_BYTES) return;
      this.upToDate().catch(() => {}); // a state file that cannot be read says so elsewhere
    });
  }

  get #unread(): number {
    return this.#store.events.end - this.#position;
  }

  /** Resolves when all events up to now are counted. Rejects with what the store says. */
  upToDate(): Promise<void> {
    return this.#reading ??= this.#read();
  }

  async #read(): Promise<void> {
    await null; // so that it is known as the one that reads before it can end
    try {
      while (this.#unread > 0) {
        const lines = this.#store.events.linesFrom(this.#position, READ_AT_ONCE);
        for (const { position, line } of lines) {
          this.#count(JSON.parse(new TextDecoder().decode(line)) as Event);
          this.#position = position + line.length;
        }
        if (lines.length === 0) break;
        // Also when that was all: whoever calls meanwhile is told when what has come since is counted too.
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      this.#forgetOld();
    } finally {
      this.#reading = null;
    }
  }

  #count({ event, time, waited_sec, run_time_sec }: Event): void {
    const at = Math.floor(Date.parse(time) / MINUTE_MS);
    if (at <= this.#now - MINUTES) return;
    if (event === "completed") this.#at(at).complete++;
    else if (event === "failed") this.#at(at).failed++;
    else if (event === "started" && waited_sec !== undefined) this.#at(at).waited.add(waited_sec);
    else if (event === "attempt_ended" && run_time_sec !== undefined) {
      this.#at(at).ran.add(run_time_sec);
    }
  }

  #at(minute: number): Count {
    let count = this.#minutes.get(minute);
    if (count === undefined) {
      count = { minute, complete: 0, failed: 0, waited: new Sample(), ran: new Sample() };
      this.#minutes.set(minute, count);
    }
    return count;
  }

  get #now(): number {
    return Math.floor(this.#store.now() / MINUTE_MS);
  }

  #forgetOld(): void {
    const oldest = this.#now - MINUTES;
    for (const minute of this.#minutes.keys()) if (minute <= oldest) this.#minutes.delete(minute);
  }

  /** The last `bars` times `width` minutes, the oldest first; the newest is the one that runs. */
  spans(bars: number, width: number): { readonly startMs: number; readonly counts: Minute[] }[] {
    // Bars begin at whole multiples of their width, so that they stay what they are while time goes on.
    const last = Math.floor(this.#now / width) * width;
    return Array.from({ length: bars }, (_, i) => {
      const start = last - (bars - 1 - i) * width;
      const counts: Minute[] = [];
      for (let minute = start; minute < start + width; minute++) {
        const count = this.#minutes.get(minute);
        if (count !== undefined) counts.push(count);
      }
      return { startMs: start * MINUTE_MS, counts };
    });
  }
}

/** Values that are sorted with their weights; more are taken without, which is a hundred times as fast. */
const MAX_WEIGHED = 128;

function weighedMedian(times: readonly Times[]): number | null {
  const values = times.flatMap(({ kept, count }) =>
    kept.map((value) => ({ value, weight: count / kept.length }))
  ).sort((a, b) => a.value - b.value);
  const half = values.reduce((sum, { weight }) => sum + weight, 0) / 2;
  let sum = 0;
  for (const { value, weight } of values) {
    sum += weight;
    if (sum >= half) return value;
  }
  return null;
}

/** The middle of all times of some minutes, in seconds, or null: there are none. */
export function median(times: readonly Times[]): number | null {
  const size = times.reduce((sum, { kept }) => sum + kept.length, 0);
  if (size <= MAX_WEIGHED) return weighedMedian(times);
  // Each value stands for as many as any other: of the samples of quiet minutes fewer are taken.
  const each = Math.max(...times.map(({ kept, count }) => count / Math.max(1, kept.length)));
  const values = Float64Array.from(
    times.flatMap(({ kept, count }) => kept.slice(0, Math.max(1, Math.round(count / each)))),
  ).sort();
  return values.length === 0 ? null : values[Math.ceil(values.length / 2) - 1]!;
}

/** The longest of all times of some minutes, in seconds, or null: there are none. */
export function longest(times: readonly Times[]): number | null {
  const found = times.filter(({ count }) => count > 0).map(({ max }) => max);
  return found.length === 0 ? null : Math.max(...found);
}
