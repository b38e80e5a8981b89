/**
 * A plain model of the tree, in memory: what every operation of interface.md gives, and what it leaves behind.
 *
 * An operation that is refused throws a {@linkcode Refusal} with the errors of which any may come; what it would have
 * changed is unchanged, except that a job on which a write has failed is in doubt. What running does is in `running.ts`
 * and `held_job.ts`.
 */
import type { Bytes } from "./bytes.ts";
import { type Moment, Span } from "./moment.ts";
import { isDraft, isTooLong, nameError } from "./names.ts";
import { refuse } from "./refusal.ts";
import { Script } from "./script.ts";

export type Directory = "pending" | "active" | "complete" | "failed";
export const DIRECTORIES: readonly Directory[] = ["pending", "active", "complete", "failed"];

export const RENAME_NOREPLACE = 1;
/** Of the clients. */
const UMASK = 0o022;

export interface Job {
  name: Bytes;
  /** Null: forgotten, though descriptors may be open on it. */
  directory: Directory | null;
  mode: number;
  readonly script: Script;
  log: Bytes;
  logTime: Moment;
  /** The mtime of the script lies ahead: the job does not start. */
  later: boolean;
  /** Inode numbers as they were first seen. */
  readonly inos: { script?: number; log?: number };
}

export interface OpenHow {
  readonly read: boolean;
  readonly write: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
  readonly append: boolean;
  readonly mode: number;
}

/** An open file, to which several descriptors may lead. */
export interface Description {
  readonly job: Job;
  readonly file: "script" | "log";
  readonly how: OpenHow;
  position: number;
  descriptors: number;
}

/** A descriptor of a client. */
export interface Descriptor {
  readonly client: number;
  readonly fd: number;
  readonly description: Description;
}

/** A job in active that waits until it is let go. */
export interface HeldJob {
  readonly job: Job;
  /** The path of the FIFO that it waits for. */
  readonly gate: string;
}

export interface Config {
  max_script_bytes: number;
  replace_finished: boolean;
  max_attempts: number;
}

export class Model {
  readonly jobs = new Map<Bytes, Job>();
  descriptors: Descriptor[] = [];
  readonly config: Config;
  held: HeldJob | null = null;
  readonly givenIds = new Set<string>();
  /** Jobs that the operations since the last comparison had to do with. */
  readonly touched = new Set<Job>();
  /** The time of the operation that is applied. */
  now: Span = new Span(0, 0);
  readonly #isRoot: boolean;

  constructor(config: Config, isRoot: boolean) {
    this.config = config;
    this.#isRoot = isRoot;
  }

  // By name ----------------------------------------------------------------------------------------------------

  list(directory: Directory): Bytes[] {
    return [...this.jobs.values()].filter((job) => job.directory === directory)
      .map((job) => job.name).sort();
  }

  /** The job that a directory lists under a name. */
  lookup(directory: Directory, name: Bytes): Job {
    if (isTooLong(name)) refuse("ENAMETOOLONG");
    const job = this.jobs.get(name);
    if (job === undefined) refuse("ENOENT");
    this.touched.add(job);
    if (job.directory !== directory) refuse("ENOENT");
    return job;
  }

