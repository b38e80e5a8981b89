/** Lists of jobs: by state, by queue, by name. */
import { printable } from "../store/printable.ts";
import { count } from "./format.ts";
import { JobsTable } from "./jobs_table.tsx";
import type { Page } from "./list.ts";
import type { Result } from "./commands.ts";
import { Layout } from "./parts.tsx";
import { type Query, SearchForm } from "./search_form.tsx";
import type { Site } from "./site.ts";

export interface ListPageProps {
  readonly site: Site;
  readonly query: Query;
  /** Where this page begins, or "". */
  readonly after: string;
  readonly page: Page;
  readonly said: readonly Result[];
}

/** Where a list is. */
export function listPath({ text, state, queue }: Query, after = ""): string {
  const entries = { q: text, state: state ?? "", queue: queue ?? "", after };
  const given = new URLSearchParams(Object.entries(entries).filter(([, value]) => value !== ""));
  return `/jobs${given.size === 0 ? "" : `?${given}`}`;
}

export function ListPage({ site, query, after, page, said }: ListPageProps) {
  const { state, queue, text } = query;
  const title = printable([
    state ?? "all",
    "jobs",
    ...queue === null ? [] : [`of the queue ${queue}`],
    ...text === "" ? [] : [`with “${text}”`],
  ].join(" "));
  const isPlain = text === "" && queue === null;
  return (
    <Layout
      site={site}
      title={title}
      at={isPlain ? state ?? "all" : undefined}
      live={text === "" ? "/live" : undefined}
      said={said}
    >
      <h1>
        {title}
        {isPlain && state !== null && (
          <>
            {" "}
            <span class="n">{count(site.store.directories.countOf(state))}</span>
          </>
        )}
      </h1>
      <SearchForm site={site} query={query} />
      <JobsTable
        site={site}
        jobs={page.jobs}
        state={state}
        label={title}
        back={listPath(query, after)}
        empty={page.isUnfinished ? "None so far." : "There are none."}
      />
      {page.isUnfinished && (
        <p>There are so many jobs that not all names have been looked through yet.</p>
      )}
      <nav class="pages" aria-label="Pages of the list">
        {after !== "" && <a href={listPath(query)}>First page</a>}
        {page.next !== null && (
          <a rel="next" href={listPath(query, page.next)}>
            {page.isUnfinished ? "Go on searching" : "Next page"}
          </a>
        )}
      </nav>
    </Layout>
  );
}
