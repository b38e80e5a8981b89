/**
 * The users that the system knows, whatever keeps them (files, LDAP): getpwuid_r(3), on a thread of the pool, since a server
 * may take its time to answer.
 */
import { PASSWD } from "./abi.ts";
import type { LibcSymbols } from "./libfuse.ts";

/** An entry of passwd(5), as far as a login needs it. */
export interface User {
  readonly name: string;
  readonly uid: number;
  /** Of the user's first group. */
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

const ERANGE = 34;
const FIRST_SIZE = 4096;
/** An entry beyond this is no entry of a user. */
const MAX_SIZE = 1_048_576;

/** Looks a user up. Null: there is none of that number. Rejects when that cannot be told. */
export async function userByUid(libc: LibcSymbols, uid: number): Promise<User | null> {
  for (let size = FIRST_SIZE; size <= MAX_SIZE; size *= 4) {
    const entry = new Uint8Array(PASSWD.size);
    const strings = new Uint8Array(size);
    const result = new BigUint64Array(1);
    const failed = await libc.getpwuid_r(
      uid,
      entry,
      strings,
      BigInt(size),
      new Uint8Array(result.buffer),
    );
    if (failed === ERANGE) continue;
    if (failed !== 0) throw new Error(`user ${uid} cannot be looked up (errno ${failed})`);
    return result[0] === 0n ? null : read(new DataView(entry.buffer), strings);
  }
  throw new Error(`user ${uid} cannot be looked up: the entry is too long`);
}

/** The strings of an entry lie in the buffer that was given for them. */
function read(entry: DataView, strings: Uint8Array<ArrayBuffer>): User {
  const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(strings));
  const text = (offset: number) => {
    const start = Number(entry.getBigUint64(offset, true) - base);
    return new TextDecoder().decode(strings.subarray(start, strings.indexOf(0, start)));
  };
  return {
    name: text(PASSWD.name),
    uid: entry.getUint32(PASSWD.uid, true),
    gid: entry.getUint32(PASSWD.gid, true),
    home: text(PASSWD.dir),
    shell: text(PASSWD.shell),
  };
}
