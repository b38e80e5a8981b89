/** Pages that change while somebody uses them: two tabs, a restart, what was typed, the focus. */
/// <reference lib="dom" />
import assert from "node:assert/strict";
import { until } from "../mount/qj.ts";
import {
  andLoads,
  answered,
  type Box,
  boxes,
  focused,
  isShown,
  NOT_THERE,
  openJob,
  pageTests,
  press,
  said,
  seesFocus,
  unloaded,
  usable,
} from "./browser.ts";
import { CLOSED, config, fail, printer } from "./jobs.ts";

const pageTest = await pageTests();

pageTest("what is done in one tab is seen in the other", async ({ qj, visit, page: one }) => {
  await fail(qj, "a");
  const other = await visit.tab("/");
  const wasNotLoaded = await unloaded(other);
  await openJob(one, "a");
  await qj.sh("echo 'exit 0' > next; mv failed/a pending/.a");
  await openJob(one, ".a");
  await other.locator("#pending").getByText("a draft").waitFor();
  await press(one, "Delete");
  await other.locator("#pending .empty").waitFor();
  await press(one, "Pause");
  await other.getByRole("button", { name: "Resume" }).waitFor();
  await wasNotLoaded();
});

pageTest("a retry in two tabs runs the job once", async ({ qj, another, page: one }) => {
  await fail(qj, "a");
  // It shows what was so, whatever happens.
  await using late = await another({ javaScriptEnabled: false });
  const other = await late.signIn(qj);
  await openJob(one, "a");
  await openJob(other, "a");
  await press(one, "Retry");
  await until("two attempts", async () => /3.*3/s.test(await qj.in("failed", "a")));
  await press(other, "Retry");
  assert.equal(
    await said(other),
    "“a” has been handed in again since this was shown; it has failed",
  );
  await qj.submit("b", "echo");
  await qj.in("complete", "b");
  assert.equal((await qj.in("failed", "a")).match(/exit status 3/g)?.length, 2);
  late.assertQuiet();
});

pageTest(
  "a job that is deleted elsewhere: its page says so, and the daemon still answers",
  async ({ qj, page }) => {
    await fail(qj, "a");
    await openJob(page, "a");
    await qj.sh("rm failed/a");
    await isShown(page, "There is no such job. It may have been deleted.");
    assert.equal(await page.locator("#offline:visible").count(), 0);
  },
  { expected: answered(404) },
);

pageTest(
  "the daemon is killed and starts again: the pages come back by themselves",
  async ({ qj, visit, page }) => {
    const print = await printer(qj, "runs");
    await print("first\n");
    const jobPage = await visit.tab();
    await openJob(jobPage, "runs");
    await jobPage.locator("#log").getByText("first").waitFor();
    const wereNotLoaded = [await unloaded(page), await unloaded(jobPage)];
    await qj.end("SIGKILL");
    for (const one of [page, jobPage]) await one.locator("#offline:visible").waitFor();
    await qj.restart();
    await qj.submit("new", CLOSED);
    await page.locator("#pending").getByRole("link", { name: "new", exact: true }).waitFor();
    await jobPage.locator("#attempt-2, #attempts tbody tr:nth-child(2)").first().waitFor();
    await print("second\n");
    await jobPage.locator("#log").getByText("second").waitFor();
    for (const one of [page, jobPage]) {
      await one.locator("#offline").waitFor({ state: "hidden" });
    }
    // What the page has followed is the log, from its beginning to its end.
    const text = (await qj.in("active", "runs")).trimEnd();
    assert.equal((await jobPage.locator("#log").innerText()).trimEnd(), text);
    for (const wasNotLoaded of wereNotLoaded) await wasNotLoaded();
    await press(page, "Pause"); // signed in, and its forms are good
    assert.equal((await config(qj)).paused, true);
  },
  { expected: NOT_THERE },
);

pageTest("what is typed, checked, selected and opened survives updates", async ({ qj, page }) => {
  await fail(qj, "a", "b");
  const failed = page.locator("#failed");
  await failed.getByLabel("Choose b").check();
  await page.getByLabel("State").selectOption("failed");
  await page.evaluate(() => {
    getSelection()!.selectAllChildren(document.querySelector("#failed h2")!);
  });
  const search = page.getByRole("searchbox");
  await search.fill("half a wo");
  await search.evaluate((e: HTMLInputElement) => e.setSelectionRange(4, 6));
  const selected = () => page.evaluate(() => String(getSelection()));
  await qj.submit("new", CLOSED);
  await fail(qj, "c");
  await failed.getByLabel("Choose c").waitFor();
  await page.getByLabel("Choose new", { exact: true }).waitFor();
  assert.equal(await search.inputValue(), "half a wo");
  assert.deepEqual(
    await search.evaluate((e: HTMLInputElement) => [
      e === document.activeElement,
      e.selectionStart,
      e.selectionEnd,
    ]),
    [true, 4, 6],
  );
  assert.equal(await page.getByLabel("State").inputValue(), "failed");
  assert.equal(await failed.getByLabel("Choose b").isChecked(), true);
  assert.equal(await failed.getByLabel("Choose c").isChecked(), false);

  await openJob(page, "new");
  await page.getByLabel("Priority").fill("12");
  await page.locator("summary").click();
  await page.evaluate(() => {
    getSelection()!.selectAllChildren(document.querySelector(".path code")!);
  });
  const path = await selected();
  assert.match(path, /pending\/new$/);
  await fail(qj, "d");
  await page.waitForFunction(() => document.title.includes("4 failed"));
  assert.equal(await selected(), path);
  assert.equal(await page.getByLabel("Priority").inputValue(), "12");
  assert.equal(await page.locator("details pre").isVisible(), true);
});

