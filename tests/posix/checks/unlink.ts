/** unlink, and files without a name. */
import assert from "node:assert/strict";
import {
  asOther,
  type Checks,
  content,
  fails,
  makeFile,
  moves,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  shows,
  withOpen,
} from "../check.ts";

export const unlink: Checks = {
  "unlink takes the name away, once": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    await owner.unlink(path);
    await fails(owner.stat(path), "ENOENT");
    await fails(owner.open(path, O_RDONLY), "ENOENT");
    await fails(owner.unlink(path), "ENOENT");
  },

  "unlink moves mtime and ctime of the folder": async (place) => {
    const path = await makeFile(place);
    const step = () => place.owner.unlink(path);
    await moves(place.owner, place.folder, ["mtime", "ctime"], step);
  },

  "an open file without a name has no links, and is read and written as before": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await withOpen(owner, path, O_RDWR, async (fd) => {
      await shows(owner, fd, { nlink: 1 });
      await moves(owner, fd, ["ctime"], () => owner.unlink(path));
      await shows(owner, fd, { nlink: 0, size: 4 });
      await owner.write(fd, " and more", 4);
      assert.equal(await owner.read(fd, 99, 0), "text and more");
      await owner.truncate(fd, 2);
      await shows(owner, fd, { nlink: 0, size: 2 });
      await owner.fsync(fd);
      assert.equal(await owner.read(fd, 99, 0), "te");
    });
    await fails(owner.stat(path), "ENOENT");
  },

  "the name is free at once for another file": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "old" });
    await withOpen(owner, path, O_WRONLY, async (old) => {
      const before = await owner.stat(old);
      await owner.unlink(path);
      await makeFile(place, { text: "new" });
      await owner.write(old, "OLD");
      assert.equal(await content(owner, path), "new");
      assert.notEqual((await owner.stat(path)).ino, before.ino);
    });
    assert.equal(await content(owner, path), "new");
  },

  "unlink does not ask for rights on the file": async (place) => {
    const path = await makeFile(place, { mode: 0 });
    await place.owner.unlink(path);
    await fails(place.owner.stat(path), "ENOENT");
  },

  "in a sticky folder users unlink their own files only": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place, { mode: 0o666 });
    await fails(other.unlink(path), "EPERM");
    await owner.chown(path, other.uid, other.gid);
    await other.unlink(path);
    await fails(owner.stat(path), "ENOENT");
  }),

  "unlink of a folder is EISDIR": async (place) => {
    await fails(place.owner.unlink(place.folder), "EISDIR");
  },

  "rmdir of a file is ENOTDIR": async (place) => {
    await fails(place.owner.rmdir(await makeFile(place)), "ENOTDIR");
  },
};
