import assert from "node:assert/strict";
import fc from "fast-check";
import { isLog, sectionHead } from "../../store/section.ts";
import { bytes, text } from "./store_fixture.ts";

const HEADS: readonly [string, string][] = [
  ["echo a\necho b\n", ">>> echo a\n>>> echo b\n"],
  ["echo a", ">>> echo a\n"],
  ["a\n\nb\n\n", ">>> a\n>>> \n>>> b\n>>> \n"],
  ["\n", ">>> \n"],
  ["a\r\nb", ">>> a\r\n>>> b\n"],
  [">>> a", ">>> >>> a\n"],
];

for (const [script, head] of HEADS) {
  Deno.test(`sectionHead() of ${JSON.stringify(script)}`, () => {
    assert.equal(text(sectionHead(bytes(script))), head);
  });
}

Deno.test("sectionHead() puts the mark before every line of any bytes", () => {
  const script = fc.uint8Array({ minLength: 1, maxLength: 60 })
    .map((data) => data.map((byte) => byte % 3 === 0 ? 10 : byte));
  fc.assert(
    fc.property(script, (data) => {
      const latin = new TextDecoder("latin1");
      const lines = latin.decode(data).replace(/\n$/, "").split("\n");
      const expected = lines.map((line) => `>>> ${line}\n`).join("");
      assert.equal(latin.decode(sectionHead(data)), expected);
    }),
    { seed: 1 },
  );
});

Deno.test("isLog() knows the head of a section", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      (script) => assert.ok(isLog(sectionHead(script))),
    ),
    { seed: 1 },
  );
  for (const script of ["", ">", ">>>", ">>>x", " >>> x", "echo\n>>> x"]) {
    assert.ok(!isLog(bytes(script)), script);
  }
});
