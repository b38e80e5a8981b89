/**
 * The processes of attempts: finding and signalling them.
 *
 * A process belongs to an attempt if its process group or session is the attempt's pid, in the same boot and PID namespace
 * and as long as nobody else has that pid, or if its environment has the attempt's QJ_ATTEMPT_ID.
 */
import process from "node:process";
import { HELD_UP, ProcFiles } from "./proc_files.ts";

/** How often, in ms, the environment of a process in execve(2) is read, and for how long. */
const EXEC_LOOK_MS = 2;
const EXEC_MS = 1000;

/** How an attempt's processes are told from others. */
export interface AttemptProcesses {
  readonly token: string;
  /** What {@linkcode readBootId} gave when it began. */
  readonly bootId: string;
  readonly pid: number | null;
  /** Clock ticks since boot. */
  readonly pidStart: number | null;
  /** 1: what has left the process group is none of the attempt's any more. */
  readonly keepsChildren: 0 | 1;
}

/** A living process of an attempt. */
export interface Member {
  readonly pid: number;
  /** Whether it is still in the attempt's process group, so that a signal to that reaches it. */
  readonly inGroup: boolean;
}

/** A process group and the session that it is in. */
export interface ProcessGroup {
  readonly pgrp: number;
  readonly session: number;
}

/** The part of `ffi/reaper.ts` that is needed here: what holds up no thread of the caller's. */
export interface ProcessCalls {
  readFile(path: string): Promise<Uint8Array | null>;
  /** Null for a process that is gone. One that is dead and has not been waited for still has a group. */
  groupOf(pid: number): ProcessGroup | null;
}

/** The QJ_ATTEMPT_ID of a process, null if it has none; or why it cannot be told. */
export type TokenOf = { readonly token: string | null } | "gone" | "ending" | "unreadable";

interface ProcessStat {
  readonly state: string;
  readonly threads: number;
  readonly startTicks: number;
  /** Bytes of its memory; 0: it has given that up, and is about to end. */
  readonly memory: number;
  /** Where its environment ends; 0: execve(2) is about to say so, or who asks may not know. */
  readonly environEnd: number;
}

/**
 * The boot and the PID namespace in it, in which pids are what they are: random(4), and when the first process of the
 * namespace was started, since the numbers of namespaces are used again.
 */
export function readBootId(): string {
  const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  return `${boot} ${startTicks(1)}`;
}

/** Parses /proc/PID/stat: proc(5). The second field is a name that may hold anything, so it is cut off first. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    state: fields[0] ?? "",
    threads: Number(fields[17]),
    startTicks: Number(fields[19]),
    memory: Number(fields[20]),
    environEnd: Number(fields[48]),
  };
}

/**
 * When a process started, in clock ticks since boot, or null when it is gone or cannot be read. At once, so only for those
 * that were just made here: they have no file open whose closing could hold this up.
 */
export function startTicks(pid: number): number | null {
  try {
    return parseStat(Deno.readTextFileSync(`/proc/${pid}/stat`)).startTicks;
  } catch {
    return null;
  }
}

/** Looks at processes. Methods reject when there is no descriptor to read with. */
export class Processes {
  readonly #calls: ProcessCalls;
  readonly #bootId: string;
  readonly #files: ProcFiles;

  constructor(calls: ProcessCalls, bootId: string) {
    this.#calls = calls;
    this.#files = new ProcFiles((path) => calls.readFile(path));
    this.#bootId = bootId;
  }

  groupOf(pid: number): ProcessGroup | null {
    return this.#calls.groupOf(pid);
  }

