/**
 * The processes of attempts: finding and signalling them.
 *
 * A process belongs to an attempt if its process group or session is the attempt's pid and it started no earlier than
 * that one, in the same boot, or if its environment has the attempt's QJ_ATTEMPT_ID. /proc is read asynchronously:
 * reading another process's environment waits for a lock that the process may hold while it waits for an answer of ours.
 */
import process from "node:process";

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
    startTicks: Number(fields[19]),
    memory: Number(fields[20]),
  };
}

/** When a process started, in clock ticks since boot, or null when it is gone. */
export function startTicks(pid: number): number | null {
  try {
    return parseStat(Deno.readTextFileSync(`/proc/${pid}/stat`)).startTicks;
  } catch {
    return null;
  }
}

/** A living process of an attempt. */
export interface Member {
  readonly pid: number;
  /** Whether it is still in the attempt's process group, so that a signal to that reaches it. */
  readonly inGroup: boolean;
}

/** The living processes of an attempt. Of other boots there are none. */
export async function membersOf(attempt: AttemptProcesses, bootId: string): Promise<Member[]> {
  if (attempt.bootId !== bootId) return [];
  const members: Member[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    const identity = await readIdentity(pid);
    if (identity === null || !belongsTo(identity, attempt)) continue;
    members.push({ pid, inGroup: identity.pgrp === attempt.pid });
  }
  return members;
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
  const bytes = await readProcess(pid, "stat");
  if (bytes === null) return null;
  const stat = parseStat(new TextDecoder().decode(bytes));
  if (stat.state === "Z" || stat.state === "X") return null;
  // Another user's cannot be read, a kernel thread has none.
  const environ = await readProcess(pid, "environ");
  return {
    ...stat,
    token: environ === null ? null : findToken(environ),
    // Read again, since the environment may have gone in between. Of recent kernels (6.18) it cannot even be opened: ESRCH.
    isEnding: (environ === null || environ.length === 0) && await isEnding(pid),
  };
}

async function isEnding(pid: number): Promise<boolean> {
  const bytes = await readProcess(pid, "stat");
  return bytes === null || parseStat(new TextDecoder().decode(bytes)).memory === 0;
}

async function readProcess(pid: number, file: string): Promise<Uint8Array | null> {
  try {
    return await Deno.readFile(`/proc/${pid}/${file}`);
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
  const inGroup = process.pgrp === attempt.pid;
  if (attempt.keepsChildren === 1 && !inGroup) return false;
  if (process.token === attempt.token) return true;
  if (attempt.pid === null || (!inGroup && process.session !== attempt.pid)) return false;
  return attempt.pidStart === null || process.startTicks >= attempt.pidStart;
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
