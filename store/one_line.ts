/** Messages that quote what somebody has written. */

/** Characters. What is wrong in a thousand places is told in the first of them; an extended attribute holds 64 KiB. */
const MAX_LENGTH = 1000;
// deno-lint-ignore no-control-regex -- control characters are what it looks for
const NOT_SHOWN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/**
 * The message as one line, not too long, that does nothing to a terminal. JSON.stringify, which quotes in such messages,
 * lets the controls above ASCII and two line separators through.
 */
export function oneLine(message: string): string {
  const line = message.replace(
    NOT_SHOWN,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  if (line.length <= MAX_LENGTH) return line;
  // Not half of a character that takes two.
  return `${line.slice(0, MAX_LENGTH - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
