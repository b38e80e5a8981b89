/**
 * Landlock: a thread gives up rights for itself and for every process that it forks from then on, for good
 * (https://docs.kernel.org/userspace-api/landlock.html). System calls by number, since libc has no names for them.
 *
 * What is *handled* is forbidden unless a rule allows it. A kernel refuses a bit that it does not know, so the caller leaves
 * out what came after its ABI; {@linkcode RIGHTS} says which came when.
 */
import { cString, type LibcSymbols } from "./libfuse.ts";

/** The same on x86_64 and aarch64. */
const SYS_CAPGET = { x86_64: 125, aarch64: 90 } as const;
const SYS_CAPSET = { x86_64: 126, aarch64: 91 } as const;
const SYS_CREATE_RULESET = 444;
const SYS_ADD_RULE = 445;
const SYS_RESTRICT_SELF = 446;
const CREATE_RULESET_VERSION = 1;
const RULE_PATH_BENEATH = 1;
const RULE_NET_PORT = 2;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const ENOSYS = 38;
const EOPNOTSUPP = 95;
const ENOENT = 2;
/** Capabilities that the newest kernels know, and room for more: dropping an unknown one fails, and means nothing. */
const CAPABILITIES = 64;
const CAPABILITY_VERSION_3 = 0x2008_0522;

export type RightKind = "fs" | "net" | "scope";

/** Rights by name: their kind, bit and the ABI that brought them (linux/landlock.h). */
export const RIGHTS = {
  EXECUTE: { kind: "fs", bit: 0, abi: 1 },
  WRITE_FILE: { kind: "fs", bit: 1, abi: 1 },
  READ_FILE: { kind: "fs", bit: 2, abi: 1 },
  READ_DIR: { kind: "fs", bit: 3, abi: 1 },
  REMOVE_DIR: { kind: "fs", bit: 4, abi: 1 },
  REMOVE_FILE: { kind: "fs", bit: 5, abi: 1 },
  MAKE_CHAR: { kind: "fs", bit: 6, abi: 1 },
  MAKE_DIR: { kind: "fs", bit: 7, abi: 1 },
  MAKE_REG: { kind: "fs", bit: 8, abi: 1 },
  MAKE_SOCK: { kind: "fs", bit: 9, abi: 1 },
  MAKE_FIFO: { kind: "fs", bit: 10, abi: 1 },
  MAKE_BLOCK: { kind: "fs", bit: 11, abi: 1 },
  MAKE_SYM: { kind: "fs", bit: 12, abi: 1 },
  REFER: { kind: "fs", bit: 13, abi: 2 },
  TRUNCATE: { kind: "fs", bit: 14, abi: 3 },
  IOCTL_DEV: { kind: "fs", bit: 15, abi: 5 },
  RESOLVE_UNIX: { kind: "fs", bit: 16, abi: 9 },
  BIND_TCP: { kind: "net", bit: 0, abi: 4 },
  CONNECT_TCP: { kind: "net", bit: 1, abi: 4 },
  ABSTRACT_UNIX_SOCKET: { kind: "scope", bit: 0, abi: 6 },
  SIGNAL: { kind: "scope", bit: 1, abi: 6 },
} as const satisfies Readonly<
  Record<string, { readonly kind: RightKind; readonly bit: number; readonly abi: number }>
>;

export type Right = keyof typeof RIGHTS;

/** A right that may be given to a file that is not a directory. */
export const FILE_RIGHTS: ReadonlySet<Right> = new Set([
  "EXECUTE",
  "WRITE_FILE",
  "READ_FILE",
  "TRUNCATE",
  "IOCTL_DEV",
  "RESOLVE_UNIX",
]);

/** What a thread keeps. */
export interface Ruleset {
  /** Forbidden but for the rules. Scopes have no rules. */
  readonly handled: readonly Right[];
  readonly paths: readonly { readonly path: string; readonly rights: readonly Right[] }[];
  readonly ports: readonly { readonly port: number; readonly rights: readonly Right[] }[];
  /** Numbers of the capabilities that a process of root may have: capabilities(7). */
  readonly capabilities: readonly number[];
}

/** The kernel does not do what is asked for. */
export class LandlockFailed extends Error {
  override readonly name = "LandlockFailed";
}

const mask = (rights: readonly Right[], kind: RightKind) =>
  rights.filter((right) => RIGHTS[right].kind === kind)
    .reduce((bits, right) => bits | (1n << BigInt(RIGHTS[right].bit)), 0n);

/** The version of Landlock's interface that the kernel has, or why it has none. */
export function landlockAbi(libc: LibcSymbols): number | "not built in" | "disabled at boot" {
  const abi = Number(libc.syscall_create_ruleset(
    BigInt(SYS_CREATE_RULESET),
    null,
    0n,
    BigInt(CREATE_RULESET_VERSION),
  ));
  if (abi >= 0) return abi;
  const errno = errnoOf(libc);
  if (errno === EOPNOTSUPP) return "disabled at boot";
  if (errno === ENOSYS) return "not built in";
  throw new LandlockFailed(`landlock_create_ruleset failed (errno ${errno})`);
}

