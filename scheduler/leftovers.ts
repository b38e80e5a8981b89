/**
 * What a job leaves behind when its shell has ended, or when the daemon has.
 *
 * The usual case, nothing, must cost nothing: an empty process group and no new child adopted from a dead parent (the
 * daemon is the subreaper of its jobs) mean that no process is left, without a look through /proc.
 */
import {
  type AttemptProcesses,
  belongsTo,
  membersOf,
  type ProcessIdentity,
  readIdentity,
  signal,
} from "./processes.ts";

/** How often to look whether signalled processes are gone, in ms. Only while there are some. */
const LOOK_MS = 50;

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
  /** What was read of adopted children: to whom they belong does not change. */
  readonly #orphans = new Map<number, ProcessIdentity | null>();

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
    const orphans = this.#reaper.children()?.filter((pid) =>
      !this.#own.has(pid) && !this.#reaper.reap(pid)
    );
    if (orphans === undefined) return null;
    for (const pid of this.#orphans.keys()) {
      if (!orphans.includes(pid)) this.#orphans.delete(pid);
    }
    return orphans;
  }

  /** The living processes of an attempt whose shell has ended. */
  async of(attempt: AttemptProcesses): Promise<number[]> {
    const orphans = this.reapOrphans();
    const groupLives = attempt.pid !== null && signal(-attempt.pid, 0);
    if (!groupLives && orphans !== null && !await this.#anyBelongs(orphans, attempt)) return [];
    return await membersOf(attempt, this.#bootId);
  }

  async #anyBelongs(orphans: readonly number[], attempt: AttemptProcesses): Promise<boolean> {
    for (const pid of orphans) {
      if (!this.#orphans.has(pid)) this.#orphans.set(pid, await readIdentity(pid));
      const identity = this.#orphans.get(pid);
      if (identity && belongsTo(identity, attempt)) return true;
    }
    return false;
  }

  /** All living processes of an attempt, by a walk through /proc. */
  allOf(attempt: AttemptProcesses): Promise<number[]> {
    return membersOf(attempt, this.#bootId);
  }

  /**
   * Stops what is left of an attempt: SIGTERM, after `graceMs` SIGKILL, until nothing is left. `cut.now` may become true
   * meanwhile to cut the grace short.
   */
  async stop(attempt: AttemptProcesses, graceMs: number, cut: { now: boolean }): Promise<void> {
    const killAt = performance.now() + graceMs;
    const asked = new Set<number>();
    for (;;) {
      this.reapOrphans();
      const members = await this.allOf(attempt);
      if (members.length === 0) return;
      const killing = cut.now || performance.now() >= killAt;
      for (const pid of members) {
        if (killing) {
          signal(pid, "SIGKILL");
        } else if (!asked.has(pid)) {
          asked.add(pid);
          terminate(pid);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

/** SIGTERM, and SIGCONT so that a stopped process hears it. A negative pid is a group. */
export function terminate(pid: number): void {
  signal(pid, "SIGTERM");
  signal(pid, "SIGCONT");
}
