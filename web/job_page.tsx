/** All about one job: its script, its attempts, its log as it grows, and what can be done. */
import type { Child } from "hono/jsx";
import type { Attempt } from "../store/history.ts";
import { type Job, type ListedState, notBeforeMs, submittedMs } from "../store/job.ts";
import { printable } from "../store/printable.ts";
import { AnsiReader, type Piece, visibleText } from "./ansi.ts";
import { handleOf, type JobCommand, type Result } from "./commands.ts";
import { bytes, count, exact, shellWord, took } from "./format.ts";
import { CommandButton, PriorityInput, SignalInput } from "./jobs_table.tsx";
import { readLog, tailStart } from "./log_reader.ts";
import { FormFields, Layout, ReasonText, Running, StateBadge, Table, Time } from "./parts.tsx";
import { reasonOf } from "./reasons.ts";
import type { Site } from "./site.ts";

/** Bytes at the end of a log that the page has at first. */
const LOG_BYTES = 65_536;
/** Bytes of a script that the page shows. */
const SCRIPT_BYTES = 65_536;
const MAX_LINES = 1000;
/** Changes of colour that the page shows, the newest: each is an element. */
const MAX_PIECES = 5000;
/** Attempts that the page shows, the newest. */
const MAX_ATTEMPTS = 100;

export interface JobPageProps {
  readonly site: Site;
  readonly job: Job;
  readonly said: readonly Result[];
  /** It is there already, with its log. */
  readonly isUpdate?: boolean;
}

export function JobPage({ site, job, said, isUpdate = false }: JobPageProps) {
  const { store } = site;
  const now = store.now();
  const state = job.state as ListedState;
  const path = `${site.mountpoint}/${state}/${job.name}`;
  return (
    <Layout site={site} title={job.name} live={`/jobs/${job.id}/log/live`} said={said}>
      <h1 class="name">
        {printable(job.name)} <StateBadge state={state} />
      </h1>
      <p class="path">
        <code>{printable(shellWord(path))}</code>
      </p>
      <JobFacts site={site} job={job} now={now} />
      {!site.isReadOnly && <JobForms site={site} job={job} />}
      <Attempts site={site} job={job} now={now} />
      <Log site={site} job={job} isUpdate={isUpdate} />
      <Script site={site} job={job} />
      <InTheShell site={site} job={job} state={state} />
    </Layout>
  );
}

function JobFacts({ site, job, now }: { site: Site; job: Job; now: number }) {
  const { store, slots } = site;
  const submitted = submittedMs(job);
  const notBefore = job.state === "pending" ? notBeforeMs(job) : null;
  return (
    <dl class="facts">
      {job.state === "pending" && (
        <div>
          <dt>Waits because</dt>
          <dd>
            <ReasonText reason={reasonOf(store, slots, job)} now={now} />
          </dd>
        </div>
      )}
      {job.state === "active" && (
        <div>
          <dt>Runs for</dt>
          <dd>
            <Running site={site} job={job} now={now} />
          </dd>
        </div>
      )}
      {job.error !== null && (
        <div>
          <dt>{job.state === "failed" ? "Failed because" : "Last error"}</dt>
          <dd class="error">{printable(job.error)}</dd>
        </div>
      )}
      <div>
        <dt>Handed in</dt>
        <dd>{submitted === null ? "not yet" : <Time ms={submitted} now={now} />}</dd>
      </div>
      {notBefore !== null && (
        <div>
          <dt>Not before</dt>
          <dd>
            <Time ms={notBefore} now={now} />
          </dd>
        </div>
      )}
      {job.finishedMs !== null && (
        <div>
          <dt>Ended</dt>
          <dd>
            <Time ms={job.finishedMs} now={now} />
          </dd>
        </div>
      )}
      <div>
        <dt>Priority</dt>
        <dd>{String(job.priority)}</dd>
      </div>
      {job.queue !== null && (
        <div>
          <dt>Queue</dt>
          <dd>
            <a href={`/jobs?queue=${encodeURIComponent(job.queue)}`}>{job.queue}</a>
          </dd>
        </div>
      )}
      <div>
        <dt>Owner</dt>
        <dd>{`uid ${job.uid}, gid ${job.gid}`}</dd>
      </div>
    </dl>
  );
}

