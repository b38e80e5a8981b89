/** The daemon's log, to stderr: one line each. Names and reasons are quoted, so that no job can forge a line. */
import { configureSync, getLogger, jsonLinesFormatter, type LogRecord } from "@logtape/logtape";
import type { FileSystemLog } from "../fs/file_system.ts";
import type { SchedulerLog } from "../scheduler/scheduler.ts";
import { errorText } from "../store/attempts.ts";
import type { StoreError } from "../store/errors.ts";
import { printable } from "../store/printable.ts";
import type { PagesLog } from "../web/server.ts";
import type { Options } from "./option_values.ts";

/** Lines that wait for a reader of stderr who does not read. Beyond this they are dropped: nobody may stop the mount. */
const MAX_WAITING = 1000;

const encoder = new TextEncoder();
let writing: Promise<void> = Promise.resolve();
let waiting = 0;
let write = async (bytes: Uint8Array): Promise<void> => {
  for (let at = 0; at < bytes.length;) at += await Deno.stderr.write(bytes.subarray(at));
};

/** What is said in the background and no warning, until there is a place for it; null: stderr is one. */
let held: string[] | null = null;

/** Writes to stderr without waiting for it, in order. */
function writeLine(line: string, isWarning = true): void {
  held?.push(line);
  if (held !== null && !isWarning) return;
  if (waiting >= MAX_WAITING) return;
  waiting++;
  writing = writing.then(() => write(encoder.encode(line))).catch(() => {}).finally(() =>
    waiting--
  );
}

/** From now on lines go elsewhere than to stderr, which has all that came before when this resolves. */
export async function sendLogTo(elsewhere: typeof write): Promise<void> {
  await writing;
  write = elsewhere;
  const before = held ?? [];
  held = null;
  for (const line of before) writeLine(line);
}

/** Resolves when the log is written, or after a second. */
export async function flushLog(): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, 1000));
  await Promise.race([writing, late]);
  clearTimeout(timer);
}

function textLine(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString();
  return `${time} qj ${record.level}: ${printable(record.message.join(""))}\n`;
}

function jsonLine(record: LogRecord): string {
  return `${printable(jsonLinesFormatter(record).trimEnd())}\n`;
}

const WARNINGS: ReadonlySet<string> = new Set(["warning", "error", "fatal"]);

/** Sends the log to stderr. Once, at start. With `tellReady` all but warnings wait for {@linkcode sendLogTo}. */
export function configureLog(options: Pick<Options, "logLevel" | "logFormat" | "tellReady">): void {
  held = options.tellReady ? [] : null;
  const line = options.logFormat === "json" ? jsonLine : textLine;
  configureSync({
    sinks: {
      stderr: (record) => writeLine(line(record), WARNINGS.has(record.level)),
    },
    loggers: [
      { category: "qj", lowestLevel: options.logLevel, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}

const logger = getLogger("qj");
/** Text for LogTape as it is: braces would be its own. */
const literal = (text: string) => text.replace(/[{}]/g, "$&$&");
type Properties = Record<string, unknown>;

/** The daemon's log. `properties` are for the JSON format. */
export const log = {
  debug: (text: string, properties: Properties = {}) => logger.debug(literal(text), properties),
  info: (text: string, properties: Properties = {}) => logger.info(literal(text), properties),
  warning: (text: string, properties: Properties = {}) => logger.warning(literal(text), properties),
  error: (text: string, properties: Properties = {}) => logger.error(literal(text), properties),
};

const quoted = (text: string) => JSON.stringify(text);
const trace = (error: unknown) =>
  quoted(error instanceof Error ? error.stack ?? error.message : String(error));
const text = (error: unknown) => quoted(error instanceof Error ? error.message : String(error));

/** The state file cannot be changed (any more), or can be again. */
export function logHealth(failure: StoreError | null): void {
  if (failure === null) log.info("the state file can be changed again");
  else log.error(`the state file cannot be changed, will try again: ${text(failure)}`);
}

export const fileSystemLog: FileSystemLog = {
  refused: (reason) => log.warning(`config.json was not changed: ${reason}`, { reason }),
  changed: (keys) => log.info(`config.json has changed: ${keys.join(", ")}`, { keys }),
  unexpected: (operation, error) =>
    log.error(`${operation} failed unexpectedly, which is a bug in qj: ${trace(error)}`, {
      operation,
    }),
  storeFailed: (operation, error) =>
    log.error(`${operation} failed: the state file cannot be used: ${text(error)}`, { operation }),
  forgotten: (operation) =>
    log.error(`${operation} was not answered, which is a bug in qj`, { operation }),
};

export const pagesLog: PagesLog = {
  did: (what, job) => log.info(`by a page: ${quoted(what)}`, { ...job !== null && { job } }),
  changed: (keys) => log.info(`settings were changed by a page: ${keys.join(", ")}`, { keys }),
  interrupted: (error) =>
    log.warning(`the pages cannot be reached for a moment, will try again: ${text(error)}`),
  printed: (text) => log.debug(`pages: ${quoted(text)}`),
  unexpected: (path, error) =>
    log.error(
      `the page ${quoted(path)} failed unexpectedly, which is a bug in qj: ${trace(error)}`,
    ),
};

export const schedulerLog: SchedulerLog = {
  started: (job, pid) =>
    log.debug(`job ${quoted(job.name)} started, pid ${pid}`, { job: job.name, pid }),
  ended: (job, outcome) => {
    const error = errorText(outcome);
    if (error === null) log.debug(`job ${quoted(job.name)} succeeded`, { job: job.name });
    else log.info(`job ${quoted(job.name)}: ${error}`, { job: job.name, error });
  },
  recovered: (left) =>
    log.warning(`job ${quoted(left.jobName)} was running when the last daemon ended`, {
      job: left.jobName,
    }),
  storeFailed: (error) => log.error(`the store failed, will try again: ${trace(error)}`),
  shortage: (job, reason) =>
    log.warning(
      `job ${quoted(job)} cannot start just now, will try again for a minute: ${quoted(reason)}`,
      { job, reason },
    ),
  outOfReach: (job, pids) =>
    log.warning(
      `job ${quoted(job)} has left processes that qj may not signal: ${pids.join(", ")}. ` +
        `No job of that name starts before they are gone`,
      { job, pids },
    ),
  hookFailed: ({ job, state }, reason) => {
    const key = state === "complete" ? "on_complete" : "on_failed";
    log.warning(`${key} of job ${quoted(job)} failed: ${quoted(reason)}`, { job, reason });
  },
  expired: (count) =>
    log.info(`deleted ${count} finished ${count === 1 ? "job" : "jobs"} by age`, { count }),
  clockSetBack: (ms) =>
    log.warning(`the clock was set back by ${Math.round(ms / 1000)} s; retries wait no longer`),
  tooFewDescriptors: (limit) =>
    log.warning(
      `max_job_count is more than the limit of open files allows: at most ${limit} jobs run at once`,
      { limit },
    ),
};
