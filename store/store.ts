/** The state file with all that is in it: one object that fs and the scheduler share. */
import { Admission } from "./admission.ts";
import { Attempts } from "./attempts.ts";
import { Changes } from "./changes.ts";
import { Database } from "./database.ts";
import { Dependencies } from "./dependencies.ts";
import { Directories } from "./directories.ts";
import { Events } from "./events.ts";
import { History } from "./history.ts";
import { Hooks } from "./hooks.ts";
import { Ids } from "./ids.ts";
import { Jobs } from "./jobs.ts";
import { Listing } from "./listing.ts";
import { Moves } from "./moves.ts";
import { Nodes } from "./nodes.ts";
import { Output } from "./output.ts";
import { Queue } from "./queue.ts";
import { Retention } from "./retention.ts";
import { SettingsStore } from "./settings.ts";

export class Store {
  readonly db: Database;
  readonly changes = new Changes();
  readonly events: Events;
  readonly settings: SettingsStore;
  readonly jobs: Jobs;
  readonly directories: Directories;
  readonly listing: Listing;
  readonly queue: Queue;
  readonly dependencies: Dependencies;
  readonly output: Output;
  readonly admission: Admission;
  readonly moves: Moves;
  readonly attempts: Attempts;
  readonly history: History;
  readonly hooks: Hooks;
  readonly retention: Retention;
  readonly nodes: Nodes;
  readonly ids: Ids;
  readonly now: () => number;

  /** Opens the state file. `now` is milliseconds since the epoch. Throws StoreError or what SQLite says. */
  constructor(path: string, now: () => number = Date.now) {
    this.now = now;
    this.db = new Database(path);
    this.events = new Events(this.db, this.changes, now);
    this.settings = new SettingsStore(this.db, this.changes, this.events);
    this.jobs = new Jobs(this.db, this.changes, now);
    this.dependencies = new Dependencies(this.db, this.jobs);
    this.hooks = new Hooks(this.db, this.settings, this.changes);
    this.directories = new Directories(this.db, now);
    this.listing = new Listing(this.db);
    this.queue = new Queue(
      this.db,
      this.jobs,
      this.dependencies,
      this.changes,
      this.events,
      now,
    );
    this.output = new Output(this.db);
    this.admission = new Admission(this.db, this.jobs, this.dependencies, now);
    this.moves = new Moves(
      this.db,
      this.jobs,
      this.directories,
      this.queue,
      this.dependencies,
      this.admission,
      this.output,
      this.changes,
      this.events,
      this.hooks,
      now,
    );
    this.attempts = new Attempts(this.db, this.jobs, this.moves, this.output, this.events, now);
    this.history = new History(this.db);
    this.retention = new Retention(this.db, this.jobs, this.moves, this.settings, now);
    this.nodes = new Nodes(this.db);
    this.ids = new Ids(this.db, this.jobs);
  }

  /**
   * At start, before anything else: jobs that a writer had open when the last daemon ended. What had been flushed is
   * whole and runs; what had not goes to failed. Drafts and empty files stay as they are.
   */
  recoverOpenJobs(): void {
    this.db.transaction(() => {
      for (const job of this.queue.openJobs()) this.moves.recover(job);
    });
    this.jobs.purgeAll();
  }

  close(): void {
    this.db.close();
  }
}
