/** What --completion prints, in real shells: they source it, and complete a line as a user would have it completed. */
import assert from "node:assert/strict";
import { qjCommand } from "../mount/qj.ts";

/** A folder with a command `qj` in it. */
async function withCommand(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  try {
    const [program, args] = qjCommand([]);
    const command = [program, ...args].map((word) => `'${word}'`).join(" ");
    await Deno.writeTextFile(`${folder}/qj`, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
    await Deno.mkdir(`${folder}/jobs`);
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(folder: string, program: string, args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd: folder,
    env: { PATH: `${folder}:${Deno.env.get("PATH")}`, HOME: folder },
    stdin: "null",
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, error: error! };
}

async function isInstalled(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

function without(shell: string): void {
  const text = `completion: skipped, since there is no ${shell}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["qj --lo", ["--log-level", "--log-format"], ["--state-file"]],
  ["qj --log-level ", ["debug", "info", "warning", "error"], ["--log-level"]],
  ["qj --run-as ", ["owner"], []],
  ["qj jo", ["jobs"], ["qj"]],
];

Deno.test("--completion bash completes options, their values and directories", async () => {
  await withCommand(async (folder) => {
    const { code, out } = await run(folder, "qj", ["--completion", "bash"]);
    assert.equal(code, 0);
    await Deno.writeTextFile(`${folder}/completion`, out);
    for (const [line, offered, others] of CASES) {
      const script = `source completion; COMP_LINE=$1 COMP_POINT=\${#1} COMP_WORDS=($1)
        [[ $1 == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); complete -p qj > /dev/null || exit 3
        _qj qj "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const completed = await run(folder, "bash", ["-c", script, "bash", line]);
      const words = completed.out.split("\n").map((word) => word.trim().replace(/\/$/, ""));
      for (const word of offered) assert.ok(words.includes(word), `${line}: ${completed.out}`);
      for (const word of others) assert.ok(!words.includes(word), `${line}: ${completed.out}`);
    }
  });
});

Deno.test("--completion fish completes options, their values and directories", async () => {
  if (!await isInstalled("fish")) return without("fish");
  await withCommand(async (folder) => {
    const { out } = await run(folder, "qj", ["--completion", "fish"]);
    await Deno.writeTextFile(`${folder}/completion`, out);
    for (const [line, offered] of CASES) {
      const script = `source completion; complete -C '${line}'`;
      const completed = await run(folder, "fish", ["-c", script]);
      const words = completed.out.split("\n").map((word) => word.replace(/\t.*|\/$/, ""));
      for (const word of offered) assert.ok(words.includes(word), `${line}: ${completed.out}`);
    }
  });
});

Deno.test("--completion zsh is a script that zsh takes", async () => {
  if (!await isInstalled("zsh")) return without("zsh");
  await withCommand(async (folder) => {
    const { out } = await run(folder, "qj", ["--completion", "zsh"]);
    await Deno.writeTextFile(`${folder}/_qj`, out);
    const script = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; source ./_qj; " +
      "print ${_comps[qj]}";
    const { code, out: printed, error } = await run(folder, "zsh", ["-f", "-c", script]);
    assert.deepEqual([code, printed, error], [0, "_qj\n", ""]);
  });
});

Deno.test("--completion of no shell that there is: bad usage", async () => {
  await withCommand(async (folder) => {
    const { code, out, error } = await run(folder, "qj", ["--completion", "nosuch"]);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(error, /^qj: .*"nosuch".*"bash"/);
  });
});
