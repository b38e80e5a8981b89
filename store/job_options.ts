/**
 * `#QJ` lines: what a script says of how it wants to be run, see OPTIONS in qj.5.
 *
 * They stand before the first command: among the blank lines and comments that a script begins with. A line has words
 * like `timeout=60`, divided by blanks; a part of a word in quotes may have blanks too, as in `env=MSG="two words"`.
 * Nothing is expanded.
 */
import { LIMITS } from "./limits.ts";
import { oneLine } from "./one_line.ts";

/** What a script asks for; what it does not mention is not there. */
export interface JobOptions {
  readonly timeoutSec?: number;
  readonly maxAttempts?: number;
  readonly backoffBase?: number;
  readonly backoffMult?: number;
  readonly priority?: number;
  /** Not before this moment, in ms since the epoch. */
  readonly atMs?: number;
  /** Not before so many ms after it was handed in. */
  readonly delayMs?: number;
  /** Names of the jobs that have to complete first. */
  readonly after?: readonly string[];
  readonly queue?: string;
  readonly onLost?: "fail" | "retry";
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly nice?: number;
  readonly keepChildren?: boolean;
}

/** The options of a job whose script has been read. */
export function optionsOf({ options }: { readonly options: string | null }): JobOptions {
  return options === null ? {} : JSON.parse(options) as JobOptions;
}

/** A `#QJ` line that is wrong. The message gives the line and the reason. */
export class InvalidOptions extends Error {
  override readonly name = "InvalidOptions";

  constructor(message: string) {
    super(oneLine(message));
  }
}

/** The text given is only the head of a script, and its options may go on behind it. */
export class MoreNeeded extends Error {
  override readonly name = "MoreNeeded";
}

/** What is wrong with one word. */
class Wrong extends Error {}

type Mutable = { -readonly [K in keyof Omit<JobOptions, "after" | "env">]: JobOptions[K] } & {
  after?: Set<string>;
  env?: Map<string, string>;
};
type Take = (options: Mutable, value: string) => void;

const UNITS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };
const QUEUE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;
// Digits in one place only: digits that two parts can share make the search take the square of their number.
const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)$/;
const DURATION = /^(\d+(?:\.\d*)?|\.\d+)([smhd]?)$/;
const MOMENT =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/;

/** True for what can be the name of a queue. */
export function isQueueName(name: string): boolean {
  return QUEUE_NAME.test(name);
}

export const QUEUE_NAME_RULE =
  "1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit";

function decimal(value: string, min: number, max: number, what: string): number {
  const number = DECIMAL.test(value) ? Number(value) + 0 : NaN; // -0 is 0
  if (!(number >= min && number <= max)) throw new Wrong(`must be ${what} from ${min} to ${max}`);
  return number;
}

function whole(value: string, min: number, max: number): number {
  const number = decimal(value, min, max, "a whole number");
  if (!Number.isInteger(number)) throw new Wrong(`must be a whole number from ${min} to ${max}`);
  return number;
}

/** Seconds of a time like 90, 90s, 15m, 2h or 1d. */
function duration(value: string): number {
  const [, number, unit] = DURATION.exec(value) ?? [];
  const seconds = number === undefined ? NaN : Number(number) * UNITS[unit!]!;
  if (!(seconds <= LIMITS.maxSeconds)) {
    throw new Wrong("must be a time of at most a year, like 90, 90s, 15m, 2h or 1d");
  }
  return seconds;
}

/** Milliseconds since the epoch of an ISO 8601 time. Without a zone it is in the daemon's, without a time midnight. */
export function parseMoment(value: string): number {
  const match = MOMENT.exec(value);
  if (match === null) {
    throw new Wrong("must be a time like 2027-01-01T03:00, with or without seconds and zone");
  }
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) =>
    Number(part ?? 0)
  ) as [number, number, number, number, number, number];
  // Rounded up, so that nothing starts before the moment: it may be the next second.
  const ms = Math.ceil(Number(`0.${match[7] ?? 0}`) * 1000);
  const utc = new Date(0);
  utc.setUTCFullYear(year, month - 1, day);
  utc.setUTCHours(hour, minute, second);
  // A day or an hour that does not exist is another one by now.
  const exists = utc.getUTCMonth() === month - 1 && utc.getUTCDate() === day &&
    utc.getUTCHours() === hour && utc.getUTCMinutes() === minute && second < 60;
  if (!exists) throw new Wrong("is no time that exists");
  const zone = match[8];
  if (zone === undefined) {
    const local = new Date(0);
    local.setFullYear(year, month - 1, day);
    local.setHours(hour, minute, second);
    return local.getTime() + ms;
  }
  return utc.getTime() + ms - offsetMs(zone);
}

function offsetMs(zone: string): number {
  if (zone === "Z") return 0;
  const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone)!;
  if (Number(hours) > 23 || Number(minutes ?? 0) > 59) throw new Wrong("has no zone that exists");
  const offset = (Number(hours) * 60 + Number(minutes ?? 0)) * 60_000;
  return sign === "-" ? -offset : offset;
}

function names(value: string): string[] {
  const list = value.split(",");
  if (list.includes("")) throw new Wrong("must be names of jobs, divided by commas");
  return list;
}

function variable(options: Mutable, value: string): void {
  const [, name, text] = VARIABLE.exec(value) ?? [];
  if (name === undefined) throw new Wrong("must be NAME=VALUE");
  if (name.startsWith("QJ_")) throw new Wrong("must not set a variable whose name begins with QJ_");
  (options.env ??= new Map()).set(name, text!);
}

