/**
 * Logs as files: read-only, growing while the job runs. The log of a job is one inode, the section of each attempt in
 * `jobs/NAME/attempts/` another; both show the bytes between two offsets of what the store keeps.
 */
import type { Attempt } from "../store/history.ts";
import type { Job, JobStat } from "../store/job.ts";
import type { Hole } from "../store/output.ts";
import type { Store } from "../store/store.ts";
import type { ReadyHandle } from "./handle.ts";
import { attemptIno, logIno } from "./ino.ts";
import { LogView } from "./log_view.ts";

/** A part of a job's log: up to `end`, or as far as it goes. */
interface Range {
  readonly ino: number;
  readonly start: number;
  readonly end: number | null;
  /** It may still grow. */
  readonly grows: boolean;
}

export class Logs {
  readonly #store: Store;
  /** Descriptors that were opened on a live log, by inode. While one is open, the size is that of the live view. */
  readonly #live = new Map<number, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  #whole(job: JobStat): Range {
    const grows = job.state === "active" || this.#store.attempts.isRunning(job.id);
    return { ino: logIno(job.id), start: 0, end: null, grows };
  }

  #section(attempt: Attempt): Range {
    const { id, logStart, logEnd, outcome } = attempt;
    return { ino: attemptIno(id), start: logStart, end: logEnd, grows: outcome === null };
  }

  /** True when nothing changes the log of a finished job any more, and everybody sees the same of it. */
  isSettled(job: JobStat): boolean {
    return !this.#live.has(logIno(job.id)) && !this.#store.attempts.isRunning(job.id);
  }

  /** What stat shows. Of a live log, also what has been printed and is not kept: a follower must never see it shrink. */
  size(job: JobStat): number {
    return this.#isLive(this.#whole(job)) ? job.logSize : job.logSize - job.logDropped;
  }

  sectionSize(job: Job, attempt: Attempt): number {
    const range = this.#section(attempt);
    const size = (range.end ?? job.logSize) - range.start;
    if (this.#isLive(range)) return size;
    return this.#holes(job, range).reduce((left, { start, end }) => left - (end - start), size);
  }

  open(job: Job): ReadyHandle {
    return this.#open(job, () => this.#whole(job));
  }

  openSection(job: Job, attempt: Attempt): ReadyHandle {
    return this.#open(
      job,
      () => this.#section(this.#store.history.byId(attempt.id) ?? attempt),
    );
  }

  #isLive(range: Range): boolean {
    return range.grows || this.#live.has(range.ino);
  }

  #open({ id }: Job, range: () => Range): ReadyHandle {
    const opened = range();
    const { ino } = opened;
    const isLive = this.#isLive(opened);
    const view = new LogView(isLive ? [] : this.#holes(this.#store.jobs.require(id), opened));
    this.#store.jobs.retain(id);
    if (isLive) this.#live.set(ino, (this.#live.get(ino) ?? 0) + 1);
    return {
      read: (position, size) => {
        const now = this.#store.jobs.byId(id);
        return now === undefined
          ? new Uint8Array(0)
          : this.#read(now, range(), view, position, size);
      },
      release: () => {
        if (isLive) this.#closeLive(ino);
        this.#store.jobs.drop(id);
      },
    };
  }

  #closeLive(ino: number): void {
    const left = this.#live.get(ino)! - 1;
    if (left > 0) this.#live.set(ino, left);
    else this.#live.delete(ino);
  }

  /** The holes in a range, counted from its start. */
  #holes(job: Job, { start, end }: Range): Hole[] {
    if (job.logDropped === 0) return [];
    return this.#store.output.holes(job.id)
      .filter((hole) => hole.start >= start && (end === null || hole.start < end))
      .map((hole) => ({ ...hole, start: hole.start - start, end: hole.end - start }));
  }

  #read(job: Job, range: Range, view: LogView, position: number, size: number): Uint8Array {
    const extent = view.extent(position, size, this.#holes(job, range));
    const offset = range.start + extent.offset;
    const left = Math.min(extent.size, (range.end ?? job.logSize) - offset);
    return left <= 0 ? new Uint8Array(0) : this.#store.output.read(job.id, offset, left);
  }
}
