/**
 * What the pages show, in a browser, of the compiled program on a real mount.
 *
 * How soon a page changes: `web/live.ts` tells of a change at most 250 ms, and 25 ms for each page that looks, after the
 * last telling; then the page asks for itself once. The cases wait for what is to be seen, whatever that takes here.
 */
/// <reference lib="dom" />
import assert from "node:assert/strict";
import { until } from "../mount/qj.ts";
import { isShown, openJob, pageTests, press, said, showsState, unloaded } from "./browser.ts";
import { CLOSED, fail, printer, status } from "./jobs.ts";

const pageTest = await pageTests();

pageTest("what is submitted in the page is a file of the mount", async ({ qj, page }) => {
  await page.getByRole("link", { name: "Submit" }).click();
  const script = "echo 'one  two'\n\techo \"ü\"\n";
  await page.getByLabel("Name").fill("from a page");
  await page.getByLabel("Script").fill(script);
  await press(page, "Submit");
  assert.match(page.url(), /\/jobs\/\d+\?said=/);
  assert.match(await said(page), /“from a page” was handed in/);
  assert.match(await qj.in("complete", "from a page"), /\none {2}two\nü\n$/);
  assert.equal(await Deno.readTextFile(qj.path("jobs", "from a page", "script")), script);
  await showsState(page, "complete");
  await isShown(page, "one  two");
});

pageTest(
  "what is written to the mount is seen by itself, within a second",
  async ({ qj, page }) => {
    const wasNotLoaded = await unloaded(page);
    await page.evaluate(() => {
      const seen: Record<string, number> = {};
      const told: string[] = [];
      new EventSource("/live").addEventListener("version", ({ data }) => told.push(data));
      new MutationObserver(() => {
        for (const { textContent } of document.querySelectorAll("#pending a.name")) {
          seen[textContent!] ??= Date.now();
        }
      }).observe(document.querySelector("main")!, { childList: true, subtree: true });
      Object.assign(globalThis, { seen, told });
    });
    const names = ["a", "b", "c", "d", "e"];
    for (const name of names) {
      await qj.submit(name, CLOSED);
      await page.locator("#pending").getByRole("link", { name, exact: true }).waitFor();
    }
    const seen: Record<string, number> = await page.evaluate("seen");
    const events = (await Deno.readTextFile(qj.path("events"))).trim().split("\n")
      .map((line): { event: string; job: string; time: string } => JSON.parse(line));
    const late = names.map((name) => {
      const event = events.find(({ event, job }) => event === "submitted" && job === name);
      return seen[name]! - Date.parse(event!.time);
    });
    // One clock. A busy machine may hold up some of them, for as long as it likes.
    assert(Math.min(...late) <= 1000, `seen after ${late} ms`);
    assert.equal(await page.evaluate("told.at(-1) === document.body.dataset.version"), true);
    await wasNotLoaded();
  },
);

pageTest("a log is followed at its end, and only there", async ({ qj, page }) => {
  const print = await printer(qj, "talks");
  await openJob(page, "talks");
  const log = page.locator("#log");
  const follow = page.locator("#follow");
  const fromEnd = () => log.evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight);
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join("");
  const shows = (text: string) => log.getByText(text).waitFor({ state: "attached" });
  await print(lines(0, 300));
  await shows("line 299");
  assert(await fromEnd() < 16);
  await print(lines(300, 400));
  await shows("line 399");
  assert(await fromEnd() < 16);
  assert.equal(await follow.isVisible(), false);

  await log.evaluate((e) => e.scrollTop -= 1500);
  await follow.waitFor();
  const top = await log.evaluate((e) => e.scrollTop);
  await print(lines(400, 500));
  await shows("line 499");
  assert.equal(await log.evaluate((e) => e.scrollTop), top);

  await follow.click();
  await follow.waitFor({ state: "hidden" });
  assert(await fromEnd() < 16);
  await print(lines(500, 600));
  await shows("line 599");
  assert(await fromEnd() < 16);
  // The log has each line once, though the page was asked for again meanwhile.
  const printed = (await log.innerText()).match(/^line \d+$/gm);
  assert.deepEqual(printed, lines(0, 600).trim().split("\n"));
});

