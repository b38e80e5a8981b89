/**
 * The file system: answers the kernel's requests from the store.
 *
 * Root and its fixed nodes, the four state directories, and two files for each job (see `ino.ts`). Nothing about jobs is
 * kept here but the buffers of open scripts. Handlers run on the JavaScript thread between two turns of the loop; those
 * that do not await are atomic towards each other and towards the scheduler.
 */
import { constants } from "node:fs";
import { statfs } from "node:fs/promises";
import type { AttrChange, Entry, FileSystemStat, Name, Operations } from "../ffi/operations.ts";
import type { Reply } from "../ffi/reply.ts";
import type { Job, ListedState } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { Access } from "./access.ts";
import { Attributes, fixedEntry, jobEntry, MODE_BITS, S_IFMT, S_IFREG } from "./attributes.ts";
import { ConfigFile, type ConfigFileLog } from "./config_file.ts";
import { listJobs, listRoot } from "./directory.ts";
import { E, errnoOf, FsError } from "./errno.ts";
import { type Handle, Handles } from "./handle.ts";
import { DIRECTORY_INO, jobFile, PENDING_INO, ROOT_INO, stateOfDirectory } from "./ino.ts";
import { Logs } from "./logs.ts";
import { lookupName, NAME_MAX, newName } from "./names.ts";
import { NewIdFile } from "./new_id_file.ts";
import { mayForget, rename } from "./rename.ts";
import { type OpenFlags, Scripts } from "./scripts.ts";
import { newMode, newTimes, setJobAttributes } from "./set_attributes.ts";
import type { VirtualFile } from "./virtual_file.ts";

/** statfs asks the file system below at most this often, in ms. */
const STATFS_MS = 1000;
const O_ACCMODE = 3;
const S_ISGID = 0o2000;

export interface FileSystemLog extends ConfigFileLog {
  /** A handler threw what nobody has foreseen: a bug. */
  unexpected(operation: string, error: unknown): void;
  /** The state file could not be read or written. */
  storeFailed(operation: string, error: unknown): void;
  forgotten(operation: string): void;
}

function openFlags(flags: number): OpenFlags {
  return {
    // O_TRUNC writes too, though nothing can be written through the descriptor: open(2).
    write: (flags & (O_ACCMODE | constants.O_TRUNC)) !== constants.O_RDONLY,
    truncate: (flags & constants.O_TRUNC) !== 0,
    append: (flags & constants.O_APPEND) !== 0,
  };
}

export class FileSystem implements Operations {
  readonly #store: Store;
  readonly #log: FileSystemLog;
  readonly #scripts: Scripts;
  readonly #logs: Logs;
  readonly #attributes: Attributes;
  readonly #access = new Access();
  readonly #handles = new Handles();
  readonly #virtualFiles: readonly VirtualFile[];
  #statfs: { readonly at: number; readonly stat: Promise<FileSystemStat> } | null = null;

  constructor(store: Store, log: FileSystemLog) {
    this.#store = store;
    this.#log = log;
    this.#scripts = new Scripts(store);
    this.#logs = new Logs(store);
    this.#attributes = new Attributes(store, this.#scripts, this.#logs);
    this.#virtualFiles = [new NewIdFile(store), new ConfigFile(store, log)];
  }

  /** At the end, when no request can come any more: commits and closes what clients still had open. */
  close(): void {
    this.#scripts.cutOff();
    this.#handles.releaseAll((error) => void this.errnoOf(error, "release"));
  }

  // Names ------------------------------------------------------------------------------------------------------

