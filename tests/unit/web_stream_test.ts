/** The log of a job on its page, and in the stream that goes on where the page ends. */
import assert from "node:assert/strict";
import type { Piece } from "../../web/ansi.ts";
import { ansiPieces } from "./ansi_pieces.ts";
import { logEnd } from "../../web/job_page.tsx";
import { bytes } from "./store_fixture.ts";
import { type WebFixture, webTest } from "./web_fixture.ts";

/** Each character with its look. */
function looks(pieces: readonly Piece[]): string[] {
  return pieces.flatMap(([text, classes]) =>
    [...text].map((character) => `${character} ${classes}`)
  );
}

/** What the stream of a log tells from an offset on, up to the end that the log has now. */
async function streamed(f: WebFixture, name: string, from: number): Promise<Piece[]> {
  const { id, logSize } = f.job(name);
  const answer = await f.get(`/jobs/${id}/log/live?from=${from}`);
  const pieces: Piece[] = [];
  let text = "";
  for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    const events = text.split("\n\n");
    text = events.pop()!;
    for (const event of events) {
      if (!event.includes("event: log")) continue;
      const data = JSON.parse(/^data: (.*)$/m.exec(event)![1]!) as { pieces: Piece[]; end: number };
      pieces.push(...data.pieces);
      if (data.end >= logSize) return pieces;
    }
  }
  return pieces;
}

/** The parts of a log that a page may end between. */
const CUT: readonly (readonly [before: string, after: string])[] = [
  ["plain ", "text\n"],
  ["\x1b[31mred ", "red \x1b[0mplain\n"],
  ["\x1b[1;38;5;12m", "bold\n"],
  ["a\x1b", "[31mred\n"],
  ["a\x1b[3", "1mred\n"],
  ["a\x1b]0;ti", "tle\x07b\n"],
  ["a\x1b]8;;x\x1b", "\\b\n"],
  ["a\r", "\nb\n"],
  ["\x1b[32mgreen\r", "\x1b[4m\nboth\n"],
];

for (const [before, after] of CUT) {
  webTest(`the stream goes on where the page ends: ${JSON.stringify(before)}`, async (f) => {
    const claim = f.running("x");
    f.print(claim, before);
    const { pieces, end } = logEnd(f.site, f.job("x"));
    f.print(claim, after);
    const all = [...pieces, ...await streamed(f, "x", end)];
    assert.deepEqual(looks(all), looks(ansiPieces(`>>> true\n${before}${after}`)));
  });
}

webTest("a stream that is opened again goes on where it was", async (f) => {
  const claim = f.running("x");
  f.print(claim, "\x1b[35mone\n");
  const first = await streamed(f, "x", 0);
  const end = f.job("x").logSize;
  f.print(claim, "two\n");
  const all = [...first, ...await streamed(f, "x", end)];
  assert.deepEqual(looks(all), looks(ansiPieces(">>> true\n\x1b[35mone\ntwo\n")));
});

webTest("a character that has not all come yet is in the stream, not on the page", async (f) => {
  const claim = f.running("x");
  const [head, tail] = [bytes("é").slice(0, 1), bytes("é").slice(1)];
  f.store.attempts.captureOutput(new Map([[claim.capture, [head]]]));
  const { pieces, end } = logEnd(f.site, f.job("x"));
  f.store.attempts.captureOutput(new Map([[claim.capture, [tail, bytes("\n")]]]));
  assert.deepEqual(
    looks([...pieces, ...await streamed(f, "x", end)]),
    looks([[">>> true\né\n", ""]]),
  );
});