const HOSTILE = `<img src=x onerror=hacked=1> "'&amp;`;

pageTest("a log, a name and a script are text, and colours are classes", async ({ qj, page }) => {
  const print = await printer(qj, HOSTILE);
  const log = page.locator("#log");
  const colours = "\x1b[31mred\x1b[0m \x1b[1;42mbold\x1b[m \x1b[38;5;12mblue\x1b[39m";
  const text = "<script>hacked = 1</script> <b>&lt;</b>";
  await print(`before ${colours} ${text}\x1b]0;title\x07\n`);
  await until("the log", async () => (await qj.in("active", HOSTILE)).includes("</b>"));
  await openJob(page, HOSTILE); // from the server
  await print(`after ${colours} ${text}\n`); // by the stream
  await log.getByText("after ").waitFor();
  await until("both lines", async () => (await log.innerText()).match(/<\/b>/g)?.length === 2);
  const plain = (first: string) => `${first} red bold blue ${text}\n`;
  assert.equal(
    (await log.innerText()).slice(-1000).split("\n").slice(-3).join("\n"),
    (plain("before") + plain("after")).trimEnd() + "\n",
  );
  for (const [word, classes] of [["red", "f1"], ["bold", "bold b2"], ["blue", "f12"]] as const) {
    const found = await log.locator("span").filter({ hasText: new RegExp(`^${word}$`) })
      .evaluateAll((all) => all.map((e) => e.className));
    assert.deepEqual(found, [classes, classes]);
  }
  assert.equal((await page.locator("h1.name").innerText()).replace(/ active$/, ""), HOSTILE);
  assert.match(
    await page.locator("ol.script").innerText(),
    / # <img src=x onerror=hacked=1> "'&amp;$/,
  );
  await page.goto("/");
  await page.locator("#active").getByRole("link", { name: HOSTILE, exact: true }).waitFor();
  await press(page, "Pause");
  await page.getByRole("searchbox").fill(HOSTILE);
  await press(page, "Search");
  assert.equal(await page.locator("h1").innerText(), `all jobs with “${HOSTILE}”`);
  await page.locator("td.job a.name").click();
  await press(page, "Cancel");
  assert((await said(page)).includes(HOSTILE));
  assert.equal(await page.evaluate("'hacked' in globalThis"), false);
  assert.equal(await page.locator("main img, main script").count(), 0);
});

pageTest("the title has the counts, and the page's own change with them", async ({ qj, page }) => {
  assert.equal(await page.title(), "0 active, 0 pending, 0 failed · Overview · mnt");
  await qj.submit("waits", CLOSED);
  await fail(qj, "fails");
  await page.waitForFunction(() => document.title.startsWith("0 active, 1 pending, 1 failed · "));
  await openJob(page, "fails");
  assert.equal(await page.title(), "0 active, 1 pending, 1 failed · fails · mnt");
  await qj.configure({ paused: true });
  await page.waitForFunction(() => /failed, paused · fails/.test(document.title));
});

pageTest("times are relative, go on, and are exact in their title", async ({ qj, page }) => {
  await fail(qj, "a");
  const time = page.locator("#failed time");
  await time.waitFor();
  const first = await time.innerText();
  assert.match(first, /^\d+ s ago$/);
  const title = (await time.getAttribute("title"))!;
  assert.match(title, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d$/);
  const { finished } = await status(qj, "a");
  const cut = (moment: string) => Math.floor(Date.parse(moment) / 1000);
  assert.equal(cut(title.replace(" ", "T").replace(" ", "")), cut(String(finished)));
  await page.waitForFunction(
    (text) => document.querySelector("#failed time")!.textContent !== text,
    first,
  );
  await printer(qj, "runs");
  const since = page.locator("#active [data-since]");
  await since.waitFor();
  assert.match((await since.getAttribute("title"))!, /^since \d{4}-/);
  await until("it goes on", async () => /^[1-9]\d* s$/.test(await since.innerText()));
});
