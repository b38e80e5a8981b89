import assert from "node:assert/strict";
import { Supervisor, watchdogMs } from "../../cli/supervisor.ts";
import type { NotifySocket } from "../../ffi/notify_socket.ts";

function env(values: Readonly<Record<string, string>>) {
  return (name: string) => values[name];
}

Deno.test("watchdogMs() is half of what the service manager waits", () => {
  assert.equal(watchdogMs(env({ WATCHDOG_USEC: "30000000" }), 7), 15_000);
  assert.equal(watchdogMs(env({ WATCHDOG_USEC: "3000001" }), 7), 1500);
  assert.equal(watchdogMs(env({ WATCHDOG_USEC: "1" }), 7), 1);
});

for (const value of ["", "0", "-5", "x", "NaN"]) {
  Deno.test(`watchdogMs() of ${JSON.stringify(value)} is none`, () => {
    assert.equal(watchdogMs(env({ WATCHDOG_USEC: value }), 7), null);
  });
}

Deno.test("watchdogMs() counts only for the process that is meant", () => {
  const of = (pid: string) => watchdogMs(env({ WATCHDOG_USEC: "2000000", WATCHDOG_PID: pid }), 7);
  assert.deepEqual([of("7"), of("8"), of(""), of("x")], [1000, null, null, null]);
  assert.equal(watchdogMs(env({}), 7), null);
});

/** A socket that keeps what it is told, and resolves when there is so much of it. */
class FakeSocket {
  readonly sent: string[] = [];
  isClosed = false;
  #waiting: { readonly count: number; readonly resolve: () => void } | null = null;

  send(...assignments: string[]): boolean {
    assert.equal(this.isClosed, false);
    this.sent.push(assignments.join("\n"));
    if (this.#waiting !== null && this.sent.length >= this.#waiting.count) this.#waiting.resolve();
    return true;
  }

  close(): void {
    this.isClosed = true;
  }

  heard(count: number): Promise<void> {
    if (this.sent.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting = { count, resolve });
  }
}

function make(values: Readonly<Record<string, string>> = {}) {
  const socket = new FakeSocket();
  const state = { status: "idle" };
  const supervisor = new Supervisor({
    socket: socket as unknown as NotifySocket,
    env: env(values),
    pid: 7,
    status: () => state.status,
  });
  return { socket, state, supervisor };
}

Deno.test("Supervisor tells of the start with a status, and of the end", () => {
  const { socket, state, supervisor } = make();
  supervisor.ready();
  state.status = "2 running";
  supervisor.stopping();
  supervisor.close();
  assert.deepEqual(socket.sent, [
    "READY=1\nSTATUS=idle",
    "STOPPING=1\nSTATUS=stopping, 2 running",
  ]);
  assert.ok(socket.isClosed);
});

Deno.test("Supervisor says nothing of changes before it is ready and after the end has begun", () => {
  const { socket, supervisor } = make();
  supervisor.changed();
  assert.deepEqual(socket.sent, []);
  supervisor.ready();
  supervisor.stopping();
  supervisor.changed();
  supervisor.close();
  assert.equal(socket.sent.length, 2);
});

Deno.test("Supervisor tells of many changes once, a second after it has told the last", async () => {
  const { socket, state, supervisor } = make();
  supervisor.ready();
  const begun = performance.now();
  for (let i = 1; i <= 100; i++) {
    state.status = `${i} running`;
    supervisor.changed();
  }
  assert.equal(socket.sent.length, 1);
  await socket.heard(2);
  assert.ok(performance.now() - begun >= 990);
  supervisor.close();
  assert.equal(socket.sent[1], "STATUS=100 running");
});

Deno.test("Supervisor gives signs of life until it is closed, also while it stops", async () => {
  const { socket, supervisor } = make({ WATCHDOG_USEC: "10000" });
  supervisor.ready();
  await socket.heard(3);
  supervisor.stopping();
  await socket.heard(6);
  supervisor.close();
  const count = socket.sent.length;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(socket.sent.length, count);
  assert.equal(socket.sent.filter((text) => text === "WATCHDOG=1").length, count - 2);
});

Deno.test("Supervisor gives no signs of life that nobody has asked for", async () => {
  const { socket, supervisor } = make({ WATCHDOG_USEC: "10000", WATCHDOG_PID: "8" });
  supervisor.ready();
  await new Promise((resolve) => setTimeout(resolve, 30));
  supervisor.close();
  assert.equal(socket.sent.length, 1);
});

Deno.test("Supervisor without a socket does nothing", () => {
  const supervisor = new Supervisor({
    socket: null,
    env: env({ WATCHDOG_USEC: "10000" }),
    pid: 7,
    status: () => assert.fail("nobody wants to know"),
  });
  supervisor.ready();
  supervisor.changed();
  supervisor.stopping();
  supervisor.close();
});
