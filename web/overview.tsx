/** The first page: what runs, what waits and why, what failed, and what has happened. */
import { Charts, type Range } from "./charts.tsx";
import type { Result } from "./commands.ts";
import { count } from "./format.ts";
import { JobsTable } from "./jobs_table.tsx";
import { FormFields, Layout } from "./parts.tsx";
import { SearchForm } from "./search_form.tsx";
import type { Site } from "./site.ts";

/** Rows of each table. */
const ROWS = 20;

export interface OverviewProps {
  readonly site: Site;
  readonly range: Range;
  readonly said: readonly Result[];
}

export function Overview({ site, range, said }: OverviewProps) {
  const { browse, store, slots } = site;
  const { directories, settings: { current: { queues } } } = store;
  const back = range === "hour" ? "/" : "/?range=day";
  const tables = {
    active: browse.active(0, ROWS),
    pending: browse.pending(null, ROWS),
    failed: browse.finished("failed", null, ROWS),
  };
  return (
    <Layout site={site} title="Overview" at="overview" live="/live" said={said}>
      <h1 class="unseen">Overview</h1>
      <section class="summary" aria-label="Slots">
        <dl>
          <div>
            <dt>Slots in use</dt>
            <dd>
              <meter
                value={slots.count}
                min={0}
                max={Math.max(1, slots.limit)}
                aria-label="Slots in use"
              />{" "}
              {`${count(slots.count)} of ${count(slots.limit)}`}
            </dd>
          </div>
          {Object.entries(queues).map(([queue, { max_job_count }]) => (
            <div>
              <dt>
                <a href={`/jobs?queue=${encodeURIComponent(queue)}`}>{queue}</a>
              </dt>
              <dd>{`${count(slots.countOf(queue))} of ${count(max_job_count)}`}</dd>
            </div>
          ))}
        </dl>
        <PauseForm site={site} back={back} />
      </section>
      <SearchForm site={site} />
      {(["active", "pending", "failed"] as const).map((state) => (
        <section id={state}>
          <h2>
            {HEADINGS[state]} <span class="n">{count(directories.countOf(state))}</span>
          </h2>
          <JobsTable
            site={site}
            jobs={tables[state]}
            state={state}
            label={HEADINGS[state]}
            back={back}
            empty={EMPTY[state]}
          />
          {directories.countOf(state) > tables[state].length && tables[state].length > 0 && (
            <p>
              <a href={`/jobs?state=${state}`}>
                {`All ${count(directories.countOf(state))} ${state} jobs`}
              </a>
            </p>
          )}
        </section>
      ))}
      <Charts
        activity={site.activity}
        range={range}
        href={(range) => range === "hour" ? "/#charts" : "/?range=day#charts"}
      />
    </Layout>
  );
}

const HEADINGS = { active: "Active", pending: "Pending", failed: "Failed" } as const;
const EMPTY = {
  active: "Nothing runs.",
  pending: "Nothing waits.",
  failed: "Nothing has failed.",
} as const;

function PauseForm({ site, back }: { site: Site; back: string }) {
  if (site.isReadOnly) return null;
  const { paused } = site.store.settings.current;
  return (
    <form method="post" action="/actions">
      <FormFields site={site} back={back} />
      <button
        type="submit"
        name="command"
        value={paused ? "resume" : "pause"}
        title={paused ? "Start jobs again" : "Start nothing more; what runs goes on"}
      >
        {paused ? "Resume" : "Pause"}
      </button>
    </form>
  );
}
