/**
 * The pages of `--http`. A module that is loaded only when somebody wants them, with all that it imports, so that a daemon
 * without them is as small as ever.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { SlotsInUse } from "../scheduler/slots.ts";
import { Browse } from "../store/browse.ts";
import type { Store } from "../store/store.ts";
import { Activity } from "./activity.ts";
import { type Address, hostInUrl } from "./address.ts";
import { type AppLog, makeApp } from "./app.tsx";
import { Commands, type CommandsLog, type Submitter } from "./commands.ts";
import { Guard } from "./guard.ts";
import { Live } from "./live.ts";
import { Said } from "./said.ts";

/** For the daemon's user and the group of the folder, to which a reverse proxy may belong. */
const SOCKET_MODE = 0o660;

/** A connection on which nothing has come or gone for so long is closed, in ms: far more than the beats of a stream. */
const SILENCE_MS = 60_000;

/** What a browser can ask for of an address that stands for all. */
const LOCAL: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

export interface PagesOptions {
  readonly store: Store;
  readonly slots: SlotsInUse;
  readonly address: Address;
  /** Names that a reverse proxy gives as Host. */
  readonly hosts: readonly string[];
  readonly token: string;
  readonly mountpoint: string;
  readonly version: string;
  readonly isReadOnly: boolean;
  readonly submitter: Submitter | null;
  /** Open at a time: more are turned away, so that jobs and files have what they need. */
  readonly maxConnections: number;
  readonly log: PagesLog;
}

export interface PagesLog extends AppLog, CommandsLog {
  /** Nobody can be let in for a moment. */
  interrupted(error: unknown): void;
  /** A library has something to say. */
  printed(text: string): void;
}

export interface Pages {
  /** Where they are, without the token. */
  readonly url: string;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** Serves the pages. Throws what the system says when it cannot listen. */
export async function servePages(options: PagesOptions): Promise<Pages> {
  const { store, slots, hosts, token, mountpoint, version, isReadOnly, log } = options;
  const { address } = options;
  if (address.kind === "unix") await makeFree(address.path);
  let fetch: (request: Request) => Response | Promise<Response> = () =>
    new Response(null, { status: 503 });
  const server = createServer(
    // Looks of the server for slow connections would wake an idle daemon: each connection has a timer of its own.
    { connectionsCheckingInterval: 2 ** 31 - 1 },
    getRequestListener((request) => fetch(request), { overrideGlobalObjects: false }),
  );
  server.maxConnections = options.maxConnections;
  server.timeout = SILENCE_MS;
  libraryOutput(log);
  await listen(server, address);
  server.on("error", (error) => log.interrupted(error));
  if (address.kind === "unix") await Deno.chmod(address.path, SOCKET_MODE);
  const bound = address.kind === "unix"
    ? address
    : { ...address, port: (server.address() as AddressInfo).port };
  const app = makeApp({
    store,
    slots,
    browse: new Browse(store.db),
    activity: new Activity(store),
    commands: new Commands(store, log),
    guard: new Guard(token, bound, hosts),
    live: new Live(store),
    said: new Said(),
    mountpoint,
    version,
    isReadOnly,
    submitter: isReadOnly ? null : options.submitter,
  }, log);
  fetch = (request) => app.fetch(request);
  return {
    url: bound.kind === "unix"
      ? `unix:${bound.path}`
      : `http://${hostInUrl(LOCAL[bound.hostname] ?? bound.hostname)}:${bound.port}/`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      if (bound.kind === "unix") await Deno.remove(bound.path).catch(() => {});
    },
  };
}

/** Libraries print by the console, which would wait for whoever reads stderr, or throw: nobody may stop the mount. */
function libraryOutput({ printed }: PagesLog): void {
  const print = (...what: unknown[]) =>
    printed(
      what.map((one) => one instanceof Error ? one.stack ?? one.message : String(one)).join(" "),
    );
  Object.assign(console, { debug: print, log: print, info: print, warn: print, error: print });
}

function listen(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const listening = () => {
      server.off("error", reject);
      resolve();
    };
    if (address.kind === "unix") server.listen(address.path, listening);
    else server.listen({ host: address.hostname, port: address.port, ipv6Only: false }, listening);
  });
}

/**
 * Removes the socket of a daemon that has ended without doing so. Throws for one on which somebody listens, and for any
 * other file: node:http would take it away when it finds that it cannot listen.
 */
async function makeFree(path: string): Promise<void> {
  const stat = await Deno.lstat(path).catch(() => null);
  if (stat === null) return;
  if (!stat.isSocket) throw new Error("something else is there");
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    return await Deno.remove(path);
  }
  throw new Error("address already in use");
}
