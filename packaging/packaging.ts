/** What the makers of packages share. */

export const PROJECT = new URL("../", import.meta.url).pathname;

export interface Packaging {
  /** A folder with all files at their places. May be changed. */
  readonly stage: string;
  /** As Deno names it: x86_64 or aarch64. */
  readonly arch: string;
  readonly version: string;
  /** The time of all files, in seconds since the epoch. */
  readonly epochSec: number;
}

export function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

export function fail(message: string): never {
  Deno.stderr.writeSync(new TextEncoder().encode(`package: ${message}\n`));
  Deno.exit(1);
}

export async function has(program: string): Promise<boolean> {
  return await run("sh", ["-c", `command -v ${program}`]).then(() => true, () => false);
}

/** Runs a program and returns what it printed. Throws with what it said when it fails. */
export async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = PROJECT,
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { ...env },
    stdin: "null",
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${program} ${args.join(" ")} failed: ${out}${error}`);
  return out!;
}
