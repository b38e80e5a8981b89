/** Bytes as strings of one character for each, since names and scripts need not be UTF-8. */

export type Bytes = string;

const MAX_SHOWN = 60;

export function bytesOf(text: string): Bytes {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** For messages: as text, in quotes, and not too long. */
export function quoted(bytes: Bytes): string {
  const text = new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
  const shown = text.length <= MAX_SHOWN
    ? text
    : `${text.slice(0, MAX_SHOWN / 3)}… ${bytes.length} bytes`;
  return JSON.stringify(shown);
}

/** In hexadecimal; "-" is empty. */
export function toHex(bytes: Bytes): string {
  return [...bytes].map((char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("") || "-";
}

export function fromHex(hex: string): Bytes {
  return hex.replace(/../g, (byte) => String.fromCharCode(Number.parseInt(byte, 16)));
}
