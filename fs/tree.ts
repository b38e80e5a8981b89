/** The tree: which directory an inode number stands for, and what stat shows of every node. */
import type { Attr, Entry } from "../ffi/operations.ts";
import type { Attempt } from "../store/history.ts";
import type { Job, JobStat, ListedState } from "../store/job.ts";
import type { JobName } from "../store/listing.ts";
import type { Store } from "../store/store.ts";
import { type Attributes, S_IFDIR, S_IFREG } from "./attributes.ts";
import { type Cache, fixedEntry, fleetingEntry, ROOT_ATTR_SEC } from "./cache.ts";
import type { Directory, Listed } from "./directory.ts";
import { FsError } from "./errno.ts";
import {
  attemptOf,
  DIRECTORY_INO,
  jobIno,
  type JobNode,
  jobNode,
  JOBS_INO,
  logIno,
  ROOT_INO,
  scriptIno,
  stateOfDirectory,
} from "./ino.ts";
import type { JobFile } from "./job_file.ts";
import type { VirtualFile } from "./virtual_file.ts";

export interface TreeParts {
  readonly store: Store;
  readonly attributes: Attributes;
  readonly cache: Cache;
  /** The files of the root. */
  readonly files: readonly VirtualFile[];
  /** The files of `jobs/NAME/`. */
  readonly jobFiles: readonly JobFile[];
}

const STATES = Object.keys(DIRECTORY_INO) as ListedState[];
const ATTEMPTS = "attempts";
const ATTEMPT_LOG = /^([1-9][0-9]{0,8})\.log$/;

/** A node of a job, with the row of the job. */
export interface JobPart {
  readonly job: Job;
  readonly node: JobNode | "attempt";
  /** Of the node "attempt". */
  readonly attempt?: Attempt;
}

export class Tree {
  readonly #parts: TreeParts;
  /** Those that are always there, by inode number. */
  readonly #fixed: ReadonlyMap<number, Directory>;

  constructor(parts: TreeParts) {
    this.#parts = parts;
    this.#fixed = new Map([
      [ROOT_INO, this.#root()],
      [JOBS_INO, this.#jobs()],
      ...STATES.map((state) =>
        [DIRECTORY_INO[state], this.#stateDirectory(state)] as [number, Directory]
      ),
    ]);
  }

  file(ino: number): VirtualFile | undefined {
    return this.#parts.files.find((file) => file.ino === ino);
  }

  jobFile(node: JobNode): JobFile | undefined {
    return this.#parts.jobFiles.find((file) => file.node === node);
  }

  /** The job that a state directory lists under a name. Throws ENOENT; EPERM where there are no jobs of states. */
  jobIn(parent: number, name: string): Job {
    const state = stateOfDirectory(parent);
    if (state === undefined) {
      this.directory(parent).lookup(name);
      throw new FsError("EPERM", "what is here comes and goes with its job");
    }
    const job = this.#parts.store.jobs.byName(name);
    if (job?.state !== state) throw new FsError("ENOENT");
    return job;
  }

  /**
   * What an inode number stands for, if it belongs to a job. Throws ESTALE for what is gone: the kernel then looks the
   * path up again, once. So that a second removal in between is no error of stat, `orGone` finds what is just gone too.
   */
  jobPart(ino: number, orGone = false): JobPart {
    const { jobs, history } = this.#parts.store;
    const attemptId = attemptOf(ino);
    const attempt = attemptId === undefined ? undefined : history.byId(attemptId);
    const found = jobNode(ino) ?? (attempt && { id: attempt.jobId, node: "attempt" as const });
    const job = found && (jobs.byId(found.id) ?? (orGone ? jobs.gone(found.id) : undefined));
    if (found === undefined || job === undefined) throw new FsError("ESTALE");
    return { job, node: found.node, ...(attempt && { attempt }) };
  }

  /** Throws ENOTDIR, ESTALE. */
  directory(ino: number): Directory {
    const fixed = this.#fixed.get(ino);
    if (fixed !== undefined) return fixed;
    if (this.file(ino) !== undefined) throw new FsError("ENOTDIR");
    const { job, node } = this.jobPart(ino);
    if (node === "directory") return this.#jobDirectory(job);
    if (node === "attempts") return this.#attempts(job);
    throw new FsError("ENOTDIR");
  }

  /** What stat shows of a node, and for how many seconds the kernel may keep it. */
  stat(ino: number): { readonly attr: Attr; readonly attrTimeoutSec: number } {
    const { cache } = this.#parts;
    const file = this.file(ino);
    if (file !== undefined) return { attr: this.#fileAttr(file), attrTimeoutSec: 0 };
    const fixed = this.#fixed.get(ino);
    if (fixed !== undefined) {
      const attrTimeoutSec = ino === ROOT_INO ? ROOT_ATTR_SEC : cache.directoryAttrSec(ino);
      return { attr: fixed.attr(), attrTimeoutSec };
    }
    const part = this.jobPart(ino, true);
    const attrTimeoutSec = part.node === "log" ? cache.logAttrSec(part.job) : 0;
    return { attr: this.#jobPartAttr(part), attrTimeoutSec };
  }

  #jobPartAttr({ job, node, attempt }: JobPart): Attr {
    const { attributes } = this.#parts;
    if (attempt !== undefined) return attributes.ofAttempt(job, attempt);
    if (node === "directory" || node === "attempts") return attributes.ofJobDirectory(job, node);
    return this.jobFile(node as JobNode)!.attr(job);
  }

  #fileAttr(file: VirtualFile): Attr {
    return this.#parts.attributes.fixed(
      file.ino,
      S_IFREG | file.mode,
      file.size(),
      file.changedMs(),
    );
  }

