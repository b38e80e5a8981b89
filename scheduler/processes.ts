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
}

interface ProcessStat {
  readonly state: string;
  readonly pgrp: number;
  readonly session: number;
  readonly startTicks: number;
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

/** The living processes of an attempt. Of other boots there are none. */
export async function membersOf(attempt: AttemptProcesses, bootId: string): Promise<number[]> {
  if (attempt.bootId !== bootId) return [];
  const members: number[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    if (await isMember(pid, attempt)) members.push(pid);
  }
  return members;
}

async function isMember(pid: number, attempt: AttemptProcesses): Promise<boolean> {
  try {
    const stat = parseStat(await Deno.readTextFile(`/proc/${pid}/stat`));
    if (stat.state === "Z" || stat.state === "X") return false;
    if (attempt.pid !== null && (stat.pgrp === attempt.pid || stat.session === attempt.pid)) {
      if (attempt.pidStart === null || stat.startTicks >= attempt.pidStart) return true;
    }
    return hasToken(await Deno.readFile(`/proc/${pid}/environ`), attempt.token);
  } catch {
    return false; // gone meanwhile, or another user's
  }
}

function hasToken(environ: Uint8Array, token: string): boolean {
  // Latin-1 keeps every byte, and the token is ASCII.
  const text = new TextDecoder("latin1").decode(environ);
  return text.split("\0").includes(`QJ_ATTEMPT_ID=${token}`);
}

/** Sends a signal to a process, or with a negative pid to a group. False: there is none, or it is not ours. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}