const COMMANDS: Readonly<Record<ListedState, readonly JobCommand[]>> = {
  pending: ["park"],
  active: ["cancel"],
  complete: ["retry"],
  failed: ["retry"],
};

function JobForms({ site, job }: { site: Site; job: Job }) {
  // Each has a number of its own.
  const form = (id: string, children: Child) => (
    <form method="post" action="/actions" id={id}>
      <FormFields site={site} back={`/jobs/${job.id}`} />
      <input type="hidden" name="job" value={handleOf(job)} />
      {children}
    </form>
  );
  const commands = [...COMMANDS[job.state as ListedState], "delete"] as const;
  return (
    <div class="forms">
      {form("commands", commands.map((command) => <CommandButton command={command} />))}
      {job.state === "pending" && form(
        "priority",
        <>
          <PriorityInput value={String(job.priority)} />
          <CommandButton command="priority" />
        </>,
      )}
      {job.state === "active" && form(
        "signal",
        <>
          <SignalInput />
          <CommandButton command="signal" />
        </>,
      )}
    </div>
  );
}

function outcomeText({ outcome, exitCode, signal, error }: Attempt): string {
  switch (outcome) {
    case null:
      return "running";
    case "exited":
      return exitCode === 0 ? "succeeded" : `exit status ${exitCode}`;
    case "signaled":
      return `ended by ${signal}`;
    case "timeout":
      return "timed out";
    case "lost":
      return "lost: the daemon stopped";
    case "error":
      return error ?? "could not start";
    default:
      return outcome;
  }
}

function isGood({ outcome, exitCode }: Attempt): boolean {
  return outcome === "exited" && exitCode === 0;
}

function Attempts({ site, job, now }: { site: Site; job: Job; now: number }) {
  const { history } = site.store;
  const newest = history.newest(job.id)?.number ?? 0;
  const attempts = history.page(job.id, Math.max(0, newest - MAX_ATTEMPTS), MAX_ATTEMPTS);
  const startMs = attempts[0]?.startedMs ?? now;
  const endMs = Math.max(startMs + 1, ...attempts.map(({ endedMs }) => endedMs ?? now));
  const share = (ms: number) =>
    Math.round(1000 * Math.min(1, Math.max(0, (ms - startMs) / (endMs - startMs)))) / 10;
  return (
    <section id="attempts">
      <h2>
        Attempts <span class="n">{count(newest)}</span>
      </h2>
      {attempts.length === 0 ? <p class="empty">None yet.</p> : (
        <Table
          label="Attempts"
          head={
            <>
              <th class="number">No.</th>
              <th>Result</th>
              <th>Began</th>
              <th>Took</th>
              <th class="wide line">Time line</th>
              <th>Log</th>
            </>
          }
        >
          {attempts.map((attempt) => {
            const { id, number, startedMs, endedMs, runMs, outcome } = attempt;
            const tookMs = runMs ?? (endedMs ?? now) - startedMs;
            const from = share(startedMs);
            const kind = outcome === null ? "active" : isGood(attempt) ? "complete" : "failed";
            return (
              <tr id={`attempt-${id}`}>
                <td class="number">{String(number)}</td>
                <td class={kind === "failed" ? "error" : ""}>{printable(outcomeText(attempt))}</td>
                <td>
                  <Time ms={startedMs} now={now} />
                </td>
                <td title={endedMs === null ? "" : `until ${exact(endedMs)}`}>
                  {outcome === null
                    ? <span data-since={String(startedMs)}>{took(tookMs)}</span>
                    : took(tookMs)}
                </td>
                <td class="wide line">
                  <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                    <rect class="rail" x={0} y={2.5} width={100} height={1} />
                    <rect
                      class={kind}
                      x={Math.min(99, from)}
                      y={0}
                      width={Math.max(1, share(endedMs ?? now) - from)}
                      height={6}
                    />
                  </svg>
                </td>
                <td>
                  <a
                    href={`/jobs/${job.id}/attempts/${number}.log`}
                    aria-label={`Log of attempt ${number}`}
                  >
                    log
                  </a>
                </td>
              </tr>
            );
          })}
        </Table>
      )}
      {newest > attempts.length && <p>{`The newest ${attempts.length} of ${count(newest)}.`}</p>}
    </section>
  );
}

