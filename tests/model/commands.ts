/** The commands that random runs are made of, and how often each comes. */
import fc from "fast-check";
import * as daemon from "./daemon_commands.ts";
import * as descriptors from "./descriptor_commands.ts";
import * as names from "./name_commands.ts";
import type { Step } from "./step.ts";

const SHARES: readonly (readonly [number, fc.Arbitrary<Step>])[] = [
  [10, names.submit],
  [8, names.open],
  [10, names.openScript],
  [16, names.rename],
  [4, names.retry],
  [4, names.unlink],
  [3, names.truncate],
  [2, names.chmod],
  [6, names.utimens],
  [2, names.stat],
  [1, names.mkdir],
  [12, descriptors.write],
  [6, descriptors.pwrite],
  [3, descriptors.read],
  [4, descriptors.pread],
  [4, descriptors.fsync],
  [6, descriptors.ftruncate],
  [1, descriptors.fchmod],
  [2, descriptors.futimens],
  [2, descriptors.fstat],
  [2, descriptors.dup],
  [9, descriptors.close],
  [5, daemon.runAll],
  [3, daemon.start],
  [2, daemon.finish],
  [2, daemon.restart],
  [3, daemon.configure],
  [1, daemon.misconfigure],
  [1, daemon.newId],
  [1, daemon.rootChange],
];

export const step: fc.Arbitrary<Step> = fc.oneof(
  ...SHARES.map(([weight, arbitrary]) => ({ weight, arbitrary })),
);
