/** A file system of a few hundred KiB for a state file: a tmpfs, which can be full, grow, and become read-only. Needs root. */
import { Qj, type QjOptions } from "./qj.ts";

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}

export class SmallDisk {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  async mount(size: string): Promise<void> {
    await Deno.mkdir(this.path);
    await run("mount", "-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", this.path);
  }

  /** Takes all the room that is left. */
  async fill(): Promise<void> {
    await new Deno.Command("sh", { args: ["-c", `head -c 2M /dev/zero >> ${this.path}/ballast`] })
      .output();
  }

  async free(): Promise<void> {
    await Deno.remove(`${this.path}/ballast`);
  }

  remount(options: string): Promise<void> {
    return run("mount", "-o", `remount,${options}`, this.path);
  }

  unmount(): Promise<void> {
    return run("umount", "-l", this.path);
  }
}

/** Runs a test with a daemon whose state file is on such a disk. */
export function onSmallDisk(
  name: string,
  size: string,
  body: (qj: Qj, disk: SmallDisk) => Promise<void>,
  options: QjOptions = {},
): void {
  Deno.test({
    name,
    ignore: Deno.uid() !== 0,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
      const disk = new SmallDisk(`${folder}/tmpfs`);
      await disk.mount(size);
      try {
        await using qj = await Qj.start({
          ...options,
          folder,
          stateFile: `${disk.path}/state.db`,
        });
        await body(qj, disk);
      } finally {
        await disk.unmount();
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
