/** A program that wants a terminal gets one from script(1). */

/** What to wait for on the screen, and what to type then. */
export type Exchange = readonly [shows: string, keys: string];

const DEADLINE_SEC = 60;

/** Runs a shell command on a terminal of its own, and returns its exit status. Throws when the screen never shows what it should. */
export async function onTerminal(
  command: string,
  cwd: string,
  dialogue: readonly Exchange[],
): Promise<number> {
  const child = new Deno.Command("timeout", {
    args: ["-s", "KILL", String(DEADLINE_SEC), "script", "-qec", command, "/dev/null"],
    cwd,
    env: { TERM: "vt100", COLUMNS: "80", LINES: "24" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keyboard = child.stdin.getWriter();
  const screen = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (const [shows, keys] of dialogue) {
      while (!text.includes(shows)) {
        const { value, done } = await screen.read();
        if (done) throw new Error(`"${command}" ended before it showed "${shows}": ${text}`);
        text += value;
      }
      text = "";
      await keyboard.write(new TextEncoder().encode(keys));
    }
    while (!(await screen.read()).done);
    return (await child.status).code;
  } finally {
    await keyboard.close().catch(() => {});
    await child.status;
  }
}
