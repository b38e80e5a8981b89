/** What the settings with more than a number take: wrapper, queues, ages and hooks. */
import assert from "node:assert/strict";
import { checkSettings, DEFAULT_SETTINGS, InvalidSettings } from "../../store/settings.ts";
import { type StoreFixture, storeTest } from "./store_fixture.ts";

const slot = { max_job_count: 1 };

function queues(count: number) {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`q${i}`, slot]));
}

const GOOD: readonly Record<string, unknown>[] = [
  { wrapper: [] },
  { wrapper: ["nice", "-n", "10"] },
  { wrapper: ["/opt/my tool", "", "é"] },
  { wrapper: Array(100).fill("x".repeat(4096)) },
  { queues: {} },
  { queues: { video: slot, "0": { max_job_count: 0 }, "a.b_c-D": { max_job_count: 10_000 } } },
  { queues: { ["q".repeat(64)]: slot, constructor: slot, toString: slot } },
  { queues: queues(100) },
  { retain_complete_sec: null },
  { retain_complete_sec: 0, retain_failed_sec: 0.5 },
  { retain_failed_sec: 315_360_000 },
  { on_complete: null },
  { on_complete: "true", on_failed: 'tail -n 20 "$QJ_LOG" | mail root\n' },
  { on_failed: "x".repeat(4096) },
];

for (const value of GOOD) {
  Deno.test(`checkSettings() takes ${JSON.stringify(value).slice(0, 60)}`, () => {
    assert.deepEqual(checkSettings(value), value);
  });
}

const NAME_RULE = "queues: the name of a queue is 1 to 64 letters, digits, dots, dashes and " +
  "underscores, the first a letter or digit";
const BAD: readonly [string, string][] = [
  ['{"wrapper": "nice"}', 'wrapper must be an array, not "nice"'],
  ['{"wrapper": null}', "wrapper must be an array, not null"],
  ['{"wrapper": {"0": "nice"}}', 'wrapper must be an array, not {"0":"nice"}'],
  ['{"wrapper": [""]}', "wrapper: the program has no name"],
  ['{"wrapper": ["", "x"]}', "wrapper: the program has no name"],
  ['{"wrapper": ["nice", 10]}', "wrapper.1 must be a string, not 10"],
  ['{"wrapper": ["a\\u0000"]}', "wrapper.0: must not have a NUL character"],
  [JSON.stringify({ wrapper: Array(101).fill("a") }), "wrapper must have at most 100 entries"],
  [
    JSON.stringify({ wrapper: ["x".repeat(4097)] }),
    "wrapper.0 must have at most 4096 characters",
  ],
  ['{"queues": null}', "queues must be an object, not null"],
  ['{"queues": []}', "queues must be an object, not []"],
  ['{"queues": ["video"]}', 'queues must be an object, not ["video"]'],
  ['{"queues": 5}', "queues must be an object, not 5"],
  ['{"queues": {"video": 5}}', "queues.video must be an object, not 5"],
  ['{"queues": {"video": null}}', "queues.video must be an object, not null"],
  ['{"queues": {"video": {}}}', "queues.video.max_job_count must be a number, not undefined"],
  [
    '{"queues": {"video": {"max_job_count": -1}}}',
    "queues.video.max_job_count must be at least 0, not -1",
  ],
  [
    '{"queues": {"video": {"max_job_count": 10001}}}',
    "queues.video.max_job_count must be at most 10000, not 10001",
  ],
  [
    '{"queues": {"video": {"max_job_count": 1.5}}}',
    "queues.video.max_job_count must be a whole number, not 1.5",
  ],
  [
    '{"queues": {"video": {"max_job_count": 1, "paused": true}}}',
    'unknown key "queues.video.paused"',
  ],
  [
    '{"queues": {"video": {"max_job_count": 1, "__proto__": 1}}}',
    'unknown key "queues.video.__proto__"',
  ],
  ['{"queues": {"": {"max_job_count": 1}}}', NAME_RULE],
  ['{"queues": {"two words": {"max_job_count": 1}}}', NAME_RULE],
  ['{"queues": {".a": {"max_job_count": 1}}}', NAME_RULE],
  ['{"queues": {"__proto__": {"max_job_count": 1}}}', NAME_RULE],
  [JSON.stringify({ queues: { ["q".repeat(65)]: slot } }), NAME_RULE],
  [JSON.stringify({ queues: queues(101) }), "queues: at most 100 queues"],
  ['{"retain_complete_sec": -1}', "retain_complete_sec must be at least 0, not -1"],
  [
    '{"retain_complete_sec": 315360001}',
    "retain_complete_sec must be at most 315360000, not 315360001",
  ],
  ['{"retain_failed_sec": "1d"}', 'retain_failed_sec must be a number, not "1d"'],
  ['{"retain_failed_sec": false}', "retain_failed_sec must be a number, not false"],
  ['{"on_complete": ""}', "on_complete: must be a command, or null for none"],
  ['{"on_failed": " \\n\\t"}', "on_failed: must be a command, or null for none"],
  ['{"on_failed": ["mail"]}', 'on_failed must be a string, not ["mail"]'],
  ['{"on_failed": "a\\u0000b"}', "on_failed: must not have a NUL character"],
  [JSON.stringify({ on_failed: "x".repeat(4097) }), "on_failed must have at most 4096 characters"],
];

