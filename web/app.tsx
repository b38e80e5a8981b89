/**
 * The routes. Every request goes through the guard first: its Host, who it comes from, and for a form where that comes
 * from. What is not allowed is told in a word, and does nothing.
 */
import { type Context, Hono } from "hono";
import { getCookie } from "hono/cookie";
import { StoreError } from "../store/errors.ts";
import type { Job, JobId, ListedState } from "../store/job.ts";
import { act, isAction, refusalOf } from "./actions.ts";
import type { Range } from "./charts.tsx";
import { clientScript } from "./client.ts";
import { cannotRun, handedIn, type Result } from "./commands.ts";
import { type Form, formOf, onceOf, textOf, TooLarge, withSaid } from "./forms.ts";
import { SECURITY_HEADERS } from "./guard.ts";
import { JobPage } from "./job_page.tsx";
import { listPage } from "./list.ts";
import { ListPage } from "./list_page.tsx";
import { Overview } from "./overview.tsx";
import type { Query } from "./search_form.tsx";
import { checkedChange, SettingsPage } from "./settings_page.tsx";
import { Problem, SignedIn, SignIn } from "./sign_in.tsx";
import { type Site, STATES } from "./site.ts";
import { Streams } from "./streams.ts";
import { ICON, STYLE } from "./style.ts";
import { SubmitPage } from "./submit_page.tsx";
import { attemptText, logText, scriptText } from "./texts.ts";

/** A form without a script: far more than a page of chosen jobs needs. */
const MAX_FORM_BYTES = 262_144;
/** A form with a token. */
const MAX_SIGN_IN_BYTES = 4096;
/** A form with one: what one types, or pastes. Larger ones are written to the mount. */
const MAX_SUBMIT_BYTES = 16_777_216;
/** A line end of a script takes six bytes in a form (%0D%0A), and no other byte takes more than three. */
const FORM_FACTOR = 6;

/** A page that is there already asks for itself: without the log, which it has from a stream. */
const UPDATE_HEADER = "x-qj-update";

export interface AppLog {
  /** A request failed by a bug. */
  unexpected(path: string, error: unknown): void;
}