  /** The living processes of an attempt, by a walk through /proc. What is made meanwhile may be missed. */
  async membersOf(attempt: AttemptProcesses): Promise<Member[]> {
    const known = await this.#hereAndNow(attempt);
    if (known === null) return [];
    const pids: number[] = [];
    for await (const { name } of Deno.readDir("/proc")) {
      const pid = Number(name);
      if (Number.isInteger(pid) && pid !== Deno.pid) pids.push(pid);
    }
    const looks = await Promise.all(pids.map((pid) => this.#memberOf(pid, known)));
    return looks.filter((member) => member !== null);
  }

  /** The attempt with a pid only if that still means what it did then. Null: it cannot have processes. */
  async #hereAndNow(attempt: AttemptProcesses): Promise<AttemptProcesses | null> {
    const { bootId, pid, pidStart } = attempt;
    const bootOf = (id: string) => id.split(" ")[0];
    if (bootOf(bootId) !== bootOf(this.#bootId)) return null;
    if (pid === null || pidStart === null) return attempt;
    const isHere = bootId === this.#bootId;
    const now = isHere ? await this.#stat(`/proc/${pid}`) : null;
    // No pid is given anew while there is such a group or session: who has it now has these, too.
    const isTaken = now !== null && now !== HELD_UP && now.startTicks !== pidStart;
    return isHere && !isTaken ? attempt : { ...attempt, pid: null };
  }

  async #memberOf(pid: number, attempt: AttemptProcesses): Promise<Member | null> {
    const group = this.#calls.groupOf(pid);
    // The kernel's own have none.
    if (group === null || group.session === 0) return null;
    const inGroup = isInGroup(group, attempt);
    if (isInSession(group, attempt) && await this.#isSinceStart(pid, attempt)) {
      return { pid, inGroup };
    }
    if (attempt.keepsChildren === 1 && !inGroup) return null;
    const found = await this.tokenOf(pid);
    return typeof found === "object" && found.token === attempt.token ? { pid, inGroup } : null;
  }

  /** Whether it lives and is not older than the attempt. What is held up does live. */
  async #isSinceStart(pid: number, { pidStart }: AttemptProcesses): Promise<boolean> {
    const folder = `/proc/${pid}`;
    const stat = await this.#stat(folder);
    if (stat === HELD_UP) return true;
    if (stat === null || (pidStart !== null && stat.startTicks < pidStart)) return false;
    return !isDead(stat) || await this.#livingThread(folder, stat) !== null;
  }

  async tokenOf(pid: number): Promise<TokenOf> {
    const process = `/proc/${pid}`;
    let folder = process;
    const until = performance.now() + EXEC_MS;
    for (;;) {
      const environ = await this.#files.read(`${folder}/environ`);
      if (environ === HELD_UP) return "unreadable";
      if (environ !== null && environ.length > 0) return { token: findToken(environ) };
      const stat = await this.#stat(folder);
      if (stat === HELD_UP) return "unreadable";
      const isLate = performance.now() > until;
      if (stat === null || isDead(stat)) {
        const thread = stat && await this.#livingThread(process, stat);
        if (thread === null || isLate) return "gone";
        folder = thread;
        continue;
      }
      if (stat.memory === 0) return "ending";
      if (environ === null) return "unreadable";
      if (stat.environEnd !== 0 || isLate) return { token: null };
      await new Promise((resolve) => setTimeout(resolve, EXEC_LOOK_MS));
    }
  }

  async #stat(folder: string): Promise<ProcessStat | null | typeof HELD_UP> {
    const bytes = await this.#files.read(`${folder}/stat`);
    if (bytes === null || bytes === HELD_UP) return bytes;
    return parseStat(new TextDecoder("latin1").decode(bytes));
  }

  /** Of a process whose first thread has ended, and which so looks dead, another one: its folder. Null: it is dead. */
  async #livingThread(process: string, { threads }: ProcessStat): Promise<string | null> {
    if (threads <= 1) return null;
    try {
      for await (const { name } of Deno.readDir(`${process}/task`)) {
        const folder = `${process}/task/${name}`;
        const stat = await this.#stat(folder);
        if (stat === HELD_UP || (stat !== null && !isDead(stat))) return folder;
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return null;
  }
}

function isDead({ state }: ProcessStat): boolean {
  return state === "Z" || state === "X";
}

/** Whether it is in the attempt's session, and counts as the attempt's for that. */
export function isInSession(group: ProcessGroup, attempt: AttemptProcesses): boolean {
  if (attempt.keepsChildren === 1) return isInGroup(group, attempt);
  return attempt.pid !== null && group.session === attempt.pid;
}

/** The shell leads its session, so a group of that number in another one is somebody else's. */
export function isInGroup({ pgrp, session }: ProcessGroup, { pid }: AttemptProcesses): boolean {
  return pid !== null && pgrp === pid && session === pid;
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
