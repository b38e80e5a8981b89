/**
 * The pages of the compiled program in Debian's Chromium: a daemon and a browser context for each case, both gone at its
 * end. Whatever the browser complains of, and every request to anywhere else, fails the case.
 */
/// <reference lib="dom" />
import axe from "axe-core";
import assert from "node:assert/strict";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { compile, PROGRAM } from "../mount/compiled.ts";
import { Qj } from "../mount/qj.ts";

const CHROMIUM = "/usr/bin/chromium";
/** Deadline of every wait, in ms: only a hang reaches it. */
const DEADLINE_MS = 60_000;
/** Nothing else of this machine is asked while a case runs, so that a mount which hangs is found only by its watchdog. */
const WATCHDOG_MS = 4 * DEADLINE_MS;

/** What most cases want: failures at once, and a queue in which jobs wait. */
const SETTINGS = {
  backoff_base: 0,
  max_attempts: 1,
  queues: { closed: { max_job_count: 0 } },
} as const;

/** Compiles the program. Returns why nothing here can run, or null. Throws where it has to run. */
async function prepare(): Promise<string | null> {
  const failure = await compile();
  const hasBrowser = await Deno.stat(CHROMIUM).then(() => true, () => false);
  if (failure === null && hasBrowser) return null;
  const reason = failure === null
    ? `there is no ${CHROMIUM}`
    : `the program cannot be compiled (see DENORT_BIN in README.md)\n${failure}`;
  if (Deno.env.get("CI") || (failure !== null && Deno.env.get("DENORT_BIN"))) {
    throw new Error(reason);
  }
  return reason;
}

async function launch(): Promise<Browser> {
  const args = Deno.uid() === 0 ? ["--no-sandbox"] : [];
  return await chromium.launch({ executablePath: CHROMIUM, args, timeout: DEADLINE_MS });
}

/** A daemon with pages, always on the same port. */
async function startPages(): Promise<{ qj: Qj; url: string }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const qj = await Qj.start({
    program: PROGRAM,
    watchdogMs: WATCHDOG_MS,
    settings: SETTINGS,
    args: ["--http", `127.0.0.1:${port}`],
  });
  return { qj, url: `http://127.0.0.1:${port}` };
}

/** The link of the daemon's log that signs in. */
async function signInLink(qj: Qj): Promise<string> {
  return /pages: (http\S+)/.exec(await qj.logged(/pages: http/))![1]!;
}

/** A browser that looks at one daemon. */
class Visit implements AsyncDisposable {
  /** What the browser complained of, and what it asked others for. */
  readonly complaints: string[] = [];
  readonly #url: string;
  readonly #context: BrowserContext;

