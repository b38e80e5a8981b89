/** What comes after an attempt: done, another one after a wait, or failed. Pure. */
import type { Next, Outcome } from "../store/attempts.ts";
import type { Job } from "../store/job.ts";
import type { Settings } from "../store/settings.ts";

type BackoffSettings = Pick<
  Settings,
  "backoff_base" | "backoff_mult" | "backoff_max_sec" | "backoff_jitter"
>;

/**
 * Milliseconds to wait after `attempts` attempts. `random` is drawn from 0 up to 1; of the whole wait the share
 * `backoff_jitter` is multiplied with it.
 */
export function backoffMs(settings: BackoffSettings, attempts: number, random: number): number {
  // Of nothing there is nothing, however often it is multiplied: 0 times infinity is no number.
  const base = settings.backoff_base;
  const wanted = base === 0 ? 0 : base * settings.backoff_mult ** attempts;
  const seconds = Math.min(settings.backoff_max_sec, wanted);
  return 1000 * seconds * (1 - settings.backoff_jitter * random);
}

export interface PolicyInput {
  readonly outcome: Outcome;
  readonly settings: Settings;
  readonly nowMs: number;
  readonly random: number;
}

/** What becomes of an active job whose attempt has ended. */
export function decide(job: Pick<Job, "attempts" | "lost">, input: PolicyInput): Next {
  const { outcome, settings, nowMs, random } = input;
  if (outcome.kind === "lost") {
    const lost = job.lost + 1;
    const to = lost >= settings.max_lost ? "failed" : "pending";
    return { to, attempts: job.attempts, lost, retryAtMs: null };
  }
  const attempts = job.attempts + 1;
  if (outcome.kind === "exited" && outcome.code === 0) {
    return { to: "complete", attempts, lost: 0, retryAtMs: null };
  }
  if (attempts >= settings.max_attempts || outcome.kind === "cancelled") {
    return { to: "failed", attempts, lost: 0, retryAtMs: null };
  }
  const retryAtMs = Math.ceil(nowMs + backoffMs(settings, attempts, random));
  return { to: "pending", attempts, lost: 0, retryAtMs };
}
