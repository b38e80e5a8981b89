import assert from "node:assert/strict";
import {
  commandLine,
  type JobEnvironment,
  spawnEnvironment,
  unrunnable,
} from "../../scheduler/command.ts";
import { bytes, text } from "./store_fixture.ts";

const HERE: JobEnvironment = { cwd: "/", env: {}, openFiles: 64, setpriv: [] };

/** Runs a script as the daemon does; what it printed, stderr included, and its exit status. */
async function run(
  script: string | Uint8Array,
  environment: JobEnvironment = HERE,
): Promise<{ readonly output: string; readonly code: number }> {
  const data = typeof script === "string" ? bytes(script) : script;
  const line = commandLine(data, environment);
  const folder = await Deno.makeTempDir({ prefix: "qj-command-" });
  try {
    const path = `${folder}/1`;
    if (line.file) await Deno.writeFile(path, data, { mode: 0o700 });
    const { stdout, code } = await new Deno.Command(line.program, {
      args: [...line.file ? line.args(path) : line.args],
      cwd: "/",
      stdin: "null",
      stderr: "null",
    }).output();
    return { output: text(stdout), code };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A script that is longer than one argument may be. */
function long(script: string): string {
  return `${script}\n${"#".repeat(140_000)}\n`;
}

Deno.test("unrunnable() refuses a NUL byte, but not in an executable, and what is not all there", () => {
  const reason = (script: string, scriptSize = bytes(script).length) =>
    unrunnable(bytes(script), { scriptSize });
  assert.match(reason("echo \0")!, /NUL/);
  assert.equal(reason("echo"), null);
  assert.equal(reason("#!/bin/cat\n\0"), null);
  assert.match(reason("", 4)!, /missing in the state file/);
});

Deno.test("commandLine() hands a short text over as an argument", () => {
  const line = commandLine(bytes("echo é"), HERE);
  assert.equal(line.file, false);
  assert.equal(line.program, "/bin/sh");
  assert.equal(line.args.at(-1), "echo é");
});

Deno.test("commandLine() takes a file where an argument does not do", () => {
  const scripts = [bytes(long("true")), new Uint8Array([0x3a, 0xff]), bytes("#!/bin/sh\n")];
  for (const script of scripts) assert.ok(commandLine(script, HERE).file);
});

Deno.test("commandLine() asks setpriv for groups that would be dropped", () => {
  const line = commandLine(bytes("true"), { ...HERE, setpriv: ["--groups", "4,5"] });
  assert.ok(!line.file);
  const from = line.args.indexOf("/usr/bin/setpriv");
  assert.deepEqual(line.args.slice(from + 1, from + 5), ["--groups", "4,5", "--", "/bin/sh"]);
});

for (const [kind, make] of [["text", (s: string) => s], ["file", long]] as const) {
  Deno.test(`a script as ${kind} has no arguments and its own exit status`, async () => {
    assert.deepEqual(await run(make('echo "$#"; exit 7')), { output: "0\n", code: 7 });
  });

  Deno.test(`a script as ${kind} has stderr in its output, in order`, async () => {
    const { output } = await run(make("echo a; echo b >&2; echo c"));
    assert.equal(output, "a\nb\nc\n");
  });

  Deno.test(`a script as ${kind} runs with the cwd, umask and open files of its job`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "qj-cwd é-" });
    try {
      const environment = { ...HERE, cwd: folder };
      const { output } = await run(make("pwd -P; umask; ulimit -Sn"), environment);
      assert.equal(output, `${await Deno.realPath(folder)}\n0022\n64\n`);
    } finally {
      await Deno.remove(folder);
    }
  });

  Deno.test(`a script as ${kind} does not run without its cwd`, async () => {
    const { output, code } = await run(make("echo ran"), { ...HERE, cwd: "/nonexistent" });
    assert.equal(code, 126);
    assert.doesNotMatch(output, /^ran$/m);
    assert.match(output, /nonexistent/);
  });

  Deno.test(`a script as ${kind} says in its output where its syntax is wrong`, async () => {
    const { output, code } = await run(make("echo a\nif\n)"));
    assert.notEqual(code, 0);
    assert.match(output, /[Ss]yntax error/);
  });

  Deno.test(`a script as ${kind} may contain any quoting`, async () => {
    const { output } = await run(make(`# it's "a" \\\necho 'x'"y"\\$\ncat <<'E'\n$z\nE`));
    assert.equal(output, "xy$\n$z\n");
  });
}

