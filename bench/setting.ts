/** What all rows need: the compiled program, programs in C, a folder on a disk, and mounts that are taken away again. */
import { Qj, type QjOptions, until } from "../tests/mount/qj.ts";

const PROJECT = new URL("../", import.meta.url).pathname;
const PASSTHROUGH = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c";

export interface Setting {
  /** A smoke test: every row once, with little work. */
  readonly isSmoke: boolean;
  readonly folder: string;
  /** dist/qj, or undefined: from the sources. */
  readonly program: string | undefined;
  /** The client in C. */
  readonly client: string;
  readonly print: (text: string) => void;
}

export async function run(program: string, args: readonly string[], cwd = "/"): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

export async function has(program: string): Promise<boolean> {
  return await run("sh", ["-c", `command -v ${program}`]).then(() => true, () => false);
}

async function compile(target: string, source: string, withFuse: boolean): Promise<string> {
  const flags = withFuse
    ? (await run("pkg-config", ["--cflags", "--libs", "fuse3"])).trim().split(/\s+/)
    : [];
  await run("gcc", ["-O2", "-pthread", "-o", target, source, ...flags]);
  return target;
}

export async function prepare(
  folder: string,
  isSmoke: boolean,
  print: Setting["print"],
): Promise<Setting> {
  const client = await compile(`${folder}/client`, `${PROJECT}bench/client.c`, false);
  const compiled = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "compile"],
    cwd: PROJECT,
    stdin: "null",
    stderr: "null",
  }).output();
  if (!compiled.success) {
    print("qj runs from its sources, since it cannot be compiled here (DENORT_BIN)\n");
  }
  return {
    isSmoke,
    folder,
    program: compiled.success ? `${PROJECT}dist/qj` : undefined,
    client,
    print,
  };
}

/** A group of rows may take so long, in ms. */
const GROUP_MS = 20 * 60_000;

export function startQj(
  setting: Setting,
  settings: Record<string, unknown>,
  options: Pick<QjOptions, "args" | "folder"> = {},
): Promise<Qj> {
  return Qj.start({
    settings,
    logLevel: "info",
    watchdogMs: GROUP_MS,
    ...options,
    ...setting.program && { program: setting.program },
  });
}

/** A peer of qj's `pending/`: a directory to make files in. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  readonly directory: string;
}

/** Starts a FUSE program in the foreground and waits for its mount. */
async function mounted(
  name: string,
  program: string,
  args: readonly string[],
  mountpoint: string,
): Promise<Peer> {
  await Deno.mkdir(mountpoint);
  const child = new Deno.Command(program, {
    args: [...args, mountpoint],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  })
    .spawn();
  await until(
    `the mount of ${name}`,
    async () => (await Deno.readTextFile("/proc/mounts")).includes(` ${mountpoint} fuse`),
  );
  return {
    name,
    directory: mountpoint,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await run("sh", ["-c", `umount -l ${mountpoint} 2>/dev/null || :`]);
    },
  };
}

/** Those that are installed here, over tmpfs where they need files below. Says which are not. */
export async function startPeers({ folder, print }: Setting): Promise<Peer[]> {
  const options = ["-f", "-o", "default_permissions"];
  const limit = await compile(`${folder}/limit`, `${PROJECT}bench/limit.c`, true);
  const peers = [await mounted("limit", limit, options, `${folder}/limit-mnt`)];
  const below = async (name: string) => {
    const path = `${folder}/${name}`;
    await Deno.mkdir(path);
    await run("mount", ["-t", "tmpfs", "tmpfs", path]);
    return path;
  };
  if (await has("bindfs")) {
    const path = await below("bindfs-files");
    const peer = await mounted("bindfs", "bindfs", ["-f", path], `${folder}/bindfs-mnt`);
    peers.push(withUnmount(peer, path));
  } else {
    print("no bindfs here (apt-get install bindfs)\n");
  }
  const passthrough = await compile(`${folder}/passthrough_ll`, PASSTHROUGH, true).catch(() =>
    null
  );
  if (passthrough !== null) {
    const path = await below("passthrough-files");
    const args = ["-f", "-o", `source=${path}`];
    const peer = await mounted("passthrough_ll", passthrough, args, `${folder}/passthrough-mnt`);
    peers.push(withUnmount(peer, path));
  } else {
    print("no passthrough_ll here (its source comes with libfuse3-dev)\n");
  }
  return peers;
}

function withUnmount(peer: Peer, path: string): Peer {
  return {
    ...peer,
    async [Symbol.asyncDispose]() {
      await peer[Symbol.asyncDispose]();
      await run("umount", ["-l", path]);
    },
  };
}

/** Runs a phase of the client: operations per second, and the median and 99th percentile of one in microseconds. */
export async function phase(
  { client }: Setting,
  directory: string,
  name: string,
  { count, threads = 1, first = 0 }: { count: number; threads?: number; first?: number },
): Promise<{ readonly perSec: number; readonly p50: number; readonly p99: number }> {
  const text = await run(client, [directory, name, count, threads, first].map(String));
  const [perSec, p50, p99] = text.trim().split(" ").map(Number);
  return { perSec: perSec!, p50: p50!, p99: p99! };
}
