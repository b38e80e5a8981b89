/** Commands on open descriptors, wherever their jobs are by now. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { fromHex, quoted } from "./bytes.ts";
import { timeArguments } from "./name_commands.ts";
import { onDescriptor } from "./step.ts";
import { choice, mode, offset, size, text, time } from "./values.ts";

export const write = fc.tuple(choice, text).map(([choice, text]) =>
  onDescriptor(
    `write ${quoted(text)} to`,
    choice,
    async (world, descriptor) => {
      const answer = await world.call(descriptor.client, "write", descriptor.fd, text);
      world.expect(answer, (model) => model.write(descriptor, text, null));
    },
  )
);

export const pwrite = fc.tuple(choice, text, offset).map(([choice, text, offset]) =>
  onDescriptor(
    `pwrite ${quoted(text)} ${offset} to`,
    choice,
    async (world, descriptor) => {
      const answer = await world.call(descriptor.client, "pwrite", descriptor.fd, text, offset);
      world.expect(answer, (model) => model.write(descriptor, text, offset));
    },
  )
);

export const read = fc.tuple(choice, size).map(([choice, size]) =>
  onDescriptor(`read ${size} of`, choice, async (world, descriptor) => {
    const answer = await world.call(descriptor.client, "read", descriptor.fd, size);
    const bytes = world.expect(answer, (model) => model.read(descriptor, size, null));
    if (bytes !== undefined) assert.equal(fromHex(answer.gave), bytes, "what read gave");
  })
);

export const pread = fc.tuple(choice, size, offset).map(([choice, size, offset]) =>
  onDescriptor(`pread ${size} ${offset} of`, choice, async (world, descriptor) => {
    const answer = await world.call(descriptor.client, "pread", descriptor.fd, size, offset);
    const bytes = world.expect(answer, (model) => model.read(descriptor, size, offset));
    if (bytes !== undefined) assert.equal(fromHex(answer.gave), bytes, "what pread gave");
  })
);

export const fsync = fc.tuple(choice, fc.constantFrom("fsync", "fdatasync")).map(([choice, call]) =>
  onDescriptor(call, choice, async (world, descriptor) => {
    const answer = await world.call(descriptor.client, call, descriptor.fd);
    world.expect(answer, (model) => model.fsync(descriptor));
  })
);

export const ftruncate = fc.tuple(choice, size).map(([choice, size]) =>
  onDescriptor(`ftruncate ${size}`, choice, async (world, descriptor) => {
    const answer = await world.call(descriptor.client, "ftruncate", descriptor.fd, size);
    world.expect(answer, (model) => model.ftruncate(descriptor, size));
  })
);

export const fchmod = fc.tuple(choice, mode).map(([choice, mode]) =>
  onDescriptor(`fchmod 0${mode.toString(8)}`, choice, async (world, descriptor) => {
    const answer = await world.call(descriptor.client, "fchmod", descriptor.fd, mode);
    world.expect(answer, (model) => model.chmod(descriptor.description.job, mode));
  })
);

export const futimens = fc.tuple(choice, time).map(([choice, time]) =>
  onDescriptor(`futimens ${time}`, choice, async (world, descriptor) => {
    const { client, fd, description: { job, file } } = descriptor;
    const answer = await world.call(client, "futimens", fd, ...timeArguments(time));
    world.expect(answer, (model) => model.utimens(job, file, time));
  })
);

export const fstat = choice.map((choice) =>
  onDescriptor("fstat", choice, (world, descriptor) => world.compareDescriptor(descriptor))
);

export const dup = choice.map((choice) =>
  onDescriptor("dup", choice, async (world, { client, fd, description }) => {
    const answer = await world.call(client, "dup", fd);
    world.expect(answer, (model) => model.opened(client, answer.value, description));
  })
);

export const close = choice.map((choice) =>
  onDescriptor("close", choice, async (world, descriptor) => {
    const answer = await world.call(descriptor.client, "close", descriptor.fd);
    world.expect(answer, (model) => model.close(descriptor));
  })
);