for (const [text, message] of BAD) {
  Deno.test(`checkSettings() refuses ${text.slice(0, 60)} and says why`, () => {
    assert.throws(
      () => checkSettings(JSON.parse(text)),
      (error) => {
        assert.ok(error instanceof InvalidSettings);
        assert.equal(error.message, message);
        return true;
      },
    );
  });
}

Deno.test("the defaults delete nothing, wrap nothing and run no hook", () => {
  const { wrapper, queues, retain_complete_sec, retain_failed_sec, on_complete, on_failed } =
    DEFAULT_SETTINGS;
  assert.deepEqual([wrapper, queues], [[], {}]);
  assert.deepEqual([retain_complete_sec, retain_failed_sec], [null, null]);
  assert.deepEqual([on_complete, on_failed], [null, null]);
});

const SET = {
  wrapper: ["nice", "-n", "10"],
  queues: { video: { max_job_count: 1 }, mail: { max_job_count: 2 } },
  retain_complete_sec: 60,
  on_failed: "true",
};

/** Applies what a client would write. */
function write(f: StoreFixture, value: unknown): string[] {
  return f.store.settings.apply(checkSettings(JSON.parse(JSON.stringify(value))));
}

storeTest("apply() of lists and objects that are equal changes nothing and tells nobody", (f) => {
  assert.deepEqual(write(f, SET).sort(), Object.keys(SET).sort());
  const events = f.store.events.size;
  f.heard.length = 0;
  assert.deepEqual(write(f, SET), []);
  assert.deepEqual(write(f, JSON.parse(f.store.settings.document())), []);
  assert.deepEqual([f.heard, f.store.events.size], [[], events]);
});

storeTest("apply() names only the keys that are new", (f) => {
  write(f, SET);
  assert.deepEqual(write(f, { ...SET, wrapper: ["nice"] }), ["wrapper"]);
  assert.deepEqual(write(f, { queues: { video: { max_job_count: 3 } } }), ["queues"]);
});

storeTest("apply() of queues replaces all of them", (f) => {
  write(f, SET);
  write(f, { queues: { mail: { max_job_count: 5 } } });
  assert.deepEqual(f.store.settings.current.queues, { mail: { max_job_count: 5 } });
});

storeTest("all values are there again after a restart, null too", (f) => {
  write(f, SET);
  write(f, { retain_complete_sec: null, on_failed: null });
  const expected = { ...DEFAULT_SETTINGS, ...SET, retain_complete_sec: null, on_failed: null };
  assert.deepEqual(f.store.settings.current, expected);
  const document = f.store.settings.document();
  f.reopen();
  assert.deepEqual(f.store.settings.current, expected);
  assert.equal(f.store.settings.document(), document);
});

storeTest("document() shows every key, and can be written as it is", (f) => {
  write(f, SET);
  const document = JSON.parse(f.store.settings.document());
  assert.deepEqual(Object.keys(document), Object.keys(DEFAULT_SETTINGS));
  assert.deepEqual(document.queues, SET.queues);
  assert.deepEqual(write(f, document), []);
});
