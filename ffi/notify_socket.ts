/**
 * The datagram socket on which a service manager hears of the state of a service: sd_notify(3). A message that cannot be
 * sent is dropped, as there.
 */
import type { LibcSymbols } from "./libfuse.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** sizeof sun_path: unix(7) */
const MAX_PATH = 108;

export class NotifySocket {
  readonly #libc: LibcSymbols;
  readonly #fd: number;
  readonly #address: Uint8Array<ArrayBuffer>;

  private constructor(libc: LibcSymbols, fd: number, address: Uint8Array<ArrayBuffer>) {
    this.#libc = libc;
    this.#fd = fd;
    this.#address = address;
  }

  /** Of $NOTIFY_SOCKET: a path, or "@" and a name in the abstract namespace. Null for anything else. */
  static open(libc: LibcSymbols, name: string): NotifySocket | null {
    const path = new TextEncoder().encode(name.replace(/^@/, "\0"));
    if (!/^[/@]./.test(name) || path.length >= MAX_PATH) return null;
    const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return null;
    // struct sockaddr_un: sa_family_t of 16 bits in the order of the machine, which is little-endian on all that Deno knows.
    const address = new Uint8Array(2 + path.length);
    address[0] = AF_UNIX;
    address.set(path, 2);
    return new NotifySocket(libc, fd, address);
  }

  /** Sends assignments like "READY=1", each on a line of its own. False: nobody could take them. */
  send(...assignments: string[]): boolean {
    const text = new TextEncoder().encode(assignments.join("\n"));
    const length = this.#address.length;
    const sent = this.#libc.sendto(
      this.#fd,
      text,
      BigInt(text.length),
      MSG_NOSIGNAL,
      this.#address,
      length,
    );
    return Number(sent) === text.length;
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}
