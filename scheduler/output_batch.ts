/**
 * Collects what running jobs print and hands it to the store in batches: one transaction for all of them every 50 ms,
 * or as soon as much has come. A writer waits while the store cannot take it, so the pipe fills and the job waits too:
 * memory stays bounded, and nothing is lost on a full disk.
 */
import { setImmediate } from "node:timers";
import type { Capture } from "../store/output.ts";
import { Alarm } from "./alarm.ts";

const BATCH_MS = 50;
const BATCH_BYTES = 262_144;
/** Between two tries to write to a full or broken file system, in ms. */
const RETRY_MS = 1000;

export interface OutputTarget {
  /** Stores parts of several attempts' output in one transaction, or throws. */
  store(batch: ReadonlyMap<Capture, readonly Uint8Array[]>): void;
  /** Storing has failed and is tried again. */
  failed(error: unknown): void;
}

export class OutputBatch {
  readonly #target: OutputTarget;
  readonly #alarm = new Alarm(() => this.#flush());
  #parts = new Map<Capture, Uint8Array[]>();
  #bytes = 0;
  #waiting: (() => void)[] = [];
  #abandoned = false;

  constructor(target: OutputTarget) {
    this.#target = target;
  }

  /** Takes a part; resolves when more may come. */
  async add(capture: Capture, part: Uint8Array): Promise<void> {
    const parts = this.#parts.get(capture);
    if (parts === undefined) this.#parts.set(capture, [part]);
    else parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes >= BATCH_BYTES) {
      if (this.#waiting.length === 0) this.#flush();
      if (this.#bytes > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      // Requests come in between, however fast a job prints.
      else await new Promise<void>((resolve) => setImmediate(resolve));
    } else if (!this.#alarm.isSet) {
      this.#alarm.set(BATCH_MS);
    }
  }

  /** Resolves when everything that was added is stored. */
  async flush(): Promise<void> {
    if (this.#bytes > 0 && this.#waiting.length === 0) this.#flush();
    if (this.#bytes > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The program ends at once: what cannot be stored is given up, and nobody waits any more. */
  abandon(): void {
    this.#abandoned = true;
    this.#flush();
  }

  #flush(): void {
    this.#alarm.clear();
    if (this.#bytes === 0) return;
    try {
      this.#target.store(this.#parts);
    } catch (error) {
      this.#target.failed(error);
      if (!this.#abandoned) {
        this.#alarm.set(RETRY_MS);
        return;
      }
    }
    this.#parts = new Map();
    this.#bytes = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}
