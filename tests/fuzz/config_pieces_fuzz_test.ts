/** Any text written into config.json in any pieces: it is taken as a whole, or refused and nothing is changed. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ConfigFileLog } from "../../fs/config_file.ts";
import { ConfigFile } from "../../fs/config_file.ts";
import { FsError } from "../../fs/errno.ts";
import { checkSettings, DEFAULT_SETTINGS } from "../../store/settings.ts";
import type { Store } from "../../store/store.ts";
import { bytes, StoreFixture, text, withStore } from "../unit/store_fixture.ts";
import { fuzz } from "./cases.ts";
import { anyCuts, anyDocument, pieces } from "./config_documents.ts";
import { showBytes } from "./hostile.ts";
import { isLine } from "./world.ts";

/** What can be read through getxattr(2): XATTR_SIZE_MAX of linux/limits.h. */
const XATTR_SIZE_MAX = 65_536;
const SILENT: ConfigFileLog = { refused: () => {}, changed: () => {} };

/** One store for all cases. */
class Config {
  readonly #store: Store;
  readonly file: ConfigFile;

  constructor(store: Store) {
    this.#store = store;
    this.file = new ConfigFile(store, SILENT);
  }

  reset(): void {
    this.#store.settings.apply(DEFAULT_SETTINGS);
  }

  document(): string {
    const handle = this.file.open({ write: false, truncate: false });
    return text(handle.read(0, 1_000_000, () => {}) as Uint8Array);
  }

  error(): string | undefined {
    return this.file.xattrs().get("user.qj.error");
  }
}

/** True: it was taken. False: EINVAL. */
function takes(body: () => void): boolean {
  try {
    body();
    return true;
  } catch (error) {
    if (error instanceof FsError && error.errno === "EINVAL") return false;
    throw error;
  }
}

/** What a document says, as the document would show it: an independent reading, by JSON.parse alone. */
function merged(before: string, change: string): string {
  const given = JSON.parse(change) as Record<string, unknown>;
  assert.equal(members(given), colons(change), "no key is given twice");
  return `${JSON.stringify({ ...JSON.parse(before), ...given }, null, 2)}\n`;
}

function members(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inside = Object.values(value).reduce((sum, one) => sum + members(one), 0);
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length);
}

function colons(document: string): number {
  return document.replace(/"(\\.|[^"\\])*"/gs, "").split(":").length - 1;
}

function checkRefusal(config: Config, before: string): void {
  assert.equal(config.document(), before, "what is refused changes nothing");
  const reason = config.error();
  assert.ok(reason !== undefined && isLine(reason), `the reason is one line: ${reason}`);
  assert.ok(bytes(reason).length <= XATTR_SIZE_MAX, "the reason can be read");
}

function checkWhole(config: Config, before: string, document: Uint8Array): void {
  const after = config.document();
  assert.ok(Object.keys(JSON.parse(after)).every((key) => Object.hasOwn(DEFAULT_SETTINGS, key)));
  assert.equal(after, merged(before, text(document)), "what is taken is what was written");
  checkSettings(JSON.parse(after));
  assert.equal(config.error(), undefined);
}

/** Puts the document of before back, writes the pieces and closes. True: all were taken. */
function write(config: Config, document: Uint8Array, cuts: readonly number[]): boolean {
  config.reset();
  let current = config.document();
  const handle = config.file.open({ write: true, truncate: true });
  let offset = 0;
  let taken = true;
  for (const part of pieces(document, cuts)) {
    const data = part.slice();
    taken = takes(() => handle.write!(offset, data, () => assert.fail("nobody is asked for")));
    data.fill(0xff); // it belongs to libfuse, and is gone
    if (!taken) break;
    current = config.document();
    offset += part.length;
  }
  if (taken) taken = takes(() => handle.flush!());
  else assert.ok(takes(() => handle.flush!()), "what is refused is refused once");
  handle.release?.();
  if (!taken) checkRefusal(config, current);
  return taken;
}

function check(config: Config, document: Uint8Array, cuts: readonly number[]): void {
  config.reset();
  const before = config.document();
  if (!write(config, document, [])) return void write(config, document, cuts);
  if (document.length > 0) checkWhole(config, before, document);
  const whole = config.document();
  assert.ok(write(config, document, cuts), "what is taken as a whole is taken in pieces");
  assert.equal(config.document(), whole, "pieces make the same as the whole");
}

let config: Config;

fuzz("a document is taken as it is or refused, and comes in pieces as it comes whole", {
  share: 0.3,
  around: (cases) =>
    withStore(({ store }) => {
      config = new Config(store);
      return cases();
    }, (folder) => new StoreFixture(folder)),
  arbitrary: fc.record({ document: anyDocument, cuts: anyCuts }),
  body: ({ document, cuts }) => check(config, document, cuts),
  show: ({ document, cuts }) =>
    `  in ${pieces(document, cuts).length} pieces: ${showBytes(document)}`,
});
