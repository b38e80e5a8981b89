/**
 * What others might try with the pages. On real daemons and real mounts; whether something was done is seen on the mount.
 */
import assert from "node:assert/strict";
import { type Qj } from "../mount/qj.ts";
import { type Answer, type Client, readPage } from "./client.ts";

export const HTTP = ["--http", "127.0.0.1:0"];
export const FORM = "application/x-www-form-urlencoded";
/** As in `web/streams.ts`. */
export const MAX_STREAMS = 200;
/** What no page shows as it is: controls, and what changes the direction of text. */
// deno-lint-ignore no-control-regex
export const RAW = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
export const asRoot = { ignore: Deno.uid() !== 0 };

/** All that a client can have done. */
export async function seen(qj: Qj): Promise<string> {
  const { stdout } = await qj.sh("ls -A pending active complete failed; cat config.json");
  return stdout;
}

/** A log without a sign that a request was too much for the daemon. */
export function assertSound(qj: Qj): void {
  assert.doesNotMatch(qj.log, /bug in qj|unexpected/);
}

/** The value of the check box, or of the hidden field, that stands for a job. */
export async function handleOf(client: Client, name: string): Promise<string> {
  const { headers } = await client.get(`/named/${encodeURIComponent(name)}`);
  const { text } = await client.get(headers.get("location")!);
  return /name="job" value="([^"]+)"/.exec(text)![1]!;
}

/** Expects of a page that nobody but us has written its elements, and that it has nothing that acts or hides. */
export function assertHarmless({ status, headers, text }: Answer, what: string): string {
  assert.match(headers.get("content-type")!, /^text\/html/, what);
  assert(status < 500, `${what}: ${status}`);
  const page = readPage(text);
  for (const { name, attributes } of page.elements) {
    assert.doesNotMatch(name, /^(b|i|img|iframe|object|embed|base|style|video|math)$/, what);
    for (const [key, value] of attributes) {
      assert.doesNotMatch(key, /^(on.*|style|srcdoc|formaction|ping|target)$/, what);
      if (/^(href|src|action)$/.test(key)) assert.match(value, /^(\/(?![/\\])|#)/, what);
      if (!/^(input|option|textarea)$/.test(name)) {
        assert.doesNotMatch(value, RAW, `${what} ${key}`);
      }
    }
    if (name === "script") assert.match(attributes.get("src")!, /^\/script\.js$/, what);
    if (name === "link") assert.match(attributes.get("href")!, /^\/(style\.css|icon\.svg)$/, what);
  }
  assert(page.elements.filter(({ name }) => name === "script").length <= 1, what);
  assert.doesNotMatch(page.text, RAW, what);
  return page.text;
}

/** What is no name is no request. */
export function assertStrange(status: number, host: string): void {
  const isName = /^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d+)?$/i.test(host);
  assert(status === 421 || (status === 400 && !isName), `${status}: ${JSON.stringify(host)}`);
}
