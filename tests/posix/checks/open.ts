/** open and its flags, and mknod of a regular file. */
import assert from "node:assert/strict";
import {
  asOther,
  type Checks,
  content,
  fails,
  makeFile,
  moves,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  shows,
  withOpen,
} from "../check.ts";

const S_IFREG = 0o100000;
const SEEK_SET = 0;

export const open: Checks = {
  "O_CREAT makes an empty file of the caller, with the mode less the umask": async (place) => {
    const { owner } = place;
    for (
      const [umask, mode] of [[0, 0o755], [0o22, 0o777], [0o77, 0o666], [0o70, 0o345]] as const
    ) {
      const path = place.path(String(umask));
      await owner.umask(umask);
      try {
        await owner.close(await owner.open(path, O_CREAT | O_WRONLY, mode));
      } finally {
        await owner.umask(0);
      }
      await shows(owner, path, {
        type: S_IFREG,
        mode: mode & ~umask,
        uid: owner.uid,
        gid: owner.gid,
        size: 0,
        nlink: 1,
      });
    }
  },

  "O_CREAT keeps set-id and sticky bits": async (place) => {
    const path = place.path();
    await place.owner.close(await place.owner.open(path, O_CREAT | O_WRONLY, 0o7755));
    await shows(place.owner, path, { mode: 0o7755 });
  },

  "mknod makes an empty regular file": async (place) => {
    const path = place.path();
    await place.owner.mknod(path, S_IFREG | 0o640);
    await shows(place.owner, path, { type: S_IFREG, mode: 0o640, size: 0, nlink: 1 });
    await fails(place.owner.mknod(path, S_IFREG | 0o640), "EEXIST");
  },

  "O_CREAT of a file that is there changes neither its mode, nor its owner, nor its text": async (
    place,
  ) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text", mode: 0o600 });
    const { ino } = await owner.stat(path);
    await moves(owner, path, [], async () => {
      await owner.close(await owner.open(path, O_CREAT | O_RDWR, 0o777));
    });
    await shows(owner, path, { ino, mode: 0o600, size: 4 });
  },

  "O_CREAT with O_EXCL is EEXIST for what is there": async (place) => {
    const path = await makeFile(place, { text: "text" });
    for (const flags of [O_RDONLY, O_WRONLY, O_RDWR | O_TRUNC]) {
      await fails(place.owner.open(path, flags | O_CREAT | O_EXCL), "EEXIST");
    }
    await fails(place.owner.open(place.folder, O_RDONLY | O_CREAT | O_EXCL), "EEXIST");
    assert.equal(await content(place.owner, path), "text");
  },

  "without O_CREAT a name that is not there is ENOENT": async (place) => {
    for (const flags of [O_RDONLY, O_WRONLY, O_RDWR | O_TRUNC]) {
      await fails(place.owner.open(place.path(), flags), "ENOENT");
    }
  },

  "who makes a file may write to it through that descriptor, whatever its mode": async (place) => {
    const { owner } = place;
    const path = place.path();
    const fd = await owner.open(path, O_CREAT | O_EXCL | O_RDWR, 0);
    await owner.write(fd, "text");
    assert.equal(await owner.read(fd, 9, 0), "text");
    await owner.close(fd);
    await shows(owner, path, { mode: 0, size: 4 });
  },

  "O_TRUNC empties a file, which stays the same file, and moves its times": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text", mode: 0o640 });
    const { ino } = await owner.stat(path);
    await moves(owner, path, ["mtime", "ctime"], async () => {
      await owner.close(await owner.open(path, O_WRONLY | O_TRUNC));
    });
    await shows(owner, path, { ino, size: 0, mode: 0o640, nlink: 1 });
  },

  "O_TRUNC empties a file at once for descriptors that are open": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "long text" });
    await withOpen(owner, path, O_RDONLY, async (reader) => {
      await withOpen(owner, path, O_WRONLY | O_TRUNC, async (writer) => {
        await shows(owner, reader, { size: 0 });
        await owner.write(writer, "new");
        assert.equal(await owner.read(reader, 9), "new");
      });
    });
  },

  "O_TRUNC works with O_RDONLY": async (place) => {
    const path = await makeFile(place, { text: "text" });
    await place.owner.close(await place.owner.open(path, O_RDONLY | O_TRUNC));
    await shows(place.owner, path, { size: 0 });
  },

  "O_APPEND writes to the end, wherever the descriptor is": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "one" });
    await withOpen(owner, path, O_RDWR | O_APPEND, async (fd) => {
      await owner.seek(fd, 0, SEEK_SET);
      await owner.write(fd, " two");
      // On Linux pwrite appends too: BUGS in pwrite(2).
      await owner.write(fd, " three", 0);
      await withOpen(owner, path, O_WRONLY | O_APPEND, (second) => owner.write(second, " four"));
      await owner.write(fd, " five");
      assert.equal(await owner.read(fd, 99, 0), "one two three four five");
    });
  },

  "a descriptor does what it was opened for": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await withOpen(owner, path, O_RDONLY, (fd) => fails(owner.write(fd, "x"), "EBADF"));
    await withOpen(owner, path, O_WRONLY, (fd) => fails(owner.read(fd, 1), "EBADF"));
  },

  "the modes decide who may open": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place, { text: "text", mode: 0o600 });
    for (const flags of [O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC]) {
      await fails(other.open(path, flags), "EACCES");
    }
    await owner.chmod(path, 0o644);
    assert.equal(await content(other, path), "text");
    for (const flags of [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC]) {
      await fails(other.open(path, flags), "EACCES");
    }
    await owner.chown(path, owner.uid, other.gid);
    await owner.chmod(path, 0o604);
    await fails(other.open(path, O_RDONLY), "EACCES");
    await owner.chmod(path, 0o640);
    assert.equal(await content(other, path), "text");
    await owner.chown(path, other.uid, other.gid);
    await owner.chmod(path, 0o077);
    await fails(other.open(path, O_RDONLY), "EACCES");
    assert.equal(await content(owner, path), "text");
  }),

  "O_NOFOLLOW opens a file, and O_DIRECTORY does not": async (place) => {
    const { owner, folder } = place;
    const path = await makeFile(place, { text: "text" });
    await owner.close(await owner.open(path, O_RDONLY | O_NOFOLLOW));
    await owner.close(await owner.open(path, O_WRONLY | O_CREAT | O_NOFOLLOW));
    await fails(owner.open(path, O_RDONLY | O_DIRECTORY), "ENOTDIR");
    await owner.close(await owner.open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  },

  "a folder cannot be opened for writing": async (place) => {
    for (const flags of [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_RDONLY | O_CREAT]) {
      await fails(place.owner.open(place.folder, flags), "EISDIR");
    }
  },

  "a new file moves mtime and ctime of its folder": async (place) => {
    await moves(place.owner, place.folder, ["mtime", "ctime"], () => makeFile(place));
  },
};
