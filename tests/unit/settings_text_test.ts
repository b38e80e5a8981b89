import assert from "node:assert/strict";
import fc from "fast-check";
import {
  IncompleteSettings,
  MAX_TEXT_BYTES,
  parseSettingsText,
} from "../../store/settings_text.ts";
import { DEFAULT_SETTINGS, InvalidSettings } from "../../store/settings.ts";
import { bytes } from "./store_fixture.ts";

function verdict(data: Uint8Array | string): "taken" | "incomplete" | "invalid" {
  try {
    parseSettingsText(typeof data === "string" ? bytes(data) : data);
    return "taken";
  } catch (error) {
    if (error instanceof IncompleteSettings) return "incomplete";
    if (error instanceof InvalidSettings) return "invalid";
    throw error;
  }
}

const DOCUMENT = `${JSON.stringify(DEFAULT_SETTINGS, null, 2)}\n`;

Deno.test("parseSettingsText() reads a document", () => {
  assert.deepEqual(parseSettingsText(bytes(DOCUMENT)), DEFAULT_SETTINGS);
  assert.deepEqual(parseSettingsText(bytes(' {"paused" :\ttrue}\n\n')), { paused: true });
  assert.deepEqual(parseSettingsText(bytes("{}")), {});
});

Deno.test("parseSettingsText() says of every beginning of a document that it is incomplete", () => {
  const end = DOCUMENT.trimEnd().length;
  for (let length = 0; length < end; length++) {
    const part = DOCUMENT.slice(0, length);
    assert.equal(verdict(part), "incomplete", JSON.stringify(part.slice(-30)));
  }
});

Deno.test("parseSettingsText() waits for a value of which a part has come", () => {
  const parts = [
    '{"a": tru',
    '{"a": -',
    '{"a": 1.',
    '{"a": 1e',
    '{"a": "',
    '{"a": "\\',
    '{"a": "\\u0',
  ];
  for (const part of [...parts, '{"a": f', '{"a": nul']) {
    assert.equal(verdict(part), "incomplete", part);
  }
});

Deno.test("parseSettingsText() waits for the rest of a character, where there may be one", () => {
  const document = bytes('{"on_complete": "echo é日😀"}');
  for (let length = 0; length < document.length; length++) {
    assert.equal(verdict(document.subarray(0, length)), "incomplete", `${length} bytes`);
  }
  assert.equal(verdict(document), "taken");
  for (const before of ["", "{", "{}", '{"paused": true}']) {
    assert.equal(verdict(new Uint8Array([...bytes(before), 0xf0, 0x9f])), "invalid", before);
  }
});

/** What no more text can mend has to be refused by the write, since few programs look at close(2). */
const HOPELESS = [
  "hello",
  "paused=true",
  "paused=true\n",
  '{"paused": yes',
  '{"paused": true}}',
  '{"paused": true} x',
  '{"paused": true}\n{"paused": true}',
  '{"paused": true]',
  '{"paused": true,}',
  "{paused",
  "{'",
  "[1}",
  "}",
  "// a comment",
  '{"paused": /* no */ true}',
  '{"paused" true',
  '{"paused": True}',
  '{"max_job_count": 05}',
  "\uFEFF{}",
];

for (const text of HOPELESS) {
  Deno.test(`parseSettingsText() refuses ${JSON.stringify(text)} at once`, () => {
    assert.equal(verdict(text), "invalid");
  });
}

Deno.test("parseSettingsText() refuses a key that is given twice", () => {
  assert.throws(() => parseSettingsText(bytes('{"paused": true, "paused": true}')), /twice/);
  assert.throws(() => parseSettingsText(bytes('{"paused": 1, "\\u0070aused": 2')), /twice/);
});

Deno.test("parseSettingsText() refuses what is nested too deeply", () => {
  const deep = (open: string) => `{"a": ${open.repeat(MAX_TEXT_BYTES / open.length)}`;
  for (const open of ["[", '{"a":']) {
    assert.throws(() => parseSettingsText(bytes(deep(open))), /nested too deeply/);
  }
});

Deno.test("parseSettingsText() refuses what is not UTF-8", () => {
  assert.equal(verdict(new Uint8Array([...bytes('{"'), 0xff, ...bytes('": 1}')])), "invalid");
});

Deno.test("parseSettingsText() says where the text is wrong", () => {
  assert.throws(() => parseSettingsText(bytes('{\n"paused": true\n"x": 1}')), /line 3/);
});

Deno.test("parseSettingsText() has a verdict on any text", () => {
  const tokens = fc.constantFrom(
    ..."{}[]:,\"\\'tfn0-e.x/*\n é".split(""),
    '"a"',
    "true",
    "null",
    "1",
  );
  fc.assert(
    fc.property(fc.array(tokens, { maxLength: 20 }), (parts) => {
      assert.notEqual(verdict(parts.join("")), undefined);
    }),
    { numRuns: 500, seed: 1 },
  );
});

Deno.test("parseSettingsText() takes nothing that JSON.parse does not", () => {
  const tokens = fc.constantFrom("{", "}", '"paused"', ":", ",", "true", " ", "[", "]", "1");
  fc.assert(
    fc.property(fc.array(tokens, { maxLength: 12 }), (parts) => {
      const text = parts.join("");
      if (verdict(text) === "taken") assert.equal(typeof JSON.parse(text), "object");
    }),
    { numRuns: 500, seed: 1 },
  );
});
