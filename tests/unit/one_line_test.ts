import assert from "node:assert/strict";
import { oneLine } from "../../store/one_line.ts";
import { checkSettings, InvalidSettings } from "../../store/settings.ts";
import { parseOptions } from "../../store/job_options.ts";
import { bytes } from "./store_fixture.ts";

Deno.test("oneLine() leaves one line", () => {
  assert.equal(oneLine('é 日 😀 \\ "'), 'é 日 😀 \\ "');
  assert.equal(oneLine("a\nb\u009b\u2028"), "a\\u000ab\\u009b\\u2028");
});

Deno.test("oneLine() cuts what is too long, between two characters", () => {
  assert.equal(oneLine("x".repeat(1000)), "x".repeat(1000));
  assert.equal(oneLine("x".repeat(1001)), `${"x".repeat(999)}…`);
  assert.equal(oneLine(`${"x".repeat(998)}😀😀`), `${"x".repeat(998)}…`);
});

Deno.test("what is wrong with settings and options is said in one line", () => {
  assert.throws(() => checkSettings({ paused: "\u009b31m" }), (error: unknown) => {
    assert.ok(error instanceof InvalidSettings);
    assert.equal(error.message, 'paused must be a boolean, not "\\u009b31m"');
    return true;
  });
  assert.throws(
    () => parseOptions(bytes("#QJ \u009b31m=1\n"), true),
    { name: "InvalidOptions", message: 'line 1: unknown option "\\u009b31m"' },
  );
  const keys = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`key${i}`, 1]));
  assert.throws(() => checkSettings(keys), (error: Error) => error.message.length === 1000);
});
