/** Messages that quote what somebody has written. */
import { printable } from "./printable.ts";

/** Characters. What is wrong in a thousand places is told in the first of them; an extended attribute holds 64 KiB. */
const MAX_LENGTH = 1000;

/** The message in one line, as people can read it, and not too long. */
export function oneLine(message: string): string {
  const line = printable(message);
  if (line.length <= MAX_LENGTH) return line;
  // Not half of a character that takes two.
  return `${line.slice(0, MAX_LENGTH - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
