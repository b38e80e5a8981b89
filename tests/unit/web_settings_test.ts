/** The settings as fields of a form: what is sent is what was changed, and every value can be typed. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkSettings,
  DEFAULT_SETTINGS,
  InvalidSettings,
  type Settings,
} from "../../store/settings.ts";
import { changeOf, FIELDS, fieldText, SettingsPage } from "../../web/settings_page.tsx";
import { webTest } from "./web_fixture.ts";

type Key = keyof Settings;
const KEYS = Object.keys(FIELDS) as Key[];

/** As a browser sends it: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#constructing-the-form-data-set */
function sent(text: string): string {
  return text.replace(/\r\n?|\n/g, "\r\n");
}

/** A form that was shown with these values, in whose fields something else was typed. */
function form(
  shown: Partial<Settings>,
  typed: Readonly<Record<string, string>>,
): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [key, value] of Object.entries(shown)) {
    const { kind } = FIELDS[key as Key];
    const text = fieldText(kind, value);
    fields.set(`was_${key}`, sent(text));
    const is = typed[key] ?? text;
    // A box that is not checked is not sent.
    if (kind !== "yes or no" || is === "true") fields.set(key, sent(is));
  }
  return fields;
}

Deno.test("there is a field for each setting, and for nothing else", () => {
  assert.deepEqual(KEYS.toSorted(), Object.keys(DEFAULT_SETTINGS).toSorted());
  for (const { kind, hint } of Object.values(FIELDS)) {
    assert.ok(["number", "number or nothing", "text", "yes or no", "JSON"].includes(kind));
    assert.notEqual(hint, "");
  }
});

/** Values that each setting can have. */
const VALUES: Readonly<{ [K in Key]: readonly Settings[K][] }> = {
  max_job_count: [0, 1, 10_000],
  max_attempts: [1, 1_000_000],
  timeout_sec: [0, 0.1, 1.5, 31_536_000],
  paused: [true, false],
  queues: [{}, { video: { max_job_count: 1 }, "a.b-c_D": { max_job_count: 0 } }],
  backoff_base: [0, 1e-7, 0.30000000000000004],
  backoff_mult: [0, 1.1, 1000],
  backoff_max_sec: [0, 12.25],
  backoff_jitter: [0, 5e-324, 0.5, 1],
  max_lost: [1, 1_000_000],
  kill_grace_sec: [0, 0.001, 3600],
  max_output_bytes: [1024, 2 ** 40],
  max_script_bytes: [1, 268_435_456],
  retain_complete_sec: [null, 0, 0.5, 315_360_000],
  retain_failed_sec: [null, 0, 1],
  replace_finished: [true, false],
  wrapper: [[], ["nice", "-n", "10"], ["/opt/my tool", "", 'é"\\', "two\nlines"]],
  settle_ms: [0, 60_000],
  on_complete: [null, "true", "0", 'tail "$QJ_LOG" |\n  mail root\n', "  <b>&amp;'\"  "],
  on_failed: [null, "null", "one\n\ntwo"],
};

for (const key of KEYS) {
  Deno.test(`${key} can be changed from each of its values to each other`, () => {
    for (const was of VALUES[key]) {
      for (const is of VALUES[key]) {
        const typed = { [key]: fieldText(FIELDS[key].kind, is) };
        const expected = was === is ? {} : { [key]: is };
        assert.deepEqual(
          checkSettings(changeOf(form({ [key]: was }, typed))),
          expected,
          `${was} to ${is}`,
        );
      }
    }
  });
}

Deno.test("all values that a number can have can be typed", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 31_536_000, noNaN: true }), (value) => {
    const typed = { timeout_sec: fieldText("number", value) };
    assert.deepEqual(changeOf(form({ timeout_sec: -1 }, typed)), { timeout_sec: value + 0 });
  }));
});

