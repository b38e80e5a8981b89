/** The head of a log section: the script, every line behind `>>> `. */

const NEWLINE = 10;
const PREFIX = new TextEncoder().encode(">>> ");

/** The script as the head of a section, with a final newline. Works on bytes: a script need not be text. */
export function sectionHead(script: Uint8Array): Uint8Array {
  const end = script.at(-1) === NEWLINE ? script.length - 1 : script.length;
  let lines = 1;
  for (let i = 0; i < end; i++) if (script[i] === NEWLINE) lines++;
  const head = new Uint8Array(end + 1 + lines * PREFIX.length);
  let to = 0;
  for (let from = 0; from <= end;) {
    let next = script.indexOf(NEWLINE, from);
    if (next === -1 || next > end) next = end;
    head.set(PREFIX, to);
    head.set(script.subarray(from, next), to + PREFIX.length);
    to += PREFIX.length + next - from;
    head[to++] = NEWLINE;
    from = next + 1;
  }
  return head;
}

/** True for a text that is a log: somebody has copied `failed/x` to `pending/`, where `mv` is what retries. */
export function isLog(script: Uint8Array): boolean {
  return PREFIX.every((byte, i) => script[i] === byte);
}
