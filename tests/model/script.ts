/**
 * The text of one job: what all descriptors see, and what is safe from a crash.
 *
 * Closing a descriptor makes safe what was written. A truncation to nothing waits for the bytes after it, for an fsync
 * or for the last close, so a crash leaves the old text or the new.
 */
import type { Bytes } from "./bytes.ts";
import type { Moment, Span } from "./moment.ts";
import { refuse } from "./refusal.ts";

export class Script {
  text: Bytes = "";
  time: Moment;
  /** Open descriptions that can write: the job is held. */
  writers = 0;
  /** A write has failed since the text was last rewritten from the start: it must not run. */
  isDoubtful = false;
  #saved: Bytes = "";
  #savedTime: Moment;
  #isSavedDoubtful = false;
  /** Something besides a truncation to nothing is not saved. */
  #isWritten = false;
  /** The last change that is not saved is a truncation to nothing. */
  #isEmptied = false;

  constructor(time: Moment) {
    this.time = time;
    this.#savedTime = time;
  }

  write(from: number, bytes: Bytes, limit: number, now: Span): void {
    this.#checkSize(from + bytes.length, limit);
    const before = this.text.padEnd(from, "\0");
    this.text = before.slice(0, from) + bytes + before.slice(from + bytes.length);
    this.time = now.moment();
    this.#isWritten = true;
    this.#isEmptied = false;
  }

  resize(size: number, limit: number, now: Span): void {
    this.#checkSize(size, limit);
    this.text = this.text.slice(0, size).padEnd(size, "\0");
    this.time = now.moment();
    this.#isEmptied = size === 0;
    if (size === 0) this.isDoubtful = false;
    else this.#isWritten = true;
  }

  #checkSize(size: number, limit: number): void {
    if (size <= limit) return;
    this.isDoubtful = true;
    this.#isSavedDoubtful = true;
    refuse("EFBIG");
  }

  /** Somebody has set the mtime, or the state has changed. */
  setTime(time: Moment): void {
    this.time = time;
    this.#savedTime = time;
  }

  /** A descriptor was closed. */
  flush(): void {
    if (!this.#isEmptied) this.commit();
  }

  /** fsync, or the last writer has closed. */
  commit(): void {
    if (!this.#isWritten && !this.#isEmptied) return;
    this.#saved = this.text;
    this.#savedTime = this.time;
    this.#isSavedDoubtful = this.isDoubtful;
    this.#isWritten = false;
    this.#isEmptied = false;
  }

  /** The daemon was killed: what is not saved is gone, and what was being written must not run. */
  crash(): void {
    this.isDoubtful = this.#isWritten || this.#isSavedDoubtful;
    this.text = this.#saved;
    this.time = this.#savedTime;
    this.writers = 0;
    this.#isWritten = false;
    this.#isEmptied = false;
    this.#isSavedDoubtful = this.isDoubtful;
  }

  /** The daemon was told to end: it saves what was written, though it may be half of what was meant. */
  end(): void {
    if (!this.#isEmptied) {
      const isCut = this.#isWritten;
      this.commit();
      if (isCut) this.#isSavedDoubtful = true;
    }
    this.crash();
  }
}
