/** Jobs that wait for others (`#QJ after=`), on a real mount. */
import assert from "node:assert/strict";
import { Qj, until } from "./qj.ts";

const GO = "until [ -e go ]; do sleep 0.02; done";

async function waitsFor(qj: Qj, name: string): Promise<string[]> {
  return JSON.parse(await Deno.readTextFile(qj.path("jobs", name, "status.json"))).after;
}

async function blocked(qj: Qj, name: string, ...on: string[]): Promise<void> {
  await until(`${name} waits`, async () => (await waitsFor(qj, name)).join() === on.join());
}

Deno.test("after: waits for all of them, through a rename and a replacement by an editor", async () => {
  await using qj = await Qj.start();
  for (const name of ["a", "b"]) await qj.submit(name, `${GO}; echo ${name} >> order`);
  await qj.in("active", "b");
  await qj.submit("c", "#QJ after=a,b\necho c >> order");
  await blocked(qj, "c", "a", "b");
  await qj.submit("edited", "#QJ after=c delay=1h\necho old >> order");
  await qj.submit("d", "#QJ after=edited\necho d >> order");
  await blocked(qj, "d", "edited");
  assert.equal((await qj.sh("sed -i s/old/new/ pending/edited")).code, 0);
  await blocked(qj, "d", "edited");
  assert.equal((await qj.sh("mv pending/edited pending/renamed")).code, 0);
  await blocked(qj, "d", "renamed");
  await qj.submit("renamed", "#QJ after=c\necho new >> order");
  await Deno.writeTextFile(`${qj.folder}/go`, "");
  await qj.in("complete", "d");
  const order = (await Deno.readTextFile(`${qj.folder}/order`)).trim().split("\n");
  assert.deepEqual(order.slice(0, 2).sort(), ["a", "b"]);
  assert.deepEqual(order.slice(2), ["c", "new", "d"]);
});

Deno.test("after: one that fails or is removed takes those that wait along, and mv brings them back", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("a", "[ -e fixed ]");
  const log = await qj.in("failed", "a");
  await qj.submit("b", "#QJ after=a\ntrue");
  assert.match(await qj.in("failed", "b"), /not run: after="a": it has failed\n$/);
  await qj.configure({ paused: true });
  await qj.sh("mv failed/a failed/b pending/");
  await blocked(qj, "b", "a");
  await qj.submit("c", "#QJ after=b\ntrue");
  await blocked(qj, "c", "b");
  assert.equal((await qj.sh("rm pending/b")).code, 0);
  assert.match(await qj.in("failed", "c"), /not run: after="b": it was removed\n$/);
  await qj.submit("b", "#QJ after=a\necho b");
  await qj.sh("mv failed/c pending/; touch ../fixed");
  await blocked(qj, "c", "b");
  await qj.configure({ paused: false });
  assert.match(await qj.in("complete", "c"), /it was removed\n>>> #QJ after=b\n>>> true\n$/);
  assert((await qj.in("complete", "a")).startsWith(log));
  const events = (await Deno.readTextFile(qj.path("events"))).trim().split("\n")
    .map((line) => JSON.parse(line));
  assert(
    events.some(({ event, job, after }) =>
      event === "submitted" && job === "b" && after?.join() === "a"
    ),
  );
});

Deno.test("after: a cycle made by editing sends the edited job to failed", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("a", "true");
  await qj.submit("b", "#QJ after=a\ntrue");
  await blocked(qj, "b", "a");
  await qj.submit("a", "#QJ after=b\ntrue");
  assert.match(await qj.in("failed", "a"), /not run: after="b": it waits for this job itself\n$/);
  assert.match(await qj.in("failed", "b"), /not run: after="a": it has failed\n$/);
});

Deno.test("after: a long chain, and many that wait for one, survive a crash", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  await qj.submit("n0", "true");
  await qj.sh(`
    for i in $(seq 60); do printf '#QJ after=n%s\\necho n%s >> ../chain\\n' $((i - 1)) $i > pending/n$i; sync pending/n$i; done
    for i in $(seq 300); do printf '#QJ after=n60\\ntrue\\n' > pending/m$i; done`);
  await blocked(qj, "m300", "n60");
  await qj.end("SIGKILL");
  await qj.restart();
  await blocked(qj, "n60", "n59");
  await qj.configure({ paused: false });
  await until("all", async () => (await qj.ls("complete")).length === 361);
  assert.deepEqual(await qj.ls("failed"), []);
});

Deno.test("after: what has completed is not asked for again when the script is touched, and what was removed meanwhile is", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("a", "true");
  await qj.in("complete", "a");
  await qj.configure({ paused: true });
  await qj.submit("b", "#QJ after=a\necho b");
  await until(
    "b is ready",
    async () =>
      JSON.parse(await Deno.readTextFile(qj.path("jobs", "b", "status.json"))).submitted !== null,
  );
  await qj.submit("c", "true");
  await qj.submit("d", "#QJ after=c\ntrue");
  await blocked(qj, "d", "c");
  await qj.sh("rm complete/a; touch pending/b; exec 3>> pending/d; rm pending/c; exec 3>&-");
  await qj.configure({ paused: false });
  assert.match(await qj.in("complete", "b"), /\nb\n$/);
  assert.match(await qj.in("failed", "d"), /after="c": no job has this name/);
});
