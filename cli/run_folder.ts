/**
 * Where the scripts of jobs are put that run as other users: they have to reach it, so it cannot be beside the state file,
 * whose folder is closed to them. Only root makes files there, and nobody else can list it.
 */
import { Failure, reasonOf } from "./failure.ts";

const BASE = "/run/qj";
const MODE = 0o711;

/** Makes the folder for a state file: in `$RUNTIME_DIRECTORY` if systemd has made that, else in /run/qj. Throws Failure. */
export async function openRunFolder(
  stateFile: string,
  env: (name: string) => string | undefined,
): Promise<string> {
  const given = env("RUNTIME_DIRECTORY")?.split(":")[0];
  const base = given?.startsWith("/") ? given : BASE;
  // The same for each daemon of this state file, so that the next one finds what a crash has left.
  const { dev, ino } = await Deno.stat(stateFile);
  const folder = `${base}/${dev.toString(36)}-${(ino ?? 0).toString(36)}`;
  for (const path of [base, folder]) {
    try {
      await Deno.mkdir(path, { mode: MODE, recursive: true });
      const { isDirectory, isSymlink, uid } = await Deno.lstat(path);
      if (!isDirectory || isSymlink || uid !== Deno.uid()) {
        throw new Failure(`"${path}" is not a directory of root's: remove it`);
      }
      // Whatever the umask says, and whoever has made it.
      await Deno.chmod(path, MODE);
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure(`cannot make "${path}", for scripts of other users: ${reasonOf(error)}`);
    }
  }
  return folder;
}
