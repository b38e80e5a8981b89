/**
 * Every page, wide and narrow, light and dark: no wider than the window, and axe-core finds nothing serious.
 * QJ_SCREENSHOTS=FOLDER keeps pictures of them, for people to look at.
 */
/// <reference lib="dom" />
import { type Qj, until } from "../mount/qj.ts";
import { inspectAll, pageTests, press } from "./browser.ts";
import { CLOSED, printer } from "./jobs.ts";

const pageTest = await pageTests();

/** All colours, on both grounds. */
const PALETTE = Array.from({ length: 16 }, (_, i) => `\\033[38;5;${i}mcolour ${i}\\033[0m`)
  .concat(Array.from({ length: 16 }, (_, i) => `\\033[48;5;${i}mground ${i}\\033[0m`))
  .concat([1, 2, 3, 4, 7, 9].map((code) => `\\033[${code}mlook ${code}\\033[0m`));
const LONG = `long-${"name".repeat(50)}`;
/** More than the overview shows. */
const WAITING = 22;

/** Jobs in all states, with names, scripts and logs that do not fit on a line. */
async function populate(qj: Qj): Promise<void> {
  for (let i = 0; i < WAITING; i++) await qj.submit(`waits-${i}`, CLOSED);
  await qj.submit("later", "#QJ at=2099-01-01T00:00 priority=5\necho\n");
  await qj.submit("after-others", "#QJ after=later after=waits-1\necho\n");
  await qj.submit("completes", `printf '%b\\n' ${PALETTE.map((text) => `'${text}'`).join(" ")}`);
  const script = `printf '${"x".repeat(400)}\\n'; exit 3 # ${"y".repeat(300)}`;
  await qj.submit(LONG, `#QJ attempts=3\n${script}`);
  await qj.in("complete", "completes");
  await qj.in("failed", LONG);
  const print = await printer(qj, "runs");
  await print(`${"a long line ".repeat(60)}\n${"and more\n".repeat(60)}`);
  await until("the log", async () => (await qj.in("active", "runs")).includes("and more"));
}

pageTest("lists: no wider than the window, and axe finds nothing", async ({ qj, page }) => {
  await populate(qj);
  await inspectAll(page, [
    ["overview", "/"],
    ["overview-day", "/?range=day"],
    ["list-all", "/jobs"],
    ["list-pending", "/jobs?state=pending"],
    ["list-active", "/jobs?state=active"],
    ["list-complete", "/jobs?state=complete"],
    ["list-failed", "/jobs?state=failed"],
    ["list-later-page", "/jobs?after=9"],
    ["list-queue", "/jobs?queue=closed"],
    ["search", "/jobs?q=wait"],
  ]);
});

pageTest("jobs: no wider than the window, and axe finds nothing", async ({ qj, page }) => {
  await populate(qj);
  await inspectAll(page, [
    ["job-pending", "/named/later"],
    ["job-blocked", "/named/after-others"],
    ["job-active", "/named/runs"],
    ["job-active-above", async () => {
      await page.locator("#log").evaluate((e) => e.scrollTop = 0);
      await page.locator("#follow").waitFor();
      await page.locator("summary").click();
    }],
    ["job-complete", "/named/completes"],
    ["job-failed", `/named/${LONG}`],
    ["job-said", () => press(page, "Retry")],
  ]);
});

pageTest(
  "other pages: no wider than the window, and axe finds nothing",
  async ({ page }) => {
    await inspectAll(page, [
      ["empty-overview", "/"],
      ["empty-list", "/jobs?state=failed"],
      ["empty-search", "/jobs?q=nothing"],
      ["submit", "/submit"],
      ["submit-refused", async () => {
        await page.getByLabel("Name").fill("a/b");
        await page.getByLabel("Script").fill("echo");
        await press(page, "Submit");
      }],
      ["settings", "/settings"],
      ["settings-refused", async () => {
        await page.getByLabel("max_attempts", { exact: true }).fill("none");
        await press(page, "Save");
      }],
      ["paused", async () => {
        await page.goto("/");
        await press(page, "Pause");
      }],
      ["offline", () => page.locator("#offline").evaluate((e: HTMLElement) => e.hidden = false)],
      ["not-found", "/nothing"],
      ["sign-in", async () => {
        await page.goto("/");
        await press(page, "Sign out", "footer");
      }],
      ["sign-in-refused", "/?token=wrong"],
    ]);
  },
  { expected: /status of (422|404|401)\b/ },
);
