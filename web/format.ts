/** Numbers and times as people read them. `client.ts` has the same for times that go on. */

/** A month, in ms: beyond that a date says more than a number of days. */
export const FAR_MS = 30 * 86_400_000;

/** A length of time in ms, in its two largest units. */
export function duration(ms: number): string {
  const sec = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  if (sec < 60) return `${sec} s`;
  if (sec < 3600) return `${Math.floor(sec / 60)} min ${two(sec % 60)} s`;
  if (sec < 86_400) return `${Math.floor(sec / 3600)} h ${two(Math.floor(sec / 60) % 60)} min`;
  return `${Math.floor(sec / 86_400)} d ${Math.floor(sec / 3600) % 24} h`;
}

/** How long something took, in ms: short ones exactly. */
export function took(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  return ms < 59_950 ? `${(ms / 1000).toFixed(1)} s` : duration(ms);
}

/** Seconds on the axis of a chart. */
export function shortSeconds(sec: number): string {
  if (sec === 0) return "0";
  if (sec < 1) return `${Number((sec * 1000).toPrecision(2))} ms`;
  if (sec < 120) return `${Number(sec.toPrecision(3))} s`;
  if (sec < 7200) return `${Number((sec / 60).toPrecision(2))} min`;
  return `${Number((sec / 3600).toPrecision(2))} h`;
}

/** A moment in the daemon's zone, to the second: 2026-11-28 15:40:12 +01:00. */
export function exact(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const zone = -date.getTimezoneOffset();
  const sign = zone < 0 ? "-" : "+";
  const offset = `${sign}${two(Math.floor(Math.abs(zone) / 60))}:${two(Math.abs(zone) % 60)}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${clock(ms)}:${two(date.getSeconds())} ${offset}`;
}

/** A moment as short as it can be told: the time of today, or with the date. */
export function moment(ms: number, now: number): string {
  const text = exact(ms).slice(0, 19);
  return text.slice(0, 10) === exact(now).slice(0, 10) ? text.slice(11) : text;
}

/** How a moment is told from now: by the time to it, or by its date when that is far. */
export function away(ms: number, now: number): string {
  const left = ms - now;
  if (Math.abs(left) > FAR_MS) return exact(ms).slice(0, 10);
  return left > 0 ? `in ${duration(left + 999)}` : `${duration(-left)} ago`;
}

/** Hours and minutes in the daemon's zone. */
export function clock(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes()].map((n) => String(n).padStart(2, "0")).join(":");
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  for (const [unit, size] of [["KiB", 1024], ["MiB", 1024 ** 2]] as const) {
    if (n < size * 1023.95) return `${(n / size).toFixed(1)} ${unit}`;
  }
  return `${(n / 1024 ** 3).toFixed(1)} GiB`;
}

/** 1,000,000 */
export function count(n: number): string {
  return n.toLocaleString("en");
}

/** A long text without its middle, so that both ends can be told from others. */
export function shortened(text: string, most: number): string {
  const letters = [...text];
  if (letters.length <= most) return text;
  const end = Math.floor(most / 3);
  return `${letters.slice(0, most - end - 1).join("")}…${letters.slice(-end).join("")}`;
}

/** A word for a shell, quoted if it has to be. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) && !text.startsWith("-")
    ? text
    : `'${text.replaceAll("'", `'\\''`)}'`;
}
