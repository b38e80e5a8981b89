/**
 * What holds in every state file after the daemon has ended in good order, besides what the schema itself enforces. Each
 * invariant is a query for the rows that break it.
 *
 * A removed job is swept up in slices, by the next daemon if need be: until then pieces of its log may be missing.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";

/** Settings of a name's characters that SQLite's GLOB can tell: control characters. */
const CONTROL = `'*[' || char(1) || '-' || char(31) || char(127) || ']*'`;
const IS_DRAFT = `(name GLOB '.*' OR name GLOB '*~' OR (length(name) > 1 AND name GLOB '#*#'))`;

/** Chunks of a log with the end of the one before. */
const CHUNKS = `SELECT job_id, offset, length(bytes) AS size,
  coalesce(lag(offset + length(bytes)) OVER (PARTITION BY job_id ORDER BY offset), 0) AS before FROM output
  WHERE job_id IN (SELECT id FROM job WHERE state <> 'removed')`;

const INVARIANTS: Readonly<Record<string, string>> = {
  "script_size is the length of the script":
    `SELECT job.id, name, script_size, length(content) FROM job LEFT JOIN script ON job_id = job.id
     WHERE script_size <> coalesce(length(content), 0)`,
  "a name has 1 to 255 bytes, no slash and no control character, and is neither . nor ..":
    `SELECT id, name FROM job WHERE octet_length(name) NOT BETWEEN 1 AND 255
       OR instr(name, '/') OR name IN ('.', '..') OR name GLOB ${CONTROL}`,
  "nothing is active": "SELECT id, name, state FROM job WHERE state = 'active'",
  "drafts and empty files are open":
    `SELECT id, name, phase FROM job WHERE state = 'pending' AND phase <> 'open'
       AND (script_size = 0 OR ${IS_DRAFT})`,
  "what may run is flushed":
    "SELECT id, name, phase FROM job WHERE unflushed = 1 AND phase IN ('ready', 'waiting')",
  "a place in the queue is taken once":
    "SELECT seq, count(*) FROM job WHERE seq IS NOT NULL GROUP BY seq HAVING count(*) > 1",
  "no place in the queue is beyond what is reserved":
    "SELECT id, seq FROM job WHERE seq > (SELECT value FROM counter WHERE name = 'seq')",
  "no id is beyond the last that was given":
    `SELECT id FROM job WHERE id > (SELECT seq FROM sqlite_sequence WHERE name = 'job')
     UNION ALL SELECT id FROM attempt WHERE id > (SELECT seq FROM sqlite_sequence WHERE name = 'attempt')`,
  "modes are permission bits": "SELECT id, name, mode FROM job WHERE mode NOT BETWEEN 0 AND 4095",
  "owners are 32-bit numbers":
    "SELECT id, name, uid, gid FROM job WHERE uid NOT BETWEEN 0 AND 4294967295 OR gid NOT BETWEEN 0 AND 4294967295",
  "nanoseconds are less than a second":
    `SELECT id, name FROM job WHERE atime_ns NOT BETWEEN 0 AND 999999999 OR mtime_ns NOT BETWEEN 0 AND 999999999
       OR log_mtime_ns NOT BETWEEN 0 AND 999999999 OR ctime_ns NOT BETWEEN 0 AND 999999999`,
  "a log ends where its last chunk does":
    `SELECT job.id, name, log_size, max(offset + length(bytes)) FROM job LEFT JOIN output ON job_id = job.id
     WHERE state <> 'removed' GROUP BY job.id HAVING log_size <> coalesce(max(offset + length(bytes)), 0)`,
  "the bytes of a log are those that were not dropped":
    `SELECT job.id, name, log_size, log_dropped, sum(length(bytes)) FROM job LEFT JOIN output ON job_id = job.id
     WHERE state <> 'removed' GROUP BY job.id HAVING log_size - log_dropped <> coalesce(sum(length(bytes)), 0)`,
  "the bytes that were dropped are those of the holes":
    `SELECT job.id, name, log_dropped, sum(hole_end - hole_start) FROM job LEFT JOIN attempt ON job_id = job.id
     GROUP BY job.id HAVING log_dropped <> coalesce(sum(hole_end - hole_start), 0)`,
  "chunks of a log do not overlap, and are not empty":
    `SELECT * FROM (${CHUNKS}) WHERE offset < before OR size = 0`,
  "between the chunks of a log there are only holes":
    `SELECT * FROM (${CHUNKS}) AS chunk WHERE offset > before AND NOT EXISTS (SELECT 1 FROM attempt
       WHERE attempt.job_id = chunk.job_id AND hole_start = before AND hole_end = offset)`,
  "every attempt has ended, and no process of it is left":
    "SELECT id, job_name, live, outcome FROM attempt WHERE live = 1 OR outcome IS NULL OR log_end IS NULL",
  "an attempt ends after it began":
    "SELECT id, job_name, log_start, log_end FROM attempt WHERE log_end < log_start",
  "the section of an attempt lies in its job's log, behind that of the attempt before":
    `SELECT attempt.id, number, log_start, log_end, log_size FROM attempt JOIN job ON job.id = job_id
     WHERE log_end > log_size OR log_start < coalesce((SELECT max(log_end) FROM attempt AS earlier
       WHERE earlier.job_id = attempt.job_id AND earlier.number < attempt.number), 0)`,
  "the attempts of a job are numbered without gaps":
    `SELECT job_id, count(*), max(number) FROM attempt GROUP BY job_id
     HAVING count(DISTINCT number) <> count(*) OR min(number) <> 1 OR max(number) <> count(*)`,
  "an exit code belongs to what exited, a signal to what was signalled":
    `SELECT id, outcome, exit_code, signal FROM attempt WHERE (outcome = 'exited') <> (exit_code IS NOT NULL)
       OR (outcome = 'signaled') <> (signal IS NOT NULL)`,
  "no job counts more attempts than there were":
    `SELECT id, name, attempts, lost FROM job WHERE attempts + lost >
       (SELECT count(*) FROM attempt WHERE job_id = job.id)`,
  "the last attempt of a complete job exited with 0":
    `SELECT id, name FROM job WHERE state = 'complete' AND coalesce((SELECT exit_code FROM attempt
       WHERE job_id = job.id ORDER BY number DESC LIMIT 1), -1) <> 0`,
  "what a process printed lies in the section of its attempt":
    `SELECT id, log_start, output_start, output_end, log_end FROM attempt WHERE output_end IS NOT NULL
       AND NOT (log_start <= output_start AND output_start <= output_end AND output_end <= log_end)`,
  "a job has a time at which it was finished when it is":
    `SELECT id, name, state, finished_ms FROM job
     WHERE (state IN ('complete', 'failed')) <> (finished_ms IS NOT NULL)`,
  "a complete job has no error":
    "SELECT id, name, error FROM job WHERE state = 'complete' AND error IS NOT NULL",
  "events are lines of JSON":
    "SELECT position, line FROM event WHERE NOT json_valid(CAST(line AS TEXT)) OR substr(line, -1) <> x'0a'",
  "events lie one behind the other, and are numbered so":
    `SELECT * FROM (SELECT position, CAST(line AS TEXT) ->> 'seq' AS seq,
         lag(position + length(line)) OVER (ORDER BY position) AS after,
         lag(CAST(line AS TEXT) ->> 'seq') OVER (ORDER BY position) AS seq_before FROM event)
     WHERE position <> after OR seq <> seq_before + 1`,
  "a mode that was set belongs to a fixed node or to a job":
    "SELECT ino FROM node WHERE ino >= 16 AND NOT EXISTS (SELECT 1 FROM job WHERE id = ino / 16)",
  "settings are JSON": "SELECT key, value FROM setting WHERE NOT json_valid(value)",
};

/** Throws, naming what is broken and the rows that break it. The daemon has ended. */
export function assertConsistent(stateFile: string): void {
  const db = new DatabaseSync(stateFile, { readOnly: true });
  try {
    assert.deepEqual(db.prepare("PRAGMA integrity_check").all().map((row) => ({ ...row })), [
      { integrity_check: "ok" },
    ]);
    const broken: Record<string, unknown[]> = {};
    const look = (title: string, query: string) => {
      const rows = db.prepare(query).all();
      if (rows.length > 0) broken[title] = rows.slice(0, 5).map((row) => ({ ...row }));
    };
    look("every reference leads somewhere", "PRAGMA foreign_key_check");
    for (const [title, query] of Object.entries(INVARIANTS)) look(title, query);
    assert.deepEqual(broken, {});
  } finally {
    db.close();
  }
}
