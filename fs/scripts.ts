/**
 * Scripts as files: ordinary file semantics for any number of descriptors.
 *
 * The buffer belongs to the inode: all descriptors and stat see it. It is committed by a flush (every close of a
 * descriptor) and by fsync. A truncation to nothing waits for the bytes that follow it, so that a crash between the two
 * leaves the old text. While a descriptor can write, the job is held and cannot be claimed. A job on which writing has
 * failed since it was last rewritten from the start does not run in part: it goes to failed.
 */
import type { Caller } from "../ffi/operations.ts";
import {
  type Job,
  type JobId,
  type JobStat,
  later,
  type Timestamp,
  timestamp,
} from "../store/job.ts";
import { StoreError } from "../store/errors.ts";
import type { Store } from "../store/store.ts";
import { FsError } from "./errno.ts";
import type { Handle } from "./handle.ts";
import type { OpenFlags } from "./job_file.ts";
import { ScriptBuffer, ScriptMemory } from "./script_buffer.ts";

const NOT_FINISHED = "its writing was not finished";
const S_ISUID = 0o4000;
const S_ISGID = 0o2000;

/** A script that is open, or is being truncated by its path. */
interface OpenScript {
  readonly id: JobId;
  readonly text: ScriptBuffer;
  mtime: Timestamp;
  /** When the text last changed, while it differs from what is committed. */
  changedAt: Timestamp;
  descriptors: number;
  writers: number;
  /** Differs from what is committed. */
  dirty: boolean;
  /** The only difference is that it was emptied. */
  emptied: boolean;
  /** The state file knows that it is being written. */
  marked: boolean;
  /** Why the text cannot be what was meant, until it is rewritten from the start. */
  failure: string | null;
}

export class Scripts {
  readonly #store: Store;
  readonly #memory: ScriptMemory;
  readonly #open = new Map<JobId, OpenScript>();

  /** `spillFolder`: for texts that are too large for memory. */
  constructor(store: Store, spillFolder: string) {
    this.#store = store;
    this.#memory = new ScriptMemory(spillFolder);
  }

  /** What stat shows: of the buffer while there is one. */
  stat(
    job: JobStat,
  ): { readonly size: number; readonly mtime: Timestamp; readonly ctime: Timestamp } {
    const open = this.#open.get(job.id);
    const mtime = { sec: job.mtimeSec, nsec: job.mtimeNsec };
    const ctime = { sec: job.ctimeSec, nsec: job.ctimeNsec };
    if (open === undefined) return { size: job.scriptSize, mtime, ctime };
    if (!open.dirty) return { size: open.text.size, mtime, ctime };
    return { size: open.text.size, mtime: open.mtime, ctime: later(ctime, open.changedAt) };
  }

  /** Somebody has set the mtime: what is not committed yet keeps it too. */
  setMtime(id: JobId, mtime: Timestamp): void {
    const open = this.#open.get(id);
    if (open !== undefined) open.mtime = mtime;
  }

  /** The job was moved back to pending, which its mtime shows: so does what is not committed yet. */
  requeued(id: JobId): void {
    const job = this.#open.has(id) ? this.#store.jobs.byId(id) : undefined;
    if (job !== undefined) this.setMtime(id, { sec: job.mtimeSec, nsec: job.mtimeNsec });
  }

  /** Throws ESTALE when it is for writing and the job has left `pending/`: the kernel then looks the name up again. */
  open(job: Job, flags: OpenFlags): Handle {
    if (flags.write) {
      if (job.state !== "pending") throw new FsError("ESTALE");
      this.#store.db.assertWritable();
    }
    const script = this.#acquire(job, flags.write);
    try {
      if (flags.truncate) this.#resize(script, 0);
    } catch (error) {
      this.#release(script, flags.write);
      throw error;
    }
    const read = (offset: number, size: number) => script.text.read(offset, size);
    if (!flags.write) return { read, release: () => this.#release(script, false) };
    return {
      isSync: flags.sync ?? false,
      read,
      write: (offset, data, caller, isAppending) =>
        this.#write(script, isAppending ? script.text.size : offset, data, caller),
      flush: () => {
        if (!script.emptied) this.#commit(script);
      },
      commit: () => this.#commit(script),
      release: () => this.#release(script, true),
    };
  }

  /** truncate(2) and ftruncate(2). By path it is a short write of its own. */
  truncate(job: Job, size: number): void {
    if (this.#open.get(job.id)?.writers) return this.#resize(this.#open.get(job.id)!, size);
    if (job.state !== "pending") throw new FsError("ESTALE");
    this.#store.db.assertWritable();
    const script = this.#acquire(job, true);
    try {
      this.#resize(script, size);
      this.#commit(script);
    } finally {
      this.#release(script, true);
    }
  }

  /**
   * The daemon ends while writers have scripts open. What they have written and not flushed is kept, but it may be half
   * of what was meant, so it will not run.
   */
  cutOff(): void {
    for (const script of this.#open.values()) {
      if (script.emptied) script.dirty = false; // the old text stays
      else if (script.dirty) script.failure ??= NOT_FINISHED;
    }
  }

  /** fsync through a descriptor that cannot write: commits what others have written. */
  commit(id: JobId): void {
    const open = this.#open.get(id);
    if (open !== undefined) this.#commit(open);
  }

  #acquire(job: Job, write: boolean): OpenScript {
    const known = this.#open.get(job.id);
    // It may not fit on the disk: nothing is held before it has been read.
    const script = known ?? this.#loaded(job);
    if (write && !this.#store.queue.hold(job)) {
      if (known === undefined) script.text.close();
      throw new FsError("ESTALE");
    }
    this.#open.set(job.id, script);
    this.#store.jobs.retain(job.id);
    script.descriptors++;
    if (write) script.writers++;
    return script;
  }

  #loaded(job: Job): OpenScript {
    const text = new ScriptBuffer(this.#memory);
    try {
      // Whole: SQLite looks through all of it for each piece.
      const content = job.scriptSize === 0 ? null : this.#store.jobs.script(job.id);
      if (content !== null) text.write(0, content);
    } catch (error) {
      text.close();
      throw error;
    }
    return {
      id: job.id,
      text,
      mtime: { sec: job.mtimeSec, nsec: job.mtimeNsec },
      changedAt: { sec: job.ctimeSec, nsec: job.ctimeNsec },
      descriptors: 0,
      writers: 0,
      dirty: false,
      emptied: false,
      marked: job.unflushed === 1,
      failure: this.#store.admission.doubtOf(job.id) ??
        (job.unflushed === 1 ? NOT_FINISHED : null),
    };
  }

  #release(script: OpenScript, wrote: boolean): void {
    try {
      if (wrote && script.writers === 1) this.#lastWriter(script);
    } finally {
      script.descriptors--;
      if (wrote) script.writers--;
      if (script.descriptors === 0) {
        this.#open.delete(script.id);
        script.text.close();
      }
      try {
        if (wrote && script.writers === 0) this.#store.queue.release(script.id);
      } finally {
        this.#store.jobs.drop(script.id);
      }
    }
  }

