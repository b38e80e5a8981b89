/** Commands on paths. */
import fc from "fast-check";
import { constants } from "node:fs";
import { type Bytes, quoted } from "./bytes.ts";
import { statOf } from "./clients.ts";
import { type Directory, type OpenHow, RENAME_NOREPLACE } from "./model.ts";
import { Step } from "./step.ts";
import type { World } from "./world.ts";
import { client, directory, mode, name, size, text, time } from "./values.ts";

/** Open descriptors of all clients together. */
const MAX_DESCRIPTORS = 12;
const RENAME_EXCHANGE = 2;

function openFlags(how: OpenHow): number {
  const access = how.read ? how.write ? constants.O_RDWR : constants.O_RDONLY : constants.O_WRONLY;
  return access | (how.create ? constants.O_CREAT : 0) | (how.exclusive ? constants.O_EXCL : 0) |
    (how.truncate ? constants.O_TRUNC : 0) | (how.append ? constants.O_APPEND : 0);
}

const openHow = fc.record({
  access: fc.constantFrom("r", "w", "w", "rw", "rw"),
  create: fc.boolean(),
  exclusive: fc.integer({ min: 0, max: 3 }),
  truncate: fc.boolean(),
  append: fc.integer({ min: 0, max: 2 }),
  mode,
}).map(({ access, create, exclusive, truncate, append, mode }): OpenHow => ({
  read: access !== "w",
  write: access !== "r",
  create,
  exclusive: create && exclusive === 0,
  truncate: access !== "r" && truncate,
  append: append === 0,
  mode,
}));

const openStep = (client: number, directory: Directory, name: Bytes, how: OpenHow) =>
  new Step(
    `open ${directory}/${quoted(name)} 0${openFlags(how).toString(8)}`,
    async (world) => {
      const path = world.path(directory, name);
      const answer = await world.call(client, "open", path, openFlags(how), how.mode);
      const description = world.expect(answer, (model) => model.open(directory, name, how));
      if (description !== undefined) world.model.opened(client, answer.value, description);
    },
    ({ descriptors }) => descriptors.length < MAX_DESCRIPTORS,
  );

export const open = fc.tuple(client, directory, name, openHow).map((parts) => openStep(...parts));

/** One that mostly succeeds, so that there are descriptors. */
export const openScript = fc.tuple(client, name, openHow).map(([client, name, how]) =>
  openStep(client, "pending", name, { ...how, create: true })
);

const SUBMIT: OpenHow = {
  read: false,
  write: true,
  create: true,
  exclusive: false,
  truncate: true,
  append: false,
  mode: 0o644,
};

/** As `printf … > pending/NAME` does. */
export async function submitText(
  world: World,
  client: number,
  name: Bytes,
  text: Bytes,
): Promise<void> {
  const path = world.path("pending", name);
  const answer = await world.call(client, "open", path, openFlags(SUBMIT), SUBMIT.mode);
  const description = world.expect(answer, (model) => model.open("pending", name, SUBMIT));
  if (description === undefined) return;
  const descriptor = world.model.opened(client, answer.value, description);
  const written = await world.call(client, "write", answer.value, text);
  world.expect(written, (model) => model.write(descriptor, text, null));
  const closed = await world.call(client, "close", answer.value);
  world.expect(closed, (model) => model.close(descriptor));
}

export const submit = fc.tuple(client, name, text).map(([client, name, text]) =>
  new Step(
    `submit ${quoted(name)} ${quoted(text)}`,
    (world) => submitText(world, client, name, text),
  )
);

export const unlink = fc.tuple(client, directory, name).map(([client, directory, name]) =>
  new Step(`unlink ${directory}/${quoted(name)}`, async (world) => {
    const answer = await world.call(client, "unlink", world.path(directory, name));
    world.expect(answer, (model) => model.unlink(directory, name));
  })
);

export const mkdir = fc.tuple(client, directory, name).map(([client, directory, name]) =>
  new Step(`mkdir ${directory}/${quoted(name)}`, async (world) => {
    const answer = await world.call(client, "mkdir", world.path(directory, name));
    world.expect(answer, (model) => model.makeOther(directory, name));
  })
);

const renameFlags = fc.constantFrom(
  0,
  0,
  0,
  0,
  0,
  0,
  RENAME_NOREPLACE,
  RENAME_NOREPLACE,
  RENAME_EXCHANGE,
);

export const rename = fc.tuple(client, directory, name, directory, name, renameFlags).map((
  [client, from, name, to, newName, flags],
) =>
  new Step(
    `rename ${from}/${quoted(name)} ${to}/${quoted(newName)} ${flags}`,
    async (world) => {
      const paths = [world.path(from, name), world.path(to, newName)] as const;
      const answer = await world.call(client, "rename", ...paths, flags);
      world.expect(answer, (model) => model.rename(from, name, to, newName, flags));
    },
  )
);

export const truncate = fc.tuple(client, directory, name, size).map((
  [client, directory, name, size],
) =>
  new Step(`truncate ${directory}/${quoted(name)} ${size}`, async (world) => {
    const answer = await world.call(client, "truncate", world.path(directory, name), size);
    world.expect(answer, (model) => model.truncate(directory, name, size));
  })
);

export const chmod = fc.tuple(client, directory, name, mode).map((
  [client, directory, name, mode],
) =>
  new Step(`chmod ${directory}/${quoted(name)} 0${mode.toString(8)}`, async (world) => {
    const answer = await world.call(client, "chmod", world.path(directory, name), mode);
    world.expect(answer, (model) => model.chmod(model.lookup(directory, name), mode));
  })
);

export const utimens = fc.tuple(client, directory, name, time).map((
  [client, directory, name, time],
) =>
  new Step(`utimens ${directory}/${quoted(name)} ${time}`, async (world) => {
    const path = world.path(directory, name);
    const answer = await world.call(client, "utimens", path, ...timeArguments(time));
    const file = directory === "pending" ? "script" : "log";
    world.expect(answer, (model) => model.utimens(model.lookup(directory, name), file, time));
  })
);

/** As the clients take it: seconds and nanoseconds, of which -1 means now. */
export function timeArguments(time: bigint | null): [number, number] {
  return time === null ? [0, -1] : [Number(time / 1_000_000_000n), Number(time % 1_000_000_000n)];
}

export const stat = fc.tuple(client, directory, name).map(([client, directory, name]) =>
  new Step(`stat ${directory}/${quoted(name)}`, async (world) => {
    const answer = await world.call(client, "stat", world.path(directory, name));
    const job = world.expect(answer, (model) => model.lookup(directory, name));
    if (job === undefined) return;
    world.compareStat(job, directory === "pending" ? "script" : "log", statOf(answer));
  })
);
