/**
 * Inode numbers. The fixed nodes have small ones; job k has 16k to 16k + 6, and the log of an attempt 2^52 + its row id.
 * These ids are never used again, so an inode number means one file for ever, and no lookup count has to be kept.
 */
import type { AttemptId, JobId, ListedState } from "../store/job.ts";

export const ROOT_INO = 1;
export const PENDING_INO = 2;
export const NEW_ID_INO = 6;
export const CONFIG_INO = 7;
export const JOBS_INO = 8;
export const METRICS_INO = 9;
export const EVENTS_INO = 10;

export const DIRECTORY_INO: Readonly<Record<ListedState, number>> = {
  pending: PENDING_INO,
  complete: 3,
  failed: 4,
  active: 5,
};

const STATE_OF: ReadonlyMap<number, ListedState> = new Map(
  (Object.keys(DIRECTORY_INO) as ListedState[]).map((state) => [DIRECTORY_INO[state], state]),
);

/** The state that a directory lists, or undefined for any other inode. */
export function stateOfDirectory(ino: number): ListedState | undefined {
  return STATE_OF.get(ino);
}

/** What a job has an inode for: `directory` is `jobs/NAME`, the others are in it. */
const NODES = ["directory", "script", "log", "attempts", "status", "signal", "wait"] as const;
export type JobNode = (typeof NODES)[number];

const STRIDE = 16;
/** Above every number of a job: those stay below 2^52, so numbers of both kinds are exact in JavaScript. */
const ATTEMPTS_FROM = 2 ** 52;

/** True for the root, its directories and its files. */
export function isFixed(ino: number): boolean {
  return ino < STRIDE;
}

export function jobIno(id: JobId, node: JobNode): number {
  return id * STRIDE + NODES.indexOf(node);
}

export function scriptIno(id: JobId): number {
  return jobIno(id, "script");
}

export function logIno(id: JobId): number {
  return jobIno(id, "log");
}

/** The job and what of it an inode number stands for, or undefined. */
export function jobNode(
  ino: number,
): { readonly id: JobId; readonly node: JobNode } | undefined {
  if (isFixed(ino) || ino >= ATTEMPTS_FROM) return undefined;
  const kind = ino % STRIDE;
  const node = NODES[kind];
  return node && { id: (ino - kind) / STRIDE as JobId, node };
}

/** The log section of an attempt. */
export function attemptIno(id: AttemptId): number {
  return ATTEMPTS_FROM + id;
}

export function attemptOf(ino: number): AttemptId | undefined {
  return ino > ATTEMPTS_FROM ? ino - ATTEMPTS_FROM as AttemptId : undefined;
}
