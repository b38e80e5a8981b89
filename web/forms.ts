/** What forms send. */
import type { Context } from "hono";

/** Stands for our own address, in what is read as a URL. */
const ORIGIN = "http://qj.invalid";

/** The fields of a form. */
export type Form = URLSearchParams;

/** A form is larger than a page of ours sends. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** The fields of a form; none, if it is not sent as one of our pages sends it. Throws {@linkcode TooLarge}. */
export async function formOf(c: Context, maxBytes: number): Promise<Form> {
  const type = c.req.header("content-type") ?? "";
  // Others would be read in other ways.
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) return new URLSearchParams();
  if (Number(c.req.header("content-length") ?? 0) > maxBytes) throw new TooLarge();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const part of c.req.raw.body ?? []) {
    size += part.length;
    // One that does not say its length may have none.
    if (size > maxBytes) throw new TooLarge();
    text += decoder.decode(part, { stream: true });
  }
  return new URLSearchParams(text + decoder.decode());
}

export function textOf(form: Form, name: string): string | undefined {
  return form.get(name) ?? undefined;
}

/** The number of the form; one that has none counts as new. */
export function onceOf(form: Form): string {
  const once = textOf(form, "once") ?? "";
  return /^[0-9a-f-]{36}$/.test(once) ? once : crypto.randomUUID();
}

/** The page to go on with: one of ours, whatever the form says. */
export function backOf(form: Form): string {
  const back = textOf(form, "back") ?? "";
  if (!/^\/[\x20-\x7e]*$/.test(back) || !URL.canParse(back, ORIGIN)) return "/";
  const { origin, pathname, search } = new URL(back, ORIGIN);
  // As it is read: /.//elsewhere is //elsewhere.
  return origin === ORIGIN && !pathname.startsWith("//") ? pathname + search : "/";
}

/** The path of a page that tells what came of a form. */
export function withSaid(path: string, once: string): string {
  const url = new URL(path, ORIGIN);
  url.searchParams.set("said", once);
  return url.pathname + url.search + url.hash;
}
