/**
 * What POSIX says about regular files, checked in pending/ on a real mount with the queue paused.
 *
 * The same checks run in a local folder, which shows that they ask for nothing that a local file system does not do.
 * README.md lists where pending/ differs on purpose; checks/differences.ts checks that. Root runs some of them once more
 * as an ordinary user, since what root writes does not take set-id bits away. Names of groups behind `--` choose those.
 */
import assert from "node:assert/strict";
import { Qj } from "../mount/qj.ts";
import type { Checks, Place } from "./check.ts";
import { CHECKS } from "./checks/all.ts";
import { differences } from "./checks/differences.ts";
import { Client } from "./client.ts";
import { testAsNobody, whyNotAsNobody } from "./nobody.ts";

const HERE = new URL("./", import.meta.url).pathname;
/** Another user than root, with no rights anywhere: nobody's number on Debian. */
const OTHER_ID = 65534;

async function compile(source: string, program: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("gcc", {
    args: ["-Wall", "-Wextra", "-Werror", "-O1", "-o", program, source],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** Runs groups of checks in a folder, one step for each check. `outer` is a folder for what they need. */
async function runAll(
  t: Deno.TestContext,
  { folder, outer, groups }: {
    folder: string;
    outer: string;
    groups: Readonly<Record<string, Checks>>;
  },
): Promise<void> {
  const program = `${outer}/client`;
  await compile(`${HERE}client.c`, program);
  // Others may come in and make files; each changes only its own.
  await Deno.chmod(outer, 0o755);
  await Deno.chmod(folder, 0o1777);
  const [uid, gid] = [Deno.uid()!, Deno.gid()!];
  await using owner = new Client(program, uid, gid);
  await using reader = new Client(program, uid, gid);
  await using other = uid === 0 ? new Client(program, OTHER_ID, OTHER_ID) : null;
  let number = 0;
  for (const [group, checks] of Object.entries(groups)) {
    if (Deno.args.length > 0 && !Deno.args.includes(group)) continue;
    for (const [name, check] of Object.entries(checks)) {
      const prefix = `${folder}/${group}-${++number}-`;
      const path = (suffix = "file") => prefix + suffix;
      const place: Place = { folder, owner, reader, other, path };
      await t.step(`${group}: ${name}`, () => check(place));
    }
  }
}

Deno.test("posix: the checks hold in a local folder", async (t) => {
  const outer = await Deno.makeTempDir({ prefix: "qj-posix-" });
  try {
    const folder = `${outer}/pending`;
    await Deno.mkdir(folder);
    await runAll(t, { folder, outer, groups: CHECKS });
  } finally {
    await Deno.remove(outer, { recursive: true });
  }
});

Deno.test("posix: the checks hold in pending/, and so do the differences", async (t) => {
  const args = Deno.uid() === 0 ? ["--allow-other"] : [];
  await using qj = await Qj.start({ args, settings: { paused: true } });
  const folder = qj.path("pending");
  await runAll(t, { folder, outer: qj.folder, groups: { ...CHECKS, differences } });
});

const reason = await whyNotAsNobody();
if (reason !== null) {
  const text = `POSIX checks: one test skipped, since ${reason}\n`;
  await Deno.stderr.write(new TextEncoder().encode(text));
}

Deno.test({
  name: "posix: they hold for an ordinary user too",
  ignore: reason !== null,
  fn: () =>
    testAsNobody("tests/posix/posix_test.ts", {
      filter: "/pending/",
      args: ["write", "truncate", "chown"],
    }),
});
