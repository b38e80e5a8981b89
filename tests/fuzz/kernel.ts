/**
 * The kernel's side of the file system: requests as C arguments, and what must hold of every answer.
 *
 * Each request is answered exactly once, with an error that it may have, and in its turn unless it is one of those that
 * wait; nothing is larger than what was asked for; nothing that nobody has foreseen was thrown on the way.
 */
import assert from "node:assert/strict";
import { SinkBuffers } from "../../ffi/libfuse_sink.ts";
import { Dispatcher } from "../../ffi/dispatch.ts";
import type { Caller } from "../../ffi/operations.ts";
import { E } from "../../fs/errno.ts";
import type { FileSystem } from "../../fs/file_system.ts";
import { type Argument, Callbacks, fileInfo, type Slot } from "../unit/callbacks.ts";
import { ERRNOS, LATER } from "./errnos.ts";
import { type Answer, FakeLibfuse, type ListedEntry, readEntries } from "./fake_libfuse.ts";

/** What no request may take; far more than any does on a slow machine. */
const TURN_MS = 2000;
const ANSWERED_MS = 10_000;

const OWNER: Caller = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0, pid: 1, umask: 0o022 };

/** How a handle of poll was used: each has to be, once. */
class PollUse {
  uses = 0;
  notify(): void {
    this.uses++;
  }
  drop(): void {
    this.uses++;
  }
}

/** How a request comes. */
export interface Arrival {
  /** False: who asked was interrupted and takes no answer. */
  readonly taken?: boolean;
  readonly caller?: Caller;
}

export class Kernel {
  readonly #lib = new FakeLibfuse();
  readonly #dispatcher: Dispatcher;
  readonly #buffers: SinkBuffers;
  readonly #callbacks: Callbacks;
  readonly #polls: PollUse[] = [];
  readonly #waiting = new Map<bigint, Slot>();
  #last = 0x1000n;

  constructor(fs: FileSystem) {
    this.#buffers = new SinkBuffers(this.#lib.symbols);
    this.#dispatcher = new Dispatcher(fs, this.#buffers);
    this.#callbacks = new Callbacks(this.#dispatcher);
    this.#dispatcher.pollHandle = () => {
      const use = new PollUse();
      this.#polls.push(use);
      return use;
    };
    fs.mounted({ canForgetNames: true, forgetNames: () => {}, forgetAttributes: () => {} });
  }

  /** Asks. Undefined: the answer comes later. */
  ask(slot: Slot, args: readonly Argument[], arrival: Arrival = {}): Answer | undefined {
    this.#last += 16n;
    const id = this.#last;
    this.#lib.setCaller(arrival.caller ?? OWNER);
    this.#lib.taken = arrival.taken ?? true;
    const since = performance.now();
    this.#callbacks.call(slot, Deno.UnsafePointer.create(id), args);
    this.#lib.taken = true;
    assert.ok(performance.now() - since < TURN_MS, `${slot} took ${performance.now() - since} ms`);
    const answers = this.#lib.answers.get(id) ?? [];
    if (answers.length === 0 && LATER.has(slot)) {
      this.#waiting.set(id, slot);
      return undefined;
    }
    this.#check(slot, answers);
    checkAnswer(slot, args, answers[0]!);
    this.#lib.answers.delete(id);
    return answers[0];
  }

  #check(slot: Slot, answers: readonly Answer[]): void {
    assert.equal(answers.length, 1, `answers to ${slot}`);
    const { kind, errno } = answers[0]!;
    if (slot.startsWith("forget")) return assert.equal(kind, "none");
    if (!errno) return;
    const allowed = ERRNOS[slot].map((name) => E[name]);
    const name = Object.entries(E).find(([, value]) => value === errno)?.[0] ?? errno;
    assert.ok(allowed.includes(errno), `${slot} is answered with ${name}`);
  }

  /** Looks at the answers that have come late. */
  look(): void {
    for (const [id, slot] of this.#waiting) {
      const answers = this.#lib.answers.get(id);
      if (answers === undefined) continue;
      this.#check(slot, answers);
      this.#lib.answers.delete(id);
      this.#waiting.delete(id);
    }
    assert.equal(this.#lib.answers.size, 0, "no request is answered twice");
    for (const { uses } of this.#polls) assert.ok(uses <= 1, "a poll handle is used once");
  }

  /** A signal for one of those that wait. */
  interrupt(pick: number): void {
    const ids = [...this.#waiting.keys()];
    const id = ids[pick % ids.length];
    if (id !== undefined) this.#lib.interrupt(Deno.UnsafePointer.create(id));
  }

  /** Waits for all answers; what waits for jobs has been told that there will be no end. */
  async answered(): Promise<void> {
    let timer;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const slots = [...this.#waiting.values()].join(", ");
        reject(new Error(`not answered within ${ANSWERED_MS} ms: ${slots}`));
      }, ANSWERED_MS);
    });
    try {
      await Promise.race([this.#dispatcher.answered(), late]);
    } finally {
      clearTimeout(timer);
    }
    this.look();
    assert.equal(this.#waiting.size, 0, "every request is answered");
  }

  /** After the file system was closed, when nothing is open any more. */
  end(): void {
    for (const { uses } of this.#polls) assert.equal(uses, 1, "a poll handle is used once");
  }

  close(): void {
    this.#dispatcher.close();
    this.#buffers.interrupts.close();
  }

  // What the tests themselves have to know -------------------------------------------------------------------------

  /** The entries of a directory, read in answers of `size` bytes. */
  list(ino: number | bigint, size = 4096, plus = false): ListedEntry[] {
    const found: ListedEntry[] = [];
    for (let offset = 0n;;) {
      const args = [BigInt(ino), BigInt(size), offset, fileInfo(0)];
      const answer = this.ask(plus ? "readdirplus" : "readdir", args);
      assert.ok(answer?.bytes, `${ino} can be listed`);
      assert.ok(answer.bytes.length <= size, "a listing is no larger than what was asked for");
      const page = readEntries(answer.bytes, plus);
      if (page.length === 0) return found;
      found.push(...page);
      assert.ok(page.at(-1)!.next > offset, "a listing goes on");
      offset = page.at(-1)!.next;
    }
  }

  lookup(parent: number | bigint, name: Uint8Array): Answer {
    return this.ask("lookup", [BigInt(parent), cName(name)])!;
  }
}

/** Where the size that is asked for stands among the arguments. */
const SIZE_AT: Partial<Readonly<Record<Slot, number>>> = {
  read: 1,
  readdir: 1,
  readdirplus: 1,
  getxattr: 2,
  listxattr: 1,
};

/** No more than was asked for, all that was given, and of the node that was asked about. */
function checkAnswer(slot: Slot, args: readonly Argument[], answer: Answer): void {
  const { kind, bytes, count, ino } = answer;
  const sizeAt = SIZE_AT[slot];
  if (sizeAt !== undefined && bytes !== undefined) {
    assert.ok(bytes.length <= Number(args[sizeAt]), `${slot} answers with ${bytes.length} bytes`);
  }
  if (slot.startsWith("readdir") && bytes) readEntries(bytes, slot === "readdirplus");
  if (kind === "xattr") assert.equal(args[sizeAt!], 0n, "the size of an attribute was asked for");
  if (kind === "write") assert.equal(count, Number(args[2]), "all that was given is written");
  if (kind === "attr") assert.equal(ino, Number(args[0]), "attributes are those of the node");
}

/** A name as a C string. */
export function cName(name: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(name.length + 1);
  bytes.set(name);
  return bytes;
}