Deno.test("a script may be an argument up to the byte", async () => {
  const limit = 131_072 - 1 - "shift;".length;
  const script = "true".padEnd(limit, " ");
  assert.equal(commandLine(bytes(script), HERE).file, false);
  assert.equal((await run(script)).code, 0);
  assert.ok(commandLine(bytes(`${script} `), HERE).file);
});

Deno.test("a script with a shebang runs by its interpreter", async () => {
  assert.equal((await run("#!/bin/cat\nshown\n")).output, "#!/bin/cat\nshown\n");
  const missing = await run("#!/nonexistent\n");
  assert.ok(missing.code === 126 || missing.code === 127);
});

Deno.test("a script that is not UTF-8 keeps its bytes", async () => {
  const script = new Uint8Array([...bytes("printf '%s' '"), 0xff, ...bytes("' | wc -c\n")]);
  assert.equal((await run(script)).output.trim(), "1");
});

/** The words that stand before the path of the script. */
function interpreter(script: string | Uint8Array): string[] {
  const data = typeof script === "string" ? bytes(script) : script;
  const line = commandLine(data, HERE);
  assert.ok(line.file);
  const args = line.args("/script");
  assert.equal(args.at(-1), "/script");
  return args.slice(args.indexOf("64") + 1, -1);
}

Deno.test("commandLine() finds an interpreter as the kernel does", () => {
  assert.deepEqual(interpreter("#!/bin/sh\n"), ["/bin/sh"]);
  assert.deepEqual(interpreter("#! \t/bin/sh  \t\nx"), ["/bin/sh"]);
  assert.deepEqual(interpreter("#!/usr/bin/env -S a  b \nx"), ["/usr/bin/env", "-S a  b"]);
  assert.deepEqual(interpreter("#!/bin/sh"), ["/bin/sh"]);
  assert.deepEqual(interpreter("#!/bin/é\n"), ["/bin/é"]);
  assert.deepEqual(interpreter("#!/bin/cat\0x\n"), ["/bin/cat"]);
  // In the working directory, not in PATH.
  assert.deepEqual(interpreter("#!sh -e\n"), ["./sh", "-e"]);
});

Deno.test("commandLine() executes a script in which the kernel finds no interpreter", () => {
  for (const script of ["#!\n/bin/sh", "#! \t\n", "#!\0\n", `#!/${"x".repeat(300)}\n`]) {
    assert.deepEqual(interpreter(script), []);
  }
  // An argument that is cut off is cut off.
  const argument = interpreter(`#!/bin/sh ${"y".repeat(300)}\n`)[1]!;
  assert.equal(argument.length, 256 - "#!/bin/sh ".length);
});

Deno.test("what its owner chooses travels under names that mean nothing to others", async () => {
  const environment = { ...HERE, env: { HOME: "/" }, user: { uid: 1, gid: 1 } };
  const chosen = { LD_PRELOAD: "/evil.so", PATH: "/evil", VALUE: "a 'b' $c\n\"" };
  const env = spawnEnvironment(environment, chosen, { QJ_JOB: "x" });
  assert.deepEqual(Object.keys(env).sort(), ["HOME", "QJ_ENV_0", "QJ_ENV_1", "QJ_ENV_2", "QJ_JOB"]);
  const line = commandLine(bytes("exit"), environment, { env: { A: "1", VALUE: chosen.VALUE } });
  assert.ok(line.file, "the script is not among the arguments");
  const folder = await Deno.makeTempDir({ prefix: "qj-command-" });
  try {
    await Deno.writeTextFile(`${folder}/1`, 'printf %s "$A$VALUE${QJ_ENV_0-none}${QJ_ENV_1-none}"');
    const { stdout } = await new Deno.Command(line.program, {
      args: [...line.args(`${folder}/1`)],
      clearEnv: true,
      env: spawnEnvironment(environment, { A: "1", VALUE: chosen.VALUE }),
    }).output();
    assert.equal(text(stdout), `1${chosen.VALUE}nonenone`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