pageTest("the focus stays on its row while others come and go", async ({ qj, page }) => {
  await fail(qj, "a", "b", "c", "d");
  await page.goto("/jobs?state=failed");
  await page.getByLabel("Choose b", { exact: true }).focus();
  await page.keyboard.press("Space");
  const isFocused = () =>
    page.getByLabel("Choose b", { exact: true }).evaluate((e) => e === document.activeElement);
  await fail(qj, "e");
  await page.getByLabel("Choose e", { exact: true }).waitFor();
  assert.equal(await isFocused(), true, "a row above has come");
  await qj.sh("rm failed/a");
  await page.getByLabel("Choose a", { exact: true }).waitFor({ state: "detached" });
  assert.equal(await isFocused(), true, "a row below has gone");
  await qj.sh("rm failed/d");
  await page.getByLabel("Choose d", { exact: true }).waitFor({ state: "detached" });
  assert.equal(await page.getByLabel("Choose b", { exact: true }).isChecked(), true);
  assert.equal(await isFocused(), true, "a row above has gone");
});

pageTest("a form that is sent twice does it once", async ({ qj, page }) => {
  await page.goto("/submit");
  await page.getByLabel("Script").fill(CLOSED);
  await page.getByRole("button", { name: "Submit" }).dblclick();
  await page.locator(".said").waitFor();
  assert.equal((await qj.ls("pending")).length, 1);

  for (let i = 0; i < 50; i++) await qj.submit(`waits-${i}`, CLOSED);
  await page.goto("/jobs?state=pending");
  await page.getByLabel("Choose all of this page").check();
  // As two clicks do it, the second before the first has its answer.
  const [one, other] = await page.evaluate(async () => {
    const body = new URLSearchParams({ command: "park" });
    for (const [key, value] of new FormData(document.querySelector<HTMLFormElement>(".bulk")!)) {
      body.append(key, String(value));
    }
    const send = async () => {
      const answer = await fetch("/actions", { method: "POST", body });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      return page.querySelector(".said")?.textContent;
    };
    return await Promise.all([send(), send()]);
  });
  assert.match(one!, /^50 jobs:“.*” was parked in failed“/);
  assert.equal(other, one);
  assert.equal((await qj.ls("failed")).length, 50);
});

pageTest("the keyboard reaches everything", async ({ qj, page }) => {
  await fail(qj, "a", "b");
  await printer(qj, "runs");
  await qj.submit("waits", CLOSED);
  await until("all", async () => (await qj.ls("active")).length === 1);
  await page.waitForFunction(() => document.title.startsWith("1 active, 1 pending, 2 failed"));
  for (const path of ["/", "/jobs", "/named/runs", "/named/waits", "/submit", "/settings"]) {
    await page.goto(path);
    await page.keyboard.press("Tab");
    assert.match(await focused(page), /a {2}To the content$/);
    const skip = (await page.locator(".skip").boundingBox())!;
    assert(skip.x >= 0 && skip.y >= 0, "the skip link is seen");
    const reached: string[] = [];
    const all = await usable(page);
    const hidden: string[] = [];
    for (const _ of all) {
      const words = await focused(page);
      reached.push(words);
      if (!await seesFocus(page)) hidden.push(words);
      await page.keyboard.press("Tab");
    }
    assert.deepEqual(reached, all, path);
    assert.deepEqual(hidden, [], `covered by something else on ${path}`);
  }
  await page.goto("/");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate("document.activeElement.matches('main *')"), true);
  await page.getByLabel("Choose a", { exact: true }).focus();
  await page.keyboard.press("Space");
  assert.equal(await page.getByLabel("Choose a", { exact: true }).isChecked(), true);
  await page.locator("#failed").getByRole("button", { name: "Retry" }).focus();
  await andLoads(page, () => page.keyboard.press("Enter"));
  assert.equal(await said(page), "“a” is queued again");
  await page.getByRole("button", { name: "Pause" }).focus();
  await andLoads(page, () => page.keyboard.press("Space"));
  assert.equal((await config(qj)).paused, true);
});

for (const width of [1280, 360]) {
  pageTest(`nothing moves when counts change, ${width} px wide`, async ({ qj, page }) => {
    await fail(qj, "first");
    await page.waitForFunction(() => document.title.includes("1 failed"));
    const frame = "header, nav, .search, .search *, .summary, .summary button";
    const links = "header nav a";
    const [frameBefore, linksBefore] = [await boxes(page, frame), await boxes(page, links)];
    for (let i = 0; i < 7; i++) await fail(qj, `f${i}`);
    await printer(qj, "runs");
    await page.waitForFunction(() => document.title.startsWith("1 active, 0 pending, 8 failed"));
    assert.deepEqual(await boxes(page, frame), frameBefore);
    assert.deepEqual(await boxes(page, links), linksBefore);
    for (let i = 7; i < 12; i++) await fail(qj, `f${i}`);
    await page.waitForFunction(() => document.title.includes("13 failed"));
    assert.deepEqual(await boxes(page, frame), frameBefore, "with a digit more");
    await qj.configure({ paused: true });
    await page.getByRole("button", { name: "Resume" }).waitFor();
    const placesOf = (all: readonly Box[]) => all.map(({ x, y }) => ({ x, y }));
    assert.deepEqual(
      placesOf(await boxes(page, frame)),
      placesOf(frameBefore),
      "when it is paused",
    );
  }, { context: { viewport: { width, height: 800 } } });
}
