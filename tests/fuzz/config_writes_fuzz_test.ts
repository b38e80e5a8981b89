/** Several programs have config.json open and write anywhere in it: the settings stay valid, whatever they do. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigFile } from "../../fs/config_file.ts";
import { FsError } from "../../fs/errno.ts";
import type { Handle } from "../../fs/handle.ts";
import { checkSettings } from "../../store/settings.ts";
import { StoreFixture, text, withStore } from "../unit/store_fixture.ts";
import { fuzz } from "./cases.ts";
import { anyDocument } from "./config_documents.ts";
import { showBytes } from "./hostile.ts";
import { isLine } from "./world.ts";

const HANDLES = 3;

interface Deed {
  readonly text: string;
  /** Gives the handle that takes the place of the one that it was done with. */
  readonly act: (handle: Handle, file: ConfigFile) => Handle | void;
}

const offset = fc.oneof(
  { weight: 3, arbitrary: fc.nat(700) },
  { weight: 1, arbitrary: fc.constantFrom(0, 65_535, 65_536, 2 ** 31, 2 ** 53, 2 ** 63) },
);

const writing = fc.tuple(anyDocument, fc.oneof(fc.constant(0), offset)).map(([data, at]): Deed => ({
  text: `write ${showBytes(data)} at ${at}`,
  act: ({ write }) => write!(at, data.slice(), () => assert.fail("nobody is asked for")),
}));
const other = fc.oneof(
  offset.map((size): Deed => ({ text: `truncate to ${size}`, act: (h) => h.truncate!(size) })),
  fc.constant<Deed>({ text: "flush", act: (handle) => handle.flush!() }),
  fc.boolean().map((truncate): Deed => ({
    text: `close, and open${truncate ? " empty" : ""}`,
    act: (handle, file) => {
      handle.release?.();
      return file.open({ write: true, truncate });
    },
  })),
);
const deed = fc.oneof({ weight: 3, arbitrary: writing }, { weight: 2, arbitrary: other });

function read(handle: Handle): string {
  return text(handle.read(0, 2 ** 20, () => {}) as Uint8Array);
}

function checkDocument(file: ConfigFile, before: string, isRefused: boolean): string {
  const document = read(file.open({ write: false, truncate: false }));
  checkSettings(JSON.parse(document));
  if (isRefused) assert.equal(document, before, "what is refused changes nothing");
  const reason = file.xattrs().get("user.qj.error");
  assert.ok(reason === undefined || isLine(reason), `one line: ${reason}`);
  if (isRefused) assert.ok(reason, "there is a reason");
  return document;
}

let store: StoreFixture["store"];

fuzz("whatever is written into config.json, the settings are valid", {
  share: 0.05,
  around: (cases) =>
    withStore((fixture) => {
      store = fixture.store;
      return cases();
    }, (folder) => new StoreFixture(folder)),
  arbitrary: fc.array(fc.tuple(fc.nat(HANDLES - 1), deed), { minLength: 1, maxLength: 15 }),
  body: (deeds) => {
    const file = new ConfigFile(store, { refused: () => {}, changed: () => {} });
    const handles = Array.from(
      { length: HANDLES },
      (_, i) => file.open({ write: true, truncate: i === 0 }),
    );
    let document = checkDocument(file, "", false);
    for (const [at, { act }] of deeds) {
      let isRefused = false;
      try {
        handles[at] = act(handles[at]!, file) ?? handles[at]!;
      } catch (error) {
        if (!(error instanceof FsError) || error.errno !== "EINVAL") throw error;
        isRefused = true;
      }
      document = checkDocument(file, document, isRefused);
    }
  },
  show: (deeds) => deeds.map(([at, { text }]) => `  handle ${at}: ${text}`).join("\n"),
});
