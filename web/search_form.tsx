/** What is looked for in a list of jobs. */
import { printable } from "../store/printable.ts";
import type { Site } from "./site.ts";
import { STATES } from "./site.ts";

export interface Query {
  readonly text: string;
  readonly state: (typeof STATES)[number] | null;
  readonly queue: string | null;
}

const NOTHING: Query = { text: "", state: null, queue: null };

export function SearchForm({ site, query = NOTHING }: { site: Site; query?: Query }) {
  const { settings: { current } } = site.store;
  const queues = new Set([...Object.keys(current.queues), ...site.browse.queues()]);
  if (query.queue !== null) queues.add(query.queue);
  return (
    <form method="get" action="/jobs" class="search" role="search">
      <label>
        <span>Name</span>
        <input type="search" name="q" value={query.text} maxlength={255} />
      </label>
      <label>
        <span>State</span>
        <select name="state">
          <option value="">any</option>
          {STATES.map((state) => (
            <option value={state} selected={state === query.state}>{state}</option>
          ))}
        </select>
      </label>
      {queues.size > 0 && (
        <label>
          <span>Queue</span>
          <select name="queue">
            <option value="">any</option>
            {[...queues].sort().map((queue) => (
              <option value={queue} selected={queue === query.queue}>{printable(queue)}</option>
            ))}
          </select>
        </label>
      )}
      <button type="submit">Search</button>
    </form>
  );
}
