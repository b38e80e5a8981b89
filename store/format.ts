/** Whether a database is a state file that this qj can use. */
import type { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "./schema.ts";

/** A pragma whose value is one number. */
export function numberOf(db: DatabaseSync, pragma: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${pragma}`).get() as Record<string, unknown>)[0]);
}

/**
 * Why it cannot be used: another program's, a newer qj's, or damaged. Null: nothing was found. A larger file than
 * `bytes` is not looked through. Throws what SQLite says of a file that is no database.
 */
export function problemOf(db: DatabaseSync, bytes: number): string | null {
  const version = numberOf(db, "user_version");
  if (version === 0) {
    const isEmpty = db.prepare("SELECT 1 FROM sqlite_master").get() === undefined;
    return isEmpty ? null : "it is the database of another program";
  }
  if (version > MIGRATIONS.length) {
    return `it was made by a newer qj (format ${version}, this program knows ${MIGRATIONS.length}): ` +
      `install that version again`;
  }
  if (numberOf(db, "page_count") * numberOf(db, "page_size") > bytes) return null;
  const row = db.prepare("PRAGMA quick_check(1)").get() as { quick_check: string } | undefined;
  const problem = row?.quick_check ?? "ok";
  return problem === "ok" ? null : `it is damaged (${problem.replace(/\s+/g, " ")})`;
}
