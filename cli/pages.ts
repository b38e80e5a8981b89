/** The pages of `--http`: what they need from the command line, and what the log says of them. */
import denoJson from "../deno.json" with { type: "json" };
import { maxConnections } from "../scheduler/environment.ts";
import type { SlotsInUse } from "../scheduler/slots.ts";
import type { Store } from "../store/store.ts";
import { type Address, hostInUrl } from "../web/address.ts";
import { Failure, reasonOf } from "./failure.ts";
import { log, pagesLog } from "./log.ts";
import type { Options } from "./option_values.ts";
import { isInside } from "./paths.ts";
import { type Need, resolveParent } from "./preflight.ts";
import { openToken, tokenNeed } from "./token_file.ts";

export interface PagesNeeds {
  readonly store: Store;
  readonly slots: SlotsInUse;
  /** Absolute path. */
  readonly mountpoint: string;
  /** Where the program was started: other paths are relative to it. */
  readonly cwd: string;
}

export interface OpenPages {
  /** Writes the link to the log. */
  tell(): void;
  close(): Promise<void>;
}

/** What the pages need: an address that is free, and a token. Makes nothing. */
export async function pagesNeeds(
  { http, httpTokenFile }: Options,
  stateFile: string | undefined,
): Promise<Need[]> {
  if (http === undefined) return [];
  const needs = http.kind === "tcp" ? [portNeed(http)] : [];
  if (httpTokenFile !== undefined) {
    needs.push(await tokenNeed(httpTokenFile, "--http-token-file"));
  } else if (stateFile !== undefined) {
    needs.push(await tokenNeed(`${stateFile}.token`, "--http"));
  }
  return needs;
}

function portNeed({ hostname, port }: Address & { readonly kind: "tcp" }): Need {
  const name = `pages ${hostInUrl(hostname)}:${port} (--http)`;
  try {
    Deno.listen({ hostname, port }).close();
    return { name, found: "free", problem: null };
  } catch (error) {
    return { name, found: reasonOf(error), problem: "choose another address with --http" };
  }
}

/** Where the token is: absolute, `cwd` resolves a relative one; undefined: there are no pages. */
export async function tokenPath(
  { http, httpTokenFile }: Options,
  stateFile: string,
  cwd: string,
): Promise<string | undefined> {
  if (http === undefined) return undefined;
  return await realPath(httpTokenFile ?? `${stateFile}.token`, cwd);
}

/** Resolved as far as it exists, since what is inside of what is told by real paths. */
async function realPath(path: string, cwd: string): Promise<string> {
  const absolute = path.startsWith("/") ? path : `${cwd}/${path}`;
  return await resolveParent(absolute).catch(() => absolute);
}

/**
 * Serves the pages, if they are wanted: before the mount, so that an address that is taken leaves nothing behind. Their
 * modules are loaded only then. Throws {@linkcode Failure}.
 */
export async function openPages(
  options: Options,
  { store, slots, mountpoint, cwd }: PagesNeeds,
): Promise<OpenPages | undefined> {
  const { http, httpTokenFile, httpReadOnly: isReadOnly, httpHosts: hosts } = options;
  if (http === undefined) return undefined;
  const address = http.kind === "unix" ? { ...http, path: await realPath(http.path, cwd) } : http;
  const tokenFile = (await tokenPath(options, store.db.path, cwd))!;
  for (const path of [tokenFile, ...address.kind === "unix" ? [address.path] : []]) {
    if (!isInside(path, mountpoint)) continue;
    throw new Failure(`${JSON.stringify(path)} is inside the mountpoint, where it cannot be`);
  }
  const token = await openToken(
    tokenFile,
    httpTokenFile === undefined ? "--http" : "--http-token-file",
  );
  const { servePages } = await import("../web/server.ts");
  const owner = options.runAs === undefined || options.runAsRoot;
  // As of a file that the daemon makes; where jobs run as their owners nobody else reads them.
  const mode = options.runAs === undefined ? 0o666 & ~Deno.umask() : 0o600;
  const pages = await servePages({
    store,
    slots,
    address,
    hosts,
    token,
    mountpoint,
    version: denoJson.version,
    isReadOnly,
    maxConnections: maxConnections(),
    submitter: owner ? { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0, mode } : null,
    log: pagesLog,
  }).catch((error) => {
    const place = address.kind === "unix"
      ? JSON.stringify(address.path)
      : `${address.hostname}, port ${address.port}`;
    // "listen EADDRINUSE: address already in use 127.0.0.1:80"
    const reason = reasonOf(error).replace(/^listen E[A-Z]+: /, "").replace(/ \S*[/:]\S*$/, "");
    throw new Failure(`cannot show the queue on ${place} (--http): ${reason}`);
  });
  return {
    tell() {
      // Who has chosen the file knows the token, and perhaps who reads this log should not.
      const isTold = httpTokenFile === undefined;
      const secret = `the token is in ${JSON.stringify(tokenFile)}`;
      const links = hosts.map((host) => `https://${host}/`);
      if (address.kind === "tcp") links.unshift(pages.url);
      else log.info(`pages on the socket ${JSON.stringify(address.path)}, ${secret}`);
      for (const link of links) {
        log.info(isTold ? `pages: ${link}?token=${token}` : `pages: ${link}, ${secret}`);
      }
      if (address.kind === "tcp" && !address.isLoopback) {
        log.warning("the pages can be reached from other machines, without encryption");
      }
    },
    close: () => pages.close(),
  };
}
