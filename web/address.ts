/** Where the pages are served: what `--http` can say. */

export type Address =
  | {
    readonly kind: "tcp";
    readonly hostname: string;
    /** 0: one that the system chooses. */
    readonly port: number;
    /** Nobody outside this machine can reach it. */
    readonly isLoopback: boolean;
  }
  | { readonly kind: "unix"; readonly path: string };

const FORMS = "127.0.0.1:PORT, [::1]:PORT or unix:PATH";
const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

export function isIpv4(text: string): boolean {
  return IPV4.test(text);
}

/** Without brackets. */
export function isIpv6(text: string): boolean {
  return /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) && URL.canParse(`http://[${text}]/`);
}

const isPort = (text: string) => /^\d{1,5}$/.test(text) && Number(text) <= 65535;

function port(text: string): number {
  const number = Number(text);
  if (!isPort(text)) throw new RangeError(`the port is a number up to 65535, not "${text}"`);
  return number;
}

/** Reads an address. Throws RangeError with the reason. */
export function parseAddress(text: string): Address {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (path === "") throw new RangeError(`a path is missing: it is ${FORMS}`);
    return { kind: "unix", path };
  }
  const cut = text.lastIndexOf(":");
  const host = cut === -1 ? "" : text.slice(0, cut);
  const inBrackets = /^\[(.*)\]$/.exec(host)?.[1];
  if (host === "" || (host.includes(":") && inBrackets === undefined)) {
    throw new RangeError(`it is ${FORMS}, not "${text}"`);
  }
  const number = port(text.slice(cut + 1));
  if (host === "localhost") return tcp("127.0.0.1", number, true);
  if (inBrackets !== undefined) {
    if (!isIpv6(inBrackets)) throw new RangeError(`"${inBrackets}" is no IPv6 address`);
    const hostname = new URL(`http://${host}/`).hostname.slice(1, -1);
    return tcp(hostname, number, hostname === "::1");
  }
  if (!isIpv4(host)) throw new RangeError(`"${host}" is no IP address: it is ${FORMS}`);
  return tcp(host, number, host.startsWith("127."));
}

function tcp(hostname: string, port: number, isLoopback: boolean): Address {
  return { kind: "tcp", hostname, port, isLoopback };
}

/** As it stands in a URL. */
export function hostInUrl(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

/** True for a name that a reverse proxy may give as Host: letters, digits, dots and dashes, with or without a port. */
export function isHostName(text: string): boolean {
  const [, port] = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::(.*))?$/is.exec(text) ??
    [null, "no"];
  return port === undefined || isPort(port);
}
