/** What is done from the pages, in a browser. */
/// <reference lib="dom" />
import assert from "node:assert/strict";
import { until } from "../mount/qj.ts";
import {
  andLoads,
  answered,
  isShown,
  openJob,
  pageTests,
  press,
  said,
  showsState,
} from "./browser.ts";
import { CLOSED, config, fail, status } from "./jobs.ts";

const pageTest = await pageTests();

pageTest("retry, cancel, park, delete, priority and signal from the page", async ({ qj, page }) => {
  await qj.submit("once", "[ -e again ] && exit; touch again; exit 3");
  await qj.in("failed", "once");
  await openJob(page, "once");
  await press(page, "Retry");
  assert.equal(await said(page), "“once” is queued again");
  await qj.in("complete", "once");
  await showsState(page, "complete");

  await qj.submit("runs", "trap 'echo caught' USR1; echo ready; while :; do sleep 0.05; done");
  await until("ready", async () => (await qj.in("active", "runs")).includes("\nready\n"));
  await openJob(page, "runs");
  await page.getByLabel("Signal").selectOption("USR1");
  await press(page, "Send");
  assert.equal(await said(page), "SIGUSR1 was sent to “runs”");
  await until("caught", async () => /\ncaught\n/.test(await page.locator("#log").innerText()));
  await press(page, "Cancel");
  assert.equal(await said(page), "“runs” was cancelled, and is in failed");
  await qj.in("failed", "runs");
  await showsState(page, "failed");

  await qj.submit("waits", CLOSED);
  await openJob(page, "waits");
  await isShown(page, "the queue closed is stopped (max_job_count 0)");
  await page.getByLabel("Priority").fill("7");
  await press(page, "Set");
  assert.equal(await said(page), "“waits” has priority 7");
  assert.equal((await status(qj, "waits")).priority, 7);
  await press(page, "Park");
  assert.equal(await said(page), "“waits” was parked in failed");
  await qj.in("failed", "waits");
  await press(page, "Delete");
  assert.equal(new URL(page.url()).pathname, "/");
  assert.equal(await said(page), "“waits” was deleted");
  assert.deepEqual(await qj.ls("failed"), ["runs"]);
}, { expected: answered(404) }); // the page of a job may ask for itself while it is deleted

pageTest(
  "what a form leads to is not lost when the page hears of it first",
  async ({ qj, page }) => {
    await fail(qj, "a");
    await openJob(page, "a");
    const other = await page.context().newPage();
    await other.goto("/");
    await page.route("**/actions", async (route) => {
      const response = await route.fetch({ maxRedirects: 0 });
      // Both tabs are told at once, twice.
      await other.locator("#failed .empty").waitFor();
      await qj.submit("b", CLOSED);
      await other.locator("#pending a.name").waitFor();
      await route.fulfill({ response });
    });
    await page.getByRole("button", { name: "Delete" }).click();
    await page.locator(".said").waitFor();
    assert.equal(await said(page), "“a” was deleted");
  },
  { expected: answered(404) },
);

pageTest("many failed jobs are retried at once", async ({ qj, page }) => {
  await fail(qj, "a", "b", "c", "d", "e", "f");
  await page.goto("/jobs?state=failed");
  const all = page.getByLabel("Choose all of this page");
  await all.check();
  await page.getByLabel("Choose c", { exact: true }).uncheck();
  assert.equal(await all.evaluate((e: HTMLInputElement) => e.indeterminate), true);
  await press(page, "Retry");
  assert.deepEqual(
    (await said(page)).split("\n").sort(),
    ["", "5 jobs:", ...["a", "b", "d", "e", "f"].map((name) => `“${name}” is queued again`)],
  );
  for (const name of ["a", "b", "d", "e", "f"]) {
    await until(`${name} again`, async () => /3.*3/s.test(await qj.in("failed", name)));
  }
  assert.equal((await qj.in("failed", "c")).match(/exit status 3/g)?.length, 1);
});

pageTest("several pending jobs get a priority at once", async ({ qj, page }) => {
  for (const name of ["a", "b", "c"]) await qj.submit(name, CLOSED);
  await page.goto("/jobs?state=pending");
  const choose = async () => {
    for (const name of ["a", "c"]) await page.getByLabel(`Choose ${name}`, { exact: true }).check();
    await page.getByLabel("Priority").fill("5");
  };
  await choose();
  // The key alone presses none of the buttons.
  await andLoads(page, () => page.keyboard.press("Enter"));
  assert.equal(await page.locator(".said").count(), 0);
  await choose();
  await press(page, "Set");
  assert.match(await said(page), /“a” has priority 5\n“c” has priority 5|“c” has priority 5\n“a”/);
  for (const [name, priority] of [["a", 5], ["b", 0], ["c", 5]] as const) {
    assert.equal((await status(qj, name)).priority, priority);
  }
  assert.deepEqual(await qj.ls("pending"), ["a", "b", "c"]);
});

