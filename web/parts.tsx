/** Pieces that several pages are made of. */
import type { Child } from "hono/jsx";
import { type Job, type ListedState } from "../store/job.ts";
import { optionsOf } from "../store/job_options.ts";
import { printable } from "../store/printable.ts";
import { handleOf, type Result } from "./commands.ts";
import { away, count, duration, exact, FAR_MS, moment, shortened } from "./format.ts";
import { Head } from "./head.tsx";
import type { Reason } from "./reasons.ts";
import { type Site, STATES } from "./site.ts";

/** A moment, relative, and exact when one points at it. */
export function Time({ ms, now }: { ms: number; now: number }) {
  return (
    <time datetime={new Date(ms).toISOString()} title={exact(ms)} data-ms={String(ms)}>
      {away(ms, now)}
    </time>
  );
}

/** What every form carries. */
export function FormFields({ site, back }: { site: Site; back: string }) {
  return (
    <>
      <input type="hidden" name="form_token" value={site.guard.formToken} />
      <input type="hidden" name="once" value={site.said.once()} />
      <input type="hidden" name="back" value={back} />
    </>
  );
}

/** Characters of a name in a list. */
const LONGEST_NAME = 90;

/** The name of a job, which leads to its page. */
export function JobLink({ job }: { job: Pick<Job, "id" | "name"> }) {
  const name = printable(job.name);
  const text = shortened(name, LONGEST_NAME);
  return <a class="name" href={`/jobs/${job.id}`} {...(text !== name && { title: name })}>{text}
  </a>;
}

export function StateBadge({ state }: { state: string }) {
  return <span class={`badge ${state}`}>{state}</span>;
}

export function CheckBox({ job }: { job: Job }) {
  return (
    <input
      type="checkbox"
      name="job"
      value={handleOf(job)}
      aria-label={`Choose ${printable(job.name)}`}
    />
  );
}

/** Why a pending job waits. */
export function ReasonText({ reason, now }: { reason: Reason; now: number }) {
  const { text, untilMs, jobs } = reason;
  return (
    <span>
      {text}
      {untilMs !== undefined && (
        <>
          {` ${moment(untilMs, now)}`}
          {Math.abs(untilMs - now) < FAR_MS && (
            <>
              {", "}
              <Time ms={untilMs} now={now} />
            </>
          )}
        </>
      )}
      {jobs?.map((name, i) => (
        <>
          {i === 0 ? " " : ", "}
          <a href={namedPath(name)}>{printable(name)}</a>
        </>
      ))}
    </span>
  );
}

/** Where the page of a job is found by its name. */
function namedPath(name: string): string {
  return `/named/${encodeURIComponent(name)}`;
}

/** How long an active job has run, and the share of its timeout. */
export function Running({ site, job, now }: { site: Site; job: Job; now: number }) {
  const startedMs = site.store.history.newest(job.id)?.startedMs;
  if (startedMs === undefined) return <span>starting</span>;
  const timeoutSec = optionsOf(job).timeoutSec ?? site.store.settings.current.timeout_sec;
  return (
    <span class="running">
      <span class="for" title={`since ${exact(startedMs)}`} data-since={String(startedMs)}>
        {duration(now - startedMs)}
      </span>
      {timeoutSec > 0
        ? (
          <>
            <progress
              value={String(Math.min(timeoutSec, Math.max(0, (now - startedMs) / 1000)))}
              max={String(timeoutSec)}
              data-from={String(startedMs)}
              aria-label={`Share of the timeout of ${duration(timeoutSec * 1000)} used`}
            />
            <span class="wide">of {duration(timeoutSec * 1000)}</span>
          </>
        )
        : <span class="wide">no timeout</span>}
    </span>
  );
}

/** What came of a form. */
function Results({ results }: { results: readonly Result[] }) {
  if (results.length === 0) return null;
  const done = results.filter(({ isDone }) => isDone);
  const refused = results.filter(({ isDone }) => !isDone);
  return (
    <div class="said" role="status">
      {[done, refused].map((some, i) =>
        some.length > 0 && (
          <div class={i === 0 ? "done" : "refused"}>
            {some.length > 3 && <p>{`${count(some.length)} jobs:`}</p>}
            <ul>{some.slice(0, 20).map(({ text }) => <li>{text}</li>)}</ul>
            {some.length > 20 && <p>{`and ${count(some.length - 20)} more`}</p>}
          </div>
        )
      )}
    </div>
  );
}

export interface LayoutProps {
  readonly site: Site;
  /** What the page is about, for the title. */
  readonly title: string;
  /** Of the navigation: which entry this page is. */
  readonly at?: "overview" | "submit" | "settings" | ListedState | "all" | undefined;
  /** The stream of events that tells when it is to be asked for again. */
  readonly live?: string | undefined;
  readonly said?: readonly Result[];
  readonly children?: Child;
}

/** The frame of all pages. */
export function Layout({ site, title, at, live, said = [], children }: LayoutProps) {
  const { directories, settings } = site.store;
  const counts = STATES.map((state) => [state, directories.countOf(state)] as const);
  const paused = settings.current.paused;
  const entry = (key: LayoutProps["at"], href: string, text: Child) => (
    <a href={href} {...(at === key && { "aria-current": "page" as const })}>{text}</a>
  );
  return (
    <html lang="en">
      <Head title={titleOf(site, title)}>
        <script src="/script.js" defer></script>
      </Head>
      <body data-now={String(site.store.now())} data-version={site.live.version}>
        <a class="skip" href="#main">To the content</a>
        <header>
          <p class="brand">
            <a href="/">qj</a> <code title="the mount">{printable(site.mountpoint)}</code>
            {paused && <span class="badge paused">paused</span>}
            {site.isReadOnly && <span class="badge">read only</span>}
          </p>
          <nav aria-label="Pages">
            {entry("overview", "/", "Overview")}
            {counts.map(([state, n]) =>
              entry(
                state,
                `/jobs?state=${state}`,
                <>
                  {state} <span class="n">{count(n)}</span>
                </>,
              )
            )}
            {entry("all", "/jobs", "All")}
            {site.submitter !== null && entry("submit", "/submit", "Submit")}
            {entry("settings", "/settings", "Settings")}
          </nav>
        </header>
        <main id="main" {...(live !== undefined && { "data-live": live })}>
          <Results results={said} />
          {children}
        </main>
        <footer>
          <span>{`qj ${site.version}`}</span>
          <form method="post" action="/sign-out">
            <input type="hidden" name="form_token" value={site.guard.formToken} />
            <button type="submit" class="plain">Sign out</button>
          </form>
        </footer>
        <p id="offline" role="status" hidden>No answer from qj. Trying again…</p>
      </body>
    </html>
  );
}

/** With the counts, so that a tab in the background tells. */
function titleOf({ store, mountpoint }: Site, title: string): string {
  const { directories, settings } = store;
  const name = mountpoint.slice(mountpoint.lastIndexOf("/") + 1) || mountpoint;
  const counts = [
    `${count(directories.countOf("active"))} active`,
    `${count(directories.countOf("pending"))} pending`,
    `${count(directories.countOf("failed"))} failed`,
    ...settings.current.paused ? ["paused"] : [],
  ];
  return printable(`${counts.join(", ")} · ${title} · ${name}`);
}

/** A table that may be wider than a narrow screen: then it scrolls by itself. */
export function Table({ label, head, children }: { label: string; head: Child; children?: Child }) {
  return (
    <div class="table" role="region" aria-label={label} tabindex={0}>
      <table>
        <thead>
          <tr>{head}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