  #has(directory: Directory, name: Bytes): boolean {
    return this.jobs.get(name)?.directory === directory;
  }

  open(directory: Directory, name: Bytes, how: OpenHow): Description {
    let job: Job;
    if (how.create && !isTooLong(name) && !this.#has(directory, name)) {
      job = this.#create(directory, name, how.mode);
    } else {
      job = this.lookup(directory, name);
      if (how.create && how.exclusive) refuse("EEXIST");
      if (how.write) this.#requireWritable(job);
    }
    const file = directory === "pending" ? "script" : "log";
    if (how.write) {
      job.script.writers++;
      if (how.truncate) job.script.resize(0, this.config.max_script_bytes, this.now);
    }
    return { job, file, how, position: 0, descriptors: 0 };
  }

  #create(directory: Directory, name: Bytes, mode: number): Job {
    const bad = nameError(name);
    const errors = bad === null ? [] : [bad];
    if (directory !== "pending") refuse("EPERM", ...errors);
    if (bad !== null) refuse(bad);
    const other = this.jobs.get(name);
    if (other !== undefined) {
      this.touched.add(other);
      if (!this.#mayForget(other)) refuse("EEXIST");
      this.#forget(other);
    }
    const job: Job = {
      name,
      directory,
      mode: mode & ~UMASK,
      script: new Script(this.now.moment()),
      log: "",
      logTime: this.now.moment(),
      later: false,
      inos: {},
    };
    this.jobs.set(name, job);
    this.touched.add(job);
    return job;
  }

  #requireWritable(job: Job): void {
    const mayWrite = this.#isRoot || (job.mode & 0o200) !== 0;
    if (job.directory !== "pending") refuse("EPERM", ...mayWrite ? [] : ["EACCES"]);
    if (!mayWrite) refuse("EACCES");
  }

  #mayForget(job: Job): boolean {
    return this.config.replace_finished &&
      (job.directory === "complete" || job.directory === "failed");
  }

  #forget(job: Job): void {
    job.directory = null;
    this.jobs.delete(job.name);
    this.touched.add(job);
  }

  unlink(directory: Directory, name: Bytes): void {
    this.#forget(this.lookup(directory, name));
  }

  /** A directory or a link: nothing but jobs can be made. */
  makeOther(directory: Directory, name: Bytes): never {
    if (this.#has(directory, name)) refuse("EEXIST");
    refuse("EPERM", ...isTooLong(name) ? ["ENAMETOOLONG"] : []);
  }

  rename(from: Directory, name: Bytes, to: Directory, newName: Bytes, flags: number): void {
    const job = this.lookup(from, name);
    const target = this.jobs.get(newName);
    if (target === job && from === to) {
      if (flags === RENAME_NOREPLACE) refuse("EEXIST");
      return;
    }
    const errors: string[] = [];
    const bad = nameError(newName);
    if (bad !== null) errors.push(bad);
    // The kernel itself looks for what is to be exchanged.
    if ((flags & ~RENAME_NOREPLACE) !== 0) errors.push("EINVAL", "ENOENT");
    const isLegal = to === "pending" || (to === "failed" && from !== "complete") ||
      (to === "complete" && from === "complete");
    if (!isLegal || (from === "pending" && to === "failed" && isDraft(name))) errors.push("EPERM");
    const isReplaced = target !== undefined && target !== job;
    const mayReplace = flags === 0 && from === "pending" && to === "pending" && isReplaced &&
      (target.directory === "pending" || this.#mayForget(target));
    if (isReplaced) this.touched.add(target);
    if (isReplaced && !mayReplace) errors.push("EEXIST");
    if (errors.length > 0) refuse(...errors);
    if (isReplaced) this.#forget(target);
    this.jobs.delete(job.name);
    job.name = newName;
    this.jobs.set(newName, job);
    if (from !== to) this.move(job, to);
  }

  /** To another state. */
  move(job: Job, to: Directory): void {
    job.directory = to;
    job.later = false;
    job.logTime = this.now.moment();
    if (to === "pending") job.script.setTime(this.now.moment());
    this.touched.add(job);
  }

  truncate(directory: Directory, name: Bytes, size: number): void {
    const job = this.lookup(directory, name);
    this.#requireWritable(job);
    const { script } = job;
    try {
      script.resize(size, this.config.max_script_bytes, this.now);
    } finally {
      if (script.writers === 0) script.commit();
    }
  }

  // By descriptor ----------------------------------------------------------------------------------------------

  /** A client has a descriptor of it now. */
  opened(client: number, fd: number, description: Description): Descriptor {
    const descriptor = { client, fd, description };
    description.descriptors++;
    this.descriptors.push(descriptor);
    return descriptor;
  }

  content({ job, file }: Description): Bytes {
    return file === "script" ? job.script.text : job.log;
  }

  #use({ description }: Descriptor): Description {
    this.touched.add(description.job);
    return description;
  }

  /** `at`: null is for the descriptor's position. */
  read(descriptor: Descriptor, size: number, at: number | null): Bytes {
    const description = this.#use(descriptor);
    if (!description.how.read) refuse("EBADF");
    const from = at ?? description.position;
    const bytes = this.content(description).slice(from, from + size);
    if (at === null) description.position += bytes.length;
    return bytes;
  }

  write(descriptor: Descriptor, bytes: Bytes, at: number | null): void {
    const description = this.#use(descriptor);
    if (!description.how.write) refuse("EBADF");
    const { script } = description.job;
    const from = description.how.append ? script.text.length : at ?? description.position;
    script.write(from, bytes, this.config.max_script_bytes, this.now);
    if (at === null) description.position = from + bytes.length;
  }

  ftruncate(descriptor: Descriptor, size: number): void {
    const { how, job } = this.#use(descriptor);
    if (!how.write) refuse("EINVAL");
    job.script.resize(size, this.config.max_script_bytes, this.now);
  }

  fsync(descriptor: Descriptor): void {
    const { job, file } = this.#use(descriptor);
    if (file === "script") job.script.commit();
  }

  close(descriptor: Descriptor): void {
    const description = this.#use(descriptor);
    this.descriptors = this.descriptors.filter((one) => one !== descriptor);
    const { how, job: { script } } = description;
    if (how.write) script.flush();
    if (--description.descriptors === 0 && how.write && --script.writers === 0) script.commit();
  }

  /** The daemon has ended: killed, or told to. */
  crash(isKilled: boolean): void {
    this.descriptors = [];
    for (const job of this.jobs.values()) {
      if (isKilled) job.script.crash();
      else job.script.end();
      this.touched.add(job);
    }
  }

  // Attributes -------------------------------------------------------------------------------------------------

  chmod(job: Job, mode: number): void {
    job.mode = mode;
    this.touched.add(job);
  }

  /** `time` in nanoseconds since the epoch; null: now. */
  utimens(job: Job, file: "script" | "log", time: bigint | null): void {
    this.touched.add(job);
    const moment = time === null ? this.now.moment() : { from: time, to: time };
    if (file === "log") {
      job.logTime = moment;
      return;
    }
    job.script.setTime(moment);
    if (job.directory === "pending") job.later = time !== null && time > this.now.to;
  }
}
