/** What several mount tests need besides the daemon. */

export async function mkfifo(path: string): Promise<void> {
  const { success } = await new Deno.Command("mkfifo", { args: [path] }).output();
  if (!success) throw new Error(`mkfifo ${path} failed`);
}

/** True for a process that runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

export async function fileSize(path: string): Promise<number> {
  return (await Deno.stat(path)).size;
}

/** `tail -f` of a file from its beginning, or `tail -F` of what is under its name. */
export function follow(path: string, how: "-f" | "-F" = "-f") {
  const child = new Deno.Command("tail", {
    args: ["-n", "+1", "-s", "0.05", how, path],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return {
    /** Waits until the text so far has a part. */
    async shows(part: string): Promise<string> {
      while (!text.includes(part)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`tail ended with: ${text}`);
        text += decoder.decode(value, { stream: true });
      }
      return text;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}
