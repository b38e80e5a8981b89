/** Modes and owners of the fixed directories and files, as far as somebody has changed them. */
import type { Database } from "./database.ts";

export interface NodeAttributes {
  /** Without the file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export class Nodes {
  readonly #db: Database;
  readonly #put;
  readonly #known: Map<number, NodeAttributes>;

  constructor(db: Database) {
    this.#db = db;
    this.#put = db.prepare(
      `INSERT INTO node (ino, mode, uid, gid) VALUES (:ino, :mode, :uid, :gid)
       ON CONFLICT DO UPDATE SET mode = excluded.mode, uid = excluded.uid, gid = excluded.gid`,
    );
    const rows = db.prepare("SELECT ino, mode, uid, gid FROM node")
      .all() as unknown as (NodeAttributes & { ino: number })[];
    this.#known = new Map(rows.map(({ ino, ...attributes }) => [ino, attributes]));
  }

  get(ino: number): NodeAttributes | undefined {
    return this.#known.get(ino);
  }

  set(ino: number, { mode, uid, gid }: NodeAttributes): void {
    this.#db.transaction(() => {
      this.#put.run({ ino, mode, uid, gid });
      this.#db.afterCommit(() => this.#known.set(ino, { mode, uid, gid }));
    });
  }
}
