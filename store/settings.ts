/** The settings: their types, limits and defaults, and where they are kept. `qj.5.scd` has the same table. */
import * as z from "zod/mini";
import type { Changes } from "./changes.ts";
import type { Database } from "./database.ts";
import type { Events } from "./events.ts";
import { isQueueName, QUEUE_NAME_RULE } from "./job_options.ts";
import { LIMITS } from "./limits.ts";
import { oneLine } from "./one_line.ts";

/** Finished jobs may be kept for ten years. */
const MAX_RETENTION_SEC = 315_360_000;
/** Far more than anybody tells apart; a limit, so that the settings stay a text that one can read. */
const MAX_QUEUES = 100;
/** A program and its arguments, or a command of a hook: more is a mistake, and must fit on a command line. */
const MAX_WORDS = 100;
const MAX_TEXT = 4096;
/** Beyond this a machine runs out of processes and descriptors first. */
const MAX_JOBS = 10_000;
/** Below this the line that says what is missing would be longer than what is kept. */
const MIN_OUTPUT_BYTES = 1024;
/** A script is one value in SQLite, whose limit is 1,000,000,000 bytes, and is held in memory while it is open. */
const MAX_SCRIPT_BYTES = 268_435_456;

const number = (min: number, max: number) => z.number().check(z.minimum(min), z.maximum(max));
const integer = (min: number, max: number) => z.int().check(z.minimum(min), z.maximum(max));
const seconds = number(0, LIMITS.maxSeconds);
const jobCount = integer(0, MAX_JOBS);
const retention = z._default(z.nullable(number(0, MAX_RETENTION_SEC)), null);
const noNul = (text: string) => !text.includes("\0");
const line = z.string().check(
  z.maxLength(MAX_TEXT),
  z.refine(noNul, "must not have a NUL character"),
);
const wrapper = z.array(line).check(
  z.maxLength(MAX_WORDS),
  z.refine(([program]) => program !== "", "the program has no name"),
);
const isCommand = (text: string) => text.trim() !== "";
const command = z._default(
  z.nullable(line.check(z.refine(isCommand, "must be a command, or null for none"))),
  null,
);
const queue = z.strictObject({ max_job_count: jobCount });
/** Before zod copies it, which leaves out a key like __proto__. */
const hasQueueNames = z.unknown().check(z.refine(
  (all) => typeof all !== "object" || all === null || Object.keys(all).every(isQueueName),
  `the name of a queue is ${QUEUE_NAME_RULE}`,
));
const queues = z.pipe(hasQueueNames, z.record(z.string(), queue)).check(
  z.refine((all) => Object.keys(all).length <= MAX_QUEUES, `at most ${MAX_QUEUES} queues`),
);

const SCHEMA = z.strictObject({
  max_attempts: z._default(integer(1, LIMITS.maxAttempts), 3),
  timeout_sec: z._default(seconds, 180),
  max_job_count: z._default(jobCount, 20),
  backoff_mult: z._default(number(0, LIMITS.maxBackoffMult), 2),
  backoff_base: z._default(seconds, 2),
  backoff_max_sec: z._default(seconds, 3600),
  backoff_jitter: z._default(number(0, 1), 0),
  max_lost: z._default(integer(1, 1_000_000), 3),
  kill_grace_sec: z._default(number(0, 3600), 5),
  max_output_bytes: z._default(integer(MIN_OUTPUT_BYTES, 2 ** 40), 10_485_760),
  max_script_bytes: z._default(integer(1, MAX_SCRIPT_BYTES), 16_777_216),
  retain_complete_sec: retention,
  retain_failed_sec: retention,
  replace_finished: z._default(z.boolean(), false),
  wrapper: z._default(wrapper, []),
  settle_ms: z._default(integer(0, 60_000), 25),
  paused: z._default(z.boolean(), false),
  queues: z._default(queues, {}),
  on_complete: command,
  on_failed: command,
});

export type Settings = Readonly<z.infer<typeof SCHEMA>>;

const CHANGE = z.partial(SCHEMA);
export const DEFAULT_SETTINGS: Settings = SCHEMA.parse({});

/** A setting that does not exist or cannot have that value. The message names it and says why. */
export class InvalidSettings extends Error {
  override readonly name = "InvalidSettings";

  constructor(message: string) {
    super(oneLine(message));
  }
}

/** Checks a change of settings as parsed from JSON; keys that it leaves out are left out. Throws InvalidSettings. */
export function checkSettings(value: unknown): Partial<Settings> {
  const result = CHANGE.safeParse(value, { reportInput: true });
  if (!result.success) throw new InvalidSettings(result.error.issues.map(describe).join("; "));
  // The schema has defaults, which a change must not bring in.
  const given = Object.keys(value as object);
  return Object.fromEntries(Object.entries(result.data).filter(([key]) => given.includes(key)));
}

const EXPECTED: Readonly<Record<string, string>> = {
  int: "a whole number",
  object: "an object",
  record: "an object",
  array: "an array",
};

function describe(issue: z.core.$ZodIssue): string {
  const key = issue.path.join(".");
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((name) =>
        `unknown key ${JSON.stringify([...issue.path, name].join("."))}`
      ).join("; ");
    case "too_small":
      return `${key} must be at least ${issue.minimum}, not ${shown(issue.input)}`;
    case "too_big":
      if (issue.origin === "string" || issue.origin === "array") {
        const what = issue.origin === "string" ? "characters" : "entries";
        return `${key} must have at most ${issue.maximum} ${what}`;
      }
      return `${key} must be at most ${issue.maximum}, not ${shown(issue.input)}`;
    case "invalid_type":
      if (key === "") return `the settings must be an object, not ${shown(issue.input)}`;
      return `${key} must be ${EXPECTED[issue.expected] ?? `a ${issue.expected}`}, not ${
        shown(issue.input)
      }`;
    default:
      return `${key}: ${issue.message}`;
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** The settings in force and their place in the state file. */
export class SettingsStore {
  readonly #db: Database;
  readonly #changes: Changes;
  readonly #events: Events;
  readonly #put;
  #current: Settings;

  constructor(db: Database, changes: Changes, events: Events) {
    this.#db = db;
    this.#changes = changes;
    this.#events = events;
    this.#put = db.prepare(
      "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    const rows = db.prepare("SELECT key, value FROM setting").all() as {
      key: string;
      value: string;
    }[];
    const stored = Object.fromEntries(rows.map(({ key, value }) => [key, JSON.parse(value)]));
    this.#current = { ...DEFAULT_SETTINGS, ...checkSettings(stored) };
  }

  get current(): Settings {
    return this.#current;
  }

  /**
   * Changes settings, in one transaction, and tells the listeners. `change` comes from {@linkcode checkSettings}.
   * Returns the keys whose values are new.
   */
  apply(change: Partial<Settings>): string[] {
    const current: Readonly<Record<string, unknown>> = this.#current;
    const changed = Object.entries(change)
      .filter(([key, value]) => JSON.stringify(current[key]) !== JSON.stringify(value));
    if (changed.length === 0) return [];
    this.#db.transaction(() => {
      for (const [key, value] of changed) this.#put.run(key, JSON.stringify(value));
      this.#events.record("config_changed", null, { keys: changed.map(([key]) => key) });
    });
    this.#current = { ...this.#current, ...change };
    this.#changes.emit({ kind: "config" });
    return changed.map(([key]) => key);
  }

  /** The document that `config.json` shows. */
  document(): string {
    return `${JSON.stringify(this.#current, null, 2)}\n`;
  }
}
