/**
 * The processes of attempts: finding and signalling them.
 *
 * A process belongs to an attempt if its process group or session is the attempt's pid and it started no earlier than
 * that one, in the same boot, or if its environment has the attempt's QJ_ATTEMPT_ID. /proc is read asynchronously:
 * reading another process's environment waits for a lock that the process may hold while it waits for an answer of ours.
 */
import process from "node:process";

/** So many processes are read at once: each takes a descriptor, and a thread that may have to wait. */
const READ_AT_ONCE = 16;
/** How often, and how long apart in ms, an empty environment is read, which may be one that execve(2) has yet to fill. */
const EXEC_TRIES = 4;
const EXEC_MS = 2;

/** How an attempt's processes are told from others. */
export interface AttemptProcesses {
  readonly token: string;
  readonly bootId: string;
  readonly pid: number | null;
  /** Clock ticks since boot. */
  readonly pidStart: number | null;
  /** 1: what has left the process group is none of the attempt's any more. */
  readonly keepsChildren: 0 | 1;
}

interface ProcessStat {
  readonly state: string;
  readonly pgrp: number;
  readonly session: number;
  readonly threads: number;
  readonly startTicks: number;
  /** Bytes of its memory; 0: it has given that up, and is about to end. */
  readonly memory: number;
}

/** Boot id of the running kernel: random(4). */
export function readBootId(): string {
  return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
}

/** Parses /proc/PID/stat: proc(5). The second field is a name that may hold anything, so it is cut off first. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0] ?? "",
    pgrp: Number(fields[2]),
    session: Number(fields[3]),
    threads: Number(fields[17]),
    startTicks: Number(fields[19]),
    memory: Number(fields[20]),
  };
}

/** When a process started, in clock ticks since boot, or null when it is gone. */
export function startTicks(pid: number): number | null {
  return readStat(`/proc/${pid}`)?.startTicks ?? null;
}

/**
 * Of the process or thread that has this folder in /proc. Null when it is gone. Reading it waits for no lock that the
 * process could hold.
 */
function readStat(folder: string): ProcessStat | null {
  try {
    return parseStat(Deno.readTextFileSync(`${folder}/stat`));
  } catch (error) {
    if (isOutOfDescriptors(error)) throw error;
    return null;
  }
}

/** A living process of an attempt. */
export interface Member {
  readonly pid: number;
  /** Whether it is still in the attempt's process group, so that a signal to that reaches it. */
  readonly inGroup: boolean;
}

/**
 * The living processes of an attempt. Of other boots there are none. What is made meanwhile may be missed. Throws when
 * there is no descriptor to read with.
 */
export async function membersOf(attempt: AttemptProcesses, bootId: string): Promise<Member[]> {
  if (attempt.bootId !== bootId) return [];
  const pids: number[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    const pid = Number(entry.name);
    if (Number.isInteger(pid) && pid !== Deno.pid) pids.push(pid);
  }
  const members: Member[] = [];
  for (let i = 0; i < pids.length; i += READ_AT_ONCE) {
    const some = pids.slice(i, i + READ_AT_ONCE).map((pid) => memberOf(pid, attempt));
    for (const member of await Promise.all(some)) if (member !== null) members.push(member);
  }
  return members;
}

async function memberOf(pid: number, attempt: AttemptProcesses): Promise<Member | null> {
  const living = findLiving(pid);
  if (living === null) return null;
  const inGroup = living.stat.pgrp === attempt.pid;
  if (isOfGroup(living.stat, attempt)) return { pid, inGroup };
  // The environment is read only where it decides.
  if (attempt.keepsChildren === 1 && !inGroup) return null;
  const { token } = await identify(living);
  return token === attempt.token ? { pid, inGroup } : null;
}

/** What tells to which attempt a process belongs. */
export interface ProcessIdentity {
  readonly pgrp: number;
  readonly session: number;
  readonly startTicks: number;
  /** Its QJ_ATTEMPT_ID, if it has one that may be read. */
  readonly token: string | null;
  /** It is about to end: its environment is gone, and its children are not yet somebody else's. */
  readonly isEnding: boolean;
}

