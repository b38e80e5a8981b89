/**
 * A file system with jobs in every state, and what else happens to them while requests come: they start, print and end.
 * Nothing runs and nothing is mounted. What must hold at the end is here too.
 */
import assert from "node:assert/strict";
import { E } from "../../fs/errno.ts";
import { FileSystem } from "../../fs/file_system.ts";
import { DIRECTORY_INO, JOBS_INO, logIno, PENDING_INO, ROOT_INO, scriptIno } from "../../fs/ino.ts";
import type { Claim } from "../../store/attempts.ts";
import type { JobId } from "../../store/job.ts";
import { printable } from "../../store/printable.ts";
import { checkSettings } from "../../store/settings.ts";
import { assertConsistent } from "../programs/store_invariants.ts";
import { type Argument, fileInfo, type Slot } from "../unit/callbacks.ts";
import { BOOT, COMPLETE, FAILED, RETRY, StoreFixture } from "../unit/store_fixture.ts";
import type { Answer } from "./fake_libfuse.ts";
import { type Arrival, cName, Kernel } from "./kernel.ts";

/** Small, so that hostile offsets get near it, and the fuzz writes no gigabytes. */
export const MAX_SCRIPT_BYTES = 65_536;
/** Of the world as it begins: jobs 1 to this. */
export const JOBS = 10;
export const NAMES = [
  ...["done", "failed", "running", "gone", "purged"],
  ...["retried", "ready", "waits", ".draft", "empty"],
] as const;

const O_WRONLY_CREAT = 0o101;
const MORE_THAN_KEPT = "0123456789abcde\n".repeat(1500);
const NEXT = [COMPLETE, FAILED, RETRY] as const;
const encoder = new TextEncoder();

/** An open file, and what it has. */
interface Opened {
  readonly ino: number;
  readonly fh: bigint;
  readonly bytes: Uint8Array;
}

export class World extends StoreFixture {
  readonly #logged: string[] = [];
  readonly fs: FileSystem;
  readonly kernel: Kernel;
  /** Given by open and create, released ones too. */
  readonly handles: bigint[] = [];
  /** What has happened, for people. */
  readonly trace: string[] = [];
  readonly #running: Claim[] = [];
  #open: Opened | null = null;

  constructor(folder: string) {
    super(folder);
    const unforeseen = (what: string) => (operation: string, error?: unknown) => {
      const stack = error instanceof Error ? error.stack : error;
      this.#logged.push(`${what} ${operation}: ${stack}`);
    };
    this.fs = new FileSystem(this.store, {
      refused: (reason) => this.#refused(reason),
      changed: () => {},
      unexpected: unforeseen("unexpected"),
      storeFailed: unforeseen("storeFailed"),
      forgotten: unforeseen("forgotten"),
    }, { version: "1.2.3", spillFolder: folder });
    this.kernel = new Kernel(this.fs);
    this.#populate();
  }

