import assert from "node:assert/strict";
import { type Outcome, Said } from "../../web/said.ts";

function outcome(text: string): Outcome {
  return { results: [{ isDone: true, text }], path: `/${text}` };
}

Deno.test("Said gives each form a number of its own", () => {
  const said = new Said();
  const numbers = Array.from({ length: 100 }, () => said.once());
  assert.equal(new Set(numbers).size, 100);
  for (const once of numbers) assert.match(once, /^[0-9a-f-]{36}$/);
});

Deno.test("Said remembers what came of a form, and of no other", () => {
  const said = new Said();
  const [one, other, unsent] = [said.once(), said.once(), said.once()];
  said.remember(one, outcome("one"));
  said.remember(other, outcome("other"));
  assert.deepEqual([one, other].map((once) => said.of(once)), [outcome("one"), outcome("other")]);
  assert.deepEqual(
    [unsent, "", undefined, "constructor", "__proto__"].map((once) => said.of(once)),
    [
      ...Array(5).fill(undefined),
    ],
  );
  said.remember(one, outcome("again"));
  assert.deepEqual(said.of(one), outcome("again"));
});

Deno.test("Said forgets the oldest of very many", () => {
  const said = new Said();
  const numbers = Array.from({ length: 5000 }, () => said.once());
  for (const [i, once] of numbers.entries()) said.remember(once, outcome(String(i)));
  const known = numbers.map((once) => said.of(once) !== undefined);
  const first = known.indexOf(true);
  assert.ok(first >= 4000 && first <= 4900, String(first));
  assert.deepEqual(known.slice(first), Array(5000 - first).fill(true), "the newest are known");
});
