/** What the daemon was started with and hands on to its jobs. */
import type { JobEnvironment } from "./command.ts";
import { hasSetsid } from "./spawner.ts";

/** Meant for the daemon alone: its own, its runtime's, and what systemd tells a service about itself (systemd.exec(5)). */
const WITHHELD = new Set([
  ...["QJ_STATE_FILE", "QJ_OPTIONS"],
  ...["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE", "MAINPID", "MANAGERPID"],
  ...["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"],
  ...["INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "CREDENTIALS_DIRECTORY"],
  ...["RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY"],
  ...["CONFIGURATION_DIRECTORY", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"],
]);
const WITHHELD_PREFIX = "DENO_";
/** What a service gets from systemd, and what programs that use select(2) need. */
const USUAL_OPEN_FILES = 1024;

/** Reads the daemon's surroundings. Before the mount: `cwd` may be the mountpoint. */
export function readEnvironment(mountpoint: string): JobEnvironment {
  const given = Object.entries(Deno.env.toObject())
    .filter(([name]) => !WITHHELD.has(name) && !name.startsWith(WITHHELD_PREFIX));
  return {
    cwd: Deno.cwd(),
    env: { ...Object.fromEntries(given), QJ_MOUNT: mountpoint },
    openFiles: openFilesAsGiven(),
    // Without setsid(1) it is Deno that makes the session, and drops them.
    setpriv: hasSetsid() ? [] : droppedGroups(),
  };
}

/**
 * Deno raises the soft limit of open files to the hard one when it starts. What it was before is what the parent has,
 * if the parent has the same hard limit.
 */
function openFilesAsGiven(): number | "unlimited" {
  const own = openFilesOf("self");
  const parent = openFilesOf(String(Deno.ppid));
  if (own === null) return USUAL_OPEN_FILES;
  if (parent !== null && parent.hard === own.hard) return parent.soft;
  if (own.soft !== own.hard) return own.soft;
  return own.hard === "unlimited" ? USUAL_OPEN_FILES : Math.min(own.hard, USUAL_OPEN_FILES);
}

type Limit = number | "unlimited";

function openFilesOf(pid: string): { readonly soft: Limit; readonly hard: Limit } | null {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/limits`);
  } catch {
    return null;
  }
  const found = /^Max open files\s+(\S+)\s+(\S+)/m.exec(text);
  if (found === null) return null;
  const limit = (word: string): Limit => word === "unlimited" ? word : Number(word);
  return { soft: limit(found[1]!), hard: limit(found[2]!) };
}

/** Descriptors of the daemon itself, and of clients' requests. */
const RESERVED_DESCRIPTORS = 64;
/** A pipe, its other end while spawning, and the process itself. */
const DESCRIPTORS_PER_JOB = 4;

/** Connections to the pages, and which share of the descriptors they may take. */
const MAX_CONNECTIONS = 256;
const SHARE_OF_CONNECTIONS = 1 / 8;

function limitOfOpenFiles(): number {
  const soft = openFilesOf("self")?.soft ?? USUAL_OPEN_FILES;
  return soft === "unlimited" ? Infinity : soft;
}

/** How many connections to the pages there may be at a time. */
export function maxConnections(): number {
  return Math.min(MAX_CONNECTIONS, Math.floor(limitOfOpenFiles() * SHARE_OF_CONNECTIONS));
}

/**
 * How many jobs at once the limit of open files allows, besides `others` that are open. A runtime that can open nothing
 * more does not survive it.
 */
export function maxJobsByDescriptors(others: number): number {
  const left = limitOfOpenFiles() - RESERVED_DESCRIPTORS - others;
  return Math.max(1, Math.floor(left / DESCRIPTORS_PER_JOB));
}

/** As root, Deno drops the supplementary groups of a detached child: what gives them back. */
function droppedGroups(): string[] {
  if (Deno.uid() !== 0) return [];
  const status = Deno.readTextFileSync("/proc/self/status");
  const groups = /^Groups:[ \t]*(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/).filter(Boolean) ??
    [];
  const gid = Deno.gid();
  if (groups.map(Number).every((group) => group === gid)) return [];
  return ["--groups", groups.join(",")];
}
