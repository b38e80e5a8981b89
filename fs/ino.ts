/**
 * Inode numbers. The fixed nodes have small ones; job k has 16k to 16k + 6. Job ids are never used again, so an inode
 * number means one file for ever, and no lookup count has to be kept.
 */
import type { JobId, ListedState } from "../store/job.ts";

export const ROOT_INO = 1;
export const PENDING_INO = 2;
export const CONFIG_INO = 7;
export const NEW_ID_INO = 6;

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

const STRIDE = 16;
const SCRIPT = 1;
const LOG = 2;

export function scriptIno(id: JobId): number {
  return id * STRIDE + SCRIPT;
}

export function logIno(id: JobId): number {
  return id * STRIDE + LOG;
}

/** The job and the file that an inode number stands for, or undefined. */
export function jobFile(
  ino: number,
): { readonly id: JobId; readonly file: "script" | "log" } | undefined {
  if (ino < STRIDE) return undefined;
  const kind = ino % STRIDE;
  const id = (ino - kind) / STRIDE as JobId;
  if (kind === SCRIPT) return { id, file: "script" };
  if (kind === LOG) return { id, file: "log" };
  return undefined;
}
