/**
 * Settings in any text, written in any pieces: either they are in force and config.json reads as they are, or nothing has
 * changed and the reason is in one line.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CONFIG_INO } from "../../fs/ino.ts";
import { checkSettings, DEFAULT_SETTINGS } from "../../store/settings.ts";
import {
  errnoOf,
  FileSystemFixture,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
} from "../unit/file_system_fixture.ts";
import { withStore } from "../unit/store_fixture.ts";
import { cases } from "./settings.ts";

const key = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...Object.keys(DEFAULT_SETTINGS)) },
  { weight: 1, arbitrary: fc.constantFrom("__proto__", "constructor", "", "unknown") },
);
const odd = fc.constantFrom(
  "1e309",
  "-0",
  "NaN",
  "Infinity",
  "01",
  "1.5",
  "9007199254740993",
  '"4"',
  "null",
  "true",
  "[]",
);
const number = fc.integer({ min: -2, max: 4000 }).map(String);
const json = fc.json({ maxDepth: 3 });
const queues = fc.constantFrom(
  '{"video": {"max_job_count": 1}}',
  '{"__proto__": {"max_job_count": 1}}',
  '{"a b": {"max_job_count": 1}}',
  '{"v": {}}',
);
const value = fc.oneof(number, odd, json, queues);
const entry = fc.tuple(key, value).map(([name, text]) => `${JSON.stringify(name)}: ${text}`);
const document = fc.array(entry, { maxLength: 4 }).map((entries) => `{${entries.join(", ")}}`);
const deep = fc.nat(3000).map((n) => "[".repeat(n) + "]".repeat(n));
const text = fc.oneof(
  { weight: 6, arbitrary: document },
  { weight: 2, arbitrary: fc.tuple(document, fc.nat(200)).map(([all, n]) => all.slice(0, n)) },
  { weight: 1, arbitrary: document.map((all) => `\ufeff${all}\n`) },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 50 }) },
);
const bytes = fc.oneof(
  { weight: 8, arbitrary: text.map((all) => new TextEncoder().encode(all)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
);
/** Where the text is cut for writing. */
const cuts = fc.array(fc.nat(100), { maxLength: 3 });

function readDocument(f: FileSystemFixture): string {
  const fh = f.open(CONFIG_INO, O_RDONLY);
  try {
    return f.read(fh);
  } finally {
    f.release(fh);
  }
}

Deno.test("fuzz: config.json", async () => {
  let taken = 0;
  let refused = 0;
  await withStore<FileSystemFixture>((f) => {
    fc.assert(
      fc.property(bytes, cuts, fc.boolean(), (data, places, truncates) => {
        const before = readDocument(f);
        const fh = f.open(CONFIG_INO, O_RDWR | (truncates ? O_TRUNC : 0));
        const ends = [...new Set([0, ...places, data.length])].filter((at) => at <= data.length)
          .sort((a, b) => a - b);
        const errnos: string[] = [];
        for (let i = 1; i < ends.length; i++) {
          const piece = data.slice(ends[i - 1]!, ends[i]!);
          errnos.push(errnoOf(() => f.writeBytes(fh, piece, ends[i - 1]!)));
        }
        errnos.push(errnoOf(() => f.flush(fh)));
        f.release(fh);
        for (const errno of errnos) assert.match(errno, /^(ok|EINVAL|EFBIG)$/);
        const after = readDocument(f);
        // Whatever it is, it is whole and valid.
        checkSettings(JSON.parse(after));
        assert.deepEqual(Object.keys(JSON.parse(after)), Object.keys(DEFAULT_SETTINGS));
        if (after !== before) taken++;
        if (errnos.at(-1) !== "ok") {
          refused++;
          const reason = f.getxattr(CONFIG_INO, "user.qj.error");
          assert.match(reason, /^[^\n]+$/);
        }
        assert.deepEqual(f.logged.filter((line) => /^(unexpected|forgotten)/.test(line)), []);
        f.logged.length = 0;
      }),
      cases(0.3),
    );
  }, (folder) => new FileSystemFixture(folder));
  assert(taken > 0 && refused > 0, `${taken} taken, ${refused} refused`);
});
