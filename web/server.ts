/**
 * The pages of `--http`. A module that is loaded only when somebody wants them, with all that it imports, so that a daemon
 * without them is as small as ever.
 */
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

/** Between two tries to listen again, in ms. */
const RETRY_MS = 1000;

interface Served {
  readonly finished: Promise<void>;
  readonly port: number;
}

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
  readonly log: PagesLog;
}

export interface PagesLog extends AppLog, CommandsLog {
  /** Nobody can be let in for a moment. */
  interrupted(error: unknown): void;
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
  let address = options.address;
  let handler: (request: Request) => Response | Promise<Response> = () =>
    new Response(null, { status: 503 });
  const abort = new AbortController();
  const serve = async (): Promise<Served> => {
    const common = {
      signal: abort.signal,
      onListen: () => {},
      handler: (request: Request) => handler(request),
    };
    if (address.kind === "tcp") {
      const server = Deno.serve({ ...common, hostname: address.hostname, port: address.port });
      return { finished: server.finished, port: server.addr.port };
    }
    await removeDead(address.path);
    const server = Deno.serve({ ...common, path: address.path });
    await Deno.chmod(address.path, SOCKET_MODE);
    return { finished: server.finished, port: 0 };
  };
  let served = await serve();
  if (address.kind === "tcp") address = { ...address, port: served.port };
  const finished = (async () => {
    while (!abort.signal.aborted) {
      try {
        await served.finished;
        return;
      } catch (error) {
        // More connections than the limit of open files allows: the queue goes on, and so do the pages, later.
        log.interrupted(error);
        await pause(RETRY_MS, abort.signal);
        served = abort.signal.aborted ? served : await serve()
          .catch((error) => ({ finished: Promise.reject(error), port: 0 }));
      }
    }
  })();
  const app = makeApp({
    store,
    slots,
    browse: new Browse(store.db),
    activity: new Activity(store),
    commands: new Commands(store, log),
    guard: new Guard(token, address, hosts),
    live: new Live(store),
    said: new Said(),
    mountpoint,
    version,
    isReadOnly,
    submitter: isReadOnly ? null : options.submitter,
  }, log);
  handler = (request) => app.fetch(request);
  return {
    url: address.kind === "unix"
      ? `unix:${address.path}`
      : `http://${hostInUrl(LOCAL[address.hostname] ?? address.hostname)}:${address.port}/`,
    async close() {
      abort.abort();
      await finished;
      if (address.kind === "unix") await Deno.remove(address.path).catch(() => {});
    },
  };
}

/** Resolves after so many ms, or when `signal` says that it is over. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** The socket of a daemon that has ended without removing it. One that somebody listens on stays, and so does a file. */
async function removeDead(path: string): Promise<void> {
  const stat = await Deno.lstat(path).catch(() => null);
  if (!stat?.isSocket) return;
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) await Deno.remove(path);
  }
}
