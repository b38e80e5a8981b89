/**
 * The file system: answers the kernel's requests from the store.
 *
 * What there is and what it shows is in `tree.ts`; here is what can be done with it. Nothing about jobs is kept here but
 * the buffers of open scripts. Handlers run on the JavaScript thread between two turns of the loop; those that do not
 * await are atomic towards each other and towards the scheduler.
 */
import { constants } from "node:fs";
import type {
  AttrChange,
  Caller,
  KernelCache,
  Name,
  Operations,
  PollHandle,
  Result,
} from "../ffi/operations.ts";
import type { Reply } from "../ffi/reply.ts";
import { StoreError } from "../store/errors.ts";
import type { Job } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { Access } from "./access.ts";
import { Attributes, MODE_BITS, S_IFMT, S_IFREG } from "./attributes.ts";
import { Cache, fleetingEntry } from "./cache.ts";
import { ConfigFile, type ConfigFileLog } from "./config_file.ts";
import { list } from "./directory.ts";
import { E, errnoOf, FsError } from "./errno.ts";
import { EventsFile } from "./events_file.ts";
import { type Handle, Handles } from "./handle.ts";
import { isFixed, PENDING_INO, ROOT_INO, stateOfDirectory } from "./ino.ts";
import type { JobFile, OpenFlags } from "./job_file.ts";
import { Linger } from "./linger.ts";
import { Logs } from "./logs.ts";
import { Metrics } from "./metrics.ts";
import { MetricsFile } from "./metrics_file.ts";
import { lookupName, newName } from "./names.ts";
import { NewIdFile } from "./new_id_file.ts";
import { carryOut, mayForget, planRename, type RenamePlan } from "./rename.ts";
import { Scripts } from "./scripts.ts";
import { newMode, newTimes, setJobAttributes } from "./set_attributes.ts";
import { SignalFile } from "./signal_file.ts";
import { StatusFile } from "./status_file.ts";
import { StoreRoom } from "./store_room.ts";
import { type JobPart, Tree } from "./tree.ts";
import { WaitFile } from "./wait_file.ts";
import { getJobXattr, isJobXattr, listJobXattrs, PRIORITY_XATTR, setPriority } from "./xattrs.ts";

const O_ACCMODE = 3;
const S_ISGID = 0o2000;
/** Errors that say something about the state file. */
const SAID: ReadonlySet<string> = new Set(["EIO", "ENOSPC", "EROFS"]);
const SAY_AGAIN_MS = 60_000;
/** Of one answer to readdir. The kernel asks for no more than some pages, and a listing may end anywhere. */
const MAX_LISTING_BYTES = 1_048_576;
/** POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM of poll(2): what a file without a say of its own always is. */
const ALWAYS_READY = 0x145;

export interface FileSystemLog extends ConfigFileLog {
  /** A handler threw what nobody has foreseen: a bug. */
  unexpected(operation: string, error: unknown): void;
  /** The state file could not be read or written. */
  storeFailed(operation: string, error: unknown): void;
  forgotten(operation: string): void;
}

export interface FileSystemOptions {
  /** Of the program, for `metrics`. */
  readonly version: string;
  /** A folder that only the daemon's user can look into, for scripts that are open and too large for memory. */
  readonly spillFolder: string;
  /** Jobs run as the owners of their files, so that every user may hand some in. */
  readonly runsAsOwner?: boolean;
  /** Jobs are moved from pages too, without a request of the kernel. */
  readonly hasPages?: boolean;
}

function openFlags(flags: number): OpenFlags {
  return {
    // O_TRUNC writes too, though nothing can be written through the descriptor: open(2).
    write: (flags & (O_ACCMODE | constants.O_TRUNC)) !== constants.O_RDONLY,
    truncate: (flags & constants.O_TRUNC) !== 0,
    sync: (flags & constants.O_DSYNC) !== 0, // O_SYNC has this bit too: open(2)
  };
}

