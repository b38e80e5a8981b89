/**
 * Keeps a second daemon off a state file: an flock on a file beside it, held for as long as the process lives. The
 * kernel lets go of it at any end of the process, so no stale lock can be left. The file holds the owner's pid, for the
 * message only.
 */

/** Another daemon uses the state file. */
export class Locked extends Error {
  override readonly name = "Locked";
}

/** Takes the lock. Throws {@linkcode Locked}, or what opening the file throws. */
export function lockStateFile(path: string): Deno.FsFile {
  const file = Deno.openSync(`${path}.lock`, {
    read: true,
    write: true,
    create: true,
    mode: 0o600,
  });
  if (!file.tryLockSync(true)) {
    const owner = new Uint8Array(16);
    const length = file.readSync(owner) ?? 0;
    file.close();
    const pid = new TextDecoder().decode(owner.subarray(0, length)).trim();
    throw new Locked(`another qj uses it (pid ${pid || "unknown"})`);
  }
  file.truncateSync(0);
  file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  return file;
}
