/** What forms send. */
import type { Context } from "hono";

/** Stands for our own address, in what is read as a URL. */
const ORIGIN = "http://qj.invalid";

/** The fields of a form; none, if it is not sent as one of our pages sends it. */
export async function formOf(c: Context): Promise<FormData> {
  const type = c.req.header("content-type") ?? "";
  // Others would be read in other ways.
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) return new FormData();
  return await c.req.formData().catch(() => new FormData());
}

export function textOf(form: FormData, name: string): string | undefined {
  const value = form.get(name);
  return typeof value === "string" ? value : undefined;
}

/** The number of the form; one that has none counts as new. */
export function onceOf(form: FormData): string {
  const once = textOf(form, "once") ?? "";
  return /^[0-9a-f-]{36}$/.test(once) ? once : crypto.randomUUID();
}

/** The page to go on with: one of ours, whatever the form says. */
export function backOf(form: FormData): string {
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
