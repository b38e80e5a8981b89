/**
 * A state file with many finished jobs, as if all had been run: every second one failed. Each has a script, one attempt
 * and a log.
 *
 * They are written by SQL of their own, since running them would take hours; the schema is the one that opening the
 * store makes. What is not named in the inserts has a default there.
 */
import { DatabaseSync } from "node:sqlite";
import { Store } from "../../store/store.ts";

/** Rows in one transaction: what is held back until then stays small. */
const BATCH = 100_000;
const SCRIPT = "echo done; exit $STATUS\n";
/** Of the newest job, in seconds since the epoch; each one before it is a second older. */
const NEWEST_SEC = 1_800_000_000;

/** The name of the job with this id, from 1. Odd ones are in complete, even ones in failed. */
export function finishedName(id: number): string {
  return `job-${String(id).padStart(7, "0")}`;
}

/** The log of a job in complete, and in failed. */
export const FINISHED_LOG = {
  complete: `>>> ${SCRIPT}done\n`,
  failed: `>>> ${SCRIPT}done\n\n[System Error]: exit status 1\n`,
} as const;

const TABLES = [
  `INSERT INTO job (id, name, state, seq, attempts, mode, uid, gid, atime_s, atime_ns, mtime_s, mtime_ns,
     log_mtime_s, log_mtime_ns, ctime_s, ctime_ns, created_ms, finished_ms, error, script_size, log_size)
   SELECT id, name, state, id, 1, 420, :uid, :gid, sec, 0, sec, 0, sec, 0, sec, 0, sec * 1000, sec * 1000,
     CASE state WHEN 'failed' THEN 'exit status 1' END, length(:script), length(log) FROM made`,
  `INSERT INTO script (job_id, content) SELECT id, CAST(:script AS BLOB) FROM made`,
  `INSERT INTO attempt (id, job_id, job_name, number, token, boot_id, pid, pid_start, started_ms, ended_ms,
     outcome, exit_code, log_start, log_end, live)
   SELECT id, id, name, 1, printf('%032d', id), 'another', 1, 1, sec * 1000, sec * 1000, 'exited',
     state = 'failed', 0, length(log), 0 FROM made`,
  `INSERT INTO output (job_id, offset, bytes) SELECT id, 0, CAST(log AS BLOB) FROM made`,
];
/** The rows of a batch, from which the tables take theirs. */
const MADE = `
  WITH RECURSIVE number (id) AS (VALUES (:from) UNION ALL SELECT id + 1 FROM number WHERE id < :to),
  made AS (SELECT id, printf('job-%07d', id) AS name, :newest - :count + id AS sec,
    CASE id % 2 WHEN 1 THEN 'complete' ELSE 'failed' END AS state,
    CASE id % 2 WHEN 1 THEN :complete ELSE :failed END AS log FROM number)`;

/** Makes the state file `path` with `count` finished jobs. Takes some ten seconds for a million. */
export function makeFinishedJobs(path: string, count: number): void {
  new Store(path).close();
  using db = new DatabaseSync(path);
  // Nothing is lost with a file that is not whole.
  db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF");
  const common = {
    newest: NEWEST_SEC,
    count,
    complete: FINISHED_LOG.complete,
    failed: FINISHED_LOG.failed,
    script: SCRIPT,
    uid: Deno.uid() ?? 0,
    gid: Deno.gid() ?? 0,
  };
  for (const table of TABLES) {
    const insert = db.prepare(table.replace("INSERT INTO", `${MADE} INSERT INTO`));
    insert.setAllowUnknownNamedParameters(true);
    for (let from = 1; from <= count; from += BATCH) {
      insert.run({ ...common, from, to: Math.min(count, from + BATCH - 1) });
    }
  }
}
