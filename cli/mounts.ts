/** Mounts as the kernel lists them. */

export interface Mount {
  /** Unique while the mount lasts. */
  readonly id: string;
  readonly mountpoint: string;
  /** For example "fuse.qj". */
  readonly type: string;
}

/** Spaces and the like are written in octal, one byte each, all of them ASCII: proc(5). */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}

/** Parses /proc/self/mountinfo. */
export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split("\n").filter(Boolean).map((line) => {
    const [left = "", right = ""] = line.split(" - ");
    return {
      id: left.split(" ")[0] ?? "",
      mountpoint: unescapeOctal(left.split(" ")[4] ?? ""),
      type: right.split(" ")[0] ?? "",
    };
  });
}

function readMounts(): Mount[] {
  return parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
}

/** The mount that a path is in. */
export function mountAbove(path: string): Mount | undefined {
  const isIn = ({ mountpoint }: Mount) =>
    mountpoint === "/" || `${path}/`.startsWith(`${mountpoint}/`);
  return readMounts().filter(isIn).reduce<Mount | undefined>(
    (best, mount) =>
      best !== undefined && best.mountpoint.length > mount.mountpoint.length ? best : mount,
    undefined,
  );
}

/** Where a mount is, wherever it was moved to; undefined: nowhere. */
export function mountById(id: string): Mount | undefined {
  return readMounts().find((mount) => mount.id === id);
}

/** What is mounted on top at a path, or undefined. */
export function mountAt(path: string): Mount | undefined {
  return readMounts().findLast((mount) => mount.mountpoint === path);
}
