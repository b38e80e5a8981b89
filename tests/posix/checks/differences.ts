/** Where pending/ is meant to differ from a local folder: README.md says why. These do not hold elsewhere. */
import assert from "node:assert/strict";
import {
  asOther,
  type Checks,
  content,
  fails,
  makeFile,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  shows,
  withOpen,
} from "../check.ts";

const S_IFREG = 0o100000;
const O_TMPFILE = 0o20000000 | 0o200000;
const RENAME_EXCHANGE = 2;
const RENAME_WHITEOUT = 4;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const FALLOC_FL_KEEP_SIZE = 1;
/** Above the default of max_script_bytes. */
const TOO_LARGE = 16 * 1024 * 1024 + 1;

export const differences: Checks = {
  "there is nothing but regular files: EPERM for folders, links, fifos, sockets and devices":
    async (place) => {
      const { owner } = place;
      const path = place.path();
      const file = await makeFile(place, { name: "other" });
      await fails(owner.mkdir(path), "EPERM");
      await fails(owner.symlink(file, path), "EPERM");
      await fails(owner.link(file, path), "EPERM");
      await fails(owner.bind(path), "EPERM");
      for (const type of [0o010000, 0o020000, 0o060000, 0o140000]) {
        await fails(owner.mknod(path, type | 0o644, 0x103), "EPERM");
      }
      await fails(owner.stat(path), "ENOENT");
      await shows(owner, file, { nlink: 1 });
    },

  "a file without any name cannot be made": async ({ owner, folder }) => {
    await fails(owner.open(folder, O_TMPFILE | O_RDWR), "EOPNOTSUPP");
  },

  "the folder stays": async ({ owner, folder }) => {
    await fails(owner.rmdir(folder), "EPERM");
    await fails(owner.rename(folder, `${folder}-2`), "EPERM");
  },

  "files are made in this folder only": async ({ owner, folder }) => {
    for (const elsewhere of [".", "active", "complete", "failed"]) {
      const path = `${folder}/../${elsewhere}/x`;
      await fails(owner.open(path, O_WRONLY | O_CREAT), "EPERM");
      await fails(owner.mknod(path, S_IFREG | 0o644), "EPERM");
      await fails(owner.mkdir(path), "EPERM");
    }
  },

  "a rename cannot exchange two files or leave a whiteout": async (place) => {
    const from = await makeFile(place, { name: "from" });
    const to = await makeFile(place, { name: "to", text: "kept" });
    for (const flag of [RENAME_EXCHANGE, RENAME_WHITEOUT]) {
      await fails(place.owner.rename(from, to, flag), "EINVAL");
    }
    assert.equal(await content(place.owner, to), "kept");
  },

  "a name is UTF-8 without control characters": async (place) => {
    const { owner, folder } = place;
    const file = await makeFile(place);
    const inFolder = (...name: number[]) =>
      new Uint8Array([...new TextEncoder().encode(`${folder}/`), ...name]);
    for (
      const [path, errno] of [[inFolder(0xff, 0xfe), "EILSEQ"], [
        inFolder(0x61, 0x0a),
        "EINVAL",
      ]] as const
    ) {
      await fails(owner.open(path, O_WRONLY | O_CREAT), errno);
      await fails(owner.mknod(path, S_IFREG | 0o644), errno);
      await fails(owner.rename(file, path), errno);
      await fails(owner.stat(path), "ENOENT");
    }
  },

  "a file has a largest size": async (place) => {
    const { owner } = place;
    const path = place.path();
    const fd = await owner.open(path, O_RDWR | O_CREAT);
    await owner.write(fd, "text");
    await fails(owner.truncate(fd, TOO_LARGE), "EFBIG");
    await fails(owner.write(fd, "x", TOO_LARGE - 1), "EFBIG");
    await shows(owner, fd, { size: 4 });
    await fails(owner.truncate(path, TOO_LARGE), "EFBIG");
    assert.equal(await owner.read(fd, 9, 0), "text");
    // A new text from the start makes up for what has failed; else the job would go to failed at its last close.
    await owner.truncate(fd, 0);
    await owner.write(fd, "text", 0);
    await owner.close(fd);
    assert.equal(await content(owner, path), "text");
  },

  "only the daemon's user and root change jobs, whatever the modes say": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place, { text: "text", mode: 0o777 });
    await owner.chown(path, other.uid, other.gid);
    await fails(other.open(place.path("new"), O_WRONLY | O_CREAT), "EACCES");
    await fails(other.mknod(place.path("new"), S_IFREG | 0o644), "EACCES");
    await fails(other.open(path, O_WRONLY), "EACCES");
    await fails(other.open(path, O_RDWR), "EACCES");
    await fails(other.truncate(path, 0), "EACCES");
    await fails(other.rename(path, place.path("new")), "EACCES");
    assert.equal(await content(other, path), "text");
  }),

  "memory shared with a file is ENODEV, a private copy is not": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await withOpen(owner, path, O_RDWR, async (fd) => {
      await fails(owner.mmap(fd, 4096, PROT_READ_WRITE, MAP_SHARED), "ENODEV");
      await owner.mmap(fd, 4096, PROT_READ_WRITE, MAP_PRIVATE);
    });
  },

  "room cannot be reserved": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await withOpen(owner, path, O_RDWR, async (fd) => {
      for (const mode of [0, FALLOC_FL_KEEP_SIZE]) {
        await fails(owner.fallocate(fd, mode, 0, 100), "EOPNOTSUPP");
      }
      await shows(owner, fd, { size: 4 });
    });
  },

  "reading does not move atime": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await owner.utimens(path, { sec: 1n, nsec: 2 }, { sec: 3n, nsec: 4 });
    await withOpen(owner, path, O_RDONLY, (fd) => owner.read(fd, 9));
    await shows(owner, path, { atime: 1_000_000_002n });
  },
};
