/**
 * What a job leaves behind when its shell has ended, or when the daemon has.
 *
 * The usual case, nothing, must cost nothing: an empty process group and no new child adopted from a dead parent (the
 * daemon is the subreaper of its jobs) mean that no process is left, without a look through /proc.
 */
import {
  type AttemptProcesses,
  belongsTo,
  type Member,
  membersOf,
  type ProcessIdentity,
  readIdentity,
  signal,
} from "./processes.ts";

/** How often to look whether signalled processes are gone, in ms. Only while there are some. */
const LOOK_MS = 50;

/** The same for processes that cannot be signalled, of another user: those that sudo(8) has started, for example. */
const OUT_OF_REACH_LOOK_MS = 2000;
/** Between two looks at what changes at any moment, such as a process that is about to end, in ms. */
const SOON_LOOK_MS = 2;
/** How long a process may be about to end, in ms: one that the kernel holds up is not waited for any longer. */
const ENDING_MS = 5000;
/** Between two tries to read /proc, in ms. */
const RETRY_MS = 1000;

/** The end of the daemon: `stop` when it has begun, `kill` when it is in a hurry. Shared by all that may wait. */
export interface Ending {
  stop: boolean;
  kill: boolean;
}

export interface StopOptions {
  readonly graceMs: number;
  readonly ending: Ending;
  /** Only processes are left that may not be signalled. Called once. */
  readonly outOfReach: (pids: readonly number[]) => void;
}

/** The part of `ffi/reaper.ts` that is needed here. */
export interface ChildReaper {
  children(): number[] | null;
  reap(pid: number): boolean;
}

export class Leftovers {
  readonly #reaper: ChildReaper;
  readonly #bootId: string;
  /** Children that were spawned here: the runtime reaps them. */
  readonly #own = new Set<number>();
  /** What was read of adopted children that have a token: to whom they belong does not change. */
  readonly #orphans = new Map<number, ProcessIdentity>();
  /** Adopted children that were about to end when they were first looked at: when that was, by the monotonic clock. */
  readonly #ending = new Map<number, number>();

  constructor(reaper: ChildReaper, bootId: string) {
    this.#reaper = reaper;
    this.#bootId = bootId;
  }

  spawned(pid: number): void {
    this.#own.add(pid);
  }

  ended(pid: number): void {
    this.#own.delete(pid);
  }

  /** Reaps dead orphans; returns the living ones, or null when the kernel does not list them. */
  reapOrphans(): number[] | null {
    let orphans: number[] | undefined;
    let hasReaped: boolean;
    do {
      hasReaped = false;
      orphans = this.#reaper.children()?.filter((pid) => {
        if (this.#own.has(pid)) return false;
        const isDead = this.#reaper.reap(pid);
        hasReaped ||= isDead;
        return !isDead;
      });
      // One that has died since the list was made has left its own children to us: they are in the next one.
    } while (hasReaped);
    if (orphans === undefined) return null;
    const living = new Set(orphans);
    for (const known of [this.#orphans, this.#ending]) {
      for (const pid of known.keys()) if (!living.has(pid)) known.delete(pid);
    }
    return orphans;
  }

  /** The living processes of an attempt whose shell has ended. */
  of(attempt: AttemptProcesses): Promise<Member[]> {
    return patiently(async () => {
      for (;;) {
        const orphans = this.reapOrphans();
        const groupLives = attempt.pid !== null && signal(-attempt.pid, 0) !== "gone";
        const answer = orphans === null ? "no" : await this.#anyBelongs(orphans, attempt);
        if (groupLives || orphans === null || answer === "yes") {
          const members = await membersOf(attempt, this.#bootId);
          // A walk may miss what is made meanwhile. Then what has made it, or it itself, is an orphan that is not gone.
          if (members.length > 0 || answer === "no") return members;
        } else if (answer === "no") return [];
        await wait(SOON_LOOK_MS);
      }
    });
  }

  /** "soon": one of them is about to end, and what it leaves cannot be seen yet. */
  async #anyBelongs(
    orphans: readonly number[],
    attempt: AttemptProcesses,
  ): Promise<"yes" | "no" | "soon"> {
    let answer: "no" | "soon" = "no";
    for (const pid of orphans) {
      const identity = this.#orphans.get(pid) ?? await readIdentity(pid);
      if (identity === null || identity.isEnding) {
        if (this.#endsSoon(pid)) answer = "soon";
        continue;
      }
      if (identity.token !== null) this.#orphans.set(pid, identity);
      if (belongsTo(identity, attempt)) return "yes";
    }
    return answer;
  }

  #endsSoon(pid: number): boolean {
    const now = performance.now();
    const since = this.#ending.get(pid) ?? now;
    this.#ending.set(pid, since);
    return now - since < ENDING_MS;
  }

