/** A command with its standard input, and what it printed. */
import type { ShellResult } from "../mount/qj.ts";

export async function runCommand(
  program: string,
  options: Omit<Deno.CommandOptions, "stdin" | "stdout" | "stderr">,
  stdin: Uint8Array | string,
): Promise<ShellResult> {
  const piped = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(program, { ...options, ...piped }).spawn();
  const writer = child.stdin.getWriter();
  const output = child.output();
  // A program that reads nothing closes the pipe.
  await writer.write(typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin)
    .then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await output;
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