  lookup(reply: Reply, parent: number, rawName: Name): void {
    const name = lookupName(rawName);
    if (parent === ROOT_INO) return reply.entry(this.#rootEntry(name));
    reply.entry(jobEntry(this.#attributes.ofJob(this.#jobIn(parent, name))));
  }

  #rootEntries(): [string, Entry][] {
    const directories = (Object.keys(DIRECTORY_INO) as ListedState[]).map((state) =>
      [state, fixedEntry(this.#attributes.ofDirectory(state))] as [string, Entry]
    );
    const files = this.#virtualFiles.map((file) =>
      [file.name, fixedEntry(this.#virtualAttr(file))] as [string, Entry]
    );
    return [...directories, ...files];
  }

  #rootEntry(name: string): Entry {
    if (Object.hasOwn(DIRECTORY_INO, name)) {
      return fixedEntry(this.#attributes.ofDirectory(name as ListedState));
    }
    const file = this.#virtualFiles.find((candidate) => candidate.name === name);
    if (file === undefined) throw new FsError("ENOENT");
    return fixedEntry(this.#virtualAttr(file));
  }

  #virtualAttr(file: VirtualFile) {
    return this.#attributes.fixed(file.ino, S_IFREG | file.mode, file.size(), file.changedMs());
  }

  /** The job that a state directory lists under a name. */
  #jobIn(parent: number, name: string): Job {
    const state = stateOfDirectory(parent);
    if (state === undefined) throw new FsError("ENOTDIR");
    const job = this.#store.jobs.byName(name);
    if (job?.state !== state) throw new FsError("ENOENT");
    return job;
  }

  mknod(reply: Reply, parent: number, name: Name, mode: number): void {
    if ((mode & S_IFMT) !== S_IFREG) throw new FsError("EPERM");
    const job = this.#make(reply, parent, name, mode, true);
    reply.entry(jobEntry(this.#attributes.ofScript(job)));
  }

  create(reply: Reply, parent: number, name: Name, mode: number, rawFlags: number): void {
    const flags = openFlags(rawFlags);
    const job = this.#make(reply, parent, name, mode, (rawFlags & constants.O_EXCL) !== 0);
    const fh = this.#handles.add(this.#scripts.open(job, flags));
    const entry = jobEntry(this.#attributes.ofScript(this.#store.jobs.require(job.id)));
    if (!reply.create(entry, fh)) this.#handles.release(fh);
  }

  /** A new empty job, or the pending one of that name unless `exclusive`. */
  #make(reply: Reply, parent: number, rawName: Name, mode: number, exclusive: boolean): Job {
    if (parent !== PENDING_INO) throw new FsError("EPERM", "jobs are made in pending/");
    const name = newName(rawName);
    const caller = reply.caller;
    this.#access.requireOwner(caller);
    const { jobs, moves, db } = this.#store;
    const existing = jobs.byName(name);
    if (existing?.state === "pending" && !exclusive) return existing;
    if (existing !== undefined && !mayForget(this.#store, existing)) throw new FsError("EEXIST");
    db.assertWritable();
    const directory = this.#attributes.ofDirectory("pending");
    const gid = directory.mode & S_ISGID ? directory.gid : caller.gid;
    return moves.create({ name, mode: mode & MODE_BITS, uid: caller.uid, gid }, existing);
  }

  makeOther(_reply: Reply, _parent: number, _name: Name): never {
    throw new FsError("EPERM", "there are only jobs here");
  }

  rmdir(_reply: Reply, _parent: number, _name: Name): never {
    throw new FsError("EPERM", "the directories stay");
  }

  unlink(reply: Reply, parent: number, rawName: Name): void {
    const name = lookupName(rawName);
    if (parent === ROOT_INO) {
      this.#rootEntry(name);
      throw new FsError("EPERM", "the files of the root stay");
    }
    this.#store.moves.remove(this.#jobIn(parent, name));
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
    if (from === "pending" || to === "pending") this.#access.requireOwner(reply.caller);
    rename(this.#store, {
      from,
      name: lookupName(rawName),
      to,
      newName: newName(rawNewName),
      flags,
    });
    reply.ok();
  }

  // Attributes -------------------------------------------------------------------------------------------------

  getattr(reply: Reply, ino: number): void {
    reply.attr(this.#attrOf(ino), 0);
  }

  #attrOf(ino: number) {
    if (ino === ROOT_INO) return this.#attributes.ofRoot();
    const state = stateOfDirectory(ino);
    if (state !== undefined) return this.#attributes.ofDirectory(state);
    const virtual = this.#virtualFile(ino);
    if (virtual !== undefined) return this.#virtualAttr(virtual);
    const { job, file } = this.#jobFile(ino);
    return file === "script" ? this.#attributes.ofScript(job) : this.#attributes.ofLog(job);
  }

  #virtualFile(ino: number): VirtualFile | undefined {
    return this.#virtualFiles.find((file) => file.ino === ino);
  }

  /** ESTALE for what is gone: the kernel then looks the path up again. */
  #jobFile(ino: number): { readonly job: Job; readonly file: "script" | "log" } {
    const found = jobFile(ino);
    const job = found && this.#store.jobs.byId(found.id);
    if (found === undefined || job === undefined) throw new FsError("ESTALE");
    return { job, file: found.file };
  }

  setattr(reply: Reply, ino: number, change: AttrChange, fh: number | undefined): void {
    const caller = () => reply.caller;
    if (ino < 16) {
      this.#setFixedAttributes(ino, change, fh, caller);
    } else {
      const { job, file } = this.#jobFile(ino);
      if (change.size !== undefined) {
        if (file === "log") throw new FsError("EPERM", "a log cannot be truncated");
        this.#access.requireOwner(reply.caller);
      }
      setJobAttributes(this.#store, this.#scripts, job, file, change, caller);
    }
    reply.attr(this.#attrOf(ino), 0);
  }

  #setFixedAttributes(
    ino: number,
    change: AttrChange,
    fh: number | undefined,
    caller: () => Reply["caller"],
  ): void {
    // truncate by path has no effect: what a write changes is decided when it is complete.
    if (change.size !== undefined && fh !== undefined) {
      this.#handles.get(fh).truncate?.(change.size);
    }
    if (change.mode !== undefined || change.uid !== undefined || change.gid !== undefined) {
      const now = this.#attrOf(ino);
      this.#store.nodes.set(ino, {
        mode: newMode(now.mode, change, caller),
        uid: change.uid ?? now.uid,
        gid: change.gid ?? now.gid,
      });
    }
    this.#attributes.changeFixed(ino, newTimes(change, this.#store.now()));
  }

  // Open files -------------------------------------------------------------------------------------------------

  open(reply: Reply, ino: number, rawFlags: number): void {
    const fh = this.#handles.add(this.#openFile(reply, ino, openFlags(rawFlags)));
    if (!reply.open(fh)) this.#handles.release(fh);
  }

  #openFile(reply: Reply, ino: number, flags: OpenFlags): Handle {
    const virtual = this.#virtualFile(ino);
    if (flags.write) this.#access.requireOwner(reply.caller);
    if (virtual !== undefined) return virtual.open(flags);
    const { job, file } = this.#jobFile(ino);
    if (file === "script") return this.#scripts.open(job, flags);
    if (flags.write || flags.truncate) throw new FsError("EPERM", "a log is read only");
    return this.#logs.open(job);
  }

  read(reply: Reply, _ino: number, fh: number, offset: number, size: number): void {
    reply.data(this.#handles.get(fh).read(offset, size));
  }

  write(reply: Reply, _ino: number, fh: number, offset: number, data: Uint8Array): void {
    const handle = this.#handles.get(fh);
    if (handle.write === undefined) throw new FsError("EPERM");
    handle.write(offset, data, () => reply.caller);
    reply.written(data.length);
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
    const file = jobFile(ino);
    if (file?.file === "script") this.#scripts.commit(file.id);
    await this.#store.db.sync();
    reply.ok();
  }

  // Directories ------------------------------------------------------------------------------------------------

  opendir(reply: Reply, _ino: number): void {
    reply.open(0);
  }

  readdir(reply: Reply, ino: number, offset: number, size: number, plus: boolean): void {
    const writer = reply.directory(size, plus);
    const state = stateOfDirectory(ino);
    if (state !== undefined) {
      listJobs(this.#store, this.#attributes, state, { offset, size, plus }, writer);
    } else if (ino === ROOT_INO) {
      listRoot(this.#rootEntries(), this.#attributes.ofRoot(), offset, writer);
    } else {
      throw new FsError("ENOTDIR");
    }
    reply.sendDirectory(writer);
  }

  async fsyncdir(reply: Reply): Promise<void> {
    await this.#store.db.sync();
    reply.ok();
  }

  async statfs(reply: Reply): Promise<void> {
    const now = performance.now();
    if (this.#statfs === null || now - this.#statfs.at >= STATFS_MS) {
      this.#statfs = { at: now, stat: this.#askStatfs() };
    }
    const stat = await this.#statfs.stat;
    reply.statfs({ ...stat, files: stat.ffree + this.#store.jobs.count });
  }

  async #askStatfs(): Promise<FileSystemStat> {
    const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(this.#store.db.path);
    return { bsize, blocks, bfree, bavail, files, ffree, namemax: NAME_MAX };
  }

  // Extended attributes ----------------------------------------------------------------------------------------

  #xattrs(ino: number): ReadonlyMap<string, string> | undefined {
    return this.#virtualFile(ino)?.xattrs();
  }

  getxattr(reply: Reply, ino: number, name: Name, size: number): void {
    const value = name === null ? undefined : this.#xattrs(ino)?.get(name);
    if (value === undefined) return reply.error(E.ENODATA);
    reply.xattr(new TextEncoder().encode(value), size, E.ERANGE);
  }

  listxattr(reply: Reply, ino: number, size: number): void {
    const names = [...this.#xattrs(ino)?.keys() ?? []].map((name) => `${name}\0`).join("");
    reply.xattr(new TextEncoder().encode(names), size, E.ERANGE);
  }

  setxattr(reply: Reply): void {
    reply.error(E.ENOTSUP);
  }

  removexattr(reply: Reply): void {
    reply.error(E.ENODATA);
  }

  // Errors -----------------------------------------------------------------------------------------------------

  errnoOf(error: unknown, operation: string): number {
    const name = errnoOf(error);
    if (name === null) this.#log.unexpected(operation, error);
    else if (name === "EIO" || name === "ENOSPC" || name === "EROFS") {
      this.#log.storeFailed(operation, error);
    }
    return E[name ?? "EIO"];
  }

  forgotten(operation: string): void {
    this.#log.forgotten(operation);
  }
}
