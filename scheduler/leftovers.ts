/**
 * What a job leaves behind when its shell has ended, or when the daemon has.
 *
 * The usual case, nothing, must cost nothing: an empty process group and no new child adopted from a dead parent (the
 * daemon is the subreaper of its jobs) mean that no process is left, without a look through /proc.
 */
import { type AttemptProcesses, membersOf, signal } from "./processes.ts";

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
  /** Adopted children that were looked at when an attempt ended and did not belong to it. */
  readonly #others = new Set<number>();

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
    for (const pid of this.#others) if (!orphans.includes(pid)) this.#others.delete(pid);
    return orphans;
  }

  /** The living processes of an attempt whose shell has ended. */
  async of(attempt: AttemptProcesses): Promise<number[]> {
    const orphans = this.reapOrphans();
    const unknown = orphans?.filter((pid) => !this.#others.has(pid));
    const groupLives = attempt.pid !== null && signal(-attempt.pid, 0);
    if (unknown?.length === 0 && !groupLives) return [];
    const members = await membersOf(attempt, this.#bootId);
    for (const pid of unknown ?? []) if (!members.includes(pid)) this.#others.add(pid);
    return members;
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
