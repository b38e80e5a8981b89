/**
 * The schema of the state file, as numbered steps.
 *
 * How to change it: append a step, never edit one that has been released; `PRAGMA user_version` counts the steps that a
 * file has had. Each step runs in a transaction of its own, after a copy of the file has been made
 * (`state.db.before-vN`). A file with more steps than this program knows is refused.
 *
 * Times that a user can set are kept as seconds and nanoseconds (`_s`, `_ns`), since a 64-bit count of nanoseconds does
 * not fit a JavaScript number; times for scheduling are milliseconds since the epoch (`_ms`).
 */

const V1 = `
CREATE TABLE job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL CHECK (name <> ''),
  -- removed: forgotten by the user, kept while a descriptor is open on it or its processes live
  state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'complete', 'failed', 'removed')),
  -- of a pending job. open: a draft, empty, or with a writer; waiting: until wake_at_ms; ready: may start now
  phase TEXT CHECK (phase IN ('open', 'waiting', 'ready')),
  -- order of submission
  seq INTEGER,
  priority INTEGER NOT NULL DEFAULT 0,
  -- attempts that count, since the job was queued
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  -- attempts lost in a row
  lost INTEGER NOT NULL DEFAULT 0 CHECK (lost >= 0),
  start_at_ms INTEGER,
  retry_at_ms INTEGER,
  wake_at_ms INTEGER,
  -- written to, but not yet flushed: after a crash the text is not the one that was meant
  unflushed INTEGER NOT NULL DEFAULT 0 CHECK (unflushed IN (0, 1)),
  mode INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  atime_s INTEGER NOT NULL, atime_ns INTEGER NOT NULL,
  mtime_s INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  log_mtime_s INTEGER NOT NULL, log_mtime_ns INTEGER NOT NULL,
  ctime_s INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
  script_size INTEGER NOT NULL DEFAULT 0,
  -- bytes that were ever written to the log, and how many of them were dropped again (max_output_bytes)
  log_size INTEGER NOT NULL DEFAULT 0,
  log_dropped INTEGER NOT NULL DEFAULT 0,
  CHECK ((state = 'pending') = (phase IS NOT NULL)),
  CHECK ((phase IS 'waiting') = (wake_at_ms IS NOT NULL)),
  CHECK (phase IS NOT 'ready' OR (seq IS NOT NULL AND script_size > 0))
) STRICT;
CREATE UNIQUE INDEX job_name ON job (name) WHERE state <> 'removed';
CREATE INDEX job_listing ON job (state, id);
CREATE INDEX job_ready ON job (priority DESC, seq) WHERE phase = 'ready';
CREATE INDEX job_wake ON job (wake_at_ms) WHERE phase = 'waiting';
CREATE INDEX job_open ON job (id) WHERE phase = 'open';

CREATE TABLE script (
  job_id INTEGER PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
  content BLOB NOT NULL
) STRICT;

CREATE TABLE attempt (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  -- the job's name when the attempt began: no job of that name starts while the attempt is live
  job_name TEXT NOT NULL,
  number INTEGER NOT NULL,
  -- QJ_ATTEMPT_ID in the environment of the processes
  token TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  pid INTEGER,
  -- clock ticks since boot: field 22 of /proc/PID/stat
  pid_start INTEGER,
  started_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  outcome TEXT CHECK (outcome IN ('exited', 'signaled', 'timeout', 'cancelled', 'lost', 'error')),
  exit_code INTEGER,
  signal TEXT,
  error TEXT,
  -- offsets in the log
  log_start INTEGER NOT NULL,
  log_end INTEGER,
  hole_start INTEGER,
  hole_end INTEGER,
  -- 1: processes of it may be alive
  live INTEGER NOT NULL CHECK (live IN (0, 1)),
  CHECK ((outcome IS NULL) = (ended_ms IS NULL)),
  CHECK ((hole_start IS NULL) = (hole_end IS NULL))
) STRICT;
CREATE INDEX attempt_job ON attempt (job_id, number);
CREATE INDEX attempt_live_name ON attempt (job_name) WHERE live = 1;
CREATE INDEX attempt_live_job ON attempt (job_id) WHERE live = 1;

-- The logs. No row of output for the bytes of a hole.
CREATE TABLE output (
  job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  offset INTEGER NOT NULL CHECK (offset >= 0),
  bytes BLOB NOT NULL,
  PRIMARY KEY (job_id, offset)
) STRICT;

-- Settings that differ from their default, as JSON.
CREATE TABLE setting (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Modes and owners of the fixed directories and files, where they were changed.
CREATE TABLE node (
  ino INTEGER PRIMARY KEY,
  mode INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL
) STRICT;

CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('new_id', 0), ('seq', 0), ('probe', 0);
`;

