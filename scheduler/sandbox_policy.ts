/** What jobs in a sandbox may do: what the options allow, and what starting needs. */
import { FILE_RIGHTS, type Right, RIGHTS, type Ruleset } from "../ffi/landlock.ts";

export interface SandboxOptions {
  readonly readFolders: readonly string[];
  readonly readFiles: readonly string[];
  readonly writeFolders: readonly string[];
  readonly writeFiles: readonly string[];
  /** TCP ports. */
  readonly connect: readonly number[];
  readonly bind: readonly number[];
}

/** One path that starting a job needs. */
export interface Need {
  readonly path: string;
  readonly access: "run" | "read" | "write";
}

const READ: readonly Right[] = ["READ_FILE", "READ_DIR", "EXECUTE"];
/** Everything but making devices: a device of root's would be a way to any disk. */
const WRITE: readonly Right[] = (Object.keys(RIGHTS) as Right[])
  .filter((right) =>
    RIGHTS[right].kind === "fs" && right !== "MAKE_CHAR" && right !== "MAKE_BLOCK"
  );

const NEEDED: Readonly<Record<Need["access"], readonly Right[]>> = {
  run: ["READ_FILE", "EXECUTE"],
  read: ["READ_FILE"],
  write: ["READ_FILE", "WRITE_FILE", "TRUNCATE", "IOCTL_DEV"],
};

/**
 * Capabilities that are left to jobs of root, by their numbers in capabilities(7): chown, dac_override, fowner, fsetid,
 * kill, setgid, setuid, net_bind_service, sys_nice. Within what the sandbox allows, root stays root.
 */
const ROOTS_CAPABILITIES = [0, 1, 3, 4, 5, 6, 7, 10, 23];

/** True when one of the options is given: then every job runs in the sandbox. */
export function wantsSandbox(options: SandboxOptions): boolean {
  const { readFolders, readFiles, writeFolders, writeFiles, connect, bind } = options;
  return [readFolders, readFiles, writeFolders, writeFiles, connect, bind]
    .some(({ length }) => length > 0);
}

/** The rules, for a kernel whose Landlock has this ABI. */
export function ruleset(options: SandboxOptions, needs: readonly Need[], abi: number): Ruleset {
  const known = (rights: readonly Right[]) => rights.filter((right) => RIGHTS[right].abi <= abi);
  const ofFile = (rights: readonly Right[]) => rights.filter((right) => FILE_RIGHTS.has(right));
  const rules = (paths: readonly string[], rights: readonly Right[]) =>
    paths.map((path) => ({ path, rights: known(rights) }));
  const ports = (numbers: readonly number[], right: Right) =>
    numbers.map((port) => ({ port, rights: known([right]) }))
      .filter(({ rights }) => rights.length > 0);
  return {
    handled: known(Object.keys(RIGHTS) as Right[]),
    paths: [
      ...rules(options.readFolders, READ),
      ...rules(options.readFiles, ofFile(READ)),
      ...rules(options.writeFolders, WRITE),
      ...rules(options.writeFiles, ofFile(WRITE)),
      ...needs.flatMap(({ path, access }) => rules([path], NEEDED[access])),
    ],
    ports: [...ports(options.connect, "CONNECT_TCP"), ...ports(options.bind, "BIND_TCP")],
    capabilities: ROOTS_CAPABILITIES,
  };
}

/** What the sandbox leaves open on a kernel that does not know the right. Without REFER, moving is always forbidden. */
const LEFT_OPEN: Partial<Record<Right, string>> = {
  TRUNCATE: "truncating files",
  BIND_TCP: "TCP ports (--connect, --bind)",
  IOCTL_DEV: "ioctl on devices",
  ABSTRACT_UNIX_SOCKET: "abstract Unix sockets",
  SIGNAL: "signals to other processes",
  RESOLVE_UNIX: "Unix sockets that have a path",
};

/** What the sandbox cannot restrict on a kernel whose Landlock has this ABI, in words. */
export function leftOpen(abi: number): string[] {
  const words = Object.entries(LEFT_OPEN)
    .filter(([right]) => RIGHTS[right as Right].abi > abi)
    .map(([, words]) => words);
  return [...new Set(words)];
}
