/**
 * Two users and root on one mount: who may do what with whose job, path by path. Modes are the kernel's to check, so this is
 * a table of what qj says owners, modes and states are.
 */
import assert from "node:assert/strict";
import { constants } from "node:fs";
import type { Client } from "../posix/client.ts";
import { mkfifo } from "./helpers.ts";
import { A, B, ownersTest, resultOf } from "./owners.ts";
import { shows } from "./cases.ts";
import { type Qj } from "./qj.ts";

const { O_RDONLY, O_WRONLY, O_RDWR, O_DIRECTORY, O_CREAT, O_EXCL } = constants;

type Call = (client: Client, path: string) => Promise<unknown>;

const opened = (flags: number): Call => async (client, path) =>
  client.close(await client.open(path, flags));

/** Calls that leave everything as it is, or put it back. */
const CALLS = {
  stat: (client, path) => client.stat(path),
  read: opened(O_RDONLY),
  write: opened(O_WRONLY),
  "read and write": opened(O_RDWR),
  truncate: async (client, path) => {
    const { size } = await client.stat(path);
    await client.truncate(path, Number(size));
  },
  chmod: async (client, path) => {
    const { mode } = await client.stat(path);
    await client.chmod(path, mode & 0o7777);
  },
  "chown to B": async (client, path) => {
    const { uid, gid } = await client.stat(path);
    await client.chown(path, B, B);
    await client.chown(path, uid, gid);
  },
  utimens: (client, path) => client.utimens(path, { sec: 1n, nsec: 0 }, { sec: 1n, nsec: 0 }),
} as const satisfies Record<string, Call>;

type CallName = keyof typeof CALLS;
type Row = Readonly<Partial<Record<CallName, string>>>;

const OK = "ok";
/** Of a file that is not the user's, and of whose mode nothing is left for others. */
const CLOSED: Row = {
  ...{ stat: OK, read: "EACCES", write: "EACCES", "read and write": "EACCES" },
  ...{ truncate: "EACCES", chmod: "EPERM", "chown to B": "EPERM", utimens: "EPERM" },
};
const OWN_SCRIPT: Row = {
  ...{ stat: OK, read: OK, write: OK, "read and write": OK },
  ...{ truncate: OK, chmod: OK, "chown to B": "EPERM", utimens: OK },
};
const OWN_LOG: Row = {
  ...OWN_SCRIPT,
  ...{ write: "EPERM", "read and write": "EPERM", truncate: "EPERM" },
};
/** A script whose job is not pending can be read only. */
const OWN_OLD_SCRIPT: Row = {
  ...OWN_SCRIPT,
  ...{ write: "ESTALE", "read and write": "ESTALE", truncate: "ESTALE" },
};
/** What qj makes up has no bits for writing, which hold for all but root. */
const MADE: Row = {
  ...OWN_LOG,
  ...{ write: "EACCES", "read and write": "EACCES", truncate: "EACCES", utimens: "EPERM" },
};
const roots = (row: Row): Row => {
  const made = row === MADE ? { ...OWN_LOG, utimens: "EPERM" } : row;
  return { ...made, "chown to B": OK };
};

/** Rows by path: for A's job what A may, and root. B may what CLOSED says. */
const OF_JOB: Readonly<Record<string, Row>> = {
  "pending/x": OWN_SCRIPT,
  "jobs/x/script": OWN_SCRIPT,
  "jobs/x/status.json": MADE,
};
const OF_FINISHED: Readonly<Record<string, Row>> = {
  "failed/x": OWN_LOG,
  "jobs/x/script": OWN_OLD_SCRIPT,
  "jobs/x/log": OWN_LOG,
  "jobs/x/status.json": MADE,
  "jobs/x/attempts/1.log": MADE,
};

async function check(client: Client, qj: Qj, path: string, row: Row, who: string): Promise<void> {
  const answer: Record<string, string> = {};
  for (const name of Object.keys(row) as CallName[]) {
    answer[name] = await resultOf(() => CALLS[name](client, qj.path(path)));
  }
  assert.deepEqual(answer, row, `${who}: ${path}`);
}

ownersTest("a pending job: user, path, call, errno", async ({ qj, a, b, root, as }) => {
  await qj.configure({ paused: true });
  await as(A, "echo true > pending/x");
  for (const [path, row] of Object.entries(OF_JOB)) {
    await check(b, qj, path, CLOSED, "B");
    await check(a, qj, path, row, "A");
    await check(root, qj, path, roots(row), "root");
  }
});

ownersTest("a finished job: user, path, call, errno", async ({ qj, a, b, root, as }) => {
  await as(A, "echo false > pending/x");
  await qj.in("failed", "x");
  for (const [path, row] of Object.entries(OF_FINISHED)) {
    await check(b, qj, path, CLOSED, "B");
    await check(a, qj, path, row, "A");
    await check(root, qj, path, roots(row), "root");
  }
});

