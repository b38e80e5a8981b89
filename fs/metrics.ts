/** What `metrics` shows, and the counting that it takes. See METRICS in qj.5. Counters begin at 0 with the daemon. */
import type { Outcome } from "../store/attempts.ts";
import { LISTED_STATES } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import { exposition, type Family, Histogram, type Labels, sample } from "./open_metrics.ts";

/** Seconds. A request takes microseconds, one that waits for the disk milliseconds. */
const REQUEST_BOUNDS = [
  0.00001,
  0.000025,
  0.00005,
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.01,
  0.05,
  0.25,
  1,
];
/** Seconds: from a shell that does nothing to a night's backup. */
const RUN_BOUNDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200];

const RESULTS = [
  "succeeded",
  "failed",
  "signaled",
  "timeout",
  "cancelled",
  "lost",
  "error",
] as const;
type Result = (typeof RESULTS)[number];

function resultOf(outcome: Outcome): Result {
  if (outcome.kind !== "exited") return outcome.kind;
  return outcome.code === 0 ? "succeeded" : "failed";
}

export class Metrics {
  readonly #store: Store;
  readonly #version: string;
  readonly #startedMs: number;
  readonly #requests = new Map<string, Histogram>();
  readonly #runs = new Histogram(RUN_BOUNDS);
  readonly #attempts = new Map<Result, number>(RESULTS.map((result) => [result, 0]));

  constructor(store: Store, version: string) {
    this.#store = store;
    this.#version = version;
    this.#startedMs = store.now();
    store.attempts.onEnd((outcome, runMs) => {
      const result = resultOf(outcome);
      this.#attempts.set(result, this.#attempts.get(result)! + 1);
      this.#runs.observe(runMs / 1000);
    });
  }

  /** A request of the kernel was answered after `ms` milliseconds. */
  answered(operation: string, ms: number): void {
    let histogram = this.#requests.get(operation);
    if (histogram === undefined) {
      histogram = new Histogram(REQUEST_BOUNDS);
      this.#requests.set(operation, histogram);
    }
    histogram.observe(ms / 1000);
  }

  text(): string {
    return exposition([...this.#queue(), ...this.#work(), ...this.#daemon()]);
  }

  #queue(): Family[] {
    const { queue, settings } = this.#store;
    const oldest = queue.oldestSubmittedMs();
    const age = oldest === null ? 0 : Math.max(0, this.#store.now() - oldest) / 1000;
    const { max_job_count, paused, queues } = settings.current;
    return [
      {
        name: "qj_jobs",
        type: "gauge",
        help:
          "Jobs by state and named queue; drafts and files that are being written do not count.",
        samples: this.#depths(),
      },
      gauge(
        "qj_unsubmitted_files",
        "Drafts, empty files and files being written.",
        queue.openCount,
      ),
      gauge(
        "qj_oldest_pending_age_seconds",
        "Since the submission of the oldest pending job.",
        age,
      ),
      {
        name: "qj_job_slots",
        type: "gauge",
        help: "The setting max_job_count, of all jobs and of named queues.",
        samples: [
          sample("qj_job_slots", {}, max_job_count),
          ...Object.entries(queues).map(([queue, limit]) =>
            sample("qj_job_slots", { queue }, limit.max_job_count)
          ),
        ],
      },
      gauge("qj_paused", "The setting paused: 1 for true.", paused ? 1 : 0),
    ];
  }

  #depths(): string[] {
    const { directories, jobs, queue } = this.#store;
    const left = new Map(LISTED_STATES.map((state) => [state, directories.countOf(state)]));
    left.set("pending", directories.countOf("pending") - queue.openCount);
    const named = jobs.countsByQueue().map(({ state, queue, n }) => {
      left.set(state, left.get(state)! - n);
      return sample("qj_jobs", { state, queue }, n);
    });
    return [...[...left].map(([state, n]) => sample("qj_jobs", { state }, n)), ...named];
  }

  #work(): Family[] {
    const requests = [...this.#requests].sort(([a], [b]) => a < b ? -1 : 1);
    return [
      {
        name: "qj_attempts",
        type: "counter",
        help: "Attempts that have ended, by result.",
        samples: [...this.#attempts].map(([result, n]) =>
          sample("qj_attempts_total", { result }, n)
        ),
      },
      {
        name: "qj_attempt_duration_seconds",
        type: "histogram",
        help: "Run time of attempts.",
        samples: this.#runs.samples("qj_attempt_duration_seconds", {}),
      },
      {
        name: "qj_request_duration_seconds",
        type: "histogram",
        help: "Time from a request of the kernel to its answer, by operation.",
        samples: requests.flatMap(([operation, histogram]) =>
          histogram.samples("qj_request_duration_seconds", { operation })
        ),
      },
    ];
  }

  #daemon(): Family[] {
    const version: Labels = { version: this.#version };
    return [
      gauge("qj_database_bytes", "Size of the state file.", this.#store.db.bytes),
      gauge("qj_events_bytes", "Size of the file events.", this.#store.events.size),
      gauge(
        "qj_resident_memory_bytes",
        "Resident memory of the daemon.",
        Deno.memoryUsage().rss,
      ),
      gauge("qj_start_time_seconds", "When the daemon started.", this.#startedMs / 1000),
      {
        name: "qj_build_info",
        type: "gauge", // promtool does not know the type "info"
        help: "The version that runs.",
        samples: [sample("qj_build_info", version, 1)],
      },
    ];
  }
}

function gauge(name: string, help: string, value: number): Family {
  return { name, type: "gauge", help, samples: [sample(name, {}, value)] };
}
