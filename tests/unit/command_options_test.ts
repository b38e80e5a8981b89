/** Scripts with a working directory, a niceness and a wrapper, run for real, by the shells that are /bin/sh somewhere. */
import assert from "node:assert/strict";
import { commandLine, type CommandOptions, type JobEnvironment } from "../../scheduler/command.ts";
import { bytes, text } from "./store_fixture.ts";

const HERE: JobEnvironment = { cwd: "/", env: {}, openFiles: 64, setpriv: [] };

function pathOf(shell: string): string | null {
  for (const folder of ["/usr/bin", "/bin", "/usr/local/bin"]) {
    try {
      if (Deno.statSync(`${folder}/${shell}`).isFile) return `${folder}/${shell}`;
    } catch {
      // It is not there.
    }
  }
  return null;
}

interface Ran {
  readonly output: string;
  readonly code: number;
  /** What went to stderr, where no job's output may go. */
  readonly errors: string;
}

/** Runs a script as the daemon does, with `shell` as /bin/sh. `folder` is for files of the test. */
async function run(
  shell: string,
  script: string | Uint8Array,
  options: (folder: string) => CommandOptions,
  environment: JobEnvironment = HERE,
): Promise<Ran> {
  const data = typeof script === "string" ? bytes(script) : script;
  const folder = await Deno.makeTempDir({ prefix: "qj-command-" });
  try {
    await Deno.symlink(shell, `${folder}/sh`);
    await Deno.mkdir(`${folder}/two words`);
    const line = commandLine(data, environment, options(folder));
    const path = `${folder}/1`;
    if (line.file) await Deno.writeFile(path, data, { mode: 0o700 });
    const own = (word: string) => word === "/bin/sh" ? `${folder}/sh` : word;
    const { stdout, stderr, code } = await new Deno.Command(own(line.program), {
      args: (line.file ? line.args(path) : line.args).map(own),
      cwd: "/",
      stdin: "null",
    }).output();
    return { output: text(stdout).replaceAll(folder, "F"), code, errors: text(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The ways in which a script becomes a process. */
const FORMS: Readonly<Record<string, (script: string) => string>> = {
  text: (script) => script,
  "a file": (script) => `${script}\n${"#".repeat(140_000)}\n`,
  "an executable": (script) => `#!/bin/sh\n${script}\n`,
};

const none = () => ({});
const WRAPPERS: Readonly<Record<string, CommandOptions>> = {
  "as it is": {},
  "nice": { nice: 7 },
  "a wrapper": { wrapper: ["env", "W=two words"] },
  "a wrapper and nice": { wrapper: ["env", "W="], nice: 7 },
};

for (const name of ["dash", "bash"]) {
  const shell = pathOf(name);
  const test = (what: string, body: (shell: string) => Promise<void>) =>
    Deno.test({ name: `${name}: ${what}`, ignore: shell === null, fn: () => body(shell!) });

  for (const [form, make] of Object.entries(FORMS)) {
    for (const [how, options] of Object.entries(WRAPPERS)) {
      test(`${form} by ${how} has no arguments and its own exit status, output and errors`, async (sh) => {
        const script = make('echo "$#"; echo a >&2; echo b; (exit 3) || exit 7');
        assert.deepEqual(await run(sh, script, () => options), {
          ...{ output: "0\na\nb\n", code: 7, errors: "" },
        });
      });

      test(`${form} by ${how} has the umask, open files and directory of its job`, async (sh) => {
        const script = make("umask; ulimit -Sn; pwd -P");
        const ran = await run(sh, script, (folder) => ({ ...options, cwd: `${folder}/two words` }));
        assert.equal(ran.output, "0022\n64\nF/two words\n");
      });

      test(`${form} by ${how} is killed by a signal as such`, async (sh) => {
        assert.equal((await run(sh, make("kill -9 $$"), () => options)).code, 128 + 9);
      });
    }

    test(`${form} runs with its niceness`, async (sh) => {
      const own = Number(text((await new Deno.Command("nice").output()).stdout));
      const { output } = await run(sh, make("nice"), () => ({ nice: 3 }));
      assert.equal(Number(output), Math.min(19, own + 3));
    });

    test(`${form} does not run without its directory, and says so`, async (sh) => {
      for (const options of [{}, { wrapper: ["env"] }, { nice: 1 }]) {
        const ran = await run(sh, make("echo ran"), (f) => ({ ...options, cwd: `${f}/none` }));
        assert.equal(ran.code, 126);
        assert.match(ran.output, /F\/none/);
        assert.doesNotMatch(ran.output, /^ran$/m);
      }
    });

    test(`${form} does not run without its wrapper, and says so`, async (sh) => {
      const ran = await run(sh, make("echo ran"), () => ({ wrapper: ["no such tool", "-x"] }));
      assert.deepEqual(ran, {
        ...{ output: "qj: wrapper: no such program: no such tool\n", code: 127, errors: "" },
      });
    });

    test(`${form} has what the wrapper prints in its output too, and the wrapper's status`, async (sh) => {
      const wrapper = ["sh", "-c", 'echo before >&2; "$@"; echo "after $?"; exit 5', "wrapper"];
      const ran = await run(sh, make("echo mine; exit 3"), () => ({ wrapper }));
      assert.deepEqual(ran, { output: "before\nmine\nafter 3\n", code: 5, errors: "" });
    });

    test(`${form} is joined again when the wrapper divides its streams`, async (sh) => {
      const wrapper = ["sh", "-c", '"$@" 2>/dev/null', "wrapper"];
      assert.equal(
        (await run(sh, make("echo a >&2; echo b"), () => ({ wrapper }))).output,
        "a\nb\n",
      );
    });
  }

  test("a script by a wrapper may contain any quoting", async (sh) => {
    const script = `# it's "a" \\\necho 'x'"y"\\$ "$#"\ncat <<'E'\n$z \`\nE`;
    const { output } = await run(sh, script, () => ({ wrapper: ["env"], nice: 1 }));
    assert.equal(output, "xy$ 0\n$z `\n");
  });

  test("a wrapper by a path, and with words of any kind", async (sh) => {
    const script = 'printf "%s\\n" "$W"';
    for (const word of ["a b", "'\"", "$HOME", "*", "-n", "", "é\n"]) {
      const { output } = await run(sh, script, () => ({ wrapper: [pathOf("env")!, `W=${word}`] }));
      assert.equal(output, `${word}\n`);
    }
  });

  test("a script has no stdin", async (sh) => {
    assert.equal((await run(sh, "cat; echo end", () => ({ wrapper: ["env"] }))).output, "end\n");
  });

  test("a syntax error is told in the output, by the script's line", async (sh) => {
    for (const options of [none, () => ({ wrapper: ["env"] })]) {
      const { output, code, errors } = await run(sh, "echo a\nif\n)", options);
      assert.notEqual(code, 0);
      assert.match(output, /[Ss]yntax error/);
      assert.match(output, /\b3\b/);
      assert.equal(errors, "");
    }
  });
}

Deno.test("commandLine() with groups puts setpriv before all, and the wrapper inside", () => {
  const environment = { ...HERE, setpriv: ["--groups", "4,5"] };
  const line = commandLine(bytes("true"), environment, { wrapper: ["srun", "-n1"], nice: 5 });
  assert.ok(!line.file);
  const from = line.args.indexOf("/usr/bin/setpriv");
  assert.deepEqual(line.args.slice(from + 1, from + 5), ["--groups", "4,5", "--", "/bin/sh"]);
  const rest = line.args.slice(line.args.indexOf("srun"));
  assert.deepEqual(rest.slice(0, 7), ["srun", "-n1", "nice", "-n", "5", "/bin/sh", "-c"]);
  assert.equal(rest.at(-1), "true");
});

Deno.test("a script by a wrapper is one argument up to the same length", () => {
  const limit = 131_072 - 1 - "shift;".length;
  const options = { wrapper: ["env"] };
  assert.equal(commandLine(bytes("true".padEnd(limit)), HERE, options).file, false);
  assert.ok(commandLine(bytes("true".padEnd(limit + 1)), HERE, options).file);
});
