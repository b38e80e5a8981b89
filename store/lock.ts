/**
 * Keeps a second daemon off a state file: an flock on a file beside it, held for as long as the process lives. The
 * kernel lets go of it at any end of the process, so no stale lock can be left. The file holds the owner's pid, for the
 * message only.
 */

/** Another daemon uses the state file. */
export class Locked extends Error {
  override readonly name = "Locked";
}

/** What is held while the daemon runs. */
export interface StateLock {
  close(): void;
}

/**
 * Takes the lock. The state file itself is locked too, so that another name of the same file (a hard link) does not get
 * past; its descriptor stays open as long as the lock, since closing one would drop SQLite's own locks. Makes both files
 * with mode 0600, which SQLite gives to its other files. Throws {@linkcode Locked}, or what opening throws.
 */
export function lockStateFile(path: string): StateLock {
  const options = { read: true, write: true, create: true, mode: 0o600 } as const;
  const file = Deno.openSync(`${path}.lock`, options);
  try {
    const database = Deno.openSync(path, options);
    if (file.tryLockSync(true) && database.tryLockSync(true)) {
      file.truncateSync(0);
      file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
      return {
        close: () => {
          database.close();
          file.close();
        },
      };
    }
    database.close();
    throw new Locked(`another qj uses it (pid ${readPid(file)})`);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The pid of the daemon that uses a state file, as text; null: none does. Makes and changes nothing. */
export function lockHolder(path: string): string | null {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(`${path}.lock`, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  try {
    return file.tryLockSync(false) ? null : readPid(file);
  } finally {
    file.close();
  }
}

function readPid(file: Deno.FsFile): string {
  const owner = new Uint8Array(16);
  const length = file.readSync(owner) ?? 0;
  return new TextDecoder().decode(owner.subarray(0, length)).trim() || "unknown";
}
