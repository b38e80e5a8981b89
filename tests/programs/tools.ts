/**
 * The programs that these tests run. ./bootstrap installs them; where one is missing all the same, what needs it is
 * skipped and says so, except in CI, where it fails.
 */

/** Not on the PATH of every user. */
const SBIN = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
const said = new Set<string>();

function isInstalled(command: string): boolean {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), ...SBIN];
  return folders.some((folder) => {
    try {
      return Deno.statSync(`${folder}/${command}`).isFile;
    } catch {
      return false;
    }
  });
}

function say(reason: string): void {
  if (said.has(reason)) return;
  said.add(reason);
  Deno.stderr.writeSync(new TextEncoder().encode(`programs: ${reason}\n`));
}

/** True: what needs these commands is to be skipped. */
export function lacks(commands: readonly string[], isOptional = false): boolean {
  const missing = commands.filter((command) => !isInstalled(command));
  if (missing.length === 0 || (Deno.env.has("CI") && !isOptional)) return false;
  say(`skipped what needs ${missing.join(", ")}, which is not installed`);
  return true;
}
