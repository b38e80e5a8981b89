/** What comes after an attempt: done, another one after a wait, or failed. Pure. */
import type { Next, Outcome } from "../store/attempts.ts";
import type { Job } from "../store/job.ts";
import { optionsOf } from "../store/job_options.ts";
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

/** What becomes of an active job whose attempt has ended. Its own options come before the settings. */
export function decide(
  job: Pick<Job, "attempts" | "lost" | "options">,
  input: PolicyInput,
): Next {
  const { outcome, settings, nowMs, random } = input;
  const options = optionsOf(job);
  if (outcome.kind === "lost") {
    const lost = job.lost + 1;
    const isLast = options.onLost === "fail" || lost >= settings.max_lost;
    const to = isLast ? "failed" : "pending";
    return { to, attempts: job.attempts, lost, retryAtMs: null };
  }
  const attempts = job.attempts + 1;
  if (outcome.kind === "exited" && outcome.code === 0) {
    return { to: "complete", attempts, lost: 0, retryAtMs: null };
  }
  const maxAttempts = options.maxAttempts ?? settings.max_attempts;
  if (attempts >= maxAttempts || outcome.kind === "cancelled") {
    return { to: "failed", attempts, lost: 0, retryAtMs: null };
  }
  const backoff = {
    ...settings,
    backoff_base: options.backoffBase ?? settings.backoff_base,
    backoff_mult: options.backoffMult ?? settings.backoff_mult,
  };
  const retryAtMs = Math.ceil(nowMs + backoffMs(backoff, attempts, random));
  return { to: "pending", attempts, lost: 0, retryAtMs };
}