pageTest("pause and resume", async ({ qj, page }) => {
  await press(page, "Pause");
  assert.equal(await said(page), "The queue is paused: nothing more is started");
  await page.locator("header .badge.paused").waitFor();
  assert.equal((await config(qj)).paused, true);
  await qj.submit("a", "echo ran");
  await page.locator("#pending").getByText("the queue is paused").waitFor();
  await press(page, "Resume");
  assert.equal(await said(page), "The queue is running");
  assert.equal((await config(qj)).paused, false);
  await qj.in("complete", "a");
  assert.equal(await page.locator("header .badge.paused").count(), 0);
});

pageTest(
  "a bad setting is refused as in config.json, and what was typed stays",
  async ({ qj, page }) => {
    const before = await Deno.readTextFile(qj.path("config.json"));
    await qj.sh(`echo '{"max_attempts": 0, "wrapper": 5}' > config.json`);
    const refusal = (await qj.logged(/was not changed/)).replace(/.*was not changed: /, "");
    await page.getByRole("link", { name: "Settings" }).click();
    const field = (name: string) => page.getByLabel(name, { exact: true });
    await field("max_attempts").fill("0");
    await field("wrapper").fill("5");
    await field("timeout_sec").fill("77.5");
    await field("replace_finished").check();
    await press(page, "Save");
    assert.equal(await page.getByRole("alert").innerText(), refusal);
    assert.equal(await field("max_attempts").inputValue(), "0");
    assert.equal(await field("wrapper").inputValue(), "5");
    assert.equal(await field("timeout_sec").inputValue(), "77.5");
    assert.equal(await field("replace_finished").isChecked(), true);
    assert.equal(await Deno.readTextFile(qj.path("config.json")), before);
    await andLoads(page, () => page.reload()); // sends it again
    assert.equal(await page.getByRole("alert").innerText(), refusal);

    await field("max_attempts").fill("4");
    await field("wrapper").fill('["env"]');
    // Somebody else's change of another setting stays.
    await qj.configure({ max_job_count: 9 });
    await press(page, "Save");
    assert.match(await said(page), /^Changed: /);
    const { max_attempts, wrapper, timeout_sec, replace_finished, max_job_count } = await config(
      qj,
    );
    assert.deepEqual(
      [max_attempts, wrapper, timeout_sec, replace_finished, max_job_count],
      [4, ["env"], 77.5, true, 9],
    );
  },
  { expected: answered(422) },
);

pageTest(
  "without a script: overview, lists, job page, submit, retry, settings",
  async ({ qj, page }) => {
    await fail(qj, "a", "b");
    await page.reload();
    assert.deepEqual(await page.locator("#failed a.name").allInnerTexts(), ["b", "a"]);
    await page.getByRole("link", { name: "failed 2" }).click();
    for (const name of ["a", "b"]) await page.getByLabel(`Choose ${name}`, { exact: true }).check();
    await press(page, "Retry");
    assert.match(await said(page), /“b” is queued again\n“a” is queued again/);
    for (const name of ["a", "b"]) {
      await until(`${name} again`, async () => /3.*3/s.test(await qj.in("failed", name)));
    }
    await page.getByRole("link", { name: "Submit" }).click();
    await page.getByLabel("Script").fill("echo ran; exit 4");
    await press(page, "Submit");
    const name = /“(.*)”/.exec(await said(page))![1]!;
    await qj.in("failed", name);
    await page.reload();
    await showsState(page, "failed");
    assert.match(await page.locator("#log").innerText(), /\nran\n/);
    await press(page, "Retry");
    await until("again", async () => /4.*4/s.test(await qj.in("failed", name)));
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByLabel("max_attempts", { exact: true }).fill("9");
    await page.getByLabel("paused", { exact: true }).check();
    await press(page, "Save");
    assert.equal(await said(page), "Changed: max_attempts, paused");
    assert.deepEqual([(await config(qj)).max_attempts, (await config(qj)).paused], [9, true]);
    await press(page, "Sign out", "footer");
    await page.getByLabel("Token").waitFor();
  },
  { context: { javaScriptEnabled: false }, expected: answered(401) },
);

pageTest(
  "sign-in by the token, and sign-out in all tabs",
  async ({ qj, url, visit, page }) => {
    await press(page, "Sign out", "footer");
    await page.getByLabel("Token").fill("wrong");
    await press(page, "Sign in");
    assert.equal(await page.getByRole("alert").innerText(), "That is not the token of this queue.");
    const token = /token=(\S+)/.exec(await qj.logged(/pages: /))![1]!;
    await page.getByLabel("Token").fill(` ${token} `);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${url}/`);
    const other = await visit.tab("/");
    await other.locator("#failed").waitFor();
    await press(page, "Sign out", "footer");
    await qj.submit("a", CLOSED);
    await other.getByLabel("Token").waitFor();
  },
  { expected: answered(401) },
);
