import assert from "node:assert/strict";
import { openLibc } from "../../ffi/libfuse.ts";
import { userByUid } from "../../ffi/users.ts";
import { Owners } from "../../scheduler/owners.ts";
import type { Job } from "../../store/job.ts";

const libc = openLibc();

async function output(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(program, { args }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("userByUid() finds what getent(1) and id(1) do", async () => {
  const uids = (await output("getent", "passwd")).split("\n").map((line) => line.split(":"));
  assert.ok(uids.length > 3);
  for (const [name, , uid, gid, , home, shell] of uids.slice(0, 20)) {
    const user = await userByUid(libc, Number(uid));
    // Several names may have one number: the first is the one that counts.
    if (user?.name !== name) continue;
    const groups = (await output("id", "-G", name!)).split(" ").map(Number);
    assert.deepEqual(
      { ...user, groups: [...user!.groups].sort() },
      { name, uid: Number(uid), gid: Number(gid), home, shell, groups: groups.sort() },
    );
  }
  assert.equal((await userByUid(libc, 0))?.home, "/root");
});

Deno.test("userByUid() of a number that nobody has is null", async () => {
  assert.equal(await userByUid(libc, 4_000_000_001), null);
});

const ALICE = {
  ...{ name: "alice", uid: 1001, gid: 1002, groups: [1002, 27] },
  ...{ home: "/home/alice", shell: "" },
};

function owners(loginDefs = "", runAsRoot = false): Owners {
  return new Owners({
    userByUid: (uid) => Promise.resolve(uid === 5 ? null : { ...ALICE, uid }),
    runAsRoot,
    mountpoint: "/mnt",
    openFiles: 1024,
    loginDefs,
  });
}

const jobOf = (uid: number) => ({ uid }) as Job;

Deno.test("Owners gives a job what a login of its owner has", async () => {
  assert.deepEqual(await owners().environment(jobOf(1001)), {
    cwd: "/home/alice",
    openFiles: 1024,
    env: {
      HOME: "/home/alice",
      USER: "alice",
      LOGNAME: "alice",
      SHELL: "/bin/sh",
      PATH: "/usr/local/bin:/usr/bin:/bin",
      QJ_MOUNT: "/mnt",
    },
    setpriv: ["--reuid", "1001", "--regid", "1002", "--groups", "1002,27"],
    user: { uid: 1001, gid: 1002 },
  });
});

Deno.test("Owners takes the paths of login.defs", async () => {
  const defs = "# ENV_PATH PATH=/no\nENV_SUPATH\tPATH=/sbin:/bin\nENV_PATH  /bin:/games # x\n";
  const path = async (uid: number) =>
    (await owners(defs, true).environment(jobOf(uid))).env["PATH"];
  assert.equal(await path(1001), "/bin:/games");
  assert.equal(await path(0), "/sbin:/bin");
});

Deno.test("Owners refuses root's jobs unless they are wanted, and says who is unknown", async () => {
  assert.match(owners().refuse(jobOf(0))!, /belongs to root.*--run-as-root/);
  assert.equal(owners("", true).refuse(jobOf(0)), null);
  assert.equal(owners().refuse(jobOf(1001)), null);
  await assert.rejects(owners().environment(jobOf(5)), /user 5, has no entry in passwd/);
});