/** Reads it; null for a process that is gone or dead. Throws when there is no descriptor to read it with. */
export async function readIdentity(pid: number): Promise<ProcessIdentity | null> {
  const living = findLiving(pid);
  return living === null ? null : await identify(living);
}

/** Where a process can be read. */
interface Living {
  readonly folder: string;
  readonly stat: ProcessStat;
}

/** Null for a process that is gone or dead. One whose first thread alone has ended looks dead, and lives on in others. */
function findLiving(pid: number): Living | null {
  const folder = `/proc/${pid}`;
  const stat = readStat(folder);
  if (stat === null) return null;
  if (!isDead(stat)) return { folder, stat };
  return stat.threads > 1 ? findLivingThread(folder) : null;
}

function findLivingThread(process: string): Living | null {
  try {
    for (const { name } of Deno.readDirSync(`${process}/task`)) {
      const folder = `${process}/task/${name}`;
      const stat = readStat(folder);
      if (stat !== null && !isDead(stat)) return { folder, stat };
    }
  } catch (error) {
    if (isOutOfDescriptors(error)) throw error;
  }
  return null;
}

function isDead({ state }: ProcessStat): boolean {
  return state === "Z" || state === "X";
}

async function identify({ folder, stat }: Living): Promise<ProcessIdentity> {
  for (let tries = 1;; tries++) {
    const environ = await readEnviron(folder);
    const token = environ && findToken(environ);
    if (environ !== null && environ.length > 0) return { ...stat, token, isEnding: false };
    // Looked at again, since the environment may have gone in between. Of recent kernels (6.18) it cannot even be opened: ESRCH.
    const isEnding = (readStat(folder)?.memory ?? 0) === 0;
    // Empty is that of a process in execve(2), for a moment, and of one that was given none.
    if (isEnding || environ === null || tries === EXEC_TRIES) return { ...stat, token, isEnding };
    await new Promise((resolve) => setTimeout(resolve, EXEC_MS));
  }
}

/** Null: the process is gone, or another user's, or one of the kernel's. */
async function readEnviron(folder: string): Promise<Uint8Array | null> {
  try {
    return await Deno.readFile(`${folder}/environ`);
  } catch (error) {
    if (isOutOfDescriptors(error)) throw error;
    return null;
  }
}

/** EMFILE or ENFILE, for which Deno has no class and sets no code. */
function isOutOfDescriptors(error: unknown): boolean {
  return error instanceof Error && /os error 2[34]\b/.test(error.message);
}

export function belongsTo(process: ProcessIdentity, attempt: AttemptProcesses): boolean {
  if (isOfGroup(process, attempt)) return true;
  const mayHaveLeft = attempt.keepsChildren === 0 || process.pgrp === attempt.pid;
  return mayHaveLeft && process.token === attempt.token;
}

/** Whether it is in the process group or the session, and these are still those of the attempt. */
function isOfGroup(
  { pgrp, session, startTicks }: Pick<ProcessStat, "pgrp" | "session" | "startTicks">,
  { pid, pidStart, keepsChildren }: AttemptProcesses,
): boolean {
  if (pid === null || (pgrp !== pid && (keepsChildren === 1 || session !== pid))) return false;
  return pidStart === null || startTicks >= pidStart;
}

const TOKEN = "QJ_ATTEMPT_ID=";

function findToken(environ: Uint8Array): string | null {
  // Latin-1 keeps every byte, and the token is ASCII.
  const variables = new TextDecoder("latin1").decode(environ).split("\0");
  return variables.find((text) => text.startsWith(TOKEN))?.slice(TOKEN.length) ?? null;
}

/** Sends a signal to a process, or with a negative pid to a group. "denied": there is one, which is not ours. */
export function signal(pid: number, name: NodeJS.Signals | 0): "sent" | "gone" | "denied" {
  try {
    process.kill(pid, name);
    return "sent";
  } catch (error) {
    return (error as { code?: string }).code === "EPERM" ? "denied" : "gone";
  }
}

/**
 * The same to the group of a process that was started here and has not been waited for: to the process alone while it has
 * no group of its own yet.
 */
export function signalGroup(pid: number, name: NodeJS.Signals): "sent" | "gone" | "denied" {
  const answer = signal(-pid, name);
  return answer === "gone" ? signal(pid, name) : answer;
}