const V2 = `
-- The named queue that the job counts against.
ALTER TABLE job ADD COLUMN queue TEXT;
ALTER TABLE job ADD COLUMN created_ms INTEGER NOT NULL DEFAULT 0;
-- When it reached complete or failed; null in other states.
ALTER TABLE job ADD COLUMN finished_ms INTEGER;
-- Why the last attempt failed, or why there was none; null after a success.
ALTER TABLE job ADD COLUMN error TEXT;
UPDATE job SET created_ms = atime_s * 1000 + atime_ns / 1000000,
  finished_ms = CASE WHEN state IN ('complete', 'failed')
    THEN log_mtime_s * 1000 + log_mtime_ns / 1000000 END;
CREATE INDEX job_queue ON job (queue, state, phase) WHERE queue IS NOT NULL;
CREATE INDEX job_oldest ON job (seq) WHERE state = 'pending' AND seq IS NOT NULL;

-- What the processes printed, as offsets in the log: between the head of the section and the last words.
ALTER TABLE attempt ADD COLUMN output_start INTEGER;
ALTER TABLE attempt ADD COLUMN output_end INTEGER;

-- One line of JSON each; position counts bytes since the first event of this file.
CREATE TABLE event (
  position INTEGER PRIMARY KEY,
  line BLOB NOT NULL
) STRICT;

-- A name that would lead out of its directory, or that no directory can list, comes from no request.
CREATE TRIGGER job_name_new BEFORE INSERT ON job WHEN new.name IN ('.', '..') OR instr(new.name, '/') > 0
  OR instr(new.name, char(0)) > 0 OR length(CAST(new.name AS BLOB)) > 255
BEGIN SELECT raise(ABORT, 'a job cannot have this name'); END;
CREATE TRIGGER job_name_changed BEFORE UPDATE OF name ON job WHEN new.name IN ('.', '..')
  OR instr(new.name, '/') > 0 OR instr(new.name, char(0)) > 0 OR length(CAST(new.name AS BLOB)) > 255
BEGIN SELECT raise(ABORT, 'a job cannot have this name'); END;

-- The modes of a job's directories and of its signal file have rows in node, by inode number.
CREATE TRIGGER job_nodes AFTER DELETE ON job BEGIN
  DELETE FROM node WHERE ino BETWEEN old.id * 16 AND old.id * 16 + 15;
END;
`;

