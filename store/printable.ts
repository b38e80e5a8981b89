/**
 * Text from outside (names, reasons, what programs print) in lines that people read: without characters that a terminal
 * obeys or that turn text around, so that nobody can make a line look like another one.
 */

/** Controls (C0, DEL, C1), separators of lines, and what changes the direction of text. */
// deno-lint-ignore no-control-regex
const UNPRINTABLE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Writes such characters as JSON does, which reads them back as they were. */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** JSON in one line. */
export function printableJson(value: unknown): string {
  return printable(JSON.stringify(value));
}