  #root(): Directory {
    const { attributes } = this.#parts;
    const nodes: ReadonlyMap<string, () => Attr> = new Map([
      ...STATES.map((state) => [state, () => attributes.ofDirectory(state)] as const),
      ["jobs", () => attributes.ofJobs()] as const,
      ...this.#parts.files.map((file) => [file.name, () => this.#fileAttr(file)] as const),
    ]);
    const attr = () => attributes.ofRoot();
    return fixedDirectory(attr, attr, nodes, [...nodes.keys()]);
  }

  #stateDirectory(state: ListedState): Directory {
    const { attributes, cache, store } = this.#parts;
    const entry = (job: JobStat) => cache.listedJobEntry(job, attributes.ofJob(job));
    return {
      attr: () => attributes.ofDirectory(state),
      parentAttr: () => attributes.ofRoot(),
      lookup: (name) => {
        const job = this.jobIn(DIRECTORY_INO[state], name);
        return cache.jobEntry(job, attributes.ofJob(job));
      },
      page: (after, limit, plus) =>
        plus ? jobEntries(store.listing.page(state, after, limit), entry) : jobEntries(
          store.listing.names(state, after, limit),
          ({ id }) => bareEntry(state === "pending" ? scriptIno(id) : logIno(id), S_IFREG),
        ),
    };
  }

  #jobs(): Directory {
    const { attributes, store } = this.#parts;
    const entry = (job: JobStat) => fleetingEntry(attributes.ofJobDirectory(job, "directory"));
    return {
      attr: () => attributes.ofJobs(),
      parentAttr: () => attributes.ofRoot(),
      lookup: (name) => {
        const job = store.jobs.byName(name);
        if (job === undefined) throw new FsError("ENOENT");
        return entry(job);
      },
      page: (after, limit, plus) =>
        plus ? jobEntries(store.listing.page(null, after, limit), entry) : jobEntries(
          store.listing.names(null, after, limit),
          ({ id }) => bareEntry(jobIno(id, "directory"), S_IFDIR),
        ),
    };
  }

  #jobDirectory(job: Job): Directory {
    const { attributes, jobFiles } = this.#parts;
    const nodes = new Map<string, () => Attr>([
      [ATTEMPTS, () => attributes.ofJobDirectory(job, "attempts")],
      ...jobFiles.map((file) => [file.name, () => file.attr(job)] as [string, () => Attr]),
    ]);
    return fixedDirectory(
      () => attributes.ofJobDirectory(job, "directory"),
      () => attributes.ofJobs(),
      nodes,
      [ATTEMPTS, ...jobFiles.filter((file) => file.isListed).map((file) => file.name)],
    );
  }

  #attempts(job: Job): Directory {
    const { attributes, store } = this.#parts;
    const entry = (attempt: Attempt) => fixedEntry(attributes.ofAttempt(job, attempt));
    return {
      attr: () => attributes.ofJobDirectory(job, "attempts"),
      parentAttr: () => attributes.ofJobDirectory(job, "directory"),
      lookup: (name) => {
        const number = ATTEMPT_LOG.exec(name)?.[1];
        const attempt = number && store.history.byNumber(job.id, Number(number));
        if (!attempt) throw new FsError("ENOENT");
        return entry(attempt);
      },
      page: (after, limit) =>
        store.history.page(job.id, after, limit).map((attempt) => ({
          key: attempt.number,
          name: `${attempt.number}.log`,
          entry: entry(attempt),
        })),
    };
  }
}

function jobEntries<J extends JobName>(
  jobs: readonly J[],
  entry: (job: J) => Entry,
): Listed[] {
  return jobs.map((job) => ({ key: job.id, name: job.name, entry: entry(job) }));
}

const NO_TIME = { sec: 0, nsec: 0 };
const NOTHING = {
  nlink: 0,
  uid: 0,
  gid: 0,
  size: 0,
  atime: NO_TIME,
  mtime: NO_TIME,
  ctime: NO_TIME,
};

/** What a listing without attributes needs: a large one shall not make and drop all the rest for each job. */
function bareEntry(ino: number, mode: number): Entry {
  return fleetingEntry({ ...NOTHING, ino, mode });
}

/** A directory whose names never change. `listed`: those of them that a listing shows. */
function fixedDirectory(
  attr: () => Attr,
  parentAttr: () => Attr,
  nodes: ReadonlyMap<string, () => Attr>,
  listed: readonly string[],
): Directory {
  const entry = (name: string): Entry => {
    const node = nodes.get(name);
    if (node === undefined) throw new FsError("ENOENT");
    return fixedEntry(node());
  };
  return {
    attr,
    parentAttr,
    lookup: entry,
    *page(after) {
      for (let key = after + 1; key <= listed.length; key++) {
        const name = listed[key - 1]!;
        yield { key, name, entry: entry(name) };
      }
    },
  };
}
