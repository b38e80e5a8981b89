/** Which names a job can have, by whatever way it is handed in. */

/** NAME_MAX of Linux, in bytes: limits.h. */
export const NAME_MAX = 255;
const encoder = new TextEncoder();

export function isTooLong(name: string): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8, so most names need no encoding to tell.
  return name.length * 3 > NAME_MAX && encoder.encode(name).length > NAME_MAX;
}

/** True for a name with a character that a terminal might obey. */
export function hasControl(name: string): boolean {
  return /\p{Cc}/u.test(name);
}
