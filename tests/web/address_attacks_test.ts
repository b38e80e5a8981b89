/** Where the pages are, and the file of the token: what is nobody else's. */
import assert from "node:assert/strict";
import { Qj, qjCommand } from "../mount/qj.ts";
import { asRoot, assertStrange, HTTP } from "./attacks.ts";
import { Client } from "./client.ts";

interface Start {
  readonly code: number;
  readonly stderr: string;
}

/** Starts qj on a folder, where it has to end by itself, with nothing mounted. */
async function failing(folder: string, ...args: string[]): Promise<Start> {
  const mountpoint = `${folder}/${crypto.randomUUID()}`;
  await Deno.mkdir(mountpoint);
  const [program, all] = qjCommand(["--state-file", `${mountpoint}.db`, ...args, mountpoint]);
  // One that starts all the same is ended.
  const { code, stderr } = await new Deno.Command("timeout", {
    args: ["20", program, ...all],
    stdin: "null",
    stdout: "null",
  }).output();
  assert(!(await Deno.readTextFile("/proc/self/mountinfo")).includes(mountpoint));
  return { code, stderr: new TextDecoder().decode(stderr) };
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** One line, and the exit status. */
function assertRefused({ code, stderr }: Start, status: number, line: RegExp): void {
  assert.match(stderr, line);
  assert.deepEqual([code, stderr.trim().split("\n").length], [status, 1], stderr);
}

Deno.test("attacks: an address that others can reach has to be meant", async () => {
  await inFolder(async (folder) => {
    const addresses = ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:127.0.0.1]:0"];
    await Promise.all(addresses.map(async (address) => {
      const start = await failing(folder, "--http", address);
      assertRefused(start, 2, /^qj: --http: other machines can reach .*--http-insecure-bind\n$/);
    }));
  });
  await using qj = await Qj.start({
    args: ["--http", "0.0.0.0:0", "--http-insecure-bind", "--http-host", "qj.example.org"],
  });
  await qj.logged(/warning: the pages can be reached from other machines, without encryption/);
  const found = await Client.of(qj);
  const { port } = found.place as Deno.NetAddr;
  const client = new Client({ transport: "tcp", hostname: "127.0.0.1", port }, found.token);
  await client.signIn();
  for (
    const host of [
      `127.0.0.1:${port}`,
      `192.0.2.1:${port}`,
      `[2001:db8::1]:${port}`,
      "qj.example.org",
    ]
  ) {
    assert.equal((await client.get("/", { host })).status, 200, host);
  }
  const others = [
    "evil.example",
    `evil.example:${port}`,
    `1.evil.example:${port}`,
    "127.0.0.1",
    "",
  ];
  for (const host of [...others, `0x7f.1:${port}`, `2130706433:${port}`, `127.1:${port}`]) {
    assertStrange((await client.get("/", { host })).status, host);
  }
});

Deno.test("attacks: the token file is nobody else's", async () => {
  await inFolder(async (folder) => {
    const good = "a".repeat(43);
    const cases: readonly (readonly [string, string | null, RegExp, number?, number?])[] = [
      [
        "others",
        good,
        /^qj: others may read or write the token file ".*" \(--http-token-file\): chmod 600 "/,
        0o644,
      ],
      [
        "group",
        good,
        /^qj: others may read or write the token file ".*" \(--http-token-file\): chmod 600 "/,
        0o620,
      ],
      ["empty", "", /^qj: the token file ".*\(--http-token-file\) must have 16 to 512 letters/],
      ["short", "a".repeat(15), /must have 16 to 512 letters/],
      ["long", "a".repeat(600), /must have 16 to 512 letters/],
      ["odd", `${good}\n<script>`, /must have 16 to 512 letters/],
      ["none", null, /^qj: cannot use the token file ".*no\/none" \(--http-token-file\): /],
      ...asRoot.ignore ? [] : [[
        "theirs",
        good,
        /token file ".*" \(.*\) belongs to another user \(1\)\n/,
        0o600,
        1,
      ]] as const,
    ];
    await Promise.all(cases.map(async ([name, text, line, mode = 0o600, uid]) => {
      const file = text === null ? `${folder}/no/none` : `${folder}/${name}`;
      if (text !== null) await Deno.writeTextFile(file, text, { mode });
      await Deno.chmod(file, mode).catch(() => {});
      if (uid !== undefined) await Deno.chown(file, uid, uid);
      const start = await failing(folder, ...HTTP, "--http-token-file", file);
      assertRefused(start, 1, line);
      assert(!start.stderr.includes(good));
    }));
    const file = `${folder}/new`;
    await using qj = await Qj.start({
      args: [...HTTP, "--http-token-file", file],
      under: ["sh", "-c", 'umask 0; exec "$@"', "sh"],
    });
    const made = await Deno.readTextFile(file);
    assert.match(made, /^[\w-]{43}\n$/);
    assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
    const client = await Client.of(qj);
    assert.equal(client.token, "");
    assert(!qj.log.includes(made.trim()), "who has chosen the file knows the token");
    assert.equal((await client.post("/sign-in", { token: made })).status, 200);
    await using usual = await Qj.start({
      args: HTTP,
      under: ["sh", "-c", 'umask 0; exec "$@"', "sh"],
    });
    assert.equal((await Deno.stat(`${usual.stateFile}.token`)).mode! & 0o777, 0o600);
  });
});

Deno.test("attacks: a port that is in use, and places inside the mount", async () => {
  await inFolder(async (folder) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    assertRefused(
      await failing(folder, "--http", `127.0.0.1:${port}`),
      1,
      new RegExp(
        `^qj: cannot show the queue on 127.0.0.1, port ${port} \\(--http\\): .*in use`,
        "i",
      ),
    );
    await Deno.mkdir(`${folder}/m`);
    const [program, args] = qjCommand([
      ...["--state-file", `${folder}/state.db`, "--http", `unix:${folder}/m/socket`, `${folder}/m`],
    ]);
    const { code, stderr } = await new Deno.Command("timeout", {
      args: ["20", program, ...args],
      stdin: "null",
    }).output();
    assert.equal(code, 1);
    assert.match(new TextDecoder().decode(stderr), /is inside the mountpoint/);
  });
});

Deno.test("attacks: the socket in the file system", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/socket`;
    const http = ["--http", `unix:${path}`];
    await using qj = await Qj.start({
      args: http,
      under: ["sh", "-c", 'umask 0; exec "$@"', "sh"],
    });
    const mode = async () => (await Deno.lstat(path)).mode! & 0o777;
    await qj.logged(/pages on the socket/);
    assert.equal(await mode(), 0o660);
    const token = (await Deno.readTextFile(`${qj.stateFile}.token`)).trim();
    const client = new Client({ transport: "unix", path }, token);
    await client.signIn();
    assert.equal((await client.get("/", { host: "evil.example" })).status, 421);
    assert.equal((await client.get("/", { cookie: null })).status, 401);
    const taken = await failing(folder, ...http);
    assertRefused(taken, 1, /^qj: cannot show the queue on ".*socket" \(--http\): /);
    assert.equal((await client.get("/")).status, 200, "a live one is not taken away");
    await qj.end("SIGKILL");
    assert((await Deno.lstat(path)).isSocket);
    await qj.restart();
    assert.equal((await client.get("/")).status, 200, "a dead one is replaced");
    assert.equal(await mode(), 0o660);
    assert.equal(await qj.end(), 0);
    await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
    await Deno.writeTextFile(path, "mine");
    assertRefused(await failing(folder, ...http), 1, /^qj: cannot show the queue on ".*socket"/);
    assert.equal(await Deno.readTextFile(path), "mine");
  });
});
