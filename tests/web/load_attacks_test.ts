/** Clients that send too much, too slowly or too often. */
import assert from "node:assert/strict";
import { peakMb, python } from "../mount/cases.ts";
import { Qj, type QjOptions, until } from "../mount/qj.ts";
import { assertHarmless, assertSound, FORM, HTTP, MAX_STREAMS, seen } from "./attacks.ts";
import { Client, type Events, Wire } from "./client.ts";

/** So many bytes as a chunked body, as fast as they are taken. Ends early where nobody takes them. */
async function flood(wire: Wire, bytes: number): Promise<void> {
  const chunk = new TextEncoder().encode(`10000\r\n${"a".repeat(65_536)}\r\n`);
  for (let sent = 0; sent < bytes; sent += 65_536) await wire.write(chunk);
  await wire.write("0\r\n\r\n");
}

Deno.test("attacks: bodies and headers that are too large, and memory", async () => {
  await using qj = await Qj.start({ args: HTTP, settings: { paused: true } });
  const client = await Client.signedIn(qj);
  const script = "#".repeat(1_000_000);
  assert.equal((await client.post("/submit", { name: "large", script })).status, 303);
  const before = await seen(qj);
  const idle = peakMb(qj);
  const form = { form_token: client.formToken, command: "resume" };
  const large = await client.post("/actions", { ...form, value: "a".repeat(300_000) });
  assert.equal(large.status, 413);
  assertHarmless(large, "413");
  const headers = { "content-type": FORM, "transfer-encoding": "chunked", "content-length": null };
  const chunked = async (client: Client, path: string, bytes: number) => {
    using wire = await Wire.open(client.place);
    await wire.write(client.head("POST", path, headers));
    const sent = flood(wire, bytes).catch(() => {});
    const { status } = await wire.answer();
    wire.close();
    await sent;
    return status;
  };
  // Who does not say how much it will be may be refused for that alone.
  for (const [path, bytes] of [["/actions", 400_000], ["/submit", 120_000_000]] as const) {
    assert([411, 413].includes(await chunked(client, path, bytes)), path);
  }
  assert([411, 403].includes(await chunked(client, "/actions", 1)), "no form");
  for (const size of ["99999999999", "9007199254740993"]) {
    const answer = await client.raw(
      client.head("POST", "/submit", { "content-type": FORM, "content-length": size }),
    );
    assert.equal(answer.status, 413, size);
  }
  for (const size of ["-1", "1e9", "0x10", "1, 2"]) {
    const { status } = await client.raw(
      client.head("POST", "/actions", { "content-length": size }),
    );
    assert([400, 403].includes(status), `${size}: ${status}`);
  }
  for (const value of ["a".repeat(1_000_000), "a=b; ".repeat(100_000)]) {
    const { status } = await client.raw(client.head("GET", "/", { cookie: value }));
    assert([400, 401, 431].includes(status), String(status));
  }
  assert(peakMb(qj) - idle < 250, `${peakMb(qj)} MB, ${idle} MB before`);
  // Who is not let in makes the daemon keep nothing.
  const after = peakMb(qj);
  const stranger = new Client(client.place, "");
  const statuses = await Promise.all(
    Array.from({ length: 8 }, () => chunked(stranger, "/submit", 40_000_000)),
  );
  for (const status of statuses) assert([401, 411, 413].includes(status), String(status));
  assert(peakMb(qj) - after < 60, `${peakMb(qj)} MB, ${after} MB before`);
  assert.equal(await seen(qj), before);
  assertSound(qj);
});

Deno.test("attacks: requests that are sent by half do not hold up others", async () => {
  await using qj = await Qj.start({ args: HTTP });
  const client = await Client.signedIn(qj);
  const head = client.head("POST", "/submit", { "content-type": FORM, "content-length": "1000" });
  const chunked = client.head("POST", "/submit", { "transfer-encoding": "chunked" });
  const halves = [
    "",
    "GET / HT",
    head.slice(0, -2),
    `${head}name=a`,
    `${chunked}5\r\nab`,
    chunked,
    `${chunked}zz\r\n`,
  ];
  const wires: Wire[] = [];
  try {
    for (let i = 0; i < 70; i++) {
      const wire = await Wire.open(client.place);
      wires.push(wire);
      await wire.write(halves[i % halves.length]!);
    }
    assert.equal((await client.get("/")).status, 200);
    assert.equal((await client.post("/submit", { name: "a", script: "echo a" })).status, 303);
    assert.equal(await qj.in("complete", "a"), ">>> echo a\na\n");
  } finally {
    for (const wire of wires) wire.close();
  }
  assert.equal((await client.get("/")).status, 200);
  assertSound(qj);
});

/** Holds as many connections as the daemon takes, which may open 256 files, while `body` runs. */
async function whileFlooded(qj: Qj, body: () => Promise<void>): Promise<void> {
  const { hostname, port } = (await Client.of(qj)).place as Deno.NetAddr;
  const conns: Deno.Conn[] = [];
  try {
    while (conns.length < 400) {
      const conn = await Deno.connect({ hostname, port }).catch(() => null);
      if (conn === null) break;
      conns.push(conn);
    }
    await body();
  } finally {
    for (const conn of conns) conn.close();
  }
}

const FEW_FILES: QjOptions = {
  args: HTTP,
  under: ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh"],
  settings: { backoff_base: 0 },
};