/** Throws EINVAL for what is no place in a file: arithmetic with it would find bytes that are not asked for. */
function requirePlace(offset: number): void {
  if (offset < 0) throw new FsError("EINVAL", "no file has such an offset");
}

/** Throws EPERM for an open that could write. */
function requireReading({ write }: OpenFlags): void {
  if (write) throw new FsError("EPERM", "a log is read only");
}

export class FileSystem implements Operations {
  readonly #store: Store;
  readonly #log: FileSystemLog;
  readonly #scripts: Scripts;
  readonly #logs: Logs;
  readonly #attributes: Attributes;
  readonly #cache: Cache;
  readonly #access: Access;
  readonly #handles = new Handles();
  readonly #linger: Linger;
  readonly #metrics: Metrics;
  readonly #wait: WaitFile;
  readonly #tree: Tree;
  readonly #room: StoreRoom;
  /** When a kind of failure of the store was last said. */
  readonly #saidAt = new Map<string, number>();

  constructor(store: Store, log: FileSystemLog, options: FileSystemOptions) {
    const { version, spillFolder, runsAsOwner = false, hasPages = false } = options;
    this.#access = new Access(runsAsOwner);
    this.#store = store;
    this.#log = log;
    this.#scripts = new Scripts(store, spillFolder);
    this.#logs = new Logs(store);
    this.#cache = new Cache(store, this.#logs, hasPages);
    this.#attributes = new Attributes(store, this.#scripts, this.#logs);
    this.#metrics = new Metrics(store, version);
    this.#wait = new WaitFile(store, this.#attributes);
    this.#room = new StoreRoom(store);
    this.#linger = new Linger(store);
    this.#tree = new Tree({
      store,
      attributes: this.#attributes,
      cache: this.#cache,
      files: [
        new NewIdFile(store),
        new ConfigFile(store, log),
        new MetricsFile(store, this.#metrics),
        new EventsFile(store),
      ],
      jobFiles: this.#jobFiles(),
    });
  }

  #jobFiles(): JobFile[] {
    return [
      {
        name: "script",
        node: "script",
        isListed: true,
        attr: (job) => this.#attributes.ofScript(job),
        open: (job, flags) => this.#scripts.open(job, flags),
      },
      {
        name: "log",
        node: "log",
        isListed: true,
        attr: (job) => this.#attributes.ofLog(job),
        open: (job, flags) => {
          requireReading(flags);
          return this.#logs.open(job);
        },
      },
      new StatusFile(this.#store, this.#attributes),
      new SignalFile(this.#store, this.#attributes),
      this.#wait,
    ];
  }

  mounted(kernel: KernelCache): void {
    this.#cache.mounted(kernel);
  }

  answered(operation: string, ms: number): void {
    this.#metrics.answered(operation, ms);
  }

  /** At the end of the daemon: who waits for a job is told. Before the session is closed, which waits for answers. */
  endWaiting(): void {
    this.#wait.close();
  }

  /** At the end, when no request can come any more: commits and closes what clients still had open. */
  close(): void {
    this.endWaiting();
    this.#linger.close();
    this.#scripts.cutOff();
    this.#handles.releaseAll((error) => void this.errnoOf(error, "release"));
  }

  // Names ------------------------------------------------------------------------------------------------------

  lookup(reply: Reply, parent: number, rawName: Name): void {
    const name = lookupName(rawName);
    reply.entry(this.#tree.directory(parent).lookup(name));
  }

  mknod(reply: Reply, parent: number, name: Name, mode: number): void {
    if ((mode & S_IFMT) !== S_IFREG) throw new FsError("EPERM");
    const job = this.#make(reply, parent, name, mode, true);
    reply.entry(fleetingEntry(this.#attributes.ofScript(job)));
  }

  create(reply: Reply, parent: number, name: Name, mode: number, rawFlags: number): void {
    this.#handles.requireRoom();
    const flags = openFlags(rawFlags);
    const job = this.#make(reply, parent, name, mode, (rawFlags & constants.O_EXCL) !== 0);
    const fh = this.#handles.add(this.#scripts.open(job, flags));
    const attr = this.#attributes.ofScript(this.#store.jobs.require(job.id));
    if (!reply.create(fleetingEntry(attr), fh)) this.#handles.release(fh);
  }

  /** A new empty job, or the pending one of that name unless `exclusive`. */
  #make(reply: Reply, parent: number, rawName: Name, mode: number, exclusive: boolean): Job {
    if (parent !== PENDING_INO) throw new FsError("EPERM", "jobs are made in pending/");
    const name = newName(rawName);
    const caller = reply.caller;
    this.#access.requireSubmitter(caller);
    const { jobs, moves, db } = this.#store;
    const existing = jobs.byName(name);
    const opens = existing?.state === "pending" && !exclusive;
    if (existing !== undefined) {
      if (!opens && !mayForget(this.#store, existing)) throw new FsError("EEXIST");
      this.#access.requireChanger(caller, existing);
      if (opens) return existing;
    }
    db.assertWritable();
    const directory = this.#attributes.ofDirectory("pending");
    const gid = directory.mode & S_ISGID ? directory.gid : caller.gid;
    const made = { name, mode: this.#access.newMode(mode & MODE_BITS), uid: caller.uid, gid };
    const job = moves.create(made, existing);
    if (existing !== undefined) this.#cache.forgetName(existing);
    return job;
  }

  makeOther(_reply: Reply, _parent: number, _name: Name): never {
    throw new FsError("EPERM", "there are only jobs here");
  }

  rmdir(_reply: Reply, _parent: number, _name: Name): never {
    throw new FsError("EPERM", "the directories stay");
  }

  unlink(reply: Reply, parent: number, rawName: Name): void {
    const job = this.#tree.jobIn(parent, lookupName(rawName));
    this.#access.requireRemover(reply.caller, job);
    this.#store.moves.remove(job);
    reply.ok();
  }

  rename(
    reply: Reply,
    parent: number,
    rawName: Name,
    newParent: number,
    rawNewName: Name,
    flags: number,
  ): void {
    const from = stateOfDirectory(parent);
    const to = stateOfDirectory(newParent);
    if (from === undefined || to === undefined) throw new FsError("EPERM");
    const isOfPending = from === "pending" || to === "pending";
    // Before anything is told of what there is.
    if (isOfPending) this.#access.requireSubmitter(reply.caller);
    const request = { from, name: lookupName(rawName), to, newName: newName(rawNewName), flags };
    const plan = planRename(this.#store, request);
    if (plan !== null) {
      for (const job of [plan.job, plan.replaced]) {
        if (job !== undefined) this.#access.requireRemover(reply.caller, job);
      }
      this.#carryOut(plan);
    }
    reply.ok();
  }

  #carryOut(plan: RenamePlan): void {
    const { job, replaced, to } = plan;
    this.#linger.keep(replaced, () => carryOut(this.#store, plan));
    if (to !== job.state) {
      if (to === "pending") this.#scripts.requeued(job.id);
      this.#cache.forgetName(job);
    }
    if (replaced !== undefined) this.#cache.forgetName(replaced);
  }

  // Attributes -------------------------------------------------------------------------------------------------

  getattr(reply: Reply, ino: number): void {
    const { attr, attrTimeoutSec } = this.#tree.stat(ino);
    reply.attr(attr, attrTimeoutSec);
  }

  setattr(reply: Reply, ino: number, change: AttrChange, fh: number | undefined): void {
    const caller = () => reply.caller;
    if (change.size !== undefined) requirePlace(change.size);
    if (isFixed(ino)) this.#setFixedAttributes(ino, change, fh, caller);
    else this.#setJobAttributes(ino, change, caller);
    this.getattr(reply, ino);
  }

  #setJobAttributes(ino: number, change: AttrChange, caller: () => Caller): void {
    const part = this.#tree.jobPart(ino);
    if (change.size !== undefined) this.#checkTruncate(part, caller);
    setJobAttributes({ store: this.#store, scripts: this.#scripts, part, ino, change, caller });
    if (part.node !== "log") this.#cache.forgetLog(part.job);
  }

  #checkTruncate({ node, job }: JobPart, caller: () => Caller): void {
    if (node === "signal") return; // echo TERM > signal
    if (node !== "script") throw new FsError("EPERM", "only a script can be truncated");
    this.#access.requireChanger(caller(), job);
  }

  #setFixedAttributes(
    ino: number,
    change: AttrChange,
    fh: number | undefined,
    caller: () => Caller,
  ): void {
    const times = newTimes(change, this.#store.now());
    // truncate by path has no effect: what a write changes is decided when it is complete.
    if (change.size !== undefined && fh !== undefined) {
      this.#handles.get(fh).truncate?.(change.size);
    }
    if (change.mode !== undefined || change.uid !== undefined || change.gid !== undefined) {
      const now = this.#tree.stat(ino).attr;
      this.#store.nodes.set(ino, {
        mode: newMode(now.mode, change, caller),
        uid: change.uid ?? now.uid,
        gid: change.gid ?? now.gid,
      });
    }
    this.#attributes.changeFixed(ino, times);
  }

  // Open files -------------------------------------------------------------------------------------------------

  open(reply: Reply, ino: number, rawFlags: number): void {
    this.#handles.requireRoom();
    const fh = this.#handles.add(this.#openFile(reply, ino, openFlags(rawFlags)));
    if (!reply.open(fh)) this.#handles.release(fh);
  }

  #openFile(reply: Reply, ino: number, flags: OpenFlags): Handle {
    const file = this.#tree.file(ino);
    if (file !== undefined) {
      if (flags.write) this.#access.requireDaemonUser(reply.caller);
      return file.open(flags);
    }
    const { job, node, attempt } = this.#tree.jobPart(ino);
    if (attempt !== undefined) {
      requireReading(flags);
      return this.#logs.openSection(job, attempt);
    }
    if (flags.write && node === "script") this.#access.requireChanger(reply.caller, job);
    const jobFile = node === "attempt" ? undefined : this.#tree.jobFile(node);
    if (jobFile === undefined) throw new FsError("EISDIR");
    return jobFile.open(job, flags);
  }

  read(reply: Reply, _ino: number, fh: number, offset: number, size: number): Result {
    requirePlace(offset);
    const onInterrupt = (listener: () => void) => reply.onInterrupt(listener);
    const bytes = this.#handles.get(fh).read(offset, size, onInterrupt);
    if (!(bytes instanceof Promise)) return reply.data(bytes);
    return bytes.then((late) => reply.data(late));
  }

  write(
    reply: Reply,
    _ino: number,
    fh: number,
    offset: number,
    data: Uint8Array,
    flags: number,
  ): Result {
    requirePlace(offset);
    const size = data.length;
    const handle = this.#handles.get(fh);
    if (handle.write === undefined) throw new FsError("EPERM");
    const isAppending = (flags & constants.O_APPEND) !== 0;
    handle.write(offset, data, () => reply.caller, isAppending);
    if (handle.isSync) return this.#sync(handle, () => reply.written(size));
    reply.written(size);
  }

  /** Nobody below the kernel does this for a file that is opened with direct I/O. */
  async #sync(handle: Handle, answer: () => void): Promise<void> {
    handle.commit?.();
    await this.#store.db.sync();
    answer();
  }

  flush(reply: Reply, _ino: number, fh: number): void {
    this.#handles.get(fh).flush?.();
    reply.ok();
  }

  release(reply: Reply, _ino: number, fh: number): void {
    this.#handles.release(fh);
    reply.ok();
  }

  async fsync(reply: Reply, ino: number, fh: number): Promise<void> {
    this.#handles.get(fh).commit?.();
    if (!isFixed(ino)) {
      const { job, node } = this.#tree.jobPart(ino);
      if (node === "script") this.#scripts.commit(job.id);
    }
    await this.#store.db.sync();
    reply.ok();
  }

  poll(reply: Reply, _ino: number, fh: number, handle: PollHandle | null): void {
    const file = this.#handles.find(fh);
    if (file?.poll !== undefined) return reply.poll(file.poll(handle));
    handle?.drop();
    if (file === undefined) throw new FsError("EBADF");
    reply.poll(ALWAYS_READY);
  }

  // Directories ------------------------------------------------------------------------------------------------

  opendir(reply: Reply, _ino: number): void {
    reply.open(0);
  }

  readdir(reply: Reply, ino: number, offset: number, size: number, plus: boolean): void {
    requirePlace(offset);
    const room = Math.min(size, MAX_LISTING_BYTES);
    const writer = reply.directory(room, plus);
    list(this.#tree.directory(ino), { offset, plus }, writer);
    reply.sendDirectory(writer);
  }

  async fsyncdir(reply: Reply): Promise<void> {
    await this.#store.db.sync();
    reply.ok();
  }

  async statfs(reply: Reply): Promise<void> {
    reply.statfs(await this.#room.stat());
  }

  // Extended attributes ----------------------------------------------------------------------------------------

  getxattr(reply: Reply, ino: number, name: Name, size: number): void {
    const value = name === null ? undefined : this.#xattr(ino, name);
    if (value === undefined) return reply.error(E.ENODATA);
    reply.xattr(new TextEncoder().encode(value), size, E.ERANGE);
  }

  #xattr(ino: number, name: string): string | undefined {
    if (isFixed(ino)) return this.#tree.file(ino)?.xattrs().get(name);
    if (!isJobXattr(name)) return undefined;
    return getJobXattr(this.#store, this.#tree.jobPart(ino).job, name);
  }

  listxattr(reply: Reply, ino: number, size: number): void {
    const names = isFixed(ino)
      ? [...this.#tree.file(ino)?.xattrs().keys() ?? []]
      : listJobXattrs(this.#store, this.#tree.jobPart(ino).job);
    const text = names.map((name) => `${name}\0`).join("");
    reply.xattr(new TextEncoder().encode(text), size, E.ERANGE);
  }

  setxattr(reply: Reply, ino: number, name: Name, value: Uint8Array): Result {
    if (name !== PRIORITY_XATTR || isFixed(ino)) return reply.error(E.ENOTSUP);
    const { job } = this.#tree.jobPart(ino);
    this.#access.requireChanger(reply.caller, job);
    setPriority(this.#store, job, value);
    reply.ok();
  }

  removexattr(reply: Reply, ino: number, name: Name): void {
    const exists = name !== null && ino !== ROOT_INO && this.#xattr(ino, name) !== undefined;
    reply.error(exists ? E.EPERM : E.ENODATA);
  }

  // Errors -----------------------------------------------------------------------------------------------------

  errnoOf(error: unknown, operation: string): number {
    const name = errnoOf(error);
    if (name === null) this.#log.unexpected(operation, error);
    else if (error instanceof StoreError && SAID.has(name)) this.#sayFailure(operation, error);
    return E[name ?? "EIO"];
  }

  /** Once a minute, and not at all where the store's health tells of it: a client may try a thousand times a second. */
  #sayFailure(operation: string, error: StoreError): void {
    if (this.#store.db.health.failure?.kind === error.kind) return;
    const now = performance.now();
    if (now - (this.#saidAt.get(error.kind) ?? -Infinity) < SAY_AGAIN_MS) return;
    this.#saidAt.set(error.kind, now);
    this.#log.storeFailed(operation, error);
  }

  forgotten(operation: string): void {
    this.#log.forgotten(operation);
  }
}
