/** A look at a state file, without changing it. */
import { DatabaseSync } from "node:sqlite";
import { numberOf, problemOf } from "./format.ts";
import { LISTED_STATES, type ListedState } from "./job.ts";

export interface Inspection {
  /** Why a mount would refuse it, or null. */
  readonly problem: string | null;
  /** Jobs by state; of a file with a problem all are 0. */
  readonly counts: Readonly<Record<ListedState, number>>;
}

/**
 * Jobs that a crash has left in SQLite's log (WAL) count too; the log stays, as does the file, though SQLite may make its
 * index (-shm) of the log anew. Without a log nothing is touched at all. `isInUse`: a daemon has it open. Throws what
 * SQLite says of a file that is no database.
 */
export function inspect(path: string, isInUse: boolean): Inspection {
  const hasLog = exists(`${path}-wal`);
  const url = new URL(`file://${path.split("/").map(encodeURIComponent).join("/")}`);
  // Without a log nothing has to be recovered, and without locks nothing is written.
  if (!hasLog && !isInUse) url.searchParams.set("immutable", "1");
  using db = new DatabaseSync(url, { readOnly: true });
  const problem = problemOf(db, Infinity);
  const counts = Object.fromEntries(LISTED_STATES.map((state) => [state, 0]));
  if (problem === null && numberOf(db, "user_version") > 0) {
    const rows = db.prepare("SELECT state, count(*) AS n FROM job GROUP BY state").all();
    for (const { state, n } of rows as unknown as { state: string; n: number }[]) {
      if (state in counts) counts[state] = n;
    }
  }
  return { problem, counts: counts as Record<ListedState, number> };
}

function exists(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}
