/** What surrounds a scheduler in tests: a system without processes, and a log that nobody reads. */
import type { ChildReaper } from "../../scheduler/leftovers.ts";
import type { SchedulerLog } from "../../scheduler/scheduler.ts";

export const NO_PROCESSES: ChildReaper = {
  children: () => [],
  reap: () => false,
  hasEnded: () => false,
  groupOf: () => null,
  readFile: () => Promise.resolve(null),
};

export const NO_LOG: SchedulerLog = {
  started() {},
  ended() {},
  recovered() {},
  shortage() {},
  outOfReach() {},
  tooFewDescriptors() {},
  expired() {},
  clockSetBack() {},
  hookFailed() {},
  storeFailed() {},
};