export function makeApp(site: Site, log: AppLog): Hono {
  const { guard, store, said } = site;
  const streams = new Streams(site, log);
  const app = new Hono();

  app.use(async (c, next) => {
    // The address that a program asks for is in the URL where there is no Host.
    if (!guard.knowsHost(c.req.header("host"))) {
      return c.text(
        "This name is not one of this queue's. Behind a reverse proxy, name it with --http-host.\n",
        421,
        SECURITY_HEADERS,
      );
    }
    const from = performance.now();
    await next();
    site.live.spent(performance.now() - from);
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.header(name, value);
  });

  // For all who ask: nothing in them is about this queue.
  const asset = (text: string, type: string) => (c: Context) =>
    c.body(text, 200, { "Content-Type": type });
  app.get("/style.css", asset(STYLE, "text/css; charset=utf-8"));
  app.get("/script.js", asset(clientScript(), "text/javascript; charset=utf-8"));
  app.get("/icon.svg", asset(ICON, "image/svg+xml"));

  app.use(async (c, next) => {
    if (c.req.method !== "GET" && c.req.method !== "HEAD" && c.req.method !== "POST") {
      return c.text("Only GET and POST are known here\n", 405);
    }
    if (c.req.method === "POST" && !guard.isOwnOrigin(c.req.raw.headers)) {
      return problem(c, 403, "Refused", "This form does not come from a page of this queue.");
    }
    await next();
  });
  app.post("/sign-in", async (c) => {
    const token = textOf(await formOf(c, MAX_SIGN_IN_BYTES), "token")?.trim() ?? "";
    if (!guard.knowsToken(token)) {
      return html(c, <SignIn error="That is not the token of this queue." />, 401);
    }
    return signIn(c);
  });
  const signIn = (c: Context) => {
    const isSecure = c.req.header("x-forwarded-proto")?.split(",")[0] === "https";
    c.header("Set-Cookie", guard.cookie(isSecure));
    return html(c, <SignedIn />);
  };

  app.use(async (c, next) => {
    const token = c.req.path === "/" ? c.req.query("token") : undefined;
    if (token !== undefined && guard.knowsToken(token)) return signIn(c);
    if (!guard.knowsCookie(getCookie(c, guard.cookieName))) {
      const error = token === undefined
        ? {}
        : { error: "This link has a token of another queue, or an old one." };
      return html(c, <SignIn {...error} />, 401);
    }
    await next();
  });

  /** A form of ours, which may act. Only now, as nobody else's forms are held in memory. */
  const ownForm = async (c: Context, maxBytes = MAX_FORM_BYTES): Promise<Form | Response> => {
    const sent = await formOf(c, maxBytes);
    if (!guard.isOwnForm(textOf(sent, "form_token"))) {
      return problem(c, 403, "Refused", "This form does not come from a page of this queue.");
    }
    return sent;
  };
  const readOnly = (c: Context) =>
    problem(c, 403, "Read only", "These pages only show: qj was started with --http-readonly.");
  /** To the page behind a form, which tells what came of it. */
  const goOn = (c: Context, once: string, results: readonly Result[], path: string) => {
    said.remember(once, { results, path });
    return c.redirect(withSaid(path, once), 303);
  };
  const results = (c: Context) => said.of(c.req.query("said"))?.results ?? [];

  app.post("/sign-out", async (c) => {
    const sent = await ownForm(c);
    if (sent instanceof Response) return sent;
    c.header("Set-Cookie", guard.noCookie);
    return c.redirect("/", 303);
  });

  app.get("/", async (c) => {
    await site.activity.upToDate();
    const range: Range = c.req.query("range") === "day" ? "day" : "hour";
    return html(c, <Overview site={site} range={range} said={results(c)} />);
  });

  app.get("/jobs", async (c) => {
    const query = queryOf(c);
    const after = c.req.query("after") ?? "";
    const page = await listPage(site, query, after);
    return html(
      c,
      <ListPage site={site} query={query} after={after} page={page} said={results(c)} />,
    );
  });

  app.get("/named/:name", (c) => {
    const job = store.jobs.byName(c.req.param("name"));
    return job === undefined ? noJob(c) : c.redirect(`/jobs/${job.id}`, 303);
  });

  /** The job of the path, if it is there. */
  const jobOf = (c: Context): Job | undefined => {
    const id = c.req.param("id") ?? "";
    const job = /^\d{1,15}$/.test(id) ? store.jobs.byId(Number(id) as JobId) : undefined;
    return job?.state === "removed" ? undefined : job;
  };
  const noJob = (c: Context) =>
    problem(c, 404, "No such job", "There is no such job. It may have been deleted.");

  app.get("/jobs/:id", (c) => {
    const job = jobOf(c);
    return job === undefined ? noJob(c) : html(
      c,
      <JobPage
        site={site}
        job={job}
        said={results(c)}
        isUpdate={c.req.header(UPDATE_HEADER) !== undefined}
      />,
    );
  });
  app.get("/jobs/:id/log", (c) => plain(c, jobOf(c), (job) => logText(store, job)));
  app.get("/jobs/:id/script", (c) => plain(c, jobOf(c), (job) => scriptText(store, job)));
  app.get(
    "/jobs/:id/attempts/:number{[1-9][0-9]{0,8}\\.log}",
    (c) =>
      plain(c, jobOf(c), (job) => attemptText(store, job, Number.parseInt(c.req.param("number")))),
  );
  const plain = (
    c: Context,
    job: Job | undefined,
    body: (job: Job) => ReadableStream<Uint8Array> | null,
  ) => {
    const stream = job && body(job);
    if (!stream) return noJob(c);
    return c.body(stream, 200, { "Content-Type": "text/plain; charset=utf-8" });
  };

  app.get("/live", (c) => streams.changes(c));
  app.get("/jobs/:id/log/live", (c) => {
    const job = jobOf(c);
    return job === undefined ? noJob(c) : streams.log(c, job);
  });

  app.post("/actions", async (c) => {
    const sent = await ownForm(c);
    if (sent instanceof Response) return sent;
    if (site.isReadOnly) return readOnly(c);
    if (!isAction(sent)) {
      return problem(c, 400, "Not understood", "The form has no command that is known here.");
    }
    const once = onceOf(sent);
    const { path } = await said.perform(once, () => act(site, sent));
    return c.redirect(withSaid(path, once), 303);
  });

  app.get(
    "/submit",
    (c) => site.submitter === null ? cannotSubmit(c) : html(c, <SubmitPage site={site} />),
  );
  const cannotSubmit = (c: Context) =>
    site.isReadOnly ? readOnly(c) : problem(
      c,
      403,
      "Refused",
      "Jobs from this page would be root's, which run only with --run-as-root.",
    );
  app.post("/submit", async (c) => {
    const { max_script_bytes } = store.settings.current;
    const mostBytes = Math.min(MAX_SUBMIT_BYTES, max_script_bytes * FORM_FACTOR + MAX_FORM_BYTES);
    const sent = await ownForm(c, mostBytes);
    if (sent instanceof Response) return sent;
    if (site.submitter === null) return cannotSubmit(c);
    const once = onceOf(sent);
    const before = said.of(once);
    if (before !== undefined) return c.redirect(withSaid(before.path, once), 303);
    const name = textOf(sent, "name") ?? "";
    const script = textOf(sent, "script") ?? "";
    try {
      const job = site.commands.submit(name, script, site.submitter, once);
      const result = job.state === "failed"
        ? { isDone: false, text: cannotRun(job) }
        : { isDone: true, text: handedIn(job) };
      return goOn(c, once, [result], `/jobs/${job.id}`);
    } catch (error) {
      const reason = refusalOf(error);
      return html(c, <SubmitPage site={site} name={name} script={script} error={reason} />, 422);
    }
  });

  app.get("/settings", (c) => html(c, <SettingsPage site={site} said={results(c)} />));
  app.post("/settings", async (c) => {
    const sent = await ownForm(c);
    if (sent instanceof Response) return sent;
    if (site.isReadOnly) return readOnly(c);
    const once = onceOf(sent);
    const before = said.of(once);
    if (before !== undefined) return c.redirect(withSaid(before.path, once), 303);
    const typed = new Map(sent);
    try {
      const keys = site.commands.configure(checkedChange(typed));
      const told = keys.length === 0 ? "Nothing has changed" : `Changed: ${keys.join(", ")}`;
      return goOn(c, once, [{ isDone: true, text: told }], "/settings");
    } catch (error) {
      const reason = refusalOf(error);
      return html(c, <SettingsPage site={site} said={[]} typed={typed} error={reason} />, 422);
    }
  });

  app.notFound((c) => problem(c, 404, "Not found", "There is no such page."));
  app.onError((error, c) => {
    if (error instanceof TooLarge) {
      return problem(c, 413, "Too large", "The form is larger than a page of this queue sends.");
    }
    if (error instanceof StoreError) {
      return problem(c, 503, "The state file cannot be used", sentence(error.message));
    }
    // Its sender has gone away in the middle of it, or has sent what is no request.
    if (c.req.raw.signal.aborted || isCutOff(error)) return c.body(null, 400);
    log.unexpected(c.req.path, error);
    return problem(c, 500, "A bug in qj", "The daemon's log has what happened.");
  });
  return app;
}

type Page = ReturnType<typeof Problem>;

function html(
  c: Context,
  page: Page,
  status: 200 | 400 | 401 | 403 | 404 | 413 | 422 | 500 | 503 = 200,
) {
  return c.html(`<!DOCTYPE html>${page}`, status);
}

function problem(
  c: Context,
  status: 400 | 403 | 404 | 413 | 500 | 503,
  title: string,
  text: string,
): Response | Promise<Response> {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.header(name, value);
  return html(c, <Problem title={title} text={text} />, status);
}

function queryOf(c: Context): Query {
  const state = c.req.query("state") ?? "";
  return {
    text: (c.req.query("q") ?? "").slice(0, 255),
    state: (STATES as readonly string[]).includes(state) ? state as ListedState : null,
    queue: c.req.query("queue") || null,
  };
}

/** Errors of node:http when a body does not come to its end. */
function isCutOff(error: Error): boolean {
  const { code = "" } = error as { code?: string };
  return /^(ECONNRESET|ERR_STREAM_PREMATURE_CLOSE|HPE_)/.test(code) || error.name === "AbortError";
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
