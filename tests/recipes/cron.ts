/**
 * What cron does with a crontab, but for the waiting: fields and settings are those of crontab(5), and the line is run by
 * SHELL in the environment that cron gives. An unescaped % ends the command; what follows is its standard input, with a
 * newline for each further %.
 */
import type { ShellResult } from "../mount/qj.ts";
import { runCommand } from "./command.ts";
import type { Home } from "./home.ts";

export interface CronLine {
  readonly when: string;
  readonly command: string;
  readonly stdin: string;
}

export interface Crontab {
  readonly settings: Readonly<Record<string, string>>;
  readonly lines: readonly CronLine[];
}

const SETTING = /^(\w+) *= *(?:"([^"]*)"|'([^']*)'|(.*?)) *$/;
const LINE = /^(@\w+|(?:\S+[ \t]+){4}\S+)[ \t]+(.+)$/;

export function parseCrontab(text: string): Crontab {
  const settings: Record<string, string> = {};
  const lines: CronLine[] = [];
  for (const line of text.split("\n").map((line) => line.trimStart())) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name, ...values] = SETTING.exec(line) ?? [];
    if (name !== undefined) {
      settings[name] = values.find((value) => value !== undefined) ?? "";
      continue;
    }
    const [, when, rest] = LINE.exec(line) ?? [];
    if (when === undefined) throw new Error(`no line of a crontab: ${line}`);
    const [command, ...input] = rest!.split(/(?<!\\)%/).map((part) => part.replaceAll("\\%", "%"));
    const stdin = input.map((part) => `${part}\n`).join("");
    lines.push({ when: when.replace(/\s+/g, " "), command: command!, stdin });
  }
  return { settings, lines };
}

/** Runs one line of a crontab now. */
export async function runCronLine(
  home: Home,
  { settings, lines }: Crontab,
  which: RegExp,
): Promise<ShellResult> {
  const found = lines.filter(({ command }) => which.test(command));
  if (found.length !== 1) throw new Error(`${found.length} lines of the crontab are ${which}`);
  const { command, stdin } = found[0]!;
  const env = {
    HOME: home.folder,
    LOGNAME: "me",
    SHELL: "/bin/sh",
    PATH: "/usr/bin:/bin",
    ...settings,
  };
  const options = { args: ["-c", command], cwd: home.folder, clearEnv: true, env };
  return await runCommand(env.SHELL, options, stdin);
}

/** What the system's crontab says about a text: null if it would install it. */
export async function crontabFault(home: Home, text: string): Promise<string | null> {
  await home.write("crontab", text);
  const check = async (flag: string) => {
    const file = home.path("crontab");
    const { code, stderr } = await new Deno.Command("crontab", { args: [flag, file] }).output();
    return { code, text: new TextDecoder().decode(stderr) };
  };
  let result = await check("-n"); // Debian's cron
  if (/invalid option/.test(result.text)) result = await check("-T"); // cronie
  return result.code === 0 ? null : result.text;
}
