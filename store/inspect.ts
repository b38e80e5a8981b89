/** A look at a state file that changes nothing, not even what SQLite puts beside one. */
import { DatabaseSync } from "node:sqlite";
import { LISTED_STATES, type ListedState } from "./job.ts";
import { MIGRATIONS } from "./schema.ts";

export interface Inspection {
  /** The version of its tables; 0: there are none yet. */
  readonly format: number;
  readonly isNewer: boolean;
  /** Jobs by state. */
  readonly counts: Readonly<Record<ListedState, number>>;
  /** What SQLite's quick_check says first: "ok" for a sound file. */
  readonly check: string;
}

/**
 * `isInUse`: a daemon has it open. What is in the log (WAL) is seen where there is one. Throws what SQLite says of a file
 * that is no database.
 */
export function inspect(path: string, isInUse: boolean): Inspection {
  const hasLog = exists(`${path}-wal`);
  const url = new URL(`file://${path.split("/").map(encodeURIComponent).join("/")}`);
  // Without a log nothing has to be recovered, and without locks nothing is written.
  if (!hasLog && !isInUse) url.searchParams.set("immutable", "1");
  using db = new DatabaseSync(url, { readOnly: true });
  const one = (sql: string) => Object.values(db.prepare(sql).get() as Record<string, unknown>)[0];
  const format = Number(one("PRAGMA user_version"));
  const counts = Object.fromEntries(LISTED_STATES.map((state) => [state, 0]));
  const isNewer = format > MIGRATIONS.length;
  const check = String(one("PRAGMA quick_check(1)"));
  if (format > 0 && !isNewer && check === "ok") {
    const rows = db.prepare("SELECT state, count(*) AS n FROM job GROUP BY state").all();
    for (const { state, n } of rows as unknown as { state: string; n: number }[]) {
      if (state in counts) counts[state] = n;
    }
  }
  return { format, isNewer, counts: counts as Record<ListedState, number>, check };
}

function exists(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}
