/** What must hold before a mount, with a message for each that says what to do. */
import type { LibcSymbols } from "../ffi/libfuse.ts";
import { cString } from "../ffi/libfuse.ts";
import { Failure, reasonOf } from "./failure.ts";
import { mountAbove, mountAt } from "./mounts.ts";
import type { Options } from "./option_values.ts";

const MNT_DETACH = 2;
const S_ISUID = 0o4000;
const INSTALL_FUSE = "install the package fuse3 (Debian, Ubuntu: apt-get install fuse3)";

/** The type of qj's mounts, in /proc/mounts and for umount. */
export const MOUNT_TYPE = "fuse.qj";

/** A name that nothing has, and that the kernel does not remember as such. */
const NO_NAME = ".qj-is-there";

/** Something that a mount needs: what there is, and, where it is not as it must be, what is wrong and what to do. */
export interface Need {
  readonly name: string;
  readonly found: string;
  readonly problem: string | null;
}

type Wanted = Pick<Options, "allowOther" | "runAs">;

/** What the kernel and the system must have for a mount with these options. */
export async function systemNeeds({ allowOther, runAs }: Wanted): Promise<Need[]> {
  const isRoot = Deno.uid() === 0;
  const needs: Need[] = [];
  if (runAs !== undefined) needs.push(await becomingOthers(isRoot));
  if (!isRoot) needs.push(await fusermount());
  if (allowOther && !isRoot) needs.push(await fuseConf());
  needs.push(await fuseDevice());
  return needs;
}

/** Throws {@linkcode Failure} for the first thing that is missing. */
export async function checkSystem(wanted: Wanted): Promise<void> {
  for (const { problem } of await systemNeeds(wanted)) {
    if (problem !== null) throw new Failure(problem);
  }
}

async function fuseDevice(): Promise<Need> {
  const name = "/dev/fuse";
  try {
    (await Deno.open(name, { read: true, write: true })).close();
    return { name, found: "can be opened", problem: null };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      const problem = "there is no /dev/fuse: load the kernel module (modprobe fuse); " +
        "a container must be given the device (--device /dev/fuse)";
      return { name, found: "missing", problem };
    }
    const problem = `cannot open /dev/fuse (${reasonOf(error)}): its mode should be 0666; ` +
      "a container must be given the device (--device /dev/fuse)";
    return { name, found: "cannot be opened", problem };
  }
}

async function fusermount(): Promise<Need> {
  const name = "fusermount3";
  const path = await findFusermount();
  if (path === undefined) {
    const problem = `there is no fusermount3, which a user other than root needs: ${INSTALL_FUSE}`;
    return { name, found: "missing", problem };
  }
  const { mode, uid } = await Deno.stat(path);
  const isSetuid = ((mode ?? 0) & S_ISUID) !== 0 && uid === 0;
  return {
    name,
    found: `${path}, ${isSetuid ? "setuid root" : "not setuid root"}`,
    problem: isSetuid || Deno.uid() === 0
      ? null
      : `${path} cannot mount for a user other than root: chmod u+s ${path}`,
  };
}

async function fuseConf(): Promise<Need> {
  const text = await Deno.readTextFile("/etc/fuse.conf").catch(() => "");
  const isSet = /^\s*user_allow_other\s*$/m.test(text);
  const problem =
    "--allow-other needs a line user_allow_other in /etc/fuse.conf unless root mounts";
  return {
    name: "user_allow_other",
    found: `${isSet ? "set" : "not set"} in /etc/fuse.conf`,
    problem: isSet ? null : problem,
  };
}

async function becomingOthers(isRoot: boolean): Promise<Need> {
  const isThere = await exists("/usr/bin/setpriv");
  const problem = !isRoot
    ? "--run-as owner is for root: only root can become other users"
    : isThere
    ? null
    : "--run-as needs /usr/bin/setpriv: install the package util-linux";
  return { name: "setpriv", found: isThere ? "/usr/bin/setpriv" : "missing", problem };
}

