/**
 * Makes dist/qj: the sources and Deno's runtime in one executable.
 *
 * `deno compile` takes its runtime, denort, from Deno's download server, or from the file that DENORT_BIN names where
 * that cannot be reached. Permissions are baked in, one by one: reading /proc needs all of them in Deno. No code cache:
 * it would be a file in /tmp that anybody could have put there.
 */

const PROJECT = new URL("../", import.meta.url).pathname;
const PERMISSIONS = ["ffi", "read", "write", "env", "run", "sys", "net", "import"];

function fail(message: string): never {
  Deno.stderr.writeSync(new TextEncoder().encode(`compile: ${message}\n`));
  Deno.exit(1);
}

async function checkDenort(): Promise<void> {
  const denort = Deno.env.get("DENORT_BIN");
  if (denort === undefined) return;
  const stat = await Deno.stat(denort).catch(() => null);
  if (!stat?.isFile) fail(`DENORT_BIN names "${denort}", which is not a file`);
}

await checkDenort();
await Deno.mkdir(`${PROJECT}dist`, { recursive: true });
const { success } = await new Deno.Command(Deno.execPath(), {
  args: [
    "compile",
    "--quiet",
    "--no-prompt",
    "--no-code-cache",
    ...PERMISSIONS.map((name) => `--allow-${name}`),
    // A worker is loaded by its address, which the compiler does not see.
    "--include",
    `${PROJECT}scheduler/sandbox_worker.ts`,
    "--output",
    `${PROJECT}dist/qj`,
    `${PROJECT}main.ts`,
  ],
  cwd: PROJECT,
  stdin: "null",
}).spawn().status;

if (!success) {
  fail(
    `it did not work. If it could not download denort (the runtime that becomes part of the ` +
      `executable), get the denort of Deno ${Deno.version.deno} for this machine (from the release ` +
      `page of Deno, or a package of the distribution) and name it in DENORT_BIN`,
  );
}
