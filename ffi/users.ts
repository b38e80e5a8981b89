/**
 * The users that the system knows, whatever keeps them (files, LDAP): getpwuid_r(3) and getgrouplist(3), on a thread of the
 * pool, since a server may take its time to answer.
 */
import { PASSWD } from "./abi.ts";
import { cString, type LibcSymbols } from "./libfuse.ts";

/** An entry of passwd(5), as far as a login needs it. */
export interface User {
  readonly name: string;
  readonly uid: number;
  /** Of the user's first group. */
  readonly gid: number;
  /** All groups, the first one among them. */
  readonly groups: readonly number[];
  readonly home: string;
  readonly shell: string;
}

/** Whoever knows the users does not answer, or not now. */
export class LookupFailed extends Error {
  override readonly name = "LookupFailed";
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
    if (failed !== 0) throw new LookupFailed(`user ${uid} cannot be looked up (errno ${failed})`);
    if (result[0] === 0n) return null;
    const user = read(new DataView(entry.buffer), strings);
    return { ...user, groups: await groupsOf(libc, user) };
  }
  throw new Error(`user ${uid} cannot be looked up: the entry is too long`);
}

/** More than the kernel takes (NGROUPS_MAX). */
const MAX_GROUPS = 65_537;

async function groupsOf(libc: LibcSymbols, { name, gid }: Entry): Promise<number[]> {
  for (let size = 64; size <= MAX_GROUPS * 2; size *= 8) {
    const groups = new Uint32Array(size);
    const count = new Int32Array([size]);
    const bytes = new Uint8Array(groups.buffer);
    const result = await libc.getgrouplist(cString(name), gid, bytes, new Uint8Array(count.buffer));
    if (result >= 0) return [...groups.subarray(0, count[0])];
  }
  throw new Error(`user ${JSON.stringify(name)} is in too many groups`);
}

type Entry = Omit<User, "groups">;

/** The strings of an entry lie in the buffer that was given for them. */
function read(entry: DataView, strings: Uint8Array<ArrayBuffer>): Entry {
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
