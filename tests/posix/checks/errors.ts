/** Paths that lead nowhere: each call has to say so in the same way. */
import assert from "node:assert/strict";
import { type Client, type Path, UTIME_NOW } from "../client.ts";
import { type Checks, content, fails, makeFile, O_CREAT, O_RDONLY, O_WRONLY } from "../check.ts";

const S_IFREG = 0o100000;
/** limits.h */
const NAME_MAX = 255;
const PATH_MAX = 4096;

/** Calls that look for a file. */
const LOOKERS: Readonly<Record<string, (client: Client, path: Path) => Promise<unknown>>> = {
  stat: (client, path) => client.stat(path),
  "open to read": (client, path) => client.open(path, O_RDONLY),
  "open to write": (client, path) => client.open(path, O_WRONLY),
  chmod: (client, path) => client.chmod(path, 0o600),
  chown: (client, path) => client.chown(path, -1, -1),
  truncate: (client, path) => client.truncate(path, 0),
  utimens: (client, path) => client.utimens(path, UTIME_NOW, UTIME_NOW),
  unlink: (client, path) => client.unlink(path),
  rmdir: (client, path) => client.rmdir(path),
  "rename from": (client, path) => client.rename(path, `${path}-2`),
};

/** Calls that make a file. */
const MAKERS: typeof LOOKERS = {
  "open with O_CREAT": (client, path) => client.open(path, O_WRONLY | O_CREAT),
  mknod: (client, path) => client.mknod(path, S_IFREG | 0o644),
  mkdir: (client, path) => client.mkdir(path),
  symlink: (client, path) => client.symlink("x", path),
};

async function allFail(
  calls: typeof LOOKERS,
  client: Client,
  path: Path,
  errno: string,
): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    await fails(call(client, path), errno).catch((error: Error) => {
      throw new Error(`${name}: ${error.message}`);
    });
  }
}

export const errors: Checks = {
  "what is not there is ENOENT": async (place) => {
    await allFail(LOOKERS, place.owner, place.path(), "ENOENT");
  },

  "what is in a folder that is not there is ENOENT": async (place) => {
    await allFail({ ...LOOKERS, ...MAKERS }, place.owner, `${place.path()}/x`, "ENOENT");
    const file = await makeFile(place, { name: "other" });
    await fails(place.owner.rename(file, `${place.path()}/x`), "ENOENT");
  },

  "an empty path is ENOENT": async (place) => {
    await fails(place.owner.open("", O_WRONLY | O_CREAT), "ENOENT");
    await fails(place.owner.unlink(""), "ENOENT");
  },

  "a file is no folder: what is in it is ENOTDIR": async (place) => {
    const path = await makeFile(place);
    await allFail({ ...LOOKERS, ...MAKERS }, place.owner, `${path}/x`, "ENOTDIR");
    const file = await makeFile(place, { name: "other" });
    await fails(place.owner.rename(file, `${path}/x`), "ENOTDIR");
  },

  "a slash behind the name of a file is ENOTDIR": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    const calls = { ...LOOKERS };
    await allFail(calls, owner, `${path}/`, "ENOTDIR");
    await fails(owner.open(`${place.path("new")}/`, O_WRONLY | O_CREAT), "EISDIR");
    await fails(owner.rename(path, `${place.path("new")}/`), "ENOTDIR");
    assert.equal(await content(owner, path), "");
  },

  "a name may have 255 bytes in every call": async (place) => {
    const { owner } = place;
    const name = place.path().split("/").at(-1)!;
    const longest = (letter: string) =>
      `${place.folder}/${name}${letter.repeat(NAME_MAX - name.length)}`;
    await owner.close(await owner.open(longest("a"), O_WRONLY | O_CREAT));
    await owner.chmod(longest("a"), 0o600);
    await owner.chown(longest("a"), -1, -1);
    await owner.truncate(longest("a"), 3);
    await owner.utimens(longest("a"), UTIME_NOW, UTIME_NOW);
    await owner.rename(longest("a"), longest("b"));
    assert.equal((await owner.stat(longest("b"))).size, 3);
    await owner.unlink(longest("b"));
    await owner.mknod(longest("c"), S_IFREG | 0o600);
    await owner.unlink(longest("c"));
  },

  "a name of 256 bytes is ENAMETOOLONG in every call": async (place) => {
    const path = `${place.folder}/${"x".repeat(NAME_MAX + 1)}`;
    await allFail({ ...LOOKERS, ...MAKERS }, place.owner, path, "ENAMETOOLONG");
    const file = await makeFile(place);
    await fails(place.owner.rename(file, path), "ENAMETOOLONG");
    await fails(place.owner.link(file, path), "ENAMETOOLONG");
  },

  "a path may not be longer than 4095 bytes": async (place) => {
    const { owner, folder } = place;
    const name = (await makeFile(place)).split("/").at(-1)!;
    const tail = `/${name}`;
    const fill = (length: number) => {
      const rest = length - folder.length - tail.length;
      return folder + "/.".repeat(rest >> 1) + "/".repeat(rest & 1) + tail;
    };
    assert.equal((await owner.stat(fill(PATH_MAX - 1))).size, 0);
    await allFail({ ...LOOKERS, ...MAKERS }, owner, fill(PATH_MAX), "ENAMETOOLONG");
  },

  "names are distinct when their bytes are": async (place) => {
    const names = ["a", "A", "a ", " a", "ä", "a\u0308", "-a", "*", "\\", "__proto__"];
    for (const name of names) await makeFile(place, { name, text: name });
    for (const name of names) assert.equal(await content(place.owner, place.path(name)), name);
  },
};
