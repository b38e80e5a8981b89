/** An attempt without processes, which ends when the test says so. */
import type { Run, RunEnd, StopReason } from "../../scheduler/attempt_run.ts";
import type { Claim, Outcome } from "../../store/attempts.ts";

export class FakeRun implements Run {
  readonly claim: Claim;
  /** Some of its processes are there. */
  isLive = true;
  stopped: StopReason | null = null;
  #end: ((end: RunEnd) => void) | null = null;
  #gone: ((isGone: boolean) => void) | null = null;

  constructor(claim: Claim) {
    this.claim = claim;
  }

  run(): Promise<RunEnd> {
    return new Promise((resolve) => this.#end = resolve);
  }

  stop(reason: StopReason): void {
    if (this.#end !== null) this.stopped ??= reason;
  }

  kill(): void {}

  signal(): "sent" | "gone" {
    return this.#end === null ? "gone" : "sent";
  }

  stopLeft(): Promise<boolean> {
    return new Promise((resolve) => this.#gone = resolve);
  }

  /** The shell has not ended yet. */
  get isRunning(): boolean {
    return this.isLive && this.#end !== null;
  }

  /** The shell has ended, and other processes are left. */
  get hasLeft(): boolean {
    return this.isLive && this.#end === null;
  }

  /** The shell ends. Who was told to stop ends by that, whatever else it was about to do. */
  end(outcome: Outcome, left: boolean): void {
    const end = this.#end!;
    this.#end = null;
    this.isLive = left;
    const stopped = this.stopped === "timeout" || this.stopped === null
      ? null
      : { kind: this.stopped };
    end({ outcome: stopped ?? outcome, left, runMs: 1000 });
  }

  /** What was left is gone. False: nobody waits for that yet. */
  endLeft(): boolean {
    if (this.#gone === null) return false;
    this.isLive = false;
    this.#gone(true);
    return true;
  }
}
