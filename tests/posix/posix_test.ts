/**
 * What POSIX says about regular files, checked in pending/ on a real mount with the queue paused.
 *
 * The same checks run in a local folder, which shows that they ask for nothing that a local file system does not do.
 * README.md lists where pending/ differs on purpose; checks/differences.ts checks that.
 */
import assert from "node:assert/strict";
import { Qj } from "../mount/qj.ts";
import type { Checks, Place } from "./check.ts";
import { CHECKS } from "./checks/all.ts";
import { differences } from "./checks/differences.ts";
import { Client } from "./client.ts";

const HERE = new URL("./", import.meta.url).pathname;
/** Another user than any daemon's: nobody has these on Debian, and no rights anywhere. */
const OTHER_ID = 65534;

async function withClient(test: (program: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-posix-" });
  try {
    const program = `${folder}/client`;
    const { success, stderr } = await new Deno.Command("gcc", {
      args: ["-Wall", "-Wextra", "-Werror", "-O1", "-o", program, `${HERE}client.c`],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    await Deno.chmod(folder, 0o755);
    await test(program);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a group of checks in a folder, one step for each. */
async function runAll(
  t: Deno.TestContext,
  folder: string,
  program: string,
  groups: Readonly<Record<string, Checks>>,
): Promise<void> {
  const uid = Deno.uid()!;
  await using owner = new Client(program, uid, Deno.gid()!);
  await using other = uid === 0 ? new Client(program, OTHER_ID, OTHER_ID) : null;
  // Others may come in and make files; each changes only its own.
  await Deno.chmod(folder, 0o1777);
  let number = 0;
  for (const [group, checks] of Object.entries(groups)) {
    for (const [name, check] of Object.entries(checks)) {
      const prefix = `${folder}/${group}-${++number}-`;
      const place: Place = { folder, owner, other, path: (name = "file") => prefix + name };
      await t.step(`${group}: ${name}`, () => check(place));
    }
  }
}

Deno.test("posix: the checks hold in a local folder", (t) =>
  withClient(async (program) => {
    const outer = await Deno.makeTempDir({ prefix: "qj-posix-" });
    try {
      await Deno.chmod(outer, 0o755);
      await Deno.mkdir(`${outer}/pending`);
      await runAll(t, `${outer}/pending`, program, CHECKS);
    } finally {
      await Deno.remove(outer, { recursive: true });
    }
  }));

Deno.test("posix: the checks hold in pending/, and so do the differences", (t) =>
  withClient(async (program) => {
    const args = Deno.uid() === 0 ? ["--allow-other"] : [];
    await using qj = await Qj.start({ args, settings: { paused: true } });
    await Deno.chmod(qj.folder, 0o755);
    await runAll(t, qj.path("pending"), program, { ...CHECKS, differences });
    assert.doesNotMatch(qj.log, /unexpected|error:/i);
  }));