  #refused(reason: string): void {
    if (!isLine(reason)) this.#logged.push(`refused, and not in one line: ${reason}`);
  }

  #populate(): void {
    this.store.settings.apply(checkSettings({ max_script_bytes: MAX_SCRIPT_BYTES }));
    const done = this.#run("done", 4096);
    this.print(done, MORE_THAN_KEPT);
    this.finish(done, COMPLETE);
    this.finish(this.#run("failed"), FAILED, { kind: "signaled", signal: "SIGKILL" });
    this.#running.push(this.#run("running"));
    this.print(this.#running[0]!, "some output\n");
    const gone = this.ended("gone");
    this.#open = this.#openLog(logIno(gone.id));
    this.store.moves.remove(gone);
    this.store.moves.remove(this.ended("purged"));
    this.ended("retried", RETRY);
    this.submitted("ready");
    this.submitted("waits", "#QJ delay=1h\ntrue\n");
    this.written(".draft");
    this.written("empty", "");
  }

  /** Opens a log and reads it. */
  #openLog(ino: number): Opened {
    const { fh } = this.request("open", [BigInt(ino), fileInfo(0, 0)])!;
    return { ino, fh: fh!, bytes: this.#read(ino, fh!)!.bytes! };
  }

  #read(ino: number, fh: bigint): Answer | undefined {
    return this.request("read", [BigInt(ino), 4096n, 0n, fileInfo(fh)]);
  }

  #run(name: string, maxOutputBytes?: number): Claim {
    this.submitted(name);
    return this.claim(maxOutputBytes);
  }

  /** A request, with what must hold of every one. */
  request(slot: Slot, args: readonly Argument[], arrival: Arrival = {}): Answer | undefined {
    const answer = this.kernel.ask(slot, args, arrival);
    if (answer?.fh !== undefined && answer.kind !== "error") this.handles.push(answer.fh);
    this.checkLog();
    return answer;
  }

  checkLog(): void {
    this.kernel.look();
    assert.deepEqual(this.#logged, []);
  }

  // What happens without a request ---------------------------------------------------------------------------------

  start(): void {
    const job = this.store.queue.next();
    if (job === undefined || !this.store.moves.admit(job)) return;
    this.#running.push(this.store.attempts.claim(job, BOOT, 4096));
  }

  printTo(pick: number, size: number): void {
    const claim = this.#running[pick % this.#running.length];
    if (claim !== undefined) this.print(claim, "x".repeat(size));
  }

  stop(pick: number): void {
    if (this.#running.length === 0) return;
    const [claim] = this.#running.splice(pick % this.#running.length, 1);
    const next = NEXT[pick % NEXT.length]!;
    this.finish(claim!, next, { kind: "exited", code: next === COMPLETE ? 0 : 1 });
  }

  /** The time to settle is over for all jobs that nobody writes. */
  settle(): void {
    const ids = this.store.queue.openJobs().map(({ id }) => id as JobId);
    this.store.moves.submit(ids.filter((id) => this.store.queue.mayRun(this.byId(id))));
  }

  // At the end -------------------------------------------------------------------------------------------------------

  /** Whatever has come before, a job can be handed in, found and read. */
  checkFresh(): void {
    const name = encoder.encode("a fresh job");
    const created = this.request("create", [
      ...[BigInt(PENDING_INO), cName(name), 0o100644, fileInfo(0, O_WRONLY_CREAT)],
    ]);
    assert.equal(created?.kind, "create", "a job can be created");
    const { ino, fh } = created!;
    const text = encoder.encode("#");
    const inode = BigInt(ino!);
    const written = this.request("write", [inode, text, 1n, 0n, fileInfo(fh!)]);
    assert.equal(written?.count, 1, "it can be written");
    assert.equal(this.request("flush", [inode, fileInfo(fh!)])?.errno, 0);
    const read = this.request("read", [inode, 10n, 0n, fileInfo(fh!)]);
    assert.deepEqual(read?.bytes, text, "it can be read");
    assert.equal(this.request("release", [inode, fileInfo(fh!)])?.errno, 0);
    assert.equal(this.kernel.lookup(PENDING_INO, name).ino, ino, "it can be found");
    const { id } = this.job("a fresh job");
    assert.equal(scriptIno(id), ino);
    const listed = this.kernel.list(PENDING_INO).filter((entry) => entry.ino === ino);
    assert.equal(listed.length, 1, "it is listed once");
  }

  /** What was open when its job was removed can still be read, unless somebody has closed it. */
  checkOpen(): void {
    const { ino, fh, bytes } = this.#open!;
    const { errno, bytes: now } = this.#read(ino, fh)!;
    if (errno !== E.EBADF) assert.deepEqual(now, bytes, "the log of a removed job can be read");
  }

  /** Every entry of every directory is found under its name, and once. */
  checkListings(): void {
    for (const directory of [ROOT_INO, JOBS_INO, ...Object.values(DIRECTORY_INO)]) {
      for (const plus of [false, true]) this.checkListing(directory, 4096, plus);
    }
    for (const { ino } of this.kernel.list(JOBS_INO).slice(2)) this.checkListing(ino, 4096, true);
  }

  checkListing(directory: number, size: number, plus: boolean): void {
    const entries = this.kernel.list(directory, size, plus);
    const names = entries.map(({ name }) => name.join());
    assert.equal(new Set(names).size, names.length, "no name is listed twice");
    for (const { name, ino } of entries.slice(2)) {
      assert.equal(this.kernel.lookup(directory, name).ino, ino, "what is listed is found");
    }
  }

  /** Ends all that runs and closes everything. */
  async finishAll(): Promise<void> {
    while (this.#running.length > 0) this.stop(0);
    this.fs.endWaiting();
    await this.kernel.answered();
    this.fs.close();
    this.checkLog();
    this.kernel.end();
    this.store.close();
    assertConsistent(this.path);
  }

  override end(): void {
    this.kernel.close();
    try {
      super.end();
    } catch {
      // It is closed already.
    }
  }
}

/** True for a text that a terminal shows in one line, and that is not too long to read. */
export function isLine(text: string): boolean {
  return text !== "" && text === printable(text) && text.length <= 1000;
}

/** Runs `body` with a new world, on a file system in memory where there is one. */
export async function inWorld(body: (world: World) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-fuzz-", ...(await inMemory()) });
  try {
    const world = new World(folder);
    try {
      await body(world);
    } finally {
      world.end();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const MEMORY = "/dev/shm";

async function inMemory(): Promise<{ dir?: string }> {
  const stat = await Deno.stat(MEMORY).catch(() => null);
  return stat?.isDirectory ? { dir: MEMORY } : {};
}
