import assert from "node:assert/strict";
import { openLibc } from "../../ffi/libfuse.ts";
import { NotifySocket } from "../../ffi/notify_socket.ts";

const RECEIVER = `
import socket, sys
name = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0" + name[1:] if name.startswith("@") else name)
print("bound", flush=True)
while True:
    data = s.recv(65536)
    print(data.hex(), flush=True)
    if data == b"END=1":
        break
`;

/** Opened once: a library stays open as long as the process. */
const libc = openLibc();

function hasPython(): boolean {
  try {
    return new Deno.Command("python3", { args: ["-c", ""] }).outputSync().success;
  } catch {
    return false;
  }
}

const ignore = !hasPython();

/** Runs `body` while somebody listens on that address; gives what was received. */
async function receive(name: string, body: () => void): Promise<string[]> {
  const child = new Deno.Command("python3", {
    args: ["-c", RECEIVER, name],
    stdout: "piped",
    stdin: "null",
  }).spawn();
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    const wasBound = text.includes("bound\n");
    text += part;
    if (!wasBound && text.includes("bound\n")) body();
  }
  await child.status;
  const lines = text.trim().split("\n").slice(1);
  const decode = (hex: string) =>
    new TextDecoder().decode(Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16)));
  return lines.map(decode).filter((message) => message !== "END=1");
}

function open(name: string): NotifySocket {
  const socket = NotifySocket.open(libc, name);
  assert.ok(socket, `${name} can be opened`);
  return socket;
}

async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-notify-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A path of so many bytes in a folder. */
function longPath(folder: string, length: number): string {
  return `${folder}/`.padEnd(length, "x");
}

function exchange(socket: NotifySocket): void {
  assert.ok(socket.send("READY=1", "STATUS=é, 2 running"));
  assert.ok(socket.send("WATCHDOG=1"));
  assert.ok(socket.send("END=1"));
  socket.close();
}

const MESSAGES = ["READY=1\nSTATUS=é, 2 running", "WATCHDOG=1"];

Deno.test({
  name: "NotifySocket sends to a path",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const path = `${folder}/notify é`;
      assert.deepEqual(await receive(path, () => exchange(open(path))), MESSAGES);
    }),
});

Deno.test({
  name: "NotifySocket sends to a name in the abstract namespace",
  ignore,
  fn: async () => {
    const name = `@qj-test-${crypto.randomUUID()}`;
    assert.deepEqual(await receive(name, () => exchange(open(name))), MESSAGES);
  },
});

Deno.test({
  name: "NotifySocket sends to the longest path that there can be",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const path = longPath(folder, 107);
      assert.deepEqual(await receive(path, () => exchange(open(path))), MESSAGES);
    }),
});

Deno.test("NotifySocket does not open what is no address", async () => {
  for (const name of ["", "/", "@", "notify", "./notify", "vsock:2:1234", "\0x"]) {
    assert.equal(NotifySocket.open(libc, name), null, JSON.stringify(name));
  }
  await withFolder((folder) => {
    assert.equal(NotifySocket.open(libc, longPath(folder, 108)), null);
    assert.equal(NotifySocket.open(libc, `@${"x".repeat(200)}`), null);
  });
});

Deno.test("NotifySocket drops what nobody can take", async () => {
  await withFolder((folder) => {
    const socket = open(`${folder}/nobody`);
    assert.equal(socket.send("READY=1"), false);
    Deno.writeTextFileSync(`${folder}/file`, "");
    const other = open(`${folder}/file`);
    assert.equal(other.send("READY=1"), false);
    const abstract = open(`@qj-test-${crypto.randomUUID()}`);
    assert.equal(abstract.send("READY=1"), false);
    for (const each of [socket, other, abstract]) each.close();
  });
});

Deno.test({
  name: "NotifySocket does not wait for who does not read",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const path = `${folder}/notify`;
      const bind = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
sys.stdin.read()`;
      const child = new Deno.Command("python3", {
        args: ["-c", bind, path],
        stdin: "piped",
        stdout: "piped",
      }).spawn();
      const reader = child.stdout.getReader();
      await reader.read();
      const socket = open(path);
      let sent = 0;
      while (sent < 100_000 && socket.send("STATUS=x")) sent++;
      assert.ok(sent > 0 && sent < 100_000, String(sent));
      socket.close();
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    }),
});

Deno.test("NotifySocket has no descriptor that a child gets, and none after its close", async () => {
  const sockets = () =>
    [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith("socket:");
      } catch {
        return false;
      }
    }).map(({ name }) => name);
  await withFolder((folder) => {
    const before = sockets();
    const socket = open(`${folder}/nobody`);
    const [fd] = sockets().filter((name) => !before.includes(name));
    const flags = /^flags:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))![1]!;
    assert.ok(parseInt(flags, 8) & 0o2000000, "O_CLOEXEC");
    assert.ok(parseInt(flags, 8) & 0o4000, "O_NONBLOCK");
    socket.close();
    assert.deepEqual(sockets(), before);
  });
});
