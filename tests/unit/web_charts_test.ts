/** The charts: axes that one can read, and nothing that the policy of the page would refuse. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Activity } from "../../web/activity.ts";
import { Charts, niceMax, type Range } from "../../web/charts.tsx";
import { COMPLETE, FAILED, START_MS, type StoreFixture, storeTest } from "./store_fixture.ts";

const NICE: readonly (readonly [value: number, isWhole: boolean, max: number])[] = [
  [0, true, 1],
  [-1, false, 1],
  [1, true, 1],
  [2, true, 2],
  [3, true, 5],
  [6, true, 10],
  [10, true, 10],
  [11, true, 20],
  [21, true, 25],
  [26, true, 50],
  [999, true, 1000],
  [1000, true, 1000],
  [1001, true, 2000],
  [1_000_000, true, 1_000_000],
  [0.5, true, 1],
  [2.2, true, 3],
  [0.5, false, 0.5],
  [0.11, false, 0.2],
  [2.2, false, 2.5],
  [0.001, false, 0.001],
  [86_400, false, 100_000],
];

Deno.test("niceMax() is a round number that is not smaller", () => {
  for (const [value, isWhole, max] of NICE) {
    assert.ok(
      Math.abs(niceMax(value, isWhole) - max) < max * 1e-9,
      `${value}: ${niceMax(value, isWhole)}`,
    );
  }
  const values = fc.oneof(
    fc.double({ min: 1e-9, max: 1e15, noNaN: true }),
    fc.integer({ min: -9, max: 15 }).map((power) => 10 ** power),
    fc.integer({ min: 1, max: 1e9 }).map((n) => n / 1000),
  );
  fc.assert(
    fc.property(values, fc.boolean(), (value, isWhole) => {
      const max = niceMax(value, isWhole);
      assert.ok(max >= value && Number.isFinite(max), String(max));
      assert.ok(
        max <= Math.max(value * 2.5 * (1 + 1e-9), isWhole ? 1 : 0) + (isWhole ? 1 : 0),
        String(max),
      );
      if (isWhole) assert.ok(Number.isInteger(max), String(max));
    }),
    { numRuns: 2000 },
  );
});

async function drawn(f: StoreFixture, range: Range): Promise<string> {
  const activity = new Activity(f.store);
  await activity.upToDate();
  return String(Charts({ activity, range, href: (range) => `/?range=${range}&x="<` }));
}

/** All numbers of an attribute in the SVG. */
function numbers(html: string, element: string, name: string): number[] {
  return [...html.matchAll(new RegExp(`<${element}[^>]* ${name}="([^"]*)"`, "g"))]
    .map(([, value]) => {
      assert.match(value!, /^-?\d+(\.\d+)?$/, `${name} of ${element}`);
      return Number(value);
    });
}

function busy(f: StoreFixture): void {
  for (let i = 0; i < 5; i++) {
    f.submitted(`job ${i}`);
    f.nowMs += 12_345;
    const claim = f.claim();
    f.nowMs += 3_210;
    f.finish(claim, i % 2 === 0 ? COMPLETE : FAILED, { kind: "exited", code: i % 2 });
    f.nowMs += 45_000;
  }
}