async function findFusermount(): Promise<string | undefined> {
  const folders = [
    "/usr/bin",
    "/bin",
    "/usr/local/bin",
    ...(Deno.env.get("PATH") ?? "").split(":"),
  ];
  for (const folder of folders) {
    if (folder !== "" && await exists(`${folder}/fusermount3`)) return `${folder}/fusermount3`;
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(
    () => true,
    (error) => !(error instanceof Deno.errors.NotFound),
  );
}

/**
 * The real path of a mountpoint that can be mounted on: an existing, empty directory that is not a mount. A mount that a
 * crashed daemon has left is taken away.
 */
export async function checkMountpoint(given: string, libc: LibcSymbols): Promise<string> {
  const path = await resolveMountpoint(given, libc);
  const { problem } = await mountpointNeed(given, path);
  if (problem !== null) throw new Failure(problem);
  return path;
}

/** Whether a path can be mounted on. The mount that is there already is recognised by the kernel's list alone. */
export async function mountpointNeed(given: string, path: string): Promise<Need> {
  const quoted = JSON.stringify(given);
  const name = `mountpoint ${quoted}`;
  const is = (found: string, remedy: string) => ({
    name,
    found,
    problem: `${name} is ${found}${remedy}`,
  });
  const mount = mountAt(path);
  if (mount !== undefined) {
    const by = mount.type === MOUNT_TYPE ? "qj is mounted there already" : `a ${mount.type} mount`;
    return is(`in use: ${by}`, `. To end it: umount ${quoted}`);
  }
  if (mountAbove(path)?.type === MOUNT_TYPE) {
    return is("inside another qj mount", ": use a directory elsewhere");
  }
  try {
    if (!(await Deno.stat(path)).isDirectory) {
      return is("not a directory", ": use an empty directory");
    }
    for await (const _entry of Deno.readDir(path)) {
      return is("not empty", ": use an empty directory");
    }
  } catch (error) {
    return { name, ...cannotUse(given, error) };
  }
  return { name, found: "an empty directory", problem: null };
}

/** What an error says of a mountpoint. */
export function cannotUse(given: string, error: unknown): { found: string; problem: string } {
  const name = `mountpoint ${JSON.stringify(given)}`;
  if (error instanceof Deno.errors.NotFound) {
    const found = "does not exist";
    return { found, problem: `${name} ${found}: make it with mkdir` };
  }
  const found = reasonOf(error);
  return { found, problem: `cannot use ${name}: ${found}` };
}

async function resolveMountpoint(given: string, libc: LibcSymbols): Promise<string> {
  try {
    const path = await Deno.realPath(given);
    await Deno.stat(path);
    if (mountAt(path)?.type === MOUNT_TYPE) await askDaemon(path);
    return path;
  } catch (error) {
    if (!isNotConnected(error)) throw new Failure(cannotUse(given, error).problem);
  }
  const path = await resolveParent(given);
  await detachStale(path, libc);
  return path;
}

/** Throws ENOTCONN for a mount whose daemon is gone: what the kernel remembers of the mountpoint itself does not tell. */
async function askDaemon(path: string): Promise<void> {
  try {
    await Deno.lstat(`${path}/${NO_NAME}`);
  } catch (error) {
    if (isNotConnected(error)) throw error;
  }
}

function isNotConnected(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    (error as { code?: string }).code === "ENOTCONN";
}

/** The real path of something that cannot be looked at itself. */
export async function resolveParent(given: string): Promise<string> {
  const absolute = given.startsWith("/") ? given : `${Deno.cwd()}/${given}`;
  const trimmed = absolute.replace(/\/+$/, "");
  const cut = trimmed.lastIndexOf("/");
  const parent = await Deno.realPath(trimmed.slice(0, cut) || "/");
  return `${parent === "/" ? "" : parent}/${trimmed.slice(cut + 1)}`;
}

async function detachStale(path: string, libc: LibcSymbols): Promise<void> {
  const mount = mountAt(path);
  if (mount?.type !== MOUNT_TYPE) {
    throw new Failure(
      `mountpoint "${path}" has a dead mount of type ${mount?.type ?? "unknown"}: umount it first`,
    );
  }
  await detach(path, libc);
  if (mountAt(path) !== undefined) {
    throw new Failure(`cannot take away the stale mount on "${path}": fusermount3 -u -z "${path}"`);
  }
}

/** Takes a mount away, though it may be in use. */
export async function detach(path: string, libc: LibcSymbols): Promise<void> {
  if (Deno.uid() === 0) {
    libc.umount2(cString(path), MNT_DETACH);
    return;
  }
  const fusermount = await findFusermount();
  if (fusermount === undefined) return;
  await new Deno.Command(fusermount, { args: ["-u", "-z", "--", path], cwd: "/" }).output();
}