/** The end of the log, as much of it as a page holds, and where it ends. */
export function logEnd(site: Site, job: Job): {
  readonly pieces: readonly Piece[];
  readonly start: number;
  readonly end: number;
} {
  const { store } = site;
  const isOver = job.state !== "active" && !store.attempts.isRunning(job.id);
  const start = tailStart(store, job, LOG_BYTES);
  const reader = new AnsiReader();
  const decoder = new TextDecoder();
  const pieces: Piece[] = [];
  let end = start;
  for (;;) {
    const part = readLog(store, job, end, isOver);
    if (part === null) break;
    pieces.push(...reader.read(decoder.decode(part.bytes)));
    end = part.end;
  }
  if (isOver) pieces.push(...reader.read("", true));
  const more = Math.max(0, pieces.length - MAX_PIECES);
  return { pieces: pieces.slice(more), start, end };
}

function Log({ site, job, isUpdate }: { site: Site; job: Job; isUpdate: boolean }) {
  const { pieces, start, end } = isUpdate
    ? { pieces: [], start: tailStart(site.store, job, LOG_BYTES), end: 0 }
    : logEnd(site, job);
  const size = job.logSize - job.logDropped;
  const whole = `/jobs/${job.id}/log`;
  return (
    <section>
      <h2>
        Log <span class="n">{bytes(size)}</span>
      </h2>
      {start > 0 && (
        <p>
          {`The end of it. `}
          <a href={whole}>The whole log</a>
        </p>
      )}
      {start === 0 && size > 0 && (
        <p>
          <a href={whole}>As plain text</a>
        </p>
      )}
      {size === 0 && <p class="empty" id="log-empty">Nothing yet.</p>}
      <div class="log">
        <pre
          id="log"
          tabindex={0}
          role="log"
          aria-label="Log"
          data-keep=""
          data-end={String(end)}
        >{pieces.map(([text, classes]) => <span {...(classes !== "" && { class: classes })}>{text}</span>)}</pre>
        <button type="button" id="follow" data-keep="" hidden>Follow the end</button>
      </div>
    </section>
  );
}

function Script({ site, job }: { site: Site; job: Job }) {
  const head = site.store.jobs.scriptPart(job.id, 0, SCRIPT_BYTES);
  const text = new TextDecoder().decode(head);
  const lines = text.replace(/\n$/, "").split("\n");
  const isCut = job.scriptSize > head.length || lines.length > MAX_LINES;
  return (
    <section>
      <h2>
        Script <span class="n">{bytes(job.scriptSize)}</span>
      </h2>
      {job.scriptSize > 0 && (
        <p>
          {isCut && "The beginning of it. "}
          <a href={`/jobs/${job.id}/script`}>{isCut ? "The whole script" : "As plain text"}</a>
        </p>
      )}
      {job.scriptSize === 0
        ? <p class="empty">Nothing has been written yet.</p>
        : (
          <div class="table" role="region" aria-label="Script" tabindex={0}>
            <ol class="script">
              {lines.slice(0, MAX_LINES).map((line) => (
                <li>
                  <code>{visibleText(line.replace(/\r$/, ""))}</code>
                </li>
              ))}
            </ol>
          </div>
        )}
    </section>
  );
}

/** The same in a shell, for those who would rather type. */
function InTheShell({ site, job, state }: { site: Site; job: Job; state: ListedState }) {
  const path = (folder: string) => shellWord(`${site.mountpoint}/${folder}`);
  const file = path(`${state}/${job.name}`);
  const pending = path("pending/");
  const own = `jobs/${job.name}`;
  const lines: Readonly<Record<ListedState, readonly string[]>> = {
    pending: [`cat ${file}`, `mv ${file} ${path("failed/")}`, `rm ${file}`],
    active: [
      `tail -f ${file}`,
      `echo TERM > ${path(`${own}/signal`)}`,
      `mv ${file} ${path("failed/")}`,
    ],
    complete: [`cat ${file}`, `mv ${file} ${pending}`, `rm ${file}`],
    failed: [`cat ${file}`, `mv ${file} ${pending}`, `rm ${file}`],
  };
  return (
    <details id="shell">
      <summary>In the shell</summary>
      <pre class="shell">{printableLines([...lines[state], `cat ${path(`${own}/status.json`)}`])}</pre>
    </details>
  );
}

function printableLines(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join("");
}
