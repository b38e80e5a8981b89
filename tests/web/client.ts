/**
 * A client of the pages that can say what no browser would: any Host, none, half a request, a body without an end. It speaks
 * HTTP/1.1 over a socket of its own, keeps the cookie, fills in the forms, and expects of every answer the headers that
 * protect browsers.
 */
import assert from "node:assert/strict";
import type { Qj } from "../mount/qj.ts";

/** Of every request, in ms: only a hang reaches it. */
const DEADLINE_MS = 30_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A header that is null is left out. */
export type HeaderFields = Readonly<Record<string, string | null>>;
export type Fields = Readonly<Record<string, string | readonly string[]>>;
export type Place =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  readonly text: string;
}

export interface Event {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

export interface AskOptions {
  readonly headers?: HeaderFields;
  readonly body?: string | Uint8Array;
}

const PROTECTION: Readonly<Record<string, RegExp>> = {
  "content-security-policy":
    /^default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
  "x-content-type-options": /^nosniff$/,
  "x-frame-options": /^DENY$/,
  "referrer-policy": /^same-origin$/,
  "cross-origin-opener-policy": /^same-origin$/,
  "cross-origin-resource-policy": /^same-origin$/,
  "cache-control": /^no-store$/,
};

/** What every answer has to say, whatever it answers. */
function assertProtected(headers: Headers, what: string): void {
  for (const [name, value] of Object.entries(PROTECTION)) {
    assert.match(headers.get(name) ?? "missing", value, `${name} of ${what}`);
  }
  assert.equal(headers.get("access-control-allow-origin"), null, what);
}

/** One connection, and what comes back on it. */
export class Wire implements Disposable {
  readonly #conn: Deno.Conn;
  readonly #timer: ReturnType<typeof setTimeout>;
  #waiting: Uint8Array = new Uint8Array(0);
  #isClosed = false;

  private constructor(conn: Deno.Conn, deadlineMs: number) {
    this.#conn = conn;
    this.#timer = setTimeout(() => this.close(), deadlineMs);
  }

