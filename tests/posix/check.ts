/** What a check is, and what checks have in common. */
import assert from "node:assert/strict";
import { constants } from "node:fs";
import { type Client, type Path, type PathOrFd, SystemCallError } from "./client.ts";
import type { FileStat } from "./stat.ts";

export const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND } = constants;
export const { O_NOFOLLOW, O_DIRECTORY } = constants;

/** Where a check works, and as whom. */
export interface Place {
  /** The folder that files are made in: pending/, or a local folder to compare with. */
  readonly folder: string;
  /** The user who may make files there; with root's rights if it is root. */
  readonly owner: Client;
  /** The same user at the same time. */
  readonly reader: Client;
  /** Another user, without rights; null: there is none, since the test does not run as root. */
  readonly other: Client | null;
  /** A path in the folder that no other check uses. */
  readonly path: (name?: string) => string;
}

export type Check = (place: Place) => Promise<void>;
export type Checks = Readonly<Record<string, Check>>;

/** A new file of the owner with a text and exactly this mode. */
export async function makeFile(
  { owner, path }: Place,
  { text = "", mode = 0o644, name }: { text?: string; mode?: number; name?: string } = {},
): Promise<string> {
  const made = path(name);
  const fd = await owner.open(made, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  if (text !== "") await owner.write(fd, text);
  await owner.chmod(fd, mode);
  await owner.close(fd);
  return made;
}

/** Opens a file for one step and closes it, whatever the step does. */
export async function withOpen<T>(
  client: Client,
  path: Path,
  flags: number,
  step: (fd: number) => Promise<T>,
): Promise<T> {
  const fd = await client.open(path, flags);
  try {
    return await step(fd);
  } finally {
    await client.close(fd);
  }
}

/** What is in a file, up to 64 KiB. */
export function content(client: Client, path: Path): Promise<string> {
  return withOpen(client, path, O_RDONLY, (fd) => client.read(fd, 65536));
}

/** The call has to fail with one of these errnos. */
export async function fails(call: Promise<unknown>, ...errnos: string[]): Promise<void> {
  const answer = await call.then((result) => `success (${result})`, (error) => {
    if (error instanceof SystemCallError) return error.errno;
    throw error;
  });
  assert(errnos.includes(answer), `Expected ${errnos.join(" or ")}, got ${answer}`);
}

/** Clocks of file systems move in steps of up to 10 ms. */
const CLOCK_STEP_MS = 10;

/** Waits until the clock has left a time behind, so that what happens next has a later one. */
async function clockHasPassed(time: bigint): Promise<void> {
  const passedMs = Number(time / 1_000_000n) + CLOCK_STEP_MS;
  while (Date.now() <= passedMs) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** The step has to move these times forward and to leave the other one of mtime and ctime as it is. */
export async function moves(
  client: Client,
  file: PathOrFd,
  times: readonly ("mtime" | "ctime")[],
  step: () => Promise<unknown>,
): Promise<void> {
  const before = await client.stat(file);
  await clockHasPassed(before.ctime > before.mtime ? before.ctime : before.mtime);
  await step();
  const after = await client.stat(file);
  for (const time of ["mtime", "ctime"] as const) {
    if (times.includes(time)) assert(after[time] > before[time], `${time} has not moved`);
    else assert.equal(after[time], before[time], `${time} has moved`);
  }
}

/** The attributes have to be these. */
export async function shows(
  client: Client,
  file: PathOrFd,
  expected: Partial<FileStat>,
): Promise<void> {
  const stat = await client.stat(file);
  const shown = Object.fromEntries(
    Object.keys(expected).map((key) => [key, stat[key as keyof FileStat]]),
  );
  assert.deepEqual(shown, { ...expected });
}

/** Skips what needs another user where there is none. */
export function asOther(
  check: (place: Place & { readonly other: Client }) => Promise<void>,
): Check {
  return async (place) => {
    if (place.other !== null) await check({ ...place, other: place.other });
  };
}
