import assert from "node:assert/strict";
import fc from "fast-check";
import { idOf } from "../../store/ids.ts";
import { isDraft } from "../../store/job.ts";
import { storeTest } from "./store_fixture.ts";

const FOUR = 36 ** 4;
const FIVE = 36 ** 5;

Deno.test("idOf() gives short names that no draft has", () => {
  fc.assert(
    fc.property(fc.nat(FOUR + FIVE + 1000), (n) => {
      const id = idOf(n);
      assert.match(id, /^[a-z0-9]+$/);
      assert.equal(id.length, n < FOUR ? 4 : n < FOUR + FIVE ? 5 : 6);
      assert.ok(!isDraft(id));
    }),
    { seed: 1 },
  );
});

Deno.test("idOf() gives no name twice", () => {
  const border = Array.from({ length: 20_000 }, (_, i) => FOUR - 10_000 + i);
  const first = Array.from({ length: 20_000 }, (_, i) => i);
  const ids = new Set([...first, ...border].map(idOf));
  assert.equal(ids.size, 40_000);
});

Deno.test("idOf() gives neighbours that look different", () => {
  for (let n = 0; n < 1000; n++) assert.notEqual(idOf(n).slice(0, 2), idOf(n + 1).slice(0, 2));
});

storeTest("next() gives no id twice, over restarts too", (f) => {
  const given = new Set<string>();
  let count = 0;
  for (const take of [1, 63, 64, 65, 200]) {
    for (let i = 0; i < take; i++, count++) given.add(f.store.ids.next());
    f.reopen();
  }
  assert.equal(given.size, count);
});

storeTest("next() skips the name of a job in any state", (f) => {
  const names = Array.from({ length: 4 }, (_, n) => idOf(n));
  f.ended(names[0]!);
  f.written(names[1]!, "");
  f.running(names[2]!);
  assert.equal(f.store.ids.next(), names[3]);
});

storeTest("next() needs one commit for many ids", (f) => {
  const before = f.value("SELECT total_changes()");
  for (let i = 0; i < 64; i++) f.store.ids.next();
  assert.equal(f.value("SELECT total_changes()"), Number(before) + 1);
});
