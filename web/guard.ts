/**
 * Who may see the pages and act on them. Everything is refused unless
 *
 * - the Host is one of ours: a name that somebody else has made point to this machine (DNS rebinding) is none,
 * - a cookie proves that the token was known once (but for the sign-in, its style and its script), and
 * - a form comes from a page of ours: Origin and Sec-Fetch-Site say so, and it carries a form token.
 *
 * Cookie and form token are made from the token by HMAC, so neither gives it away, and all of them end when it changes.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { type Address, hostInUrl, isIpv4, isIpv6 } from "./address.ts";

/** A month, in seconds: then the link is needed again. */
const COOKIE_SEC = 30 * 86_400;

function equal(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHmac("sha256", "compare").update(text).digest());
  return timingSafeEqual(a!, b!);
}

export class Guard {
  readonly #token: string;
  readonly #address: Address;
  readonly #hosts: ReadonlySet<string>;
  /** One for each queue: cookies do not tell ports apart. */
  readonly cookieName: string;
  readonly #cookieValue: string;
  /** What every form carries. */
  readonly formToken: string;

  /** `hosts`: names that a reverse proxy gives as Host. */
  constructor(token: string, address: Address, hosts: readonly string[]) {
    const made = (what: string) =>
      createHmac("sha256", token).update(`qj ${what}`).digest("base64url");
    this.#token = token;
    this.#address = address;
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
    this.cookieName = `qj-${made("name").slice(0, 12)}`;
    this.#cookieValue = made("cookie");
    this.formToken = made("form");
  }

  /** Whether a request with this Host is for us. */
  knowsHost(host: string | undefined): boolean {
    if (host === undefined) return false;
    const lowered = host.toLowerCase();
    if (this.#hosts.has(lowered)) return true;
    const address = this.#address;
    if (address.kind === "unix") return lowered === "localhost";
    const own = hostInUrl(address.hostname);
    const name = lowered.endsWith(`:${address.port}`)
      ? lowered.slice(0, -`:${address.port}`.length)
      : address.port === 80
      ? lowered
      : null;
    if (name === null) return false;
    const isAny = address.hostname === "0.0.0.0" || address.hostname === "::";
    if (name === own || (name === "localhost" && (address.isLoopback || isAny))) return true;
    // Bound to all addresses: which one was meant is unknown, but an address is no name that could be made to point here.
    return isAny && (isIpv4(name) || isIpv6(name.replace(/^\[(.*)\]$/, "$1")));
  }

  /** Whether this is the token itself. */
  knowsToken(token: string): boolean {
    return equal(token, this.#token);
  }

  /** Whether the value of the cookie is ours. */
  knowsCookie(value: string | undefined): boolean {
    return value !== undefined && equal(value, this.#cookieValue);
  }

  /** The header that lets a browser in. `isSecure`: it came over TLS, to a reverse proxy. */
  cookie(isSecure: boolean): string {
    const secure = isSecure ? "; Secure" : "";
    return `${this.cookieName}=${this.#cookieValue}; Path=/; Max-Age=${COOKIE_SEC}; HttpOnly; ` +
      `SameSite=Strict${secure}`;
  }

  /** The header that ends that. */
  get noCookie(): string {
    return `${this.cookieName}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict`;
  }

  /** Whether a form may come from where a request says that it comes from. */
  isOwnOrigin(headers: { get(name: string): string | null }): boolean {
    const site = headers.get("sec-fetch-site");
    if (site !== null && site !== "same-origin" && site !== "none") return false;
    const origin = headers.get("origin");
    if (origin === null) return true; // no browser: the cookie and the form token are asked for all the same
    if (!URL.canParse(origin)) return false;
    const { protocol, host } = new URL(origin);
    // What a reverse proxy says of how it was asked.
    const scheme = headers.get("x-forwarded-proto")?.split(",")[0]?.trim();
    if (scheme !== undefined && protocol !== `${scheme}:`) return false;
    const asked = headers.get("host")?.toLowerCase() ?? "";
    // A URL leaves out the port that its scheme implies; a Host may have it.
    const implied = protocol === "https:" ? ":443" : ":80";
    return host !== "" && (asked === host || asked === `${host}${implied}`);
  }

  /** Whether a form has the token that ours carry. */
  isOwnForm(formToken: string | undefined): boolean {
    return formToken !== undefined && equal(formToken, this.formToken);
  }
}

/**
 * What every answer says to browsers. No request to anywhere else, nothing inline, in no frame, and nothing is kept:
 * https://www.w3.org/TR/CSP3/
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  // With "no-referrer" browsers would not tell where a form comes from (Origin: null).
  "Referrer-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
  "Cache-Control": "no-store",
};
