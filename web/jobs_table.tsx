/** Jobs as rows, with what can be done to those that one has chosen. */
import type { Child } from "hono/jsx";
import type { Job, ListedState } from "../store/job.ts";
import { LIMITS } from "../store/limits.ts";
import { printable } from "../store/printable.ts";
import type { JobCommand } from "./commands.ts";
import { lastLine } from "./log_reader.ts";
import {
  CheckBox,
  FormFields,
  JobLink,
  ReasonText,
  Running,
  StateBadge,
  Table,
  Time,
} from "./parts.tsx";
import { reasonOf } from "./reasons.ts";
import type { Site } from "./site.ts";

/** What a line of a log is cut to. */
const MAX_LINE = 200;

const COMMANDS: Readonly<Record<ListedState, readonly JobCommand[]>> = {
  pending: ["park", "delete"],
  active: ["cancel", "delete"],
  complete: ["retry", "delete"],
  failed: ["retry", "delete"],
};

const WORDS: Readonly<Record<JobCommand, readonly [word: string, title: string]>> = {
  retry: ["Retry", "Run again, from the first attempt: to the end of the queue"],
  cancel: ["Cancel", "Stop what runs, and keep the job in failed"],
  park: ["Park", "Keep the job in failed until it is retried"],
  delete: ["Delete", "Forget the job with its log, and stop it if it runs"],
  priority: ["Set", ""],
  signal: ["Send", ""],
};

/** A button that sends a command. */
export function CommandButton({ command }: { command: JobCommand }) {
  const [word, title] = WORDS[command];
  return (
    <button
      type="submit"
      name="command"
      value={command}
      title={title}
      class={command === "delete" ? "danger" : ""}
    >
      {word}
    </button>
  );
}

export function PriorityInput({ value = "" }: { value?: string }) {
  const { maxPriority } = LIMITS;
  return (
    <label>
      <span>Priority</span>
      <input
        type="number"
        name="value"
        min={-maxPriority}
        max={maxPriority}
        step={1}
        value={value}
      />
    </label>
  );
}

const SIGNALS = ["TERM", "HUP", "INT", "USR1", "USR2", "STOP", "CONT", "KILL"];

export function SignalInput() {
  return (
    <label>
      <span>Signal</span>
      <select name="value">{SIGNALS.map((name) => <option>{name}</option>)}</select>
    </label>
  );
}

export interface JobsTableProps {
  readonly site: Site;
  readonly jobs: readonly Job[];
  /** They all are in this state; null: in any. */
  readonly state: ListedState | null;
  /** For people who cannot see where it stands. */
  readonly label: string;
  /** The path of the page. */
  readonly back: string;
  readonly empty: string;
}

export function JobsTable({ site, jobs, state, label, back, empty }: JobsTableProps) {
  if (jobs.length === 0) return <p class="empty">{empty}</p>;
  const now = site.store.now();
  const table = (
    <Table
      label={label}
      head={
        <>
          {!site.isReadOnly && (
            <th class="check">
              <input type="checkbox" class="all" aria-label="Choose all of this page" hidden />
            </th>
          )}
          <th class="job">Job</th>
          {state === null && <th class="state">State</th>}
          <th class="what">{HEADS[state ?? "all"][0]}</th>
          <th class="when">{HEADS[state ?? "all"][1]}</th>
        </>
      }
    >
      {jobs.map((job) => (
        <tr id={`job-${job.id}`}>
          {!site.isReadOnly && (
            <td class="check">
              <CheckBox job={job} />
            </td>
          )}
          <td class="job">
            <JobLink job={job} />
            {job.queue !== null && (
              <a class="queue" href={`/jobs?queue=${encodeURIComponent(job.queue)}`}>{job.queue}</a>
            )}
          </td>
          {state === null && (
            <td class="state">
              <StateBadge state={job.state} />
            </td>
          )}
          <td class="what">{what(site, job, now)}</td>
          <td class="when">{when(job, now)}</td>
        </tr>
      ))}
    </Table>
  );
  if (site.isReadOnly) return table;
  const commands: readonly JobCommand[] = state === null
    ? ["retry", "cancel", "park", "delete"]
    : COMMANDS[state];
  return (
    <form method="post" action="/actions" class="bulk">
      <FormFields site={site} back={back} />
      {/* The one that the Enter key presses: it does nothing, so that nothing is done by mistake. */}
      <button type="submit" name="command" value="" hidden></button>
      {table}
      <p class="tools">
        <span>Chosen:</span>
        {commands.map((command) => <CommandButton command={command} />)}
        {state === "pending" && (
          <span class="tool">
            <PriorityInput />
            <CommandButton command="priority" />
          </span>
        )}
        {state === "active" && (
          <span class="tool">
            <SignalInput />
            <CommandButton command="signal" />
          </span>
        )}
      </p>
    </form>
  );
}

const HEADS: Readonly<Record<ListedState | "all", readonly [what: string, when: string]>> = {
  pending: ["Waits because", "Handed in"],
  active: ["Runs for", "Handed in"],
  complete: ["Last line", "Ended"],
  failed: ["Why, and the last line", "Ended"],
  all: ["", "Since"],
};

function what(site: Site, job: Job, now: number): Child {
  const { store, slots } = site;
  switch (job.state) {
    case "pending":
      return (
        <>
          <ReasonText reason={reasonOf(store, slots, job)} now={now} />
          {job.priority !== 0 && <span class="note">{`priority ${job.priority}`}</span>}
          {job.attempts > 0 && (
            <span class="note" title={job.error ?? ""}>
              {`${job.attempts} failed ${job.attempts === 1 ? "attempt" : "attempts"}`}
            </span>
          )}
        </>
      );
    case "active":
      return <Running site={site} job={job} now={now} />;
    default:
      return (
        <>
          {job.error !== null && <span class="error">{cut(job.error)}</span>}
          <LastLine line={lastLine(store, job.id)} />
        </>
      );
  }
}

function LastLine({ line }: { line: string | null }) {
  return line === null ? null : <code class="line">{cut(line)}</code>;
}

function cut(text: string): string {
  // Sequences of terminals are of no use in one line.
  // deno-lint-ignore no-control-regex
  const plain = text.replace(/\x1b\[[0-9:;]*m/g, "");
  return printable(plain.length > MAX_LINE ? `${plain.slice(0, MAX_LINE)}…` : plain);
}

function when(job: Job, now: number): Child {
  const ms = job.finishedMs ?? (job.seq === null ? job.createdMs : Math.floor(job.seq / 1000));
  return <Time ms={ms} now={now} />;
}
