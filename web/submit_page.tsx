/** Handing in a job. */
import { FormFields, Layout } from "./parts.tsx";
import type { Site } from "./site.ts";

export interface SubmitPageProps {
  readonly site: Site;
  /** What was typed before. */
  readonly name?: string;
  readonly script?: string;
  /** Why that was refused. */
  readonly error?: string;
}

export function SubmitPage({ site, name = "", script = "", error }: SubmitPageProps) {
  return (
    <Layout site={site} title="Submit" at="submit">
      <h1>Submit a job</h1>
      {error !== undefined && <p class="refused" role="alert" id="error">{error}</p>}
      <form method="post" action="/submit" class="fields">
        <FormFields site={site} back="/submit" />
        <label>
          <span>Name</span>
          <input
            type="text"
            name="name"
            value={name}
            maxlength={255}
            autocomplete="off"
            aria-describedby="name-hint"
          />
        </label>
        <p class="hint" id="name-hint">The name of its file. Left empty: a short one is made.</p>
        <label>
          <span>Script</span>
          <textarea
            name="script"
            rows={12}
            required
            spellcheck={false}
            autocapitalize="off"
            aria-describedby="script-hint"
          >
            {`\n${script}`}
          </textarea>
        </label>
        <p class="hint" id="script-hint">
          Run by /bin/sh, or by what its first line names (<code>#!/usr/bin/env python3</code>).
          Lines like{" "}
          <code>#QJ timeout=10m priority=5 queue=mail after=OTHER at=2027-01-01T03:00</code>{" "}
          before the first command say what is particular to it, see qj(5).
        </p>
        <p>
          <button type="submit" class="main">Submit</button>
        </p>
      </form>
    </Layout>
  );
}
