/** Commands on the queue and on the daemon. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { constants } from "node:fs";
import { bytesOf, fromHex, quoted } from "./bytes.ts";
import { heldScript, hold, letGo } from "./held_job.ts";
import { submitText } from "./name_commands.ts";
import { runnable, unfit } from "./running.ts";
import { Step } from "./step.ts";
import { client, name } from "./values.ts";
import { MAX_SCRIPT_BYTES } from "./world.ts";

export const runAll = fc.constant(null).map(() =>
  new Step("run everything", (world) => world.runAll())
);

let held = 0;

/** Starts a job that stays in active, where other commands meet it. */
export const start = fc.tuple(client, name).map(([client, name]) =>
  new Step(
    `start ${quoted(name)}`,
    async (world) => {
      await world.runAll();
      const number = held++;
      await submitText(world, client, name, heldScript(number));
      const job = runnable(world.model).find((one) => one.name === name);
      if (job !== undefined && unfit(world.model).length === 0) await hold(world, job, number);
    },
    (model) => model.held === null,
  )
);

export const finish = fc.constant(null).map(() =>
  new Step(
    "let it end",
    (world) => letGo(world, world.model.held!),
    (model) => model.held?.job.directory === "active",
  )
);

export const restart = fc.constantFrom("SIGKILL" as const, "SIGTERM" as const).map((signal) =>
  new Step(`${signal} and restart`, (world) => world.restart(signal))
);

export const configure = fc.oneof(
  fc.record({ max_script_bytes: fc.constantFrom(20, MAX_SCRIPT_BYTES) }),
  fc.record({ replace_finished: fc.boolean() }),
  fc.record({ max_attempts: fc.constantFrom(1, 2) }),
).map((change) =>
  new Step(`configure ${JSON.stringify(change)}`, async (world) => {
    await world.configure(change);
    Object.assign(world.model.config, change);
  })
);

/** Refused at write, and nothing is changed. */
export const misconfigure = fc.tuple(
  client,
  fc.constantFrom('{"max_attempts": 0}', '{"paused": 1}', "{]"),
)
  .map(([client, text]) =>
    new Step(`configure ${text}`, async (world) => {
      const path = world.rootPath("config.json");
      const { value: fd } = await world.call(
        client,
        "open",
        path,
        constants.O_WRONLY | constants.O_TRUNC,
        0,
      );
      assert.equal((await world.call(client, "write", fd, text)).error, "EINVAL");
      assert.equal((await world.call(client, "close", fd)).error, null);
    })
  );

export const newId = client.map((client) =>
  new Step("new-id", async (world) => {
    const { error, gave } = await world.call(client, "cat", world.rootPath("new-id"));
    assert.equal(error, null);
    const id = fromHex(gave);
    assert.match(id, /^[a-z0-9]{4,}\n$/);
    const { givenIds, jobs } = world.model;
    assert(!givenIds.has(id) && !jobs.has(id.trim()), `${id} is given again`);
    givenIds.add(id);
  })
);

/** What nobody may remove or make. */
export const rootChange = fc.tuple(
  client,
  fc.constantFrom(["unlink", "new-id", "EPERM"], ["unlink", "config.json", "EPERM"], [
    "unlink",
    "zzz",
    "ENOENT",
  ], ["mkdir", "zzz", "EPERM"]),
).map(([client, [call, name, wanted]]) =>
  new Step(`${call} ${name}`, async (world) => {
    assert.equal((await world.call(client, call!, world.rootPath(bytesOf(name!)))).error, wanted);
  })
);
