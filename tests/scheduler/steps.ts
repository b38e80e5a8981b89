/** What can happen to a queue, as data, so that a failing run can be made small. */
import fc from "fast-check";
import type { ListedState } from "../../store/job.ts";
import type { World } from "./world.ts";

export interface Step {
  readonly text: string;
  readonly take: (world: World) => void | Promise<void>;
}

const NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"] as const;
const QUEUES = ["one", "two"] as const;

const name = fc.constantFrom(...NAMES);
const anyName = fc.oneof({ weight: 4, arbitrary: name }, {
  weight: 1,
  arbitrary: name.map((text) => `.${text}`),
});
const pick = fc.nat(20);
const state = fc.constantFrom<ListedState>("pending", "active", "complete", "failed");

const option = fc.oneof(
  fc.integer({ min: -2, max: 2 }).map((n) => `priority=${n}`),
  fc.constantFrom(...QUEUES).map((queue) => `queue=${queue}`),
  fc.uniqueArray(name, { minLength: 1, maxLength: 2 }).map((names) => `after=${names.join()}`),
  fc.constantFrom("delay=5", "delay=1h", "attempts=1", "on-lost=fail", "backoff-base=1"),
  fc.constant("at=2027-01-15T12:00:00Z"),
);
const script = fc.uniqueArray(option, {
  maxLength: 3,
  selector: (text) =>
    text.startsWith("at") || text.startsWith("delay") ? "time" : text.split("=")[0],
}).map((options) => `${options.map((text) => `#QJ ${text}\n`).join("")}true\n`);
const broken = fc.constant("#QJ nonsense\ntrue\n");

const limit = fc.integer({ min: 0, max: 3 });
const change = fc.oneof(
  limit.map((n) => ({ max_job_count: n })),
  fc.constantFrom({ paused: true }, { paused: false }, { paused: false, max_job_count: 3 }),
  fc.integer({ min: 1, max: 3 }).map((n) => ({ max_attempts: n, max_lost: n })),
  fc.record({ one: limit, two: limit }).map(({ one, two }) => ({
    queues: { one: { max_job_count: one }, two: { max_job_count: two } },
  })),
  fc.constant({ queues: {} }),
  fc.constantFrom({ settle_ms: 0 }, { settle_ms: 25 }, { retain_complete_sec: 60 }),
);

function step(text: string, take: Step["take"]): Step {
  return { text, take };
}

const HOUR_MS = 3_600_000;
const YEAR_MS = 31_536_000_000;

const writing = fc.tuple(
  anyName,
  fc.oneof({ weight: 9, arbitrary: script }, { weight: 1, arbitrary: broken }),
)
  .map(([to, text]) =>
    step(`write ${to} ${JSON.stringify(text)}`, (world) => world.write(to, text))
  );
const ending = fc.tuple(pick, fc.constantFrom(0, 0, 1), fc.constantFrom(false, false, true))
  .map(([n, code, left]) =>
    step(`end ${n} with ${code}${left ? ", leaving processes" : ""}`, (world) => {
      world.end(n, code, left);
    })
  );
const moving = fc.tuple(state, pick, state, fc.option(anyName)).map(([from, n, to, newName]) =>
  step(`mv ${from} ${n} ${to} ${newName ?? ""}`, (world) => world.rename(from, n, to, newName))
);
const passing = fc.constantFrom(10, 30, 1000, 10_000, HOUR_MS, 24 * HOUR_MS).map((ms) =>
  step(`${ms} ms pass`, (world) => world.clock.advance(ms))
);

/** One thing that happens. */
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: writing },
  { weight: 12, arbitrary: ending },
  { weight: 6, arbitrary: passing },
  { weight: 5, arbitrary: moving },
  {
    weight: 4,
    arbitrary: pick.map((n) => step(`what ${n} has left ends`, (world) => world.endLeft(n))),
  },
  {
    weight: 3,
    arbitrary: change.map((text) =>
      step(`config ${JSON.stringify(text)}`, (world) => world.configure(text))
    ),
  },
  {
    weight: 2,
    arbitrary: pick.map((n) => step(`writer of ${n}`, (world) => world.toggleWriter(n))),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(state, pick).map(([from, n]) =>
      step(`rm ${from} ${n}`, (world) => world.remove(from, n))
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(pick, fc.integer({ min: -3, max: 3 })).map(([n, priority]) =>
      step(`priority ${n} ${priority}`, (world) => world.setPriority(n, priority))
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(pick, fc.constantFrom(-1000, 5000, HOUR_MS)).map(([n, ms]) =>
      step(`touch ${n} ${ms}`, (world) => world.touch(n, ms))
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-YEAR_MS, -HOUR_MS, -1000, HOUR_MS, YEAR_MS).map((ms) =>
      step(`clock set by ${ms}`, (world) => world.clock.setBy(ms))
    ),
  },
  { weight: 1, arbitrary: fc.constant(step("crash", (world) => world.crash())) },
);
