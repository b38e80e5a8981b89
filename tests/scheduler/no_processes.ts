/** A system without processes, for a scheduler whose runs are none either. */
import type { ChildReaper } from "../../scheduler/leftovers.ts";

export const NO_PROCESSES: ChildReaper = {
  children: () => [],
  reap: () => false,
  hasEnded: () => false,
  groupOf: () => null,
  readFile: () => Promise.resolve(null),
};