/**
 * Gives up, on the calling thread and for good, all that the ruleset does not allow, with `no_new_privs`. Synchronous calls
 * only: others run on threads that keep their rights. Throws {@linkcode LandlockFailed}.
 */
export function restrictThread(libc: LibcSymbols, ruleset: Ruleset): void {
  const fd = createRuleset(libc, ruleset.handled);
  try {
    for (const { path, rights } of ruleset.paths) addPath(libc, fd, path, rights);
    for (const { port, rights } of ruleset.ports) addPort(libc, fd, port, rights);
    limitCapabilities(libc, ruleset.capabilities);
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n) !== 0) {
      throw new LandlockFailed(`prctl(PR_SET_NO_NEW_PRIVS) failed (errno ${errnoOf(libc)})`);
    }
    check(
      libc,
      "landlock_restrict_self",
      libc.syscall_restrict_self(BigInt(SYS_RESTRICT_SELF), fd, 0n),
    );
  } finally {
    libc.close(Number(fd));
  }
}

function createRuleset(libc: LibcSymbols, handled: readonly Right[]): bigint {
  const net = mask(handled, "net");
  const scope = mask(handled, "scope");
  // A kernel takes the attributes that it knows, and no longer ones.
  const size = scope !== 0n ? 24 : net !== 0n ? 16 : 8;
  const attributes = new DataView(new ArrayBuffer(24));
  [mask(handled, "fs"), net, scope].forEach((bits, i) =>
    attributes.setBigUint64(i * 8, bits, true)
  );
  const fd = libc.syscall_create_ruleset(
    BigInt(SYS_CREATE_RULESET),
    new Uint8Array(attributes.buffer),
    BigInt(size),
    0n,
  );
  return check(libc, "landlock_create_ruleset", fd);
}

function addPath(
  libc: LibcSymbols,
  ruleset: bigint,
  path: string,
  rights: readonly Right[],
): void {
  const fd = libc.open(cString(path), O_PATH | O_CLOEXEC);
  if (fd < 0) {
    const errno = errnoOf(libc);
    const reason = errno === ENOENT ? "there is no such file" : `errno ${errno}`;
    throw new LandlockFailed(`cannot open ${JSON.stringify(path)}: ${reason}`);
  }
  try {
    // struct landlock_path_beneath_attr is packed.
    const rule = new DataView(new ArrayBuffer(12));
    rule.setBigUint64(0, mask(rights, "fs"), true);
    rule.setInt32(8, fd, true);
    addRule(libc, ruleset, RULE_PATH_BENEATH, rule);
  } finally {
    libc.close(fd);
  }
}

function addPort(libc: LibcSymbols, ruleset: bigint, port: number, rights: readonly Right[]): void {
  const rule = new DataView(new ArrayBuffer(16));
  rule.setBigUint64(0, mask(rights, "net"), true);
  rule.setBigUint64(8, BigInt(port), true);
  addRule(libc, ruleset, RULE_NET_PORT, rule);
}

function addRule(libc: LibcSymbols, ruleset: bigint, type: number, rule: DataView): void {
  const bytes = new Uint8Array(rule.buffer as ArrayBuffer);
  const result = libc.syscall_add_rule(BigInt(SYS_ADD_RULE), ruleset, BigInt(type), bytes, 0n);
  check(libc, "landlock_add_rule", result);
}

/**
 * Processes of root get no other capabilities than these when they are executed. Landlock alone does not keep root from
 * loading a module into the kernel or opening files by handle.
 */
function limitCapabilities(libc: LibcSymbols, kept: readonly number[]): void {
  for (let capability = 0; capability < CAPABILITIES; capability++) {
    if (kept.includes(capability)) continue;
    libc.prctl(PR_CAPBSET_DROP, BigInt(capability), 0n, 0n, 0n);
  }
  libc.prctl(PR_CAP_AMBIENT, BigInt(PR_CAP_AMBIENT_CLEAR_ALL), 0n, 0n, 0n);
  // Two structures of effective, permitted and inheritable, 32 capabilities each: the inheritable ones go.
  const header = new Uint8Array(new Uint32Array([CAPABILITY_VERSION_3, 0]).buffer);
  const data = new Uint32Array(6);
  const bytes = new Uint8Array(data.buffer);
  const arch = Deno.build.arch;
  check(libc, "capget", libc.syscall_capabilities(BigInt(SYS_CAPGET[arch]), header, bytes));
  data[2] = data[5] = 0;
  check(libc, "capset", libc.syscall_capabilities(BigInt(SYS_CAPSET[arch]), header, bytes));
}

function check(libc: LibcSymbols, call: string, result: bigint): bigint {
  if (result < 0n) throw new LandlockFailed(`${call} failed (errno ${errnoOf(libc)})`);
  return result;
}

/** Of the last call on this thread. */
function errnoOf(libc: LibcSymbols): number {
  const place = libc.__errno_location();
  return place === null ? 0 : new Deno.UnsafePointerView(place).getInt32();
}