  #lastWriter(script: OpenScript): void {
    try {
      this.#commit(script);
    } catch {
      // Noted in script.failure; nobody hears an error of release.
    }
    this.#store.admission.doubt(script.id, script.failure);
    if (script.failure === null) return;
    try {
      this.#mark(script);
      // Nothing of a new script was stored: it is empty, so nothing will submit it.
      this.#store.moves.rejectEmpty(script.id);
    } catch (error) {
      // On a full disk: the doubt is remembered, and what is empty does not run in any case.
      if (!(error instanceof StoreError)) throw error;
    }
  }

  #write(script: OpenScript, offset: number, data: Uint8Array, caller: () => Caller): void {
    const end = offset + data.length;
    this.#attempt(script, () => {
      this.#checkSize(end);
      this.#store.db.assertWritable(end);
      this.#mark(script);
      this.#clearSetId(script.id, caller);
      script.text.write(offset, data);
    });
    script.emptied = false;
    this.#changed(script);
  }

  #resize(script: OpenScript, size: number): void {
    this.#attempt(script, () => {
      this.#checkSize(size);
      if (size > 0) this.#mark(script);
      script.text.resize(size);
    });
    if (size === 0) script.failure = null;
    script.emptied = size === 0;
    this.#changed(script);
  }

  #changed(script: OpenScript): void {
    script.dirty = true;
    script.mtime = script.changedAt = timestamp(this.#store.now());
  }

  /** Runs a step of writing; when it fails, the text is not what was meant. */
  #attempt(script: OpenScript, step: () => void): void {
    try {
      step();
    } catch (error) {
      script.failure = `writing the script failed: ${
        error instanceof Error ? error.message : String(error)
      }`;
      this.#store.admission.doubt(script.id, script.failure);
      this.#markDoubt(script);
      throw error;
    }
  }

  /** The next daemon has to know too. On a full disk that cannot be: then this one remembers it. */
  #markDoubt(script: OpenScript): void {
    try {
      this.#mark(script);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  #checkSize(size: number): void {
    const limit = this.#store.settings.current.max_script_bytes;
    if (size > limit) {
      throw new FsError("EFBIG", `it would be larger than max_script_bytes (${limit})`);
    }
  }

  #mark(script: OpenScript): void {
    if (script.marked) return;
    this.#store.jobs.markUnflushed(script.id);
    script.marked = true;
  }

  /** As a local file system does: who is not root and writes to a file takes its set-id bits away. */
  #clearSetId(id: JobId, caller: () => Caller): void {
    const job = this.#store.jobs.require(id);
    if (!(job.mode & (S_ISUID | S_ISGID)) || caller().uid === 0) return;
    this.#store.jobs.setAttributes(job, { mode: job.mode & ~(S_ISUID | S_ISGID) });
  }

  /** A chmod since the last change of the text is later than that. */
  #ctime(script: OpenScript): Timestamp {
    const { ctimeSec: sec, ctimeNsec: nsec } = this.#store.jobs.require(script.id);
    return later({ sec, nsec }, script.changedAt);
  }

  #commit(script: OpenScript): void {
    if (!script.dirty) return;
    // Nobody can open it any more: what is written to a removed script is for those who have it open.
    if (this.#store.jobs.byId(script.id)?.state === "removed") return;
    const failed = script.failure !== null;
    this.#attempt(script, () =>
      this.#store.jobs.putScript(
        script.id,
        script.text.all(),
        script.mtime,
        failed,
        this.#ctime(script),
      ));
    script.dirty = false;
    script.emptied = false;
    script.marked = failed;
  }
}
