/** dist/qj, the executable, for tests that need it. */

const PROJECT = new URL("../../", import.meta.url).pathname;
export const PROGRAM = `${PROJECT}dist/qj`;

/** Makes it, with the denort of DENORT_BIN or the one that Deno downloads. Returns why that is not possible, or null. */
export async function compile(): Promise<string | null> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "compile"],
    cwd: PROJECT,
    stdin: "null",
  }).output();
  return success ? null : new TextDecoder().decode(stderr);
}

/** Whether tests of it are to be skipped after that failure, which they say: not in CI, nor where a denort is named. */
export async function skipsCompiled(failure: string | null, what: string): Promise<boolean> {
  const skip = failure !== null && !Deno.env.get("CI") && !Deno.env.get("DENORT_BIN");
  if (skip) {
    const reason =
      "skipped, since there is no denort to compile with (see DENORT_BIN in README.md)";
    await Deno.stderr.write(new TextEncoder().encode(`${what}: ${reason}\n${failure}`));
  }
  return skip;
}