/** What each key takes. */
const KEYS: ReadonlyMap<string, Take> = new Map<string, Take>([
  ["timeout", (options, value) => options.timeoutSec = duration(value)],
  ["attempts", (options, value) => options.maxAttempts = whole(value, 1, LIMITS.maxAttempts)],
  ["backoff-base", (options, value) => options.backoffBase = duration(value)],
  [
    "backoff-mult",
    (options, value) => options.backoffMult = decimal(value, 0, LIMITS.maxBackoffMult, "a number"),
  ],
  ["priority", (options, value) => {
    options.priority = whole(value, -LIMITS.maxPriority, LIMITS.maxPriority);
  }],
  ["at", (options, value) => options.atMs = parseMoment(value)],
  ["delay", (options, value) => options.delayMs = Math.ceil(duration(value) * 1000)],
  ["after", (options, value) => {
    options.after ??= new Set();
    for (const name of names(value)) options.after.add(name);
  }],
  ["queue", (options, value) => {
    if (!isQueueName(value)) throw new Wrong(`must be ${QUEUE_NAME_RULE}`);
    options.queue = value;
  }],
  ["on-lost", (options, value) => {
    if (value !== "fail" && value !== "retry") throw new Wrong("must be fail or retry");
    options.onLost = value;
  }],
  ["cwd", (options, value) => {
    if (!value.startsWith("/")) throw new Wrong("must be an absolute path");
    options.cwd = value;
  }],
  ["env", variable],
  ["nice", (options, value) => options.nice = whole(value, -20, 19)],
]);
/** Keys that stand alone. */
const FLAGS: ReadonlyMap<string, (options: Mutable) => void> = new Map([
  ["keep-children", (options: Mutable) => options.keepChildren = true],
]);
/** Keys that may be given more than once. */
const LISTS: ReadonlySet<string> = new Set(["after", "env"]);

/** What a word of a line can begin with. */
export const OPTION_NAMES: readonly string[] = [...KEYS.keys(), ...FLAGS.keys()];

/** The words of a line. Quotes take their content as it is; elsewhere a backslash takes the character behind it. */
function words(text: string): string[] {
  const found: string[] = [];
  let word: string | null = null;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (quote !== "") {
      if (char === quote) quote = "";
      else word += char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (char === " " || char === "\t") {
      if (word !== null) found.push(word);
      word = null;
    } else {
      word = (word ?? "") + (char === "\\" && i + 1 < text.length ? text[++i] : char);
    }
  }
  if (quote !== "") throw new Wrong(`a ${quote} is not closed`);
  if (word !== null) found.push(word);
  return found;
}

function takeWord(options: Mutable, given: Set<string>, word: string): void {
  const cut = word.indexOf("=");
  const key = cut === -1 ? word : word.slice(0, cut);
  const flag = FLAGS.get(key);
  const take = KEYS.get(key);
  if (flag === undefined && take === undefined) throw new Wrong(`unknown option ${shown(key)}`);
  if (given.has(key) && !LISTS.has(key)) throw new Wrong(`${key} is given twice`);
  given.add(key);
  if (flag !== undefined) {
    if (cut !== -1) throw new Wrong(`${key} takes no value`);
    return flag(options);
  }
  if (cut === -1) throw new Wrong(`${key} needs a value, as in ${key}=…`);
  const value = word.slice(cut + 1);
  try {
    if (value.includes("\0")) throw new Wrong("must not have a NUL byte");
    take!(options, value);
  } catch (error) {
    if (error instanceof Wrong) throw new Wrong(`${key} ${error.message}, not ${shown(value)}`);
    throw error;
  }
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

/** What has been read, as it is stored. */
function read({ after, env, ...options }: Mutable): JobOptions {
  return {
    ...options,
    ...(after && { after: [...after] }),
    ...(env && { env: Object.fromEntries(env) }),
  };
}

const OPTION_LINE = /^[ \t]*#QJ(?:[ \t]+(.*))?$/s;
const SKIPPED_LINE = /^[ \t]*(#.*)?$/s;

/**
 * Reads the options of a script. `isWhole`: `head` is all of it. Throws {@linkcode InvalidOptions} for a wrong line,
 * {@linkcode MoreNeeded} when they may go on behind the head.
 */
export function parseOptions(head: Uint8Array, isWhole: boolean): JobOptions {
  const options: Mutable = {};
  const given = new Set<string>();
  let line = 0;
  for (let from = 0; from < head.length;) {
    const newline = head.indexOf(10, from);
    if (newline === -1 && !isWhole) throw new MoreNeeded();
    const end = newline === -1 ? head.length : newline;
    const text = new TextDecoder("utf-8", { ignoreBOM: true })
      .decode(head.subarray(from, end)).replace(/\r$/, "");
    line++;
    from = end + 1;
    const match = OPTION_LINE.exec(text);
    if (match === null) {
      if (!SKIPPED_LINE.test(text)) return read(options);
      continue;
    }
    try {
      for (const word of words(match[1] ?? "")) takeWord(options, given, word);
      if (options.atMs !== undefined && options.delayMs !== undefined) {
        throw new Wrong("at and delay cannot both be given");
      }
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      throw new InvalidOptions(`line ${line}: ${error.message}`);
    }
  }
  if (!isWhole) throw new MoreNeeded();
  return read(options);
}
