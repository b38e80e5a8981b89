/** The files of `jobs/NAME/`: each is one small object, made once for all jobs. */
import type { Attr } from "../ffi/operations.ts";
import type { Job } from "../store/job.ts";
import type { Handle } from "./handle.ts";
import type { JobNode } from "./ino.ts";

export interface OpenFlags {
  readonly write: boolean;
  readonly truncate: boolean;
  /** Each write is to be on stable storage when it returns. */
  readonly sync?: boolean;
}

export interface JobFile {
  readonly name: string;
  readonly node: JobNode;
  /** False: it can be opened by its name, and no listing shows it. */
  readonly isListed: boolean;
  attr(job: Job): Attr;
  /** Throws EPERM for writing where there is nothing to write. */
  open(job: Job, flags: OpenFlags): Handle;
}