for (const range of ["hour", "day"] as const) {
  for (const [what, fill] of [["nothing", () => {}], ["jobs", busy]] as const) {
    storeTest(
      `charts of a ${range} with ${what} in it are drawn inside their frames, without styles`,
      async (f) => {
        fill(f);
        const html = await drawn(f, range);
        assert.doesNotMatch(
          html,
          /\bstyle=|<style|<script|\bon[a-z]+=|NaN|undefined|null|Infinity/,
        );
        assert.equal(html.match(/<svg/g)?.length, 3);
        assert.equal(html.match(/role="img"/g)?.length, 3);
        const spans = range === "hour" ? 60 : 96;
        assert.equal(html.match(/<g class="span">/g)?.length, 3 * spans);
        assert.equal(html.match(/<title>/g)?.length, 3 * spans);
        const [, right, bottom] = /viewBox="0 0 (\d+) (\d+)"/.exec(html)!.map(Number) as [
          number,
          number,
          number,
        ];
        const rects = ["x", "y", "width", "height"].map((name) => numbers(html, "rect", name));
        const [x, y, width, height] = rects as [number[], number[], number[], number[]];
        const ground = y[0]! + height[0]!;
        assert.ok(ground < bottom);
        x.forEach((left, i) => {
          assert.ok(
            left >= x[0]! && left + width[i]! < right + 0.01,
            `${left} and ${width[i]} wide`,
          );
          assert.ok(
            y[i]! >= 0 && y[i]! + height[i]! <= ground + 1.01,
            `${y[i]} and ${height[i]} high`,
          );
        });
        assert.ok(numbers(html, "text", "y").every((y) => y > 0 && y <= bottom));
        numbers(html, "line", "y1");
        assert.match(html, /href="\/\?range=day&amp;x=&quot;&lt;"/);
        assert.equal(html.match(/aria-current="true"[^>]*>([^<]*)/)?.[1], `last ${range}`);
      },
    );
  }
}

storeTest("charts say in words what they show", async (f) => {
  let html = await drawn(f, "hour");
  assert.equal(html.match(/aria-label="[^"]*: nothing"/g)?.length, 3);
  busy(f);
  html = await drawn(f, "hour");
  const labels = [...html.matchAll(/aria-label="([^"]*)"/g)].map(([, label]) => label);
  assert.deepEqual(labels, [
    "Jobs ended per minute: at most 1",
    "Waiting time: at most 12.3 s",
    "Run time: at most 3.21 s",
  ]);
  assert.equal(html.match(/: 1 complete, 0 failed</g)?.length, 3);
  assert.equal(html.match(/: 0 complete, 1 failed</g)?.length, 2);
  assert.equal(html.match(/: 0 complete, 0 failed</g)?.length, 55);
  assert.match(html, /, a minute: half of them at most 12\.3 s, the longest 12\.3 s</);
  const day = await drawn(f, "day");
  assert.match(day, /Jobs ended per 15 minutes: at most 5"/);
  assert.match(day, /, 15 min: 3 complete, 2 failed</);
  assert.equal(day.match(/<rect class="complete"/g)?.length, 1);
  assert.equal(day.match(/<rect class="failed"/g)?.length, 1);
});

storeTest(
  "complete and failed jobs stand one on the other, as high as they are many",
  async (f) => {
    busy(f);
    const html = await drawn(f, "day");
    const bar = (kind: string) => {
      const [tag] = html.match(new RegExp(`<rect class="${kind}"[^>]*>`))!;
      const [y, height] = ["y", "height"].map((name) => numbers(tag, "rect", name)[0]!);
      return { y: y!, height: height! };
    };
    const [all, complete, failed] = [bar("hover"), bar("complete"), bar("failed")];
    const isAt = (one: number, other: number) => Math.abs(one - other) < 0.05;
    assert.ok(isAt(complete.y + complete.height, all.y + all.height), "on the ground");
    assert.ok(isAt(failed.y + failed.height, complete.y), "on the others");
    assert.ok(isAt(complete.height, all.height * 3 / 5));
    assert.ok(isAt(failed.y, all.y), "up to the largest number");
  },
);

storeTest("a very short time is drawn, and a very long one", async (f) => {
  f.nowMs = START_MS;
  const job = f.written("x");
  f.store.db.transaction(() => {
    f.store.events.record("started", job, { waited_sec: 0.001 });
    f.store.events.record("attempt_ended", job, { run_time_sec: 31_536_000 });
  });
  const html = await drawn(f, "hour");
  assert.match(html, /Waiting time: at most 1 ms"/);
  assert.match(html, /Run time: at most 8800 h"/);
});