  static async open(place: Place, deadlineMs = DEADLINE_MS): Promise<Wire> {
    const conn = place.transport === "unix"
      ? await Deno.connect({ transport: "unix", path: place.path })
      : await Deno.connect({ hostname: place.hostname, port: place.port });
    return new Wire(conn, deadlineMs);
  }

  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** False: nothing more comes. */
  async #more(): Promise<boolean> {
    const part = new Uint8Array(65_536);
    const size = await this.#conn.read(part);
    if (size === null) return false;
    const all = new Uint8Array(this.#waiting.length + size);
    all.set(this.#waiting);
    all.set(part.subarray(0, size), this.#waiting.length);
    this.#waiting = all;
    return true;
  }

  async take(size: number): Promise<Uint8Array> {
    while (this.#waiting.length < size) if (!await this.#more()) throw new Error("cut short");
    const taken = this.#waiting.slice(0, size);
    this.#waiting = this.#waiting.subarray(size);
    return taken;
  }

  async line(): Promise<string> {
    let end: number;
    while ((end = this.#waiting.indexOf(10)) === -1) {
      if (!await this.#more()) throw new Error("the connection was closed");
    }
    return decoder.decode(await this.take(end + 1)).replace(/\r?\n$/, "");
  }

  /** All that comes before the other end closes. */
  async rest(): Promise<Uint8Array> {
    while (await this.#more().catch(() => false));
    return await this.take(this.#waiting.length);
  }

  async head(): Promise<{ status: number; headers: Headers }> {
    const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(await this.line()) ?? [];
    const headers = new Headers();
    for (let line; (line = await this.line()) !== "";) {
      const [, name, value] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
      headers.append(name!, value!);
    }
    return { status: Number(status), headers };
  }

  /** The next piece of a chunked body, or null: that was all. */
  async chunk(): Promise<Uint8Array | null> {
    const size = parseInt(await this.line(), 16);
    const bytes = await this.take(size);
    await this.line();
    return size === 0 ? null : bytes;
  }

  async answer(isHead = false): Promise<Answer> {
    const { status, headers } = await this.head();
    const parts: Uint8Array[] = [];
    if (headers.get("transfer-encoding") === "chunked" && !isHead) {
      for (let part; (part = await this.chunk()) !== null;) parts.push(part);
    } else if (!isHead) {
      const size = headers.get("content-length");
      parts.push(size === null ? await this.rest() : await this.take(Number(size)));
    }
    const bytes = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
    // What is no request at all never reaches qj.
    const isOurs = !([400, 431].includes(status) && bytes.length === 0);
    const text = decoder.decode(bytes);
    if (isOurs) assertProtected(headers, `${status} ${text.slice(0, 200)}`);
    return { status, headers, bytes, text };
  }

  close(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A stream of events, as EventSource reads it: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export class Events implements Disposable {
  readonly status: number;
  readonly headers: Headers;
  readonly #wire: Wire;
  #text = "";

  private constructor(wire: Wire, status: number, headers: Headers) {
    this.#wire = wire;
    this.status = status;
    this.headers = headers;
  }

  static async of(wire: Wire): Promise<Events> {
    const { status, headers } = await wire.head();
    assertProtected(headers, `the stream (${status})`);
    return new Events(wire, status, headers);
  }

  /** The next event, or null: the stream has ended. */
  async next(): Promise<Event | null> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end === -1) {
        const part = await this.#wire.chunk().catch(() => null);
        if (part === null) return null;
        this.#text += decoder.decode(part);
        continue;
      }
      const lines = this.#text.slice(0, end).split(/\r\n|\r|\n/);
      this.#text = this.#text.slice(end + 2);
      const event = { event: "message", data: "", id: "" };
      for (const line of lines) {
        const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line)!;
        if (name === "") continue;
        assert(["event", "data", "id", "retry"].includes(name!), `a field ${JSON.stringify(line)}`);
        if (name === "data") event.data += event.data === "" ? value : `\n${value}`;
        else if (name !== "retry") event[name as "event" | "id"] = value!;
      }
      if (event.data !== "") return event;
    }
  }

  /** Reads and forgets what comes, until the stream is closed. */
  async drain(): Promise<void> {
    while (await this.next() !== null);
  }

  close(): void {
    this.#wire.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export class Client {
  readonly place: Place;
  readonly token: string;
  /** What it sends as Host. */
  readonly host: string;
  cookie: string | null = null;
  #formToken = "";

  constructor(place: Place, token: string, host?: string) {
    this.place = place;
    this.token = token;
    this.host = host ??
      (place.transport === "unix" ? "localhost" : `${place.hostname}:${place.port}`);
  }

  /** Of a daemon that has written the link to its log. It has no cookie yet. */
  static async of(qj: Qj): Promise<Client> {
    const line = await qj.logged(/pages: http/);
    const { hostname, port, searchParams } = new URL(/pages: (http\S+)/.exec(line)![1]!);
    return new Client(
      { transport: "tcp", hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port) },
      searchParams.get("token") ?? "",
    );
  }

  /** The same, signed in by the link. */
  static async signedIn(qj: Qj): Promise<Client> {
    const client = await Client.of(qj);
    await client.signIn();
    return client;
  }

  async signIn(): Promise<void> {
    const { status, headers } = await this.get(`/?token=${this.token}`);
    assert.equal(status, 200);
    this.cookie = /^[^;]+/.exec(headers.get("set-cookie")!)![0];
    this.#formToken = /name="form_token" value="([^"]+)"/.exec((await this.get("/")).text)![1]!;
  }

  get formToken(): string {
    return this.#formToken;
  }

  /** The head of a request, with what a browser sends. */
  head(method: string, path: string, headers: HeaderFields = {}): string {
    const all = { host: this.host, cookie: this.cookie, ...headers };
    const lines = Object.entries(all).flatMap(([name, value]) =>
      value === null ? [] : [`${name}: ${value}\r\n`]
    );
    return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
  }

  async ask(method: string, path: string, options: AskOptions = {}): Promise<Answer> {
    const { headers = {}, body = "" } = options;
    const bytes = typeof body === "string" ? encoder.encode(body) : body;
    const size = method === "GET" && bytes.length === 0 ? null : String(bytes.length);
    using wire = await Wire.open(this.place);
    const head = this.head(method, path, {
      connection: "close",
      "content-length": size,
      ...headers,
    });
    // Who refuses a body may not read it.
    const sent = wire.write(head).then(() => wire.write(bytes)).catch(() => {});
    const answer = await wire.answer(method === "HEAD");
    wire.close();
    await sent;
    return answer;
  }

  /** What came back for exactly these bytes. */
  async raw(request: string | Uint8Array): Promise<Answer> {
    using wire = await Wire.open(this.place);
    await wire.write(request).catch(() => {});
    return await wire.answer();
  }

  get(path: string, headers: HeaderFields = {}): Promise<Answer> {
    return this.ask("GET", path, { headers });
  }

  /** Sends a form as a page of ours does. An empty list leaves a field out. */
  post(path: string, fields: Fields = {}, headers: HeaderFields = {}): Promise<Answer> {
    return this.ask("POST", path, {
      body: formBody({ form_token: this.#formToken, back: "/", ...fields }),
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        origin: `http://${this.host}`,
        "sec-fetch-site": "same-origin",
        ...headers,
      },
    });
  }

  async events(path: string, headers: HeaderFields = {}): Promise<Events> {
    // A stream has no deadline but that of its test.
    const wire = await Wire.open(this.place, 4 * DEADLINE_MS);
    await wire.write(this.head("GET", path, { accept: "text/event-stream", ...headers }));
    return await Events.of(wire);
  }
}

export function formBody(fields: Fields): string {
  const entries = Object.entries(fields).flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : value).map((one) => [name, one])
  );
  return String(new URLSearchParams(entries));
}

export interface PageElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface PageContent {
  readonly elements: readonly PageElement[];
  /** What one reads; what is in fields of forms is not in it. */
  readonly text: string;
  /** What is in fields of forms. */
  readonly typed: string;
}

const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

function decoded(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (all, decimal, hex, name) => {
    if (name !== undefined) return NAMED[name] ?? all;
    return String.fromCodePoint(decimal === undefined ? parseInt(hex, 16) : Number(decimal));
  });
}

/**
 * Reads a page that is well formed in the strictest sense: every `<` begins a tag, every attribute has its quotes. A page
 * into which somebody has got a character of HTML is none.
 */
export function readPage(html: string): PageContent {
  const TAG = /<(\/?)([a-z][a-z0-9]*)((?: [a-zA-Z][a-zA-Z0-9-]*="[^"<>]*")*) ?\/?>/y;
  const elements: PageElement[] = [];
  const open: string[] = [];
  let [text, typed] = ["", ""];
  assert(html.startsWith("<!DOCTYPE html>"), html.slice(0, 100));
  for (let at = "<!DOCTYPE html>".length; at < html.length;) {
    const next = html.indexOf("<", at);
    const part = decoded(html.slice(at, next === -1 ? undefined : next));
    if (open.at(-1) === "textarea") typed += `${part}\n`;
    else text += part;
    if (next === -1) break;
    TAG.lastIndex = next;
    const tag = TAG.exec(html);
    assert(tag !== null, `no tag: ${html.slice(next, next + 200)}`);
    at = TAG.lastIndex;
    const [all, slash, name, attributes] = tag;
    if (slash !== "") {
      assert.equal(open.pop(), name, all);
      continue;
    }
    const pairs = [...attributes!.matchAll(/ ([a-zA-Z0-9-]+)="([^"]*)"/g)]
      .map(([, key, value]) => [key!, decoded(value!)] as const);
    const element = { name: name!, attributes: new Map(pairs) };
    elements.push(element);
    if (name === "input" || name === "option") typed += `${element.attributes.get("value")}\n`;
    if (!/^(meta|link|input|br|hr|img)$/.test(name!) && !all.endsWith("/>")) open.push(name!);
  }
  assert.deepEqual(open, []);
  return { elements, text, typed };
}
