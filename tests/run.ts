/**
 * Runs the gate and all tests, or without the gate those in the files and folders that are named, and ends with a line
 * `N passed, N failed`.
 */

const PROJECT = new URL("../", import.meta.url).pathname;

async function run(program: string, args: readonly string[]): Promise<number> {
  const { code } = await new Deno.Command(program, {
    args: [...args],
    cwd: PROJECT,
    stdin: "null",
  }).spawn().status;
  return code;
}

/** Adds up an attribute of the suites in a JUnit report. */
function total(report: string, attribute: string): number {
  return [...report.matchAll(/<testsuite [^>]*>/g)]
    .map(([suite]) => Number(new RegExp(` ${attribute}="(\\d+)"`).exec(suite)?.[1] ?? 0))
    .reduce((sum, count) => sum + count, 0);
}

const deno = Deno.execPath();
const gates: readonly (readonly string[])[] = Deno.args.length > 0 ? [] : [
  ["fmt", "--check"],
  ["lint"],
  ["check", "main.ts", "web", "tests", "packaging", "bench"],
];
const tests = Deno.args.length > 0 ? Deno.args : ["tests"];
let failedGates = 0;
for (const gate of gates) if (await run(deno, gate) !== 0) failedGates++;

const reportFile = await Deno.makeTempFile({ prefix: "qj-junit-", suffix: ".xml" });
try {
  const code = await run(deno, ["test", "--allow-all", `--junit-path=${reportFile}`, ...tests]);
  const report = await Deno.readTextFile(reportFile);
  const failed = total(report, "failures") + total(report, "errors");
  const skipped = total(report, "disabled");
  const passed = total(report, "tests") - failed - skipped;
  // Deno can fail without a failed test: a leak, a module that does not load.
  const unexplained = code !== 0 && failed === 0 ? 1 : 0;
  const failures = failed + unexplained + failedGates;
  await Deno.stdout.write(
    new TextEncoder().encode(
      `${passed + gates.length - failedGates} passed, ${failures} failed` +
        `${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
    ),
  );
  Deno.exitCode = failures === 0 ? 0 : 1;
} finally {
  await Deno.remove(reportFile);
}