Deno.test("a form that is sent as it was shown changes nothing", () => {
  assert.deepEqual(changeOf(form(DEFAULT_SETTINGS, {})), {});
  const last = Object.fromEntries(KEYS.map((key) => [key, VALUES[key].at(-1)]));
  assert.deepEqual(changeOf(form(last, {})), {});
  assert.deepEqual(changeOf(new Map()), {});
  assert.deepEqual(
    changeOf(new Map([["max_attempts", "5"], ["paused", "true"]])),
    {},
    "nothing was shown",
  );
});

Deno.test("only what was changed is sent, whatever others have changed meanwhile", () => {
  const shown = form(DEFAULT_SETTINGS, { max_attempts: "5", paused: "true", on_failed: "a\nb\n" });
  assert.deepEqual(changeOf(shown), { max_attempts: 5, paused: true, on_failed: "a\nb\n" });
});

const TYPED: readonly (readonly [Key, typed: string, value: unknown])[] = [
  ["max_attempts", " 5 ", 5],
  ["max_attempts", "+5", 5],
  ["max_attempts", "5.", 5],
  ["timeout_sec", ".5", 0.5],
  ["timeout_sec", "1e2", 100],
  ["timeout_sec", "1E-2", 0.01],
  ["timeout_sec", "-1", -1],
  ["retain_complete_sec", "  ", null],
  ["retain_complete_sec", "0", 0],
  ["wrapper", ' [ "nice" ] ', ["nice"]],
  ["on_complete", " \r\n ", null],
  ["on_complete", "a\rb", "a\nb"],
  ["paused", "yes", false],
  // What cannot be read is left as text.
  ...["", "five", "0x10", "1,5", "5 s", "NaN", "Infinity", "1e", "--5", "."].map((text) =>
    ["timeout_sec", text, text] as const
  ),
  ["retain_failed_sec", "never", "never"],
  ["wrapper", "nice", "nice"],
  ["queues", "{", "{"],
  ["queues", "", ""],
];

Deno.test("what is typed is read as what it means", () => {
  for (const [key, typed, value] of TYPED) {
    const change = changeOf(new Map([[`was_${key}`, "true"], [key, typed]]));
    assert.deepEqual(change, { [key]: value }, `${key} ${JSON.stringify(typed)}`);
  }
});

const REFUSED: readonly (readonly [Key, typed: string, message: RegExp])[] = [
  ["max_attempts", "", /^max_attempts must be a number, not ""$/],
  ["max_attempts", "five", /^max_attempts must be a number, not "five"$/],
  ["max_attempts", "1.5", /^max_attempts must be a whole number, not 1\.5$/],
  ["max_attempts", "0", /^max_attempts must be at least 1, not 0$/],
  ["wrapper", "nice", /^wrapper must be an array, not "nice"$/],
  ["queues", '{"a b": {"max_job_count": 1}}', /^queues: the name of a queue is/],
  ["queues", '{"__proto__": {"max_job_count": 1}}', /^queues: the name of a queue is/],
  ["on_complete", "a\0b", /^on_complete: must not have a NUL character$/],
  ["retain_complete_sec", "never", /^retain_complete_sec must be a number, not "never"$/],
];

Deno.test("what cannot be is refused with the name of the setting and what was typed", () => {
  for (const [key, typed, message] of REFUSED) {
    const change = changeOf(form({ [key]: DEFAULT_SETTINGS[key] }, { [key]: typed }));
    assert.throws(
      () => checkSettings(change),
      (error) => error instanceof InvalidSettings && message.test(error.message),
      `${key} ${typed}`,
    );
  }
  const infinite = changeOf(form({ timeout_sec: 1 }, { timeout_sec: "1e400" }));
  assert.throws(() => checkSettings(infinite), (error) => !/not null/.test(String(error)));
});

