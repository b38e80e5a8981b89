import assert from "node:assert/strict";
import { Failure, reasonOf } from "../../cli/failure.ts";
import { type OpenState, openState, statePath } from "../../cli/state_file.ts";

function path(option: string | undefined, env: Readonly<Record<string, string>>): string[] {
  const { path, knob } = statePath(option, (name) => env[name], "/here");
  return [path, knob];
}

const ENV = { QJ_STATE_FILE: "/own/q.db", XDG_DATA_HOME: "/data", HOME: "/home/me" };

Deno.test("statePath() takes the option, then the environment", () => {
  assert.deepEqual(path("/o.db", ENV), ["/o.db", "--state-file"]);
  assert.deepEqual(path("o.db", ENV), ["/here/o.db", "--state-file"]);
  assert.deepEqual(path(undefined, ENV), ["/own/q.db", "QJ_STATE_FILE"]);
  assert.deepEqual(path(undefined, { ...ENV, QJ_STATE_FILE: "q.db" }), [
    ...["/here/q.db", "QJ_STATE_FILE"],
  ]);
  assert.deepEqual(path(undefined, { ...ENV, QJ_STATE_FILE: "" }), [
    ...["/data/qj/state.db", "XDG_DATA_HOME"],
  ]);
  const { HOME } = ENV;
  const home = ["/home/me/.local/share/qj/state.db", "HOME"];
  assert.deepEqual(path(undefined, { HOME }), home);
  for (const XDG_DATA_HOME of ["", "relative"]) {
    assert.deepEqual(path(undefined, { XDG_DATA_HOME, HOME }), home);
  }
});

Deno.test("statePath() says what to do when nothing says where", () => {
  assert.throws(
    () => path(undefined, {}),
    (error) => error instanceof Failure && error.status === 2 && /--state-file/.test(error.message),
  );
});

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-state-" });
  try {
    await body(await Deno.realPath(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function close({ store, lock }: OpenState): void {
  store.close();
  lock.close();
}

async function failure(path: string, mountpoint = "/nowhere"): Promise<string> {
  try {
    close(await openState({ path, knob: "QJ_STATE_FILE" }, mountpoint));
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    assert.ok(error.message.startsWith(`cannot open state file "${path}" (QJ_STATE_FILE): `));
    return error.message;
  }
  assert.fail("it was opened");
}

Deno.test("openState() makes the folder and files for the owner alone", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a/b/q.db`;
    const state = await openState({ path, knob: "HOME" }, "/nowhere");
    const mode = async (file: string) => (await Deno.stat(file)).mode! & 0o777;
    assert.equal(await mode(`${folder}/a/b`), 0o700);
    for (const file of [path, `${path}-wal`, `${path}.lock`]) {
      assert.equal(await mode(file), 0o600, file);
    }
    assert.equal(await mode(state.runFolder), 0o700);
    close(state);
  });
});

Deno.test("openState() refuses a second daemon and names the first", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/q.db`;
    const first = await openState({ path, knob: "HOME" }, "/nowhere");
    assert.match(await failure(path), new RegExp(`another qj uses it \\(pid ${Deno.pid}\\)`));
    await Deno.symlink(folder, `${folder}.link`);
    try {
      assert.match(await failure(`${folder}.link/q.db`), /another qj uses it/);
    } finally {
      await Deno.remove(`${folder}.link`);
    }
    close(first);
    close(await openState({ path, knob: "HOME" }, "/nowhere"));
  });
});

Deno.test("openState() refuses a path inside the mountpoint", async () => {
  await withFolder(async (folder) => {
    for (const path of [`${folder}/q.db`, `${folder}/sub/q.db`, `${folder}//q.db`]) {
      assert.match(await failure(path, folder), /inside the mountpoint/);
    }
    const beside = `${folder}x/q.db`;
    close(await openState({ path: beside, knob: "HOME" }, folder));
    await Deno.remove(`${folder}x`, { recursive: true });
  });
});

Deno.test({
  name: "openState() leaves what is no state file as it is",
  // The lock is held until the program ends, which is at once.
  sanitizeResources: false,
  fn: async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/q.db`;
      const content = "this is a letter, not a database. ".repeat(100);
      await Deno.writeTextFile(path, content);
      assert.match(await failure(path), /not a database.*move it away/);
      assert.equal(await Deno.readTextFile(path), content);
    });
  },
});

Deno.test("openState() says what is wrong with a path", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    assert.match(await failure(`${folder}/file/q.db`), /file exists|not a directory/);
    assert.match(await failure(`${folder}/`), /that is a directory/);
  });
});

Deno.test("reasonOf() gives the system's words", () => {
  assert.equal(reasonOf(new Error("Permission denied (os error 13)")), "permission denied");
  assert.equal(reasonOf(new Error("EIO happened")), "EIO happened");
  assert.equal(reasonOf("text"), "text");
});
