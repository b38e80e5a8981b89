import assert from "node:assert/strict";
import { printable, printableJson } from "../../store/printable.ts";

Deno.test("printable() leaves nothing that a terminal obeys or that turns text around", () => {
  const all = Array.from({ length: 0x2100 }, (_, code) => String.fromCharCode(code)).join("");
  const text = printable(all);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/);
  assert.equal(JSON.parse(`"${text.replace(/["\\](?!u)/g, "\\$&")}"`), all);
});

Deno.test("printable() leaves ordinary text as it is", () => {
  for (const text of ["", 'job "a": exit status 1', "é ß 日本 🙂 \\n"]) {
    assert.equal(printable(text), text);
  }
});

Deno.test("printableJson() gives JSON that reads as before, in one line", () => {
  const value = { name: "a\u009b31m\u202eb\u2028", text: "\x1b[31m\n" };
  const line = printableJson(value);
  assert.match(line, /^[ -~]+$/);
  assert.deepEqual(JSON.parse(line), value);
});
