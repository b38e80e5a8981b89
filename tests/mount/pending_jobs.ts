/**
 * A state file with many pending jobs of all kinds, as if somebody had handed them in: by SQL of its own, as the finished
 * ones of `finished_jobs.ts`. By the last digit of a job's number it waits for the first job (0 to 2), until a moment (3, 4),
 * in the queue "video" (5, 6), or is ready. The higher of two numbers has the higher priority in every thousand.
 */
import { DatabaseSync } from "node:sqlite";
import { Store } from "../../store/store.ts";

const BATCH = 100_000;
const SCRIPT = "echo ran";

export function pendingName(id: number): string {
  return `job-${String(id).padStart(7, "0")}`;
}

export interface PendingJobs {
  readonly count: number;
  /** Milliseconds since the epoch until which some of them wait. */
  readonly atMs: number;
}

const MADE = `
  WITH RECURSIVE number (id) AS (VALUES (:from) UNION ALL SELECT id + 1 FROM number WHERE id < :to),
  made AS (SELECT id, id % 1000 AS priority, id % 10 IN (0, 1, 2) AS blocked, id % 10 IN (3, 4) AS waiting,
    CASE WHEN id % 10 IN (5, 6) THEN 'video' END AS queue FROM number)`;

const TABLES = [
  `${MADE} INSERT INTO job (id, name, state, phase, seq, priority, options, queue, at_ms, wake_at_ms, mode, uid, gid,
     atime_s, atime_ns, mtime_s, mtime_ns, log_mtime_s, log_mtime_ns, ctime_s, ctime_ns, created_ms, script_size)
   SELECT id, printf('job-%07d', id), 'pending',
     CASE WHEN blocked THEN 'blocked' WHEN waiting THEN 'waiting' ELSE 'ready' END, id, priority, '{}', queue,
     CASE WHEN waiting THEN :at END, CASE WHEN waiting THEN :at END, 420, :uid, :gid,
     1800000000, 0, 1800000000, 0, 1800000000, 0, 1800000000, 0, 1800000000000, length(:script) FROM made`,
  `${MADE} INSERT INTO script (job_id, content) SELECT id, CAST(:script AS BLOB) FROM made`,
  `${MADE} INSERT INTO dependency (job_id, on_id) SELECT id, 8 FROM made WHERE blocked`,
];

/** Makes the state file `path` of a queue that is paused. The job that others wait for is the eighth. */
export function makePendingJobs(path: string, { count, atMs }: PendingJobs): void {
  new Store(path).close();
  using db = new DatabaseSync(path);
  // Nothing is lost with a file that is not whole.
  db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF");
  const common = { script: SCRIPT, at: atMs, uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
  for (const table of TABLES) {
    const insert = db.prepare(table);
    insert.setAllowUnknownNamedParameters(true);
    for (let from = 1; from <= count; from += BATCH) {
      insert.run({ ...common, from, to: Math.min(count, from + BATCH - 1) });
    }
  }
  db.prepare("INSERT INTO setting (key, value) VALUES ('paused', 'true')").run();
  db.prepare("INSERT OR REPLACE INTO counter (name, value) VALUES ('seq', ?)").run(count + 1);
}