/** A CHECK cannot be changed, so the table is made anew: https://www.sqlite.org/lang_altertable.html, section 7. */
const V3 = `
CREATE TABLE new_job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL CHECK (name <> ''),
  -- removed: forgotten by the user, kept while a descriptor is open on it or its processes live
  state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'complete', 'failed', 'removed')),
  -- of a pending job. open: a draft, empty, or with a writer; blocked: until other jobs have completed;
  -- waiting: until wake_at_ms; ready: may start now
  phase TEXT CHECK (phase IN ('open', 'blocked', 'waiting', 'ready')),
  -- order of submission
  seq INTEGER,
  -- what counts: set_priority, else that of the options, else 0
  priority INTEGER NOT NULL DEFAULT 0,
  -- the priority that somebody has set by the extended attribute
  set_priority INTEGER,
  -- of the script's #QJ lines, as JSON; null: not read since the script was written
  options TEXT,
  -- the named queue that the job counts against
  queue TEXT,
  -- attempts that count, since the job was queued
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  -- attempts lost in a row
  lost INTEGER NOT NULL DEFAULT 0 CHECK (lost >= 0),
  -- not before: the mtime that somebody has set, the option "at"
  start_at_ms INTEGER,
  at_ms INTEGER,
  -- the end of a wait that began at some moment: a backoff, or the option "delay"
  retry_at_ms INTEGER,
  wake_at_ms INTEGER,
  -- written to, but not yet flushed: after a crash the text is not the one that was meant
  unflushed INTEGER NOT NULL DEFAULT 0 CHECK (unflushed IN (0, 1)),
  mode INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  atime_s INTEGER NOT NULL, atime_ns INTEGER NOT NULL,
  mtime_s INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  log_mtime_s INTEGER NOT NULL, log_mtime_ns INTEGER NOT NULL,
  ctime_s INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
  script_size INTEGER NOT NULL DEFAULT 0,
  -- bytes that were ever written to the log, and how many of them were dropped again (max_output_bytes)
  log_size INTEGER NOT NULL DEFAULT 0,
  log_dropped INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL DEFAULT 0,
  -- when it reached complete or failed; null in other states
  finished_ms INTEGER,
  -- why the last attempt failed, or why there was none; null after a success
  error TEXT,
  CHECK ((state = 'pending') = (phase IS NOT NULL)),
  CHECK ((phase IS 'waiting') = (wake_at_ms IS NOT NULL)),
  CHECK (phase IS NOT 'ready' OR (seq IS NOT NULL AND script_size > 0))
) STRICT;
INSERT INTO new_job (id, name, state, phase, seq, priority, set_priority, queue, attempts, lost, start_at_ms,
    retry_at_ms, wake_at_ms, unflushed, mode, uid, gid, atime_s, atime_ns, mtime_s, mtime_ns, log_mtime_s,
    log_mtime_ns, ctime_s, ctime_ns, script_size, log_size, log_dropped, created_ms, finished_ms, error)
  SELECT id, name, state, phase, seq, priority, nullif(priority, 0), queue, attempts, lost, start_at_ms,
    retry_at_ms, wake_at_ms, unflushed, mode, uid, gid, atime_s, atime_ns, mtime_s, mtime_ns, log_mtime_s,
    log_mtime_ns, ctime_s, ctime_ns, script_size, log_size, log_dropped, created_ms, finished_ms, error FROM job;
-- A number that was given to a job which is gone by now is not given again either.
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'job') WHERE name = 'new_job';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_job', seq FROM sqlite_sequence
  WHERE name = 'job' AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'new_job');
DROP TABLE job;
ALTER TABLE new_job RENAME TO job;
CREATE UNIQUE INDEX job_name ON job (name) WHERE state <> 'removed';
CREATE INDEX job_listing ON job (state, id);
-- In the order in which they start, queue by queue: the jobs of a full queue are passed over in one step.
CREATE INDEX job_ready ON job (queue, priority DESC, seq) WHERE phase = 'ready';
CREATE INDEX job_wake ON job (wake_at_ms) WHERE phase = 'waiting';
CREATE INDEX job_open ON job (id) WHERE phase = 'open';
CREATE INDEX job_queue ON job (queue, state, phase) WHERE queue IS NOT NULL;
CREATE INDEX job_oldest ON job (seq) WHERE state = 'pending' AND seq IS NOT NULL;
CREATE INDEX job_finished ON job (state, finished_ms) WHERE finished_ms IS NOT NULL;
CREATE TRIGGER job_name_new BEFORE INSERT ON job WHEN new.name IN ('.', '..') OR instr(new.name, '/') > 0
  OR instr(new.name, char(0)) > 0 OR length(CAST(new.name AS BLOB)) > 255
BEGIN SELECT raise(ABORT, 'a job cannot have this name'); END;
CREATE TRIGGER job_name_changed BEFORE UPDATE OF name ON job WHEN new.name IN ('.', '..')
  OR instr(new.name, '/') > 0 OR instr(new.name, char(0)) > 0 OR length(CAST(new.name AS BLOB)) > 255
BEGIN SELECT raise(ABORT, 'a job cannot have this name'); END;
CREATE TRIGGER job_nodes AFTER DELETE ON job BEGIN
  DELETE FROM node WHERE ino BETWEEN old.id * 16 AND old.id * 16 + 15;
END;

-- The queue that the attempt counts against, whatever becomes of the job's.
ALTER TABLE attempt ADD COLUMN queue TEXT;
-- How long it ran, by a clock that nobody can set.
ALTER TABLE attempt ADD COLUMN run_ms INTEGER;
-- After its shell has ended, only its process group is stopped (keep-children).
ALTER TABLE attempt ADD COLUMN keeps_children INTEGER NOT NULL DEFAULT 0 CHECK (keeps_children IN (0, 1));

-- The jobs that a pending one waits for.
CREATE TABLE dependency (
  job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  on_id INTEGER NOT NULL,
  PRIMARY KEY (job_id, on_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependency_on ON dependency (on_id);
-- Jobs that others wait for and that have come to an end, of which the others have yet to be told.
CREATE TABLE dependency_end (
  on_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  -- Why the others cannot run any more; null: it has completed.
  error TEXT
) STRICT;

-- Ends of jobs for which on_complete or on_failed has yet to be run.
CREATE TABLE hook (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job_name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('complete', 'failed')),
  exit_code INTEGER,
  attempt INTEGER NOT NULL
) STRICT;
`;

/** Step n brings a file from version n to n + 1. */
export const MIGRATIONS: readonly string[] = [V1, V2, V3];
