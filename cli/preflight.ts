/** What must hold before a mount, with a message for each that says what to do. */
import type { LibcSymbols } from "../ffi/libfuse.ts";
import { cString } from "../ffi/libfuse.ts";
import { Failure, reasonOf } from "./failure.ts";
import { mountAbove, mountAt } from "./mounts.ts";
import type { Options } from "./options.ts";

const MNT_DETACH = 2;
const INSTALL_FUSE = "install the package fuse3 (Debian, Ubuntu: apt-get install fuse3)";

/** The type of qj's mounts, in /proc/mounts and for umount. */
export const MOUNT_TYPE = "fuse.qj";

/** A name that nothing has, and that the kernel does not remember as such. */
const NO_NAME = ".qj-is-there";

/** What the kernel and the system must have. */
export async function checkSystem({ allowOther, runAs }: Options): Promise<void> {
  if (!await exists("/dev/fuse")) {
    throw new Failure(
      "there is no /dev/fuse: load the kernel module (modprobe fuse); " +
        "a container must be given the device (--device /dev/fuse)",
    );
  }
  if (Deno.uid() === 0) {
    if (runAs !== undefined && !await exists("/usr/bin/setpriv")) {
      throw new Failure("--run-as needs /usr/bin/setpriv: install the package util-linux");
    }
    return;
  }
  if (runAs !== undefined) {
    throw new Failure("--run-as owner is for root: only root can become other users");
  }
  if (!await findFusermount()) {
    throw new Failure(
      `there is no fusermount3, which a user other than root needs: ${INSTALL_FUSE}`,
    );
  }
  if (allowOther) await checkFuseConf();
}

async function checkFuseConf(): Promise<void> {
  const text = await Deno.readTextFile("/etc/fuse.conf").catch(() => "");
  if (/^\s*user_allow_other\s*$/m.test(text)) return;
  throw new Failure(
    "--allow-other needs a line user_allow_other in /etc/fuse.conf unless root mounts",
  );
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
  const quoted = JSON.stringify(given);
  const path = await resolveMountpoint(given, libc);
  if (!(await Deno.stat(path)).isDirectory) {
    throw new Failure(`mountpoint ${quoted} is not a directory`);
  }
  const mount = mountAt(path);
  if (mount !== undefined) {
    const by = mount.type === MOUNT_TYPE ? "qj is mounted there already" : `a ${mount.type} mount`;
    throw new Failure(`mountpoint ${quoted} is in use: ${by}. To end it: umount ${quoted}`);
  }
  if (mountAbove(path)?.type === MOUNT_TYPE) {
    throw new Failure(`mountpoint ${quoted} is inside another qj mount: use a directory elsewhere`);
  }
  try {
    for await (const _entry of Deno.readDir(path)) {
      throw new Failure(`mountpoint ${quoted} is not empty: use an empty directory`);
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(`cannot use mountpoint ${quoted}: ${reasonOf(error)}`);
  }
  return path;
}

async function resolveMountpoint(given: string, libc: LibcSymbols): Promise<string> {
  try {
    const path = await Deno.realPath(given);
    await Deno.stat(path);
    if (mountAt(path)?.type === MOUNT_TYPE) await askDaemon(path);
    return path;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Failure(`mountpoint ${JSON.stringify(given)} does not exist: make it with mkdir`);
    }
    if (!isNotConnected(error)) {
      throw new Failure(`cannot use mountpoint ${JSON.stringify(given)}: ${reasonOf(error)}`);
    }
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
async function resolveParent(given: string): Promise<string> {
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
