import assert from "node:assert/strict";
import { CONFIG_INO, NEW_ID_INO } from "../../fs/ino.ts";
import { MAX_TEXT_BYTES } from "../../store/settings_text.ts";
import { DEFAULT_SETTINGS } from "../../store/settings.ts";
import {
  errnoOf,
  type FileSystemFixture,
  fileSystemTest,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from "./file_system_fixture.ts";

const ERROR = "user.qj.error";

function emptied(f: FileSystemFixture): number {
  return f.open(CONFIG_INO, O_WRONLY | O_TRUNC);
}

/** As `echo TEXT > config.json`; what write and close said. */
function echo(f: FileSystemFixture, text: string): [string, string] {
  const fh = emptied(f);
  return [errnoOf(() => f.write(fh, text)), errnoOf(() => f.close(fh))];
}

function document(f: FileSystemFixture): string {
  const fh = f.open(CONFIG_INO);
  const text = f.read(fh);
  f.close(fh);
  return text;
}

fileSystemTest("config.json reads as the whole document, and stat knows its size", (f) => {
  assert.deepEqual(JSON.parse(document(f)), DEFAULT_SETTINGS);
  assert.equal(f.getattr(CONFIG_INO).size, document(f).length);
  assert.equal(f.getattr(CONFIG_INO).mode, 0o100600);
});

fileSystemTest("config.json takes a complete document with the write", (f) => {
  f.nowMs += 5000;
  assert.deepEqual(echo(f, '{"max_job_count": 5}\n'), ["ok", "ok"]);
  assert.equal(f.store.settings.current.max_job_count, 5);
  assert.deepEqual(f.logged, ["changed: max_job_count"]);
  assert.equal(f.getattr(CONFIG_INO).mtime.sec, f.nowMs / 1000);
  assert.deepEqual(JSON.parse(document(f)), { ...DEFAULT_SETTINGS, max_job_count: 5 });
});

fileSystemTest("config.json takes a document that comes in parts, once it is complete", (f) => {
  const fh = emptied(f);
  const text = '{"paused": true, "max_job_count": 12}';
  for (let at = 0; at < text.length; at++) {
    assert.equal(f.store.settings.current.paused, false, `after ${at} bytes`);
    f.write(fh, text[at]!, at);
  }
  assert.equal(f.store.settings.current.paused, true);
  assert.equal(f.store.settings.current.max_job_count, 12);
  f.close(fh);
});

fileSystemTest("others see the old document while a handle writes a new one", (f) => {
  const old = document(f);
  const reader = f.open(CONFIG_INO);
  const fh = emptied(f);
  f.write(fh, '{"paused"');
  assert.equal(document(f), old);
  f.write(fh, ": true}", 9);
  assert.equal(f.read(reader), old, "a descriptor shows what it was opened on");
  assert.notEqual(document(f), old);
});

fileSystemTest("config.json refuses an incomplete text at the close, not after it", (f) => {
  const fh = emptied(f);
  f.write(fh, '{"paused": tr');
  assert.equal(errnoOf(() => f.flush(fh)), "EINVAL");
  assert.match(f.getxattr(CONFIG_INO, ERROR), /not complete/);
  f.write(fh, "ue}", 13);
  assert.equal(errnoOf(() => f.close(fh)), "ok");
  assert.equal(f.store.settings.current.paused, true);
});

for (
  const [text, reason] of [
    ['{"paused": maybe}', /not valid JSON at line 1/],
    ['{"max_job_count": -1}', /max_job_count must be at least 0/],
    ['{"nonsense": 1}', /unknown key "nonsense"/],
    ['{"paused": true, "paused": false}', /"paused" is given twice/],
    [`{"paused": ${"[".repeat(1000)}`, /nested too deeply/],
    ["[]", /not a JSON object/],
    ["5", /not a JSON object/],
    ["hello\n", /not a JSON object/],
  ] as const
) {
  fileSystemTest(`config.json refuses ${text.slice(0, 40)} with the write`, (f) => {
    assert.deepEqual(echo(f, text), ["EINVAL", "ok"]);
    assert.deepEqual(f.store.settings.current, DEFAULT_SETTINGS);
    assert.match(f.getxattr(CONFIG_INO, ERROR), reason);
    assert.equal(f.logged.length, 1);
    assert.match(f.logged[0]!, reason);
  });
}

fileSystemTest("config.json takes nothing of a document with one bad value", (f) => {
  assert.deepEqual(echo(f, '{"paused": true, "max_job_count": -1}'), ["EINVAL", "ok"]);
  assert.equal(f.store.settings.current.paused, false);
});

fileSystemTest("config.json forgets the last error with the next good document", (f) => {
  echo(f, "[]");
  assert.equal(f.xattrSize(CONFIG_INO, ERROR), f.getxattr(CONFIG_INO, ERROR).length);
  assert.equal(f.listxattr(CONFIG_INO), `${ERROR}\0`);
  assert.equal(errnoOf(() => f.getxattr(CONFIG_INO, ERROR, 3)), "ERANGE");
  echo(f, "{}");
  assert.equal(errnoOf(() => f.getxattr(CONFIG_INO, ERROR)), "ENODATA");
  assert.equal(f.listxattr(CONFIG_INO), "");
});

fileSystemTest("config.json without O_TRUNC begins with the document", (f) => {
  const fh = f.open(CONFIG_INO, O_RDWR);
  assert.equal(f.read(fh), document(f));
  const at = document(f).indexOf('"paused": false');
  f.write(fh, '"paused":  true', at);
  f.close(fh);
  assert.equal(f.store.settings.current.paused, true);
});

fileSystemTest("config.json refuses text behind the document", (f) => {
  const fh = f.open(CONFIG_INO, O_WRONLY);
  assert.equal(errnoOf(() => f.write(fh, '{"paused": true}', document(f).length)), "EINVAL");
  assert.equal(f.store.settings.current.paused, false);
});

fileSystemTest("config.json is unchanged when nothing was written", (f) => {
  for (const flags of [O_WRONLY | O_TRUNC, O_WRONLY, O_RDWR]) {
    const fh = f.open(CONFIG_INO, flags);
    assert.equal(errnoOf(() => f.flush(fh)), "ok");
    assert.equal(errnoOf(() => f.close(fh)), "ok");
  }
  assert.deepEqual(f.logged, []);
});

fileSystemTest("truncating config.json by path has no effect", (f) => {
  const old = document(f);
  assert.equal(f.setattr(CONFIG_INO, { size: 0 }).size, old.length);
  assert.equal(document(f), old);
});

fileSystemTest("truncating config.json by descriptor empties that descriptor's text", (f) => {
  const fh = f.open(CONFIG_INO, O_RDWR);
  f.setattr(CONFIG_INO, { size: 0 }, fh);
  assert.equal(f.read(fh), "");
  assert.notEqual(document(f), "");
  f.write(fh, '{"paused": true}');
  f.close(fh);
  assert.equal(f.store.settings.current.paused, true);
});

fileSystemTest("config.json refuses a text that is far too large", (f) => {
  const fh = emptied(f);
  assert.equal(errnoOf(() => f.write(fh, "x", MAX_TEXT_BYTES)), "EINVAL");
  f.write(fh, `${" ".repeat(MAX_TEXT_BYTES - 2)}{}`);
  f.close(fh);
});

fileSystemTest("a handle of config.json that only reads refuses a write", (f) => {
  const fh = f.open(CONFIG_INO);
  assert.equal(errnoOf(() => f.write(fh, "{}")), "EPERM");
});

fileSystemTest("new-id gives each open one id that was never given", (f) => {
  const [one, two] = [f.open(NEW_ID_INO), f.open(NEW_ID_INO)];
  const id = f.read(one);
  assert.match(id, /^[a-z0-9]{4}\n$/);
  assert.equal(f.read(one), id);
  assert.equal(f.read(one, 2, 100), id.slice(2));
  assert.equal(f.read(one, id.length), "");
  assert.notEqual(f.read(two), id);
  f.reopen();
  assert.notEqual(f.read(f.open(NEW_ID_INO)), id);
});

fileSystemTest("new-id cannot be written", (f) => {
  assert.equal(errnoOf(() => f.open(NEW_ID_INO, O_WRONLY)), "EPERM");
});
