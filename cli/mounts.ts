/** Mounts as the kernel lists them. */

export interface Mount {
  readonly mountpoint: string;
  /** For example "fuse.qj". */
  readonly type: string;
}

/** Spaces and the like are written in octal: proc(5). */
function unescapeOctal(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes = new TextEncoder().encode(text);
  const out: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    const digits = text.slice(i + 1, i + 4);
    if (bytes[i] === 0x5c && /^[0-7]{3}$/.test(digits)) {
      out.push(parseInt(digits, 8));
      i += 3;
    } else {
      out.push(bytes[i]!);
    }
  }
  return new TextDecoder().decode(new Uint8Array(out));
}

/** Parses /proc/self/mountinfo. */
export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split("\n").filter(Boolean).map((line) => {
    const [left = "", right = ""] = line.split(" - ");
    return {
      mountpoint: unescapeOctal(left.split(" ")[4] ?? ""),
      type: right.split(" ")[0] ?? "",
    };
  });
}

/** What is mounted on top at a path, or undefined. */
export function mountAt(path: string): Mount | undefined {
  return parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"))
    .findLast((mount) => mount.mountpoint === path);
}