Deno.test("attacks: more connections than the limit of open files allows do not end the daemon", async () => {
  await using qj = await Qj.start(FEW_FILES);
  const client = await Client.signedIn(qj);
  await whileFlooded(qj, async () => {
    assert.equal((await qj.sh("ls; cat config.json > /dev/null; echo > pending/.a")).code, 0);
  });
  await until(
    "somebody is served again",
    async () => (await client.get("/").catch(() => null))?.status === 200,
  );
  await qj.submit("a", "echo a");
  assert.equal(await qj.in("complete", "a"), ">>> echo a\na\n");
  assertSound(qj);
});

Deno.test("attacks: connections leave jobs the files that they need", async () => {
  await using qj = await Qj.start(FEW_FILES);
  await whileFlooded(qj, async () => {
    await qj.submit("a", "echo a");
    await until(
      "it has ended",
      async () => (await qj.ls("complete")).length + (await qj.ls("failed")).length > 0,
    );
    assert.deepEqual(await qj.ls("failed"), []);
  });
});

/** The median of lookups, and of files that are made, written and closed, in microseconds. */
async function latency(qj: Qj): Promise<number> {
  return await python(
    qj,
    `
    import time
    times = []
    for i in range(150):
        begin = time.perf_counter()
        fd = os.open(f"pending/.d{i}", os.O_CREAT | os.O_WRONLY, 0o644)
        os.write(fd, b"echo a")
        os.close(fd)
        os.stat(f"pending/.d{i}")
        tried(os.stat, "pending/none")
        os.unlink(f"pending/.d{i}")
        times.append(time.perf_counter() - begin)
    answer = sorted(times)[len(times) // 2] * 1e6`,
  );
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

Deno.test("attacks: a hundred streams that are read leave the mount as fast as it is", async () => {
  await using qj = await Qj.start({ args: HTTP });
  const client = await Client.signedIn(qj);
  await qj.submit("a", "while :; do echo line; sleep 0.02; done");
  await qj.in("active", "a");
  await latency(qj);
  const ratios: number[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const [without, with_]: [number[], number[]] = [[], []];
    for (let turn = 0; turn < 3; turn++) {
      without.push(await latency(qj));
      const streams: Events[] = [];
      for (let i = 0; i < 50; i++) {
        streams.push(await client.events("/live"), await client.events("/jobs/1/log/live"));
      }
      for (const stream of streams) assert.notEqual(await stream.next(), null);
      const draining = streams.map((stream) => stream.drain());
      with_.push(await latency(qj));
      for (const stream of streams) stream.close();
      await Promise.all(draining);
    }
    ratios.push(median(with_) / median(without));
    if (ratios.at(-1)! < 2) break;
  }
  assert(ratios.at(-1)! < 2, `${ratios} times as long`);
  assertSound(qj);
});

/** As many streams as there can be, some of them of a log, or what could be opened of them. */
async function openStreams(client: Client): Promise<Events[]> {
  const streams: Events[] = [];
  while (streams.length < MAX_STREAMS) {
    streams.push(await client.events(streams.length < 40 ? "/jobs/1/log/live" : "/live"));
    if (streams.at(-1)!.status !== 200) break;
  }
  return streams;
}

Deno.test("attacks: too many streams, streams that end, and streams that nobody reads", async () => {
  await using qj = await Qj.start({ args: HTTP });
  const client = await Client.signedIn(qj);
  await qj.submit("a", "head -c 4000000 /dev/zero | tr '\\0' a | fold -w 99");
  await qj.in("complete", "a");
  for (let i = 0; i < 300; i++) {
    using stream = await client.events(i % 9 === 0 ? "/jobs/1/log/live" : "/live");
    assert.equal(stream.status, 200, `stream ${i}`);
  }
  for (let i = 0; i < MAX_STREAMS + 10; i++) {
    const { status } = await client.ask("HEAD", i % 2 === 0 ? "/live" : "/jobs/1/log/live");
    assert.equal(status, 200, `HEAD ${i}`);
  }
  for (let i = 0; i < 50; i++) {
    using wire = await Wire.open(client.place);
    await wire.write(client.head("GET", i % 2 === 0 ? "/jobs/1/log" : "/jobs/1/attempts/1.log"));
    assert.equal((await wire.head()).status, 200);
  }
  const idle = peakMb(qj);
  let streams: Events[] = [];
  try {
    // Those of before may be on their way out.
    await until(`${MAX_STREAMS} streams`, async () => {
      for (const stream of streams) stream.close();
      streams = await openStreams(client);
      return streams.at(-1)!.status === 200;
    });
    using refused = await client.events("/live");
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "5"]);
    assert.equal((await client.get("/")).status, 200);
    await qj.submit("b", "echo b");
    assert.equal(await qj.in("complete", "b"), ">>> echo b\nb\n");
    for (const stream of streams.splice(50, 100)) stream.close();
    await until("a place is free", async () => {
      using stream = await client.events("/live");
      return stream.status === 200;
    });
    assert.notEqual(await streams.at(-1)!.next(), null);
    // A log that nobody reads waits in the store.
    assert(peakMb(qj) - idle < 150, `${peakMb(qj)} MB, ${idle} MB before`);
    assert.equal(await qj.end(), 0, "streams do not hold up the end");
  } finally {
    for (const stream of streams) stream.close();
  }
});
