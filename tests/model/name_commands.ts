/** Commands on paths. */
import fc from "fast-check";
import { constants } from "node:fs";
import { type Bytes, quoted } from "./bytes.ts";
import { statOf } from "./clients.ts";
import { type Directory, type Model, type OpenHow, RENAME_NOREPLACE } from "./model.ts";
import { Step } from "./step.ts";
import type { World } from "./world.ts";
import { client, directory, mode, name, type Place, place, size, text, time } from "./values.ts";

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

/** The path that is meant now. */
function resolve({ jobs }: Model, { directory, name, choice }: Place) {
  const job = choice === null ? undefined : [...jobs.values()][choice % jobs.size];
  return job === undefined ? { directory, name } : { directory: job.directory!, name: job.name };
}

const shown = ({ directory, name, choice }: Place) =>
  `${choice === null ? "" : `job ${choice}, else `}${directory}/${quoted(name)}`;

const openStep = (client: number, place: Place, how: OpenHow) =>
  new Step(
    `open ${shown(place)} 0${openFlags(how).toString(8)}`,
    async (world) => {
      const { directory, name } = resolve(world.model, place);
      const path = world.path(directory, name);
      const answer = await world.call(client, "open", path, openFlags(how), how.mode);
      const description = world.expect(answer, (model) => model.open(directory, name, how));
      if (description !== undefined) world.model.opened(client, answer.value, description);
    },
    ({ descriptors }) => descriptors.length < MAX_DESCRIPTORS,
  );

export const open = fc.tuple(client, place, openHow).map((parts) => openStep(...parts));

/** One that mostly succeeds, so that there are descriptors. */
export const openScript = fc.tuple(client, name, openHow).map(([client, name, how]) =>
  openStep(client, { directory: "pending", name, choice: null }, { ...how, create: true })
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

function valueText(value: unknown): string {
  if (value === null) return "";
  return JSON.stringify(value, (_key, part) => typeof part === "bigint" ? `${part}` : part);
}

/** A command that goes to one place. */
function at<T>(
  call: string,
  values: fc.Arbitrary<T>,
  act: (
    world: World,
    at: { client: number; directory: Directory; name: Bytes },
    value: T,
  ) => Promise<void>,
): fc.Arbitrary<Step> {
  return fc.tuple(client, place, values).map(([client, place, value]) =>
    new Step(
      `${call} ${shown(place)} ${valueText(value)}`,
      (world) => act(world, { client, ...resolve(world.model, place) }, value),
    )
  );
}

const nothing = fc.constant(null);

export const unlink = at("unlink", nothing, async (world, { client, directory, name }) => {
  const answer = await world.call(client, "unlink", world.path(directory, name));
  world.expect(answer, (model) => model.unlink(directory, name));
});

export const mkdir = at("mkdir", nothing, async (world, { client, directory, name }) => {
  const answer = await world.call(client, "mkdir", world.path(directory, name));
  world.expect(answer, (model) => model.makeOther(directory, name));
});

export const truncate = at("truncate", size, async (world, { client, directory, name }, size) => {
  const answer = await world.call(client, "truncate", world.path(directory, name), size);
  world.expect(answer, (model) => model.truncate(directory, name, size));
});

export const chmod = at("chmod", mode, async (world, { client, directory, name }, mode) => {
  const answer = await world.call(client, "chmod", world.path(directory, name), mode);
  world.expect(answer, (model) => model.chmod(model.lookup(directory, name), mode));
});

export const utimens = at("utimens", time, async (world, { client, directory, name }, time) => {
  const path = world.path(directory, name);
  const answer = await world.call(client, "utimens", path, ...timeArguments(time));
  const file = directory === "pending" ? "script" : "log";
  world.expect(answer, (model) => model.utimens(model.lookup(directory, name), file, time));
});

export const stat = at("stat", nothing, async (world, { client, directory, name }) => {
  const answer = await world.call(client, "stat", world.path(directory, name));
  const job = world.expect(answer, (model) => model.lookup(directory, name));
  if (job === undefined) return;
  world.compareStat(job, directory === "pending" ? "script" : "log", statOf(answer));
});

const renameFlags = fc.constantFrom(0, 0, 0, 0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE);

/** Half of them keep the name. */
const target = fc.record({
  to: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<Directory[]>("pending", "failed") },
    { weight: 1, arbitrary: directory },
  ),
  newName: fc.option(name, { freq: 1 }),
  flags: renameFlags,
});

async function renameOnce(
  world: World,
  client: number,
  [from, name]: readonly [Directory, Bytes],
  [to, newName]: readonly [Directory, Bytes],
  flags: number,
): Promise<void> {
  const paths = [world.path(from, name), world.path(to, newName)] as const;
  const answer = await world.call(client, "rename", ...paths, flags);
  world.expect(answer, (model) => model.rename(from, name, to, newName, flags));
}

export const rename = at("rename", target, async (world, { client, directory, name }, target) => {
  const { to, flags } = target;
  await renameOnce(world, client, [directory, name], [to, target.newName ?? name], flags);
});

/** Parked and taken back, or run again: what a job had in pending before does not count any more. */
export const retry = at("retry", nothing, async (world, { client, directory, name }) => {
  if (directory === "pending") {
    await renameOnce(world, client, ["pending", name], ["failed", name], 0);
  }
  const from = directory === "pending" ? "failed" : directory;
  await renameOnce(world, client, [from, name], ["pending", name], 0);
});

/** As the clients take it: seconds and nanoseconds, of which -1 means now. */
export function timeArguments(time: bigint | null): [number, number] {
  return time === null ? [0, -1] : [Number(time / 1_000_000_000n), Number(time % 1_000_000_000n)];
}
