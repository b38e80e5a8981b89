/** The secret of the pages: made once, and refused when others could know or guess it. */
import assert from "node:assert/strict";
import { Failure } from "../../cli/failure.ts";
import { openToken, tokenNeed } from "../../cli/token_file.ts";

const GOOD = "0123456789abcdef";

function fileTest(name: string, body: (path: string, folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir({ prefix: "qj-token-" });
    try {
      await body(`${folder}/token`, folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

async function put(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  await Deno.writeFile(path, bytes);
  await Deno.chmod(path, mode);
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** That the file is refused, by both who would use it and who only looks, with a message that names file and knob. */
async function refused(path: string, message: RegExp): Promise<void> {
  const said = await openToken(path, "--http-token-file").then(
    (token) => assert.fail(`${token} was taken`),
    (error) => {
      assert.ok(error instanceof Failure, String(error));
      return error.message;
    },
  );
  assert.ok(said.includes(`${JSON.stringify(path)} (--http-token-file)`), said);
  assert.match(said, message);
}

fileTest("openToken() makes a token, which it finds the next time", async (path, folder) => {
  const token = await openToken(path, "--http");
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(await Deno.readTextFile(path), `${token}\n`);
  const { isFile, mode, uid } = await Deno.lstat(path);
  assert.deepEqual([isFile, mode! & 0o7777, uid], [true, 0o600, Deno.uid()]);
  assert.deepEqual(names(folder), ["token"], "no part is left");
  assert.equal(await openToken(path, "--http"), token);
  const other = await openToken(`${folder}/other`, "--http");
  assert.notEqual(other, token);
});

fileTest("openToken() makes it closed to others whatever the umask is", async (path) => {
  const before = Deno.umask(0);
  try {
    await openToken(path, "--http");
  } finally {
    Deno.umask(before);
  }
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
});

fileTest("openToken() takes a token of one's own, and leaves the file as it is", async (path) => {
  const tokens = [GOOD, "a".repeat(512), "Az09._~-".repeat(2)];
  for (const token of tokens) {
    for (const content of [token, `${token}\n`, `\n  ${token} \r\n\n`]) {
      await put(path, content, 0o400);
      assert.equal(await openToken(path, "--http"), token);
      assert.equal(await Deno.readTextFile(path), content);
      await Deno.remove(path);
    }
  }
});

fileTest("openToken() refuses what is no token", async (path) => {
  const bad: readonly (string | Uint8Array)[] = [
    ...["", "\n", GOOD.slice(1), "a".repeat(513), `${GOOD} ${GOOD}`, `${GOOD}\n${GOOD}\n`],
    ...[`${GOOD}/`, `${GOOD}+`, `${GOOD}=`, `${GOOD}%41`, `${GOOD}\0`, `${GOOD}é`],
    new Uint8Array([...new TextEncoder().encode(GOOD), 0xff]),
    `${GOOD}${"\n".repeat(1024)}more`,
    "a".repeat(100_000),
  ];
  for (const content of bad) {
    await put(path, content);
    await refused(path, /must have 16 to 512 letters, digits/);
    assert.equal(
      (await Deno.stat(path)).size,
      content.length + (String(content).endsWith("é") ? 1 : 0),
    );
  }
});

fileTest("openToken() refuses a file that others may read or write", async (path) => {
  for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666]) {
    await put(path, GOOD, mode);
    await refused(path, /^others may read or write .*: chmod 600 "/);
  }
});

Deno.test({
  name: "openToken() refuses a file of another user",
  ignore: Deno.uid() !== 0,
  async fn() {
    const path = await Deno.makeTempFile({ prefix: "qj-token-" });
    try {
      await put(path, GOOD);
      await Deno.chown(path, 4711, null);
      await refused(path, /belongs to another user \(4711\)/);
    } finally {
      await Deno.remove(path);
    }
  },
});

fileTest("openToken() refuses a directory and a device", async (path) => {
  await Deno.mkdir(path, { mode: 0o700 });
  await refused(path, /is not a file/);
  await refused("/dev/null", /is not a file/);
});

fileTest(
  "openToken() refuses a FIFO and a socket, and does not wait for a writer",
  async (path, folder) => {
    assert.ok((await new Deno.Command("mkfifo", { args: ["-m", "600", path] }).output()).success);
    // A writer lets go who waits for one: that holds the whole program, so no timer of ours could.
    const writer = new Deno.Command("sh", { args: ["-c", 'sleep 1; : <> "$0"', path] }).spawn();
    try {
      const before = performance.now();
      await refused(path, /is not a file/);
      assert.ok(performance.now() - before < 500, "it waits for a writer");
    } finally {
      try {
        writer.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await writer.status;
    }
    using _listener = Deno.listen({ transport: "unix", path: `${folder}/socket` });
    await Deno.chmod(`${folder}/socket`, 0o600);
    await refused(`${folder}/socket`, /is not a file|no such device or address$/);
  },
);

fileTest(
  "openToken() follows a link, and makes nothing at the end of one that leads nowhere",
  async (path, folder) => {
    await put(`${folder}/there`, GOOD);
    await Deno.symlink("there", path);
    assert.equal(await openToken(path, "--http"), GOOD);
    await Deno.chmod(`${folder}/there`, 0o644);
    await refused(path, /^others may read/);
    await Deno.remove(`${folder}/there`);
    await refused(path, /link/);
    assert.deepEqual(names(folder), ["token"]);
    await Deno.remove(path);
    await Deno.symlink("token", path);
    await refused(path, /^cannot use the token file .*: too many .*symbolic links/i);
  },
);

fileTest("openToken() says why nothing can be made", async (path, folder) => {
  await refused(`${folder}/none/token`, /: its folder does not exist$/);
  await put(path, GOOD);
  await refused(`${path}/token`, /: not a directory$/);
  await refused(`${folder}/${"n".repeat(256)}`, /: (file )?name too long$/);
  assert.deepEqual(names(folder), ["token"]);
});

Deno.test({
  name: "openToken() says that it may not write into a folder",
  ignore: Deno.uid() === 0,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "qj-token-" });
    try {
      await Deno.chmod(folder, 0o500);
      await refused(`${folder}/token`, /: permission denied$/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

fileTest("openToken() takes the token of who was quicker", async (path, folder) => {
  const { link } = Deno;
  try {
    // Another daemon makes its own at the last moment.
    Deno.link = async (from, to) => {
      await put(path, `${GOOD}\n`);
      await link(from, to);
    };
    assert.equal(await openToken(path, "--http"), GOOD);
  } finally {
    Deno.link = link;
  }
  assert.deepEqual(names(folder), ["token"]);
});

fileTest("openToken() of many at once gives all the same token", async (path, folder) => {
  // In containers that share the folder, daemons have the same process id.
  for (let round = 0; round < 20; round++) {
    const made = await Promise.all(Array.from({ length: 8 }, () => openToken(path, "--http")));
    assert.equal(new Set(made).size, 1);
    assert.equal(await Deno.readTextFile(path), `${made[0]}\n`);
    assert.deepEqual(names(folder), ["token"]);
    await Deno.remove(path);
  }
});

fileTest("tokenNeed() tells the same, and makes nothing", async (path, folder) => {
  const { found, problem } = await tokenNeed(path, "--http");
  assert.deepEqual([found, problem], ["not there yet, and will be made", null]);
  assert.deepEqual(names(folder), []);
  await put(path, GOOD);
  assert.equal((await tokenNeed(path, "--http")).problem, null);
  await Deno.chmod(path, 0o644);
  assert.match((await tokenNeed(path, "--http")).problem ?? "", /^others may read/);
});
