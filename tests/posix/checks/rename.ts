/** rename and renameat2. */
import assert from "node:assert/strict";
import {
  asOther,
  type Checks,
  content,
  fails,
  makeFile,
  moves,
  O_RDONLY,
  O_WRONLY,
  shows,
  withOpen,
} from "../check.ts";

const RENAME_NOREPLACE = 1;
const ROUNDS = 50;

export const rename: Checks = {
  "rename gives a file another name, and changes nothing else": async (place) => {
    const { owner } = place;
    const from = await makeFile(place, { text: "text", mode: 0o4711 });
    const { ino, mtime, uid, gid } = await owner.stat(from);
    await owner.rename(from, place.path("to"));
    await fails(owner.stat(from), "ENOENT");
    await shows(owner, place.path("to"), { ino, mtime, uid, gid, mode: 0o4711, size: 4, nlink: 1 });
    assert.equal(await content(owner, place.path("to")), "text");
  },

  "rename moves ctime of the file, and mtime and ctime of the folder": async (place) => {
    const { owner } = place;
    const from = await makeFile(place, { name: "from" });
    const step = () => owner.rename(from, place.path("to"));
    await withOpen(owner, from, O_RDONLY, async (fd) => {
      await moves(owner, fd, ["ctime"], async () => {
        await moves(owner, place.folder, ["mtime", "ctime"], step);
      });
    });
  },

  "rename over a file puts the one in the place of the other": async (place) => {
    const { owner } = place;
    const from = await makeFile(place, { name: "from", text: "new" });
    const to = await makeFile(place, { name: "to", text: "old", mode: 0o400 });
    const { ino } = await owner.stat(from);
    await withOpen(owner, to, O_RDONLY, async (fd) => {
      await owner.rename(from, to);
      await shows(owner, fd, { nlink: 0, size: 3 });
      assert.equal(await owner.read(fd, 9), "old");
    });
    await shows(owner, to, { ino, nlink: 1, mode: 0o644 });
    assert.equal(await content(owner, to), "new");
    await fails(owner.stat(from), "ENOENT");
  },

  "while one file replaces another there is always one, and a whole one": async (place) => {
    const { owner, reader } = place;
    const to = await makeFile(place, { name: "to", text: "text 0" });
    let done = false;
    const replace = async () => {
      for (let round = 1; round <= ROUNDS; round++) {
        const from = await makeFile(place, { name: "from", text: `text ${round}` });
        await owner.rename(from, to);
      }
    };
    const writer = replace().finally(() => done = true);
    while (!done) assert.match(await content(reader, to), /^text \d+$/);
    await writer;
  },

  "rename over itself does nothing": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    const { ino } = await owner.stat(path);
    await owner.rename(path, path);
    await shows(owner, path, { ino, nlink: 1, size: 4 });
  },

  "a descriptor follows the file to its new name": async (place) => {
    const { owner } = place;
    const from = await makeFile(place, { name: "from", text: "text" });
    await withOpen(owner, from, O_WRONLY, async (fd) => {
      await owner.rename(from, place.path("to"));
      await owner.write(fd, "more", 4);
    });
    assert.equal(await content(owner, place.path("to")), "textmore");
  },

  "RENAME_NOREPLACE takes an unused name only": async (place) => {
    const { owner } = place;
    const from = await makeFile(place, { name: "from", text: "text" });
    const to = await makeFile(place, { name: "to", text: "kept" });
    await fails(owner.rename(from, to, RENAME_NOREPLACE), "EEXIST");
    await fails(owner.rename(from, from, RENAME_NOREPLACE), "EEXIST");
    assert.equal(await content(owner, to), "kept");
    await owner.rename(from, place.path("unused"), RENAME_NOREPLACE);
    assert.equal(await content(owner, place.path("unused")), "text");
  },

  "rename between a file and a folder is EISDIR or ENOTDIR, of a folder into itself EINVAL": async (
    place,
  ) => {
    const { owner, folder } = place;
    const path = await makeFile(place);
    await fails(owner.rename(path, folder), "EISDIR", "ENOTEMPTY");
    await fails(owner.rename(folder, path), "EINVAL");
    await fails(owner.rename(folder, place.path("new")), "EINVAL");
    await fails(owner.rename(`${folder}/.`, place.path("new")), "EBUSY", "EINVAL");
  },

  "in a sticky folder nobody renames another user's file, or replaces it": asOther(
    async (place) => {
      const { owner, other } = place;
      const path = await makeFile(place, { mode: 0o666 });
      await fails(other.rename(path, place.path("to")), "EPERM", "EACCES");
      const own = await makeFile(place, { name: "own" });
      await owner.chown(own, other.uid, other.gid);
      await fails(other.rename(own, path), "EPERM", "EACCES");
      await shows(owner, path, { uid: owner.uid });
    },
  ),
};
