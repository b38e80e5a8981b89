/** Reads the text of config.json, and tells text that is wrong from text that has not all come yet. */
import { type ParseError, printParseErrorCode, visit } from "jsonc-parser";
import { checkSettings, InvalidSettings, type Settings } from "./settings.ts";

/** Far more than all settings need; a limit, so that nobody can make the daemon hold or parse megabytes. */
export const MAX_TEXT_BYTES = 65_536;
/** The settings need three; JSON.parse and the visitor recurse. */
const MAX_DEPTH = 32;

/** Errors of a token that ends with the text and may be the beginning of a good one: `"max_`, `-`. */
const HALF_TOKENS: ReadonlySet<string> = new Set([
  "UnexpectedEndOfString",
  "UnexpectedEndOfNumber",
  "InvalidUnicode",
  "InvalidEscapeCharacter",
]);
const STARTS = ["true", "false", "null", "-"] as const;

/** The text is the beginning of a document. */
export class IncompleteSettings extends InvalidSettings {}

/** The change that the text asks for. Throws {@linkcode InvalidSettings}, of which incomplete text is a kind. */
export function parseSettingsText(bytes: Uint8Array): Partial<Settings> {
  const text = decode(bytes);
  if (text.trim() === "") throw new IncompleteSettings("the text is empty");
  if (!text.trimStart().startsWith("{")) throw new InvalidSettings("the text is not a JSON object");
  checkSyntax(text);
  return checkSettings(JSON.parse(text));
}

/** Writes are cut anywhere: for a character that has come in part another stands in, which only a string can have. */
function decode(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text: string;
  try {
    text = decoder.decode(bytes, { stream: true });
  } catch {
    throw new InvalidSettings("the text is not UTF-8");
  }
  try {
    decoder.decode(); // throws when bytes are left over
    return text;
  } catch {
    return `${text}\uFFFD`;
  }
}

function checkSyntax(text: string): void {
  const errors: ParseError[] = [];
  const seen: Set<string>[] = [];
  const enter = () => {
    if (seen.length >= MAX_DEPTH) throw new InvalidSettings("the text is nested too deeply");
    seen.push(new Set());
  };
  // The end of the document has come. The visitor also ends what has no closing bracket, at length 0.
  let closed = false;
  const leave = (_offset: number, length: number) => {
    seen.pop();
    closed = seen.length === 0 && length > 0;
  };
  visit(text, {
    onObjectBegin: enter,
    onObjectEnd: leave,
    onArrayBegin: enter,
    onArrayEnd: leave,
    onObjectProperty: (name) => {
      if (seen.at(-1)?.has(name)) {
        throw new InvalidSettings(`${JSON.stringify(name)} is given twice`);
      }
      seen.at(-1)?.add(name);
    },
    onError: (error, offset, length) => void errors.push({ error, offset, length }),
  }, { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false });
  const [first] = errors;
  if (first === undefined) return;
  const where = `line ${text.slice(0, first.offset).split("\n").length}`;
  const problem = printParseErrorCode(first.error);
  const what = `not valid JSON at ${where}: ${problem}`;
  const token = text.slice(first.offset);
  const isHalf = HALF_TOKENS.has(problem) ||
    (problem === "InvalidSymbol" && STARTS.some((start) => start.startsWith(token)));
  const reachesEnd = first.offset + first.length >= text.length;
  const more = !closed && (token.trim() === "" || (reachesEnd && isHalf));
  throw more ? new IncompleteSettings(what) : new InvalidSettings(what);
}
