/** A daemon of root's that runs jobs as their owners (`--run-as owner`), and clients of two other users. */
import { Client, SystemCallError } from "../posix/client.ts";
import { compileClient } from "./clients.ts";
import { Qj, type QjOptions } from "./qj.ts";

/** Users that every Debian has, with a home that exists: daemon and bin. */
export const A = 1;
export const B = 2;

const isRoot = Deno.uid() === 0;
if (!isRoot) {
  const text = "Owners: tests skipped, since only root can become other users\n";
  await Deno.stderr.write(new TextEncoder().encode(text));
}

export interface OwnersStage {
  readonly qj: Qj;
  readonly a: Client;
  readonly b: Client;
  readonly root: Client;
  /** Runs a shell script as a user, in the mountpoint. */
  readonly as: (
    uid: number,
    script: string,
  ) => Promise<{ code: number; stdout: string; stderr: string }>;
}

/** What came of a call: "ok" or its errno. */
export async function resultOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return "ok";
  } catch (error) {
    if (error instanceof SystemCallError) return error.errno;
    throw error;
  }
}

/** The directories have mode 1777, as for a service that all users share; each job is tried once. */
export function ownersTest(
  name: string,
  body: (stage: OwnersStage) => Promise<void>,
  options: QjOptions = {},
): void {
  Deno.test({
    name: /^(units|[PR]\d):/.test(name) ? name : `owners: ${name}`,
    ignore: !isRoot,
    fn: async () => {
      await using qj = await Qj.start({
        ...options,
        cwd: "/",
        args: ["--run-as", "owner", ...options.args ?? []],
        settings: { max_attempts: 1, ...options.settings },
      });
      await Deno.chmod(qj.folder, 0o755);
      await qj.sh("chmod 1777 pending active complete failed");
      const program = await compileClient(qj.folder);
      await using a = new Client(program, A, A);
      await using b = new Client(program, B, B);
      await using root = new Client(program, 0, 0);
      const as = (uid: number, script: string) =>
        qj.sh(
          `exec setpriv --reuid ${uid} --regid ${uid} --clear-groups ` +
            `bash -c '${script.replaceAll("'", "'\\''")}'`,
        );
      await body({ qj, a, b, root, as });
    },
  });
}
