import assert from "node:assert/strict";
import { FsError } from "../../fs/errno.ts";
import { MadeTexts } from "../../fs/made_texts.ts";

const MIB = 1024 * 1024;

Deno.test("made texts: their number is limited by their size, and each that is closed makes room", () => {
  const texts = new MadeTexts();
  const open = Array.from({ length: 64 }, () => texts.open(new Uint8Array(MIB)));
  const isFull = (error: unknown) => error instanceof FsError && error.errno === "ENFILE";
  assert.throws(() => texts.open(new Uint8Array(1)), isFull);
  open.pop()!.release!();
  const last = texts.open(new TextEncoder().encode("abc"));
  assert.equal(new TextDecoder().decode(last.read(1, 5)), "bc");
});
