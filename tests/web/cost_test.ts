/** What the pages cost: nothing when they are off, and no wake-up while nobody looks. */
import assert from "node:assert/strict";
import { compile, PROGRAM, skipsCompiled } from "../mount/compiled.ts";
import { Qj } from "../mount/qj.ts";
import { Client } from "./client.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;
const HTTP = ["--http", "127.0.0.1:0"];
const DEADLINE_MS = 60_000;

const failure = await compile();
const skip = await skipsCompiled(failure, "cost of the pages");

function start(args: readonly string[]): Promise<Qj> {
  assert.equal(failure, null);
  return Qj.start({ args, program: PROGRAM });
}

/** The sockets on which a process listens, as the kernel lists them. */
function listening(pid: number): string[] {
  const inodes = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // It was closed meanwhile.
    }
  }
  const rows = (file: string) =>
    Deno.readTextFileSync(`/proc/${pid}/net/${file}`).split("\n").slice(1)
      .map((line) => line.trim().split(/\s+/));
  const LISTEN = "0A";
  const ACCEPTS = 0x10000; // __SO_ACCEPTCON
  return [
    ...["tcp", "tcp6"].flatMap(rows)
      .filter((row) => row[3] === LISTEN && inodes.has(row[9]!)).map((row) => row[1]!),
    ...rows("unix")
      .filter((row) => (parseInt(row[3]!, 16) & ACCEPTS) !== 0 && inodes.has(row[6]!))
      .map((row) => row[7] ?? "a socket"),
  ];
}

Deno.test("cost: without --http nothing listens", async () => {
  await using off = await Qj.start();
  assert.deepEqual(listening(off.pid), []);
  await using on = await Qj.start({ args: HTTP });
  assert.equal(listening(on.pid).length, 1);
  const path = `${on.folder}/socket`;
  await using socket = await Qj.start({ args: ["--http", `unix:${path}`] });
  assert.deepEqual(listening(socket.pid), [path]);
});

interface Graph {
  readonly roots: readonly string[];
  readonly redirects: Readonly<Record<string, string>>;
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier?: string };
    }[];
  }[];
}

Deno.test("cost: the modules of the pages are loaded only when they are wanted", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: PROJECT,
    stdin: "null",
  }).output();
  const { roots, redirects, modules } = JSON.parse(new TextDecoder().decode(stdout)) as Graph;
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  /** What is loaded at the start; with `all`, and what may be later. */
  const reached = (all: boolean): string[] => {
    const seen = new Set<string>();
    const waiting = [...roots];
    for (let name; (name = waiting.pop()) !== undefined;) {
      if (seen.has(name)) continue;
      seen.add(name);
      for (const { isDynamic, code } of byName.get(name)?.dependencies ?? []) {
        const next = code?.specifier;
        if (next !== undefined && (all || !isDynamic)) waiting.push(redirects[next] ?? next);
      }
    }
    return [...seen].filter((name) => /\/web\/|hono/.test(name));
  };
  assert.deepEqual(reached(false).map((name) => name.replace(/.*\//, "")), ["address.ts"]);
  assert(reached(true).length > 20, `${reached(true)}`);
});

/** Memory of a process that no file of the program stands for, in MB. */
function memoryMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

/** How often each thread of a process has waited, and so was woken. */
function waits(pid: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    try {
      const status = Deno.readTextFileSync(`/proc/${pid}/task/${name}/status`);
      counts.set(name, Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)![1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  return counts;
}

/** How often the threads of a process are woken in so many ms. */
async function wakeUps(pid: number, ms: number): Promise<number> {
  const before = waits(pid);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return [...waits(pid)].reduce((sum, [id, count]) => sum + count - (before.get(id) ?? 0), 0);
}

/** Waits until a process has done nothing for a second. */
async function quiet(pid: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (await wakeUps(pid, 1000) > 0) {
    if (performance.now() > deadline) throw new Error("it does not come to rest");
  }
}

/**
 * Whether a process is at rest for as long as any timer of the pages would let it be, three times if need be: what V8 does
 * for itself now and then is not theirs.
 */
async function isAtRest(pid: number): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt++) {
    await quiet(pid);
    if (await wakeUps(pid, 4000) <= 2) return true;
  }
  return false;
}

Deno.test({
  name: "cost: no memory when they are off, and no wake-up while nobody looks",
  ignore: skip,
  async fn() {
    await using off = await start([]);
    await using on = await start(HTTP);
    await using looked = await start(HTTP);
    const client = await Client.signedIn(looked);
    await looked.submit("a", "echo a");
    await looked.in("complete", "a");
    await looked.submit("runs", "sleep 1000");
    await looked.in("active", "runs");
    for (const path of ["/", "/jobs", "/jobs?q=a", "/jobs/1", "/jobs/2", "/settings"]) {
      assert.equal((await client.get(path)).status, 200);
    }
    for (const path of ["/live", "/jobs/1/log/live", "/jobs/2/log/live"]) {
      using stream = await client.events(path);
      assert.notEqual(await stream.next(), null);
    }
    const rested = await Promise.all([off, on, looked].map(({ pid }) => isAtRest(pid)));
    assert.deepEqual(rested, [true, true, true]);
    const [without, with_] = [memoryMb(off.pid), memoryMb(on.pid)];
    assert(without < with_ + 1, `${without} MB without, ${with_} MB with`);
    assert(with_ < without + 10, `${without} MB without, ${with_} MB with`);
  },
});
