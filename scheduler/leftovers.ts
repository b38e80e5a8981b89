/**
 * What a job leaves behind when its shell has ended, or when the daemon has.
 *
 * The usual case, nothing, must cost nothing: an empty process group and no new child adopted from a dead parent (the
 * daemon is the subreaper of its jobs) mean that no process is left, without a look through /proc.
 */
import {
  type AttemptProcesses,
  isInGroup,
  isInSession,
  type Member,
  type ProcessCalls,
  Processes,
  signal,
} from "./processes.ts";

/** How soon to look whether signalled processes are gone, in ms. Only while there are some; then less and less often. */
const LOOK_MS = 50;
/** The longest between two looks while they have time to end. */
const GRACE_LOOK_MS = 200;
/** And after that: the kernel holds them up, or they are another user's, such as those that sudo(8) has started. */
const LONGEST_LOOK_MS = 2000;

/** Between two looks at what changes at any moment, such as a process that is about to end, in ms. */
const SOON_LOOK_MS = 2;
/**
 * How long to wait, in ms, for a process that is about to end, or that cannot be found though it should be there: one that
 * the kernel holds up, or that somebody traces, is not waited for any longer.
 */
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
  /** Processes that have been sent SIGTERM, and are not sent it again. */
  readonly asked?: Set<number>;
  readonly ending: Ending;
  /** Only processes are left that may not be signalled. Called once. */
  readonly outOfReach: (pids: readonly number[]) => void;
}

/** The part of `ffi/reaper.ts` that is needed here. */
export interface ChildReaper extends ProcessCalls {
  children(): number[] | null;
  reap(pid: number): boolean;
  /** Whether a child that was started here is dead, be it waited for or not. */
  hasEnded(pid: number): boolean;
}

export class Leftovers {
  readonly #reaper: ChildReaper;
  readonly #processes: Processes;
  /** Children that were spawned here: the runtime reaps them. */
  readonly #own = new Set<number>();
  /** The tokens of adopted children, as they were when they were last read. What is not an attempt's does not become it. */
  readonly #tokens = new Map<number, string | null>();
  /** Adopted children that were about to end when they were first looked at: when that was, by the monotonic clock. */
  readonly #ending = new Map<number, number>();

  constructor(reaper: ChildReaper, bootId: string) {
    this.#reaper = reaper;
    this.#processes = new Processes(reaper, bootId);
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
        if (isDead) this.#forget(pid);
        return !isDead;
      });
      // One that has died since the list was made has left its own children to us: they are in the next one.
    } while (hasReaped);
    return orphans ?? null;
  }

  /** Nobody else reaps it, so until now the pid has been the same process's. */
  #forget(pid: number): void {
    this.#tokens.delete(pid);
    this.#ending.delete(pid);
  }

  /**
   * The living processes of an attempt whose shell has ended. When it finds none there are none, unless a daemon before
   * this one has started them, or the kernel holds them up.
   */
  of(attempt: AttemptProcesses): Promise<Member[]> {
    const until = performance.now() + ENDING_MS;
    return patiently(async () => {
      for (;;) {
        const orphans = this.reapOrphans();
        const answer = orphans === null ? "no" : await this.#anyBelongs(orphans, attempt);
        const isFinal = answer === "no" || performance.now() > until;
        const groupLives = attempt.pid !== null && signal(-attempt.pid, 0) !== "gone";
        if (groupLives || orphans === null || answer === "yes") {
          const members = await this.#processes.membersOf(attempt);
          // A walk may miss what is made meanwhile. Then what has made it, or it itself, is an orphan that is not gone.
          if (members.length > 0 || isFinal) return members;
        } else if (isFinal) return [];
        await wait(answer === "soon" ? SOON_LOOK_MS : LOOK_MS);
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
      const belongs = await this.#belongs(pid, attempt);
      if (belongs === "yes") return "yes";
      if (belongs === "soon" && this.#endsSoon(pid)) answer = "soon";
    }
    return answer;
  }

  async #belongs(pid: number, attempt: AttemptProcesses): Promise<"yes" | "no" | "soon"> {
    const group = this.#processes.groupOf(pid);
    if (group === null) return "soon";
    if (isInSession(group, attempt)) return "yes";
    if (attempt.keepsChildren === 1 && !isInGroup(group, attempt)) return "no";
    const known = this.#tokens.get(pid);
    if (known !== undefined && known !== attempt.token) return "no";
    const found = await this.#processes.tokenOf(pid);
    if (found === "gone" || found === "ending") return "soon";
    if (found === "unreadable") return known === undefined ? "no" : "yes";
    this.#tokens.set(pid, found.token);
    return found.token === attempt.token ? "yes" : "no";
  }

  #endsSoon(pid: number): boolean {
    const now = performance.now();
    const since = this.#ending.get(pid) ?? now;
    this.#ending.set(pid, since);
    return now - since < ENDING_MS;
  }

  /** All living processes of an attempt, by a walk through /proc. */
  allOf(attempt: AttemptProcesses): Promise<Member[]> {
    return patiently(() => this.#processes.membersOf(attempt));
  }

  /** The same, and as sure as {@linkcode Leftovers.of} that there are none when it finds none. */
  async #find(attempt: AttemptProcesses): Promise<Member[]> {
    const members = await this.allOf(attempt);
    return members.length > 0 ? members : await this.of(attempt);
  }

  /**
   * Stops what is left of an attempt: SIGTERM, after the grace SIGKILL, until nothing is left. Resolves with false when
   * the end of the daemon does not wait for processes that it may not signal.
   */
  async stop(attempt: AttemptProcesses, options: StopOptions): Promise<boolean> {
    return await this.#endInTime(attempt, options) || await this.#killAll(attempt, options);
  }

  async #endInTime(
    attempt: AttemptProcesses,
    { graceMs, ending, asked = new Set() }: StopOptions,
  ): Promise<boolean> {
    const killAt = performance.now() + graceMs;
    let lookMs = LOOK_MS;
    for (let leftMs = graceMs; leftMs > 0 && !ending.kill; leftMs = killAt - performance.now()) {
      const members = await this.#find(attempt);
      if (members.length === 0) return true;
      ask(members, asked);
      await wait(Math.min(lookMs, Math.max(0, killAt - performance.now())));
      lookMs = Math.min(2 * lookMs, GRACE_LOOK_MS);
    }
    return false;
  }

  async #killAll(
    attempt: AttemptProcesses,
    { ending, outOfReach }: StopOptions,
  ): Promise<boolean> {
    const killing = new Killing(attempt);
    let isOutOfReach = false;
    let lookMs = LOOK_MS;
    for (;;) {
      const members = await this.#find(attempt);
      if (members.length === 0) return true;
      const answer = killing.round(members);
      if (answer === "denied") {
        if (ending.stop) return false;
        if (!isOutOfReach) outOfReach(members.map(({ pid }) => pid));
        isOutOfReach = true;
        lookMs = LONGEST_LOOK_MS;
      }
      await wait(answer === "stopped" ? SOON_LOOK_MS : lookMs);
      if (answer === "killed") lookMs = Math.min(2 * lookMs, LONGEST_LOOK_MS);
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

/** SIGTERM for those that have not been `asked` to end so far, and SIGCONT so that who has stopped hears it. */
export function ask(members: readonly Member[], asked: Set<number>): void {
  for (const { pid } of members) {
    if (asked.has(pid)) continue;
    asked.add(pid);
    signal(pid, "SIGTERM");
    signal(pid, "SIGCONT");
  }
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