  private constructor(url: string, context: BrowserContext) {
    this.#url = url;
    this.#context = context;
    context.setDefaultTimeout(DEADLINE_MS);
    context.on("console", (message) => {
      if (/^(error|warning|assert)$/.test(message.type())) this.complaints.push(message.text());
    });
    context.on("weberror", (error) => this.complaints.push(String(error.error())));
    context.on("dialog", (dialog) => {
      this.complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    context.on("request", (request) => {
      if (new URL(request.url()).origin !== url) this.complaints.push(`asked ${request.url()}`);
    });
  }

  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<Visit> {
    const context = await browser.newContext({
      baseURL: url,
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    return new Visit(url, context);
  }

  /** A new tab. */
  async tab(path?: string): Promise<Page> {
    const page = await this.#context.newPage();
    if (path !== undefined) await page.goto(path);
    return page;
  }

  /** A new tab that is signed in, and shows the overview. */
  async signIn(qj: Qj): Promise<Page> {
    const page = await this.tab(await signInLink(qj));
    await page.waitForURL(`${this.#url}/`);
    await page.locator("header nav").waitFor();
    return page;
  }

  /** Fails on complaints other than those that a case provokes. */
  assertQuiet(expected: RegExp = /^$/): void {
    assert.deepEqual(this.complaints.filter((text) => !expected.test(text)), []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}

export interface Case {
  readonly qj: Qj;
  readonly url: string;
  readonly visit: Visit;
  /** Signed in, at the overview. */
  readonly page: Page;
  /** Another browser, which is nobody yet. */
  another(options?: BrowserContextOptions): Promise<Visit>;
}

export interface CaseOptions {
  readonly context?: BrowserContextOptions;
  /** What the browser may complain of. */
  readonly expected?: RegExp;
}

/**
 * Prepares this file of tests; returns what defines one of them. They share a browser, and are skipped with the reason
 * where there is none.
 */
export async function pageTests() {
  const reason = await prepare();
  if (reason !== null) {
    await Deno.stderr.write(new TextEncoder().encode(`pages: skipped, since ${reason}\n`));
  }
  let browser: Browser;
  Deno.test.beforeAll(async () => {
    if (reason === null) browser = await launch();
  });
  Deno.test.afterAll(async () => await browser?.close());
  return (name: string, body: (it: Case) => Promise<void>, options: CaseOptions = {}) =>
    Deno.test({
      name: `pages: ${name}`,
      ignore: reason !== null,
      // The browser outlives a case, and so does what waits for its answers.
      sanitizeOps: false,
      sanitizeResources: false,
      async fn() {
        const { qj, url } = await startPages();
        await using daemon = qj;
        await using visit = await Visit.open(browser, url, options.context);
        const page = await visit.signIn(daemon);
        const another = (context = {}) => Visit.open(browser, url, context);
        await body({ qj, url, visit, page, another });
        visit.assertQuiet(options.expected);
      },
    });
}

/** What a browser logs of an answer with this status. */
export const answered = (status: number) => new RegExp(`responded with a status of ${status}\\b`);
/** What a browser logs of a daemon that is not there. */
export const NOT_THERE =
  /ERR_(CONNECTION_(REFUSED|RESET)|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING)/;

/** Waits until the page has loaded what a step leads to: the page behind a form, say. */
export async function andLoads(page: Page, step: () => Promise<unknown>): Promise<void> {
  await Promise.all([page.waitForEvent("load", { timeout: DEADLINE_MS }), step()]);
}

/** Presses a button and waits for the page behind its form. */
export async function press(page: Page, name: string, within = "main"): Promise<void> {
  const button = page.locator(within).getByRole("button", { name, exact: true });
  await andLoads(page, () => button.click());
}

/** What came of the last form. */
export async function said(page: Page): Promise<string> {
  return await page.locator(".said").innerText();
}

/** Marks a page. The returned function fails if it was loaded again since. */
export async function unloaded(page: Page): Promise<() => Promise<void>> {
  await page.evaluate("globalThis.isMarked = true");
  return async () => assert.equal(await page.evaluate("'isMarked' in globalThis"), true);
}

/** Opens the page of a job. */
export async function openJob(page: Page, name: string): Promise<void> {
  await page.goto(`/named/${encodeURIComponent(name)}`);
}

/** The state that the page of a job shows, once it is this one. */
export async function showsState(page: Page, state: string): Promise<void> {
  await page.locator(`h1 .badge.${state}`).waitFor();
}

export async function isShown(page: Page, text: string): Promise<void> {
  await page.getByText(text).first().waitFor();
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where elements are. */
export async function boxes(page: Page, selector: string): Promise<Box[]> {
  return await page.locator(selector).evaluateAll((all) =>
    all.map((element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return { x, y, width, height };
    })
  );
}

/** Everything that can be used and is seen, in the order of the document, in a few words each. */
export async function usable(page: Page): Promise<string[]> {
  return await page.evaluate(`[...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex]",
  )].filter((e) => e.type !== "hidden" && !e.disabled && e.checkVisibility())
    .map(${wordsOf})`);
}

/** The element that has the focus, in the same words. */
export async function focused(page: Page): Promise<string> {
  return await page.evaluate(`(${wordsOf})(document.activeElement)`);
}

/** Whether the element that has the focus is in the window, with nothing before it. */
export async function seesFocus(page: Page): Promise<boolean> {
  return await page.evaluate(() => {
    const element = document.activeElement!;
    const { left, right, top, bottom } = element.getClientRects()[0]!;
    const middle = (from: number, to: number, end: number) =>
      (Math.max(0, from) + Math.min(end, to)) / 2;
    const [x, y] = [middle(left, right, innerWidth), middle(top, bottom, innerHeight)];
    const found = document.elementFromPoint(x, y);
    return found !== null && (element.contains(found) || found.contains(element));
  });
}

/** In a browser: an element in a few words, with its place among all. */
const wordsOf = `(e) => [
  [...document.querySelectorAll("*")].indexOf(e),
  e.tagName.toLowerCase(),
  e.getAttribute("name") ?? e.id,
  e.getAttribute("aria-label") ?? e.textContent.trim().slice(0, 30),
].join(" ")`;

const LOOKS = [
  { width: 1280, colorScheme: "light" },
  { width: 1280, colorScheme: "dark" },
  { width: 360, colorScheme: "light" },
  { width: 360, colorScheme: "dark" },
] as const;

/** Looks at a page in all ways: is it as wide as the window, and can everybody use it? Returns what is wrong. */
async function inspect(page: Page, name: string): Promise<string[]> {
  const wrong: string[] = [];
  const folder = Deno.env.get("QJ_SCREENSHOTS");
  await page.evaluate(axe.source);
  for (const { width, colorScheme } of LOOKS) {
    const look = `${name}-${width}-${colorScheme}`;
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) wrong.push(`${look}: ${wide} px too wide`);
    const found = await page.evaluate(() => {
      const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
      return axe.run({ resultTypes: ["violations"] });
    });
    for (const { id, impact, nodes } of found.violations) {
      if (impact !== "serious" && impact !== "critical") continue;
      wrong.push(`${look}: ${id}: ${nodes.slice(0, 3).map(({ html }) => html).join(" ")}`);
    }
    if (folder !== undefined) {
      await page.screenshot({ path: `${folder}/${look}.png`, fullPage: true });
    }
  }
  return wrong;
}

export async function inspectAll(
  page: Page,
  pages: readonly (readonly [name: string, open: string | (() => Promise<unknown>)])[],
): Promise<void> {
  const wrong: string[] = [];
  for (const [name, open] of pages) {
    await (typeof open === "string" ? page.goto(open) : open());
    wrong.push(...await inspect(page, name));
  }
  assert.deepEqual(wrong, []);
}
