import assert from "node:assert/strict";
import { checkSettings, DEFAULT_SETTINGS, InvalidSettings } from "../../store/settings.ts";
import { storeTest } from "./store_fixture.ts";

/** A value that is not allowed, and what the message says besides the key. */
const INVALID: readonly [string, unknown, RegExp][] = [
  ["max_attempts", 0, /at least 1, not 0/],
  ["max_attempts", 1.5, /whole number, not 1\.5/],
  ["max_attempts", "3", /number, not "3"/],
  ["max_attempts", null, /number, not null/],
  ["max_job_count", -1, /at least 0, not -1/],
  ["max_job_count", 1e9, /at most 10000, not 1000000000/],
  ["timeout_sec", -0.5, /at least 0/],
  ["timeout_sec", 1e300, /at most 31536000/],
  ["timeout_sec", [1], /number, not \[1\]/],
  ["backoff_jitter", 1.01, /at most 1,/],
  ["max_output_bytes", 1023, /at least 1024/],
  ["max_script_bytes", 0, /at least 1,/],
  ["settle_ms", 60_001, /at most 60000/],
  ["paused", 1, /boolean, not 1/],
  ["paused", "x".repeat(1000), /boolean, not "x{59}…$/],
];

for (const [key, value, message] of INVALID) {
  const shown = JSON.stringify(value).slice(0, 20);
  Deno.test(`checkSettings() refuses ${key} ${shown} and names the key`, () => {
    assert.throws(
      () => checkSettings({ [key]: value }),
      (error) =>
        error instanceof InvalidSettings && message.test(error.message) &&
        error.message.startsWith(key),
    );
  });
}

Deno.test("checkSettings() refuses what is no object", () => {
  for (const value of [null, 5, "x", true, [], [{ paused: true }]]) {
    assert.throws(() => checkSettings(value), InvalidSettings, JSON.stringify(value));
  }
});

for (const key of ["max_attempt", "toString", "constructor", "__proto__", "Paused", ""]) {
  Deno.test(`checkSettings() refuses the unknown key ${JSON.stringify(key)}`, () => {
    const value = JSON.parse(`{${JSON.stringify(key)}: 1}`);
    assert.throws(
      () => checkSettings(value),
      (error) => error instanceof InvalidSettings && error.message.includes(JSON.stringify(key)),
    );
  });
}

Deno.test("checkSettings() names every fault", () => {
  assert.throws(
    () => checkSettings({ paused: 1, max_job_count: -1, nonsense: 1 }),
    /paused.*max_job_count.*nonsense|nonsense.*paused.*max_job_count|max_job_count/,
  );
});

Deno.test("checkSettings() leaves out what is not given", () => {
  assert.deepEqual(checkSettings({}), {});
  assert.deepEqual(checkSettings({ paused: true }), { paused: true });
  assert.deepEqual(checkSettings({ max_attempts: 3 }), { max_attempts: 3 });
});

Deno.test("DEFAULT_SETTINGS are what the manual promises", () => {
  const { max_attempts, timeout_sec, max_job_count, backoff_mult, backoff_base } = DEFAULT_SETTINGS;
  assert.deepEqual([max_attempts, timeout_sec, max_job_count], [3, 180, 20]);
  assert.deepEqual([backoff_mult, backoff_base], [2, 2]);
  assert.equal(DEFAULT_SETTINGS.backoff_max_sec, 3600);
  assert.equal(DEFAULT_SETTINGS.max_lost, 3);
  assert.equal(DEFAULT_SETTINGS.kill_grace_sec, 5);
  assert.equal(DEFAULT_SETTINGS.max_output_bytes, 10_485_760);
  assert.equal(DEFAULT_SETTINGS.max_script_bytes, 16_777_216);
  assert.equal(DEFAULT_SETTINGS.settle_ms, 25);
});

storeTest("apply() changes what is given, tells it and keeps it over a restart", (f) => {
  const changed = f.store.settings.apply({ max_job_count: 7, paused: true, max_attempts: 3 });
  assert.deepEqual(changed, ["max_job_count", "paused"]);
  assert.deepEqual(f.heard, [{ kind: "config" }]);
  const expected = { ...DEFAULT_SETTINGS, max_job_count: 7, paused: true };
  assert.deepEqual(f.store.settings.current, expected);
  f.reopen();
  assert.deepEqual(f.store.settings.current, expected);
});

storeTest("apply() of what is so already tells nobody", (f) => {
  assert.deepEqual(f.store.settings.apply({}), []);
  assert.deepEqual(f.store.settings.apply({ paused: false }), []);
  assert.deepEqual(f.heard, []);
});

storeTest("apply() that cannot be committed changes nothing", (f) => {
  f.sql("CREATE TRIGGER full BEFORE INSERT ON setting BEGIN SELECT raise(ABORT, 'full'); END");
  assert.throws(() => f.store.settings.apply({ paused: true }), /full/);
  assert.equal(f.store.settings.current.paused, false);
  assert.deepEqual(f.heard, []);
});

storeTest("document() is the whole of the settings, pretty-printed", (f) => {
  f.store.settings.apply({ max_attempts: 9 });
  const document = f.store.settings.document();
  assert.deepEqual(JSON.parse(document), { ...DEFAULT_SETTINGS, max_attempts: 9 });
  assert.equal(document, `${JSON.stringify(JSON.parse(document), null, 2)}\n`);
});
