/**
 * Whether the place of a state file is safe. SQLite opens its files by their paths and follows links, so what counts is that
 * nobody but the daemon's user (and root) can make or change anything in the folder: then there is nothing between a look
 * and the opening that could be swapped.
 */

/** What is beside a state file, by the end of its name: files, and the folder of scripts that run from one. */
const BESIDE = ["", "-wal", "-shm", "-journal", ".lock"] as const;
const RUN_FOLDER = ".run";
const OTHERS_WRITE = 0o022;
const OTHERS = 0o077;

const quoted = (path: string) => JSON.stringify(path);

/**
 * Why a state file must not be opened there, with what to do; null: it may. Takes the rights of others to read it away,
 * unless it is only `looking`.
 */
export async function unsafeToOpen(
  folder: string,
  path: string,
  looking = false,
): Promise<string | null> {
  const { uid, mode } = await Deno.stat(folder);
  if (!isOurs(uid)) return `its folder ${quoted(folder)} belongs to another user (${uid})`;
  if (((mode ?? 0) & OTHERS_WRITE) !== 0) {
    return `others can write to its folder ${quoted(folder)}: chmod go-w ${quoted(folder)}, ` +
      `or use a folder of its own`;
  }
  for (const end of BESIDE) {
    const reason = await unsafeFile(`${path}${end}`, end === "", looking);
    if (reason !== null) return reason;
  }
  const run = await look(`${path}${RUN_FOLDER}`);
  if (run !== null && (!run.isDirectory || !isOurs(run.uid))) {
    return `${quoted(`${path}${RUN_FOLDER}`)} is not a directory of yours: remove it`;
  }
  return null;
}

async function unsafeFile(
  path: string,
  isStateFile: boolean,
  looking: boolean,
): Promise<string | null> {
  const stat = await look(path);
  if (stat === null) return null;
  if (stat.isSymlink && !isStateFile) return `${quoted(path)} is a symbolic link: remove it`;
  if (stat.isSymlink) {
    const target = await Deno.realPath(path).catch(() => Deno.readLink(path));
    return `it is a symbolic link: name what it leads to, ${quoted(target)}`;
  }
  if (!stat.isFile) return `${quoted(path)} is not a file`;
  if (!isOurs(stat.uid)) return `${quoted(path)} belongs to another user (${stat.uid})`;
  const mode = stat.mode ?? 0;
  if ((mode & OTHERS_WRITE) !== 0) {
    return `others can write to ${quoted(path)}: if you trust what is in it, chmod 600 ${
      quoted(path)
    }`;
  }
  if ((mode & OTHERS) !== 0 && !looking) await Deno.chmod(path, mode & 0o700);
  return null;
}

/** Root may do anything in any case. */
function isOurs(uid: number | null): boolean {
  return uid === Deno.uid() || uid === 0;
}

/** As it is, without following a link; null: there is nothing. Throws when that cannot be told. */
async function look(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