  /** All living processes of an attempt, by a walk through /proc. */
  allOf(attempt: AttemptProcesses): Promise<Member[]> {
    return patiently(() => membersOf(attempt, this.#bootId));
  }

  /** The same, and sure that there are none when it finds none, unless a daemon before this one has started them. */
  async #find(attempt: AttemptProcesses): Promise<Member[]> {
    const members = await this.allOf(attempt);
    return members.length > 0 ? members : await this.of(attempt);
  }

  /**
   * Stops what is left of an attempt: SIGTERM, after the grace SIGKILL, until nothing is left. Resolves with false when
   * the end of the daemon does not wait for processes that it may not signal.
   */
  async stop(attempt: AttemptProcesses, options: StopOptions): Promise<boolean> {
    const { graceMs, ending, outOfReach } = options;
    const killAt = performance.now() + graceMs;
    const asked = new Set<number>();
    const killing = new Killing(attempt);
    let lookMs = LOOK_MS;
    for (;;) {
      const members = await this.#find(attempt);
      if (members.length === 0) return true;
      if (!ending.kill && performance.now() < killAt) {
        for (const { pid } of members) {
          if (asked.has(pid)) continue;
          asked.add(pid);
          terminate(pid);
        }
        await wait(LOOK_MS);
        continue;
      }
      const answer = killing.round(members);
      if (answer === "denied") {
        if (ending.stop) return false;
        if (lookMs === LOOK_MS) outOfReach(members.map(({ pid }) => pid));
        lookMs = OUT_OF_REACH_LOOK_MS;
      }
      await wait(answer === "stopped" ? SOON_LOOK_MS : lookMs);
    }
  }
}

/**
 * Kills processes that may make new ones faster than a walk through /proc finds them. The process group dies as a whole,
 * by one signal. What has left it is stopped first, until a walk finds nothing new: what has stopped makes no more, and
 * counts against its user's limit of processes, which what has died does not.
 */
class Killing {
  readonly #attempt: AttemptProcesses;
  readonly #stopped = new Set<number>();

  constructor(attempt: AttemptProcesses) {
    this.#attempt = attempt;
  }

  /**
   * What one walk has found. "stopped": some of that was new, and there may be more. "denied": none of it may be
   * signalled.
   */
  round(members: readonly Member[]): "stopped" | "killed" | "denied" {
    const { pid: group } = this.#attempt;
    if (group !== null && members.some(({ inGroup }) => inGroup)) signal(-group, "SIGKILL");
    const isNew = ({ pid, inGroup }: Member) => !inGroup && !this.#stopped.has(pid);
    const hasNew = members.some(isNew);
    const answers = members.map(({ pid, inGroup }) =>
      signal(pid, inGroup || !hasNew ? "SIGKILL" : "SIGSTOP")
    );
    if (answers.every((answer) => answer === "denied")) return "denied";
    // Those that were killed are as good as gone, and their pids others' before long.
    this.#stopped.clear();
    if (!hasNew) return "killed";
    for (const { pid } of members) this.#stopped.add(pid);
    return "stopped";
  }
}

/** SIGTERM, and SIGCONT so that a stopped process hears it. A negative pid is a group. */
export function terminate(pid: number): "sent" | "gone" | "denied" {
  const answer = signal(pid, "SIGTERM");
  signal(pid, "SIGCONT");
  return answer;
}

/** Tries until it works: what can fail here is that the system has no descriptor to spare. */
async function patiently<T>(look: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await look();
    } catch {
      await wait(RETRY_MS);
    }
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
