/** What all pages share. */
import type { SlotsInUse } from "../scheduler/slots.ts";
import type { Browse } from "../store/browse.ts";
import type { ListedState } from "../store/job.ts";
import type { Store } from "../store/store.ts";
import type { Activity } from "./activity.ts";
import type { Commands, Submitter } from "./commands.ts";
import type { Guard } from "./guard.ts";
import type { Live } from "./live.ts";
import type { Said } from "./said.ts";

export interface Site {
  readonly store: Store;
  readonly browse: Browse;
  readonly slots: SlotsInUse;
  readonly activity: Activity;
  readonly commands: Commands;
  readonly guard: Guard;
  readonly live: Live;
  readonly said: Said;
  /** Absolute path. */
  readonly mountpoint: string;
  readonly version: string;
  /** Nothing can be done, only seen. */
  readonly isReadOnly: boolean;
  /** Null: nobody hands in jobs from a page. */
  readonly submitter: Submitter | null;
}

export const STATES: readonly ListedState[] = ["pending", "active", "complete", "failed"];
