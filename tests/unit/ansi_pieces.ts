/** Logs that are complete, for tests. */
import { AnsiReader, type Piece } from "../../web/ansi.ts";

/** All pieces of a text that is complete. */
export function ansiPieces(text: string): Piece[] {
  return new AnsiReader().read(text, true);
}