ownersTest(
  "an active job: its log, its signal and its end are its owner's and root's",
  async ({ qj, a, b, root, as }) => {
    await mkfifo(`${qj.folder}/gate`);
    await as(A, "echo 'while :; do sleep 0.1; done' > pending/x");
    await qj.in("active", "x");
    await qj.logged(/"x" started/);
    const signal = qj.path("jobs", "x", "signal");
    await check(b, qj, "active/x", CLOSED, "B");
    await check(a, qj, "active/x", OWN_LOG, "A");
    await check(root, qj, "active/x", roots(OWN_LOG), "root");
    assert.equal(await resultOf(() => b.open(signal, O_WRONLY)), "EACCES");
    for (const client of [a, root]) {
      const fd = await client.open(signal, O_WRONLY);
      assert.equal(await client.write(fd, "CONT"), 4);
      await client.close(fd);
    }
    const path = qj.path("active", "x");
    assert.equal(await resultOf(() => b.unlink(path)), "EPERM");
    for (const to of ["pending", "failed"]) {
      assert.equal(await resultOf(() => b.rename(path, qj.path(to, "x"))), "EPERM", to);
    }
    assert.equal(await resultOf(() => a.rename(path, qj.path("failed", "x"))), OK);
    await shows(qj, "failed/x", "cancelled");
  },
);

ownersTest("moves and removals: whose job, by whom, errno", async ({ qj, a, b, root, as }) => {
  await qj.configure({ paused: true });
  const moves = [["pending", "pending"], ["pending", "failed"], ["failed", "failed"], [
    "failed",
    "pending",
  ]];
  for (const [from, to] of moves as [string, string][]) {
    for (
      const [who, client, expected] of [["B", b, "EPERM"], ["A", a, OK], [
        "root",
        root,
        OK,
      ]] as const
    ) {
      await as(
        A,
        `echo true > pending/.x; mv pending/.x pending/x${
          from === "failed" ? "; mv pending/x failed/" : ""
        }`,
      );
      const path = qj.path(from, "x");
      const result = await resultOf(() => client.rename(path, qj.path(to, "y")));
      assert.equal(result, expected, `${who}: ${from} to ${to}`);
      await root.unlink(result === OK ? qj.path(to, "y") : path);
    }
    for (const [who, client, expected] of [["B", b, "EPERM"], ["A", a, OK]] as const) {
      await as(
        A,
        `echo true > pending/.x; mv pending/.x pending/x${
          from === "failed" ? "; mv pending/x failed/" : ""
        }`,
      );
      assert.equal(
        await resultOf(() => client.unlink(qj.path(from, "x"))),
        expected,
        `${who}: ${from}`,
      );
      if (expected !== OK) await root.unlink(qj.path(from, "x"));
    }
  }
});

ownersTest("what is not a job: user, path, call, errno", async ({ qj, a, root }) => {
  const files = { "new-id": OK, metrics: OK, events: OK, "config.json": "EACCES" };
  for (const [name, read] of Object.entries(files)) {
    const path = qj.path(name);
    assert.equal(await resultOf(() => opened(O_RDONLY)(a, path)), read, name);
    assert.equal(await resultOf(() => opened(O_WRONLY)(a, path)), "EACCES", name);
    for (const call of ["chmod", "chown to B"] as const) {
      assert.equal(await resultOf(() => CALLS[call](a, path)), "EPERM", `${call} ${name}`);
    }
    assert.equal(await resultOf(() => a.unlink(path)), "EACCES", name);
  }
  assert.equal(await resultOf(() => opened(O_WRONLY)(root, qj.path("config.json"))), OK);
  for (const name of ["", "pending", "active", "complete", "failed", "jobs"]) {
    const path = qj.path(name);
    assert.equal(await resultOf(() => opened(O_RDONLY | O_DIRECTORY)(a, path)), OK, name);
    assert.equal(await resultOf(() => CALLS.chmod(a, path)), "EPERM", name);
    assert.equal(
      await resultOf(() => a.mkdir(`${path}/new`)),
      name === "" || name === "jobs" ? "EACCES" : "EPERM",
    );
  }
  const places = {
    pending: OK,
    active: "EPERM",
    complete: "EPERM",
    failed: "EPERM",
    jobs: "EACCES",
    "": "EACCES",
  };
  for (const [name, expected] of Object.entries(places)) {
    const flags = O_WRONLY | O_CREAT | O_EXCL;
    const made = await resultOf(() => opened(flags)(a, qj.path(name, `made-in-${name}`)));
    assert.equal(made, expected, `create in ${name}`);
  }
});
