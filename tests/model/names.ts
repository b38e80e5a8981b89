/** Names of jobs, as bytes: which are drafts, and which no job can have. */
import type { Bytes } from "./bytes.ts";

const MAX_BYTES = 255;

/** Never run, until it is renamed. */
export function isDraft(name: Bytes): boolean {
  return /^\.|~$|^#.*#$/s.test(name);
}

export function isTooLong(name: Bytes): boolean {
  return name.length > MAX_BYTES;
}

/** The error of giving a job this name, or null. */
export function nameError(name: Bytes): string | null {
  if (isTooLong(name)) return "ENAMETOOLONG";
  const bytes = Uint8Array.from(name, (char) => char.charCodeAt(0));
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "EILSEQ";
  }
  return /\p{Cc}/u.test(text) ? "EINVAL" : null;
}
