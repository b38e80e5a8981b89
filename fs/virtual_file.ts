/** Files in the root that are made up: each is one small object, and the operations know nothing else about them. */
import type { Handle } from "./handle.ts";

/** Of a file that has none. */
export const NO_XATTRS: ReadonlyMap<string, string> = new Map();

export interface VirtualFile {
  readonly ino: number;
  readonly name: string;
  /** Permission bits, until somebody changes them. */
  readonly mode: number;
  /** Bytes that stat shows. */
  size(): number;
  /** When the content last changed, in ms since the epoch. */
  changedMs(): number;
  /** `write`: opened for writing, which only a file with writable handles allows. */
  open(flags: { readonly write: boolean; readonly truncate: boolean }): Handle;
  /** Extended attributes, by full name. */
  xattrs(): ReadonlyMap<string, string>;
}
