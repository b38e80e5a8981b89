/** Any text as a script: options within their limits that can be stored and written anew, or the line that is wrong. */
import assert from "node:assert/strict";
import {
  InvalidOptions,
  isQueueName,
  type JobOptions,
  MoreNeeded,
  parseOptions,
} from "../../store/job_options.ts";
import { LIMITS } from "../../store/limits.ts";
import { fuzz } from "./cases.ts";
import { showBytes } from "./hostile.ts";
import { anyRepetition, anyScript } from "./option_lines.ts";
import { isLine } from "./world.ts";

const encoder = new TextEncoder();

function within(value: number | undefined, min: number, max: number): void {
  if (value !== undefined) assert.ok(value >= min && value <= max, `${value}`);
}

function checkLimits(options: JobOptions): void {
  within(options.timeoutSec, 0, LIMITS.maxSeconds);
  within(options.backoffBase, 0, LIMITS.maxSeconds);
  within(options.backoffMult, 0, LIMITS.maxBackoffMult);
  within(options.maxAttempts, 1, LIMITS.maxAttempts);
  within(options.priority, -LIMITS.maxPriority, LIMITS.maxPriority);
  within(options.nice, -20, 19);
  within(options.delayMs, 0, LIMITS.maxSeconds * 1000);
  for (const whole of [options.maxAttempts, options.priority, options.nice, options.delayMs]) {
    assert.ok(whole === undefined || Number.isInteger(whole));
  }
  // Throws for what no date can be.
  if (options.atMs !== undefined) new Date(options.atMs).toISOString();
  assert.ok(options.atMs === undefined || options.delayMs === undefined);
  assert.ok(options.queue === undefined || isQueueName(options.queue));
  assert.ok(options.cwd === undefined || options.cwd.startsWith("/"));
  assert.ok(!options.after?.includes(""));
  const texts = [options.cwd ?? "", ...options.after ?? [], ...Object.values(options.env ?? {})];
  assert.ok(texts.every((text) => !text.includes("\0")), "no NUL can be passed on");
  for (const name of Object.keys(options.env ?? {})) assert.match(name, /^(?!QJ_)[A-Za-z_]\w*$/);
}

/** Null: they are wrong, and it is said how. */
function parse(script: Uint8Array): JobOptions | null {
  try {
    return parseOptions(script, true);
  } catch (error) {
    assert.ok(error instanceof InvalidOptions, `${(error as Error)?.stack ?? error}`);
    const { message } = error;
    assert.ok(isLine(message), `one line: ${message}`);
    const [, line] = /^line (\d+): /.exec(message) ?? [];
    const lines = script.reduce((count, byte) => count + (byte === 10 ? 1 : 0), 1);
    assert.ok(Number(line) >= 1 && Number(line) <= lines, message);
    return null;
  }
}

/** The head of a script has the options of the whole, or it says that more is needed. */
function checkHead(script: Uint8Array, whole: JobOptions | null, length: number): void {
  try {
    assert.deepEqual(parseOptions(script.subarray(0, length), false), whole);
  } catch (error) {
    if (error instanceof MoreNeeded) return;
    if (error instanceof InvalidOptions) return assert.equal(whole, null);
    throw error;
  }
}

function quoted(text: string): string {
  return `"${text.replace(/"/g, `"'"'"`)}"`;
}

/** The options, without their times, as lines that have to mean the same. */
function written(options: JobOptions): string {
  const given = (name: string, value: unknown) => value === undefined ? [] : [`${name}=${value}`];
  const decimal = (name: string, value?: number) => given(name, value?.toFixed(20));
  return [
    ...decimal("timeout", options.timeoutSec),
    ...decimal("backoff-base", options.backoffBase),
    ...decimal("backoff-mult", options.backoffMult),
    ...given("attempts", options.maxAttempts),
    ...given("priority", options.priority),
    ...given("queue", options.queue),
    ...given("on-lost", options.onLost),
    ...given("nice", options.nice),
    ...options.keepChildren ? ["keep-children"] : [],
    ...given("cwd", options.cwd && quoted(options.cwd)),
    ...given("after", options.after && quoted(options.after.join())),
    ...Object.entries(options.env ?? {}).map(([name, text]) => `env=${quoted(`${name}=${text}`)}`),
  ].map((word) => `#QJ ${word}\n`).join("");
}

function check(script: Uint8Array): void {
  const options = parse(script);
  for (const share of [0.3, 0.7, 1]) checkHead(script, options, Math.floor(share * script.length));
  if (options === null) return;
  checkLimits(options);
  assert.deepEqual(JSON.parse(JSON.stringify(options)), options, "what is stored is what was read");
  const { atMs: _at, delayMs: _delay, ...others } = options;
  // The CR at the end of a line belongs to the newline.
  if (JSON.stringify(others).includes("\\r")) return;
  assert.deepEqual(parse(encoder.encode(written(others))), others, "written anew it is the same");
}

fuzz("the options of any script are within their limits, or the wrong line is named", {
  share: 0.25,
  arbitrary: anyScript,
  body: check,
  show: (script) => `  ${showBytes(script)}`,
});

/** Work that grows with the square of this takes seconds, other work some milliseconds. */
const LONG = 60_000;
const SLOW_MS = 500;

function readingMs([start, again, end]: readonly [string, string, string]): number {
  const script = encoder.encode(start + again.repeat(Math.ceil(LONG / again.length)) + end);
  const since = performance.now();
  parse(script);
  return performance.now() - since;
}

fuzz("no script takes long to read", {
  share: 0.1,
  arbitrary: anyRepetition,
  // Twice, since a machine that is busy may stop for a while.
  body: (parts) =>
    assert.ok(readingMs(parts) < SLOW_MS || readingMs(parts) < SLOW_MS, `more than ${SLOW_MS} ms`),
  show: (parts) => `  ${JSON.stringify(parts)}, the middle up to ${LONG} characters`,
});