Deno.test("a long field takes no longer than it takes to read it", () => {
  const before = performance.now();
  for (
    const text of [`${"1".repeat(30_000)}x`, `1e${"1".repeat(30_000)}x`, `.${"1".repeat(30_000)}x`]
  ) {
    changeOf(new Map([["was_timeout_sec", "1"], ["timeout_sec", text]]));
  }
  assert.ok(performance.now() - before < 200, `${performance.now() - before} ms`);
});

function unescaped(html: string): string {
  const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', amp: "&" };
  return html.replace(
    /&(?:#(\d+)|(\w+));/g,
    (_, code, name) => code ? String.fromCodePoint(Number(code)) : entities[name]!,
  );
}

/** The fields of a page, as a browser would send them. */
function fieldsOf(html: string): Record<string, string> {
  const fields: Record<string, string> = {};
  const attribute = (tag: string, name: string) => {
    const value = new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1];
    return value === undefined ? undefined : unescaped(value);
  };
  for (const [tag] of html.matchAll(/<input [^>]*>/g)) {
    if (attribute(tag, "type") === "checkbox" && !/ checked\b/.test(tag)) continue;
    fields[attribute(tag, "name")!] = sent(attribute(tag, "value") ?? "");
  }
  for (const [, tag, text] of html.matchAll(/<textarea([^>]*)>([^]*?)<\/textarea>/g)) {
    fields[attribute(tag!, "name")!] = sent(unescaped(text!).replace(/^\r?\n/, ""));
  }
  return fields;
}

webTest("the page shows all settings, and is sent back as it was", async (f) => {
  const settings = Object.fromEntries(KEYS.map((key) => [key, VALUES[key].at(-1)])) as Partial<
    Settings
  >;
  for (const change of [{}, settings]) {
    f.store.settings.apply(change);
    const fields = fieldsOf(String(SettingsPage({ site: f.site, said: [] })));
    for (const key of KEYS) assert.ok(`was_${key}` in fields, key);
    const { results } = await f.post("/settings", fields);
    assert.deepEqual(results, [{ isDone: true, text: "Nothing has changed" }]);
    const changed = await f.post("/settings", {
      ...fields,
      once: crypto.randomUUID(),
      max_attempts: "9",
    });
    assert.deepEqual(changed.results, [{ isDone: true, text: "Changed: max_attempts" }]);
    f.store.settings.apply({ max_attempts: 3 });
  }
});

webTest("what was refused stays in its fields, with the reason", async (f) => {
  const fields = fieldsOf(String(SettingsPage({ site: f.site, said: [] })));
  const typed = { ...fields, max_attempts: "<five>", on_failed: 'a\r\n"b"', paused: "true" };
  const { status, html } = await f.post("/settings", typed);
  assert.equal(status, 422);
  assert.match(unescaped(html), /max_attempts must be a number, not "<five>"/);
  assert.doesNotMatch(html, /<five>/);
  const { form_token: _token, once: _once, ...shown } = fieldsOf(html);
  for (const [key, text] of Object.entries(shown)) {
    if (key !== "back") assert.equal(text, sent(typed[key as keyof typeof typed]), key);
  }
  assert.deepEqual(f.store.settings.current, DEFAULT_SETTINGS);
  // Another try, after somebody else has changed something.
  f.store.settings.apply({ max_job_count: 7 });
  const { results } = await f.post("/settings", { ...fieldsOf(html), max_attempts: "5" });
  assert.equal(results[0]?.isDone, true);
  const { max_attempts, max_job_count, on_failed, paused } = f.store.settings.current;
  assert.deepEqual([max_attempts, max_job_count, on_failed, paused], [5, 7, 'a\n"b"', true]);
});

webTest("a page that only shows has no field that could be sent", (f) => {
  const html = String(SettingsPage({ site: { ...f.site, isReadOnly: true }, said: [] }));
  for (const key of KEYS) {
    const [tag] = html.match(new RegExp(`<(input|textarea)[^>]* name="${key}"[^>]*>`)) ?? [];
    assert.match(tag ?? "", / disabled/, key);
  }
  assert.doesNotMatch(html, /Save/);
});
