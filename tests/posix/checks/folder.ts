/** The folder itself: its attributes, and what its mode lets others do. */
import assert from "node:assert/strict";
import { asOther, type Checks, content, fails, makeFile, O_DIRECTORY, O_RDONLY } from "../check.ts";

const S_IFDIR = 0o040000;

export const folder: Checks = {
  "it is a folder with two links": async ({ owner, folder }) => {
    const { type, nlink } = await owner.stat(folder);
    assert.deepEqual({ type, nlink }, { type: S_IFDIR, nlink: 2 });
  },

  "reading it as a file is EISDIR": async ({ owner, folder }) => {
    const fd = await owner.open(folder, O_RDONLY | O_DIRECTORY);
    await fails(owner.read(fd, 9), "EISDIR");
    await owner.close(fd);
  },

  "its mode decides who may look into it": asOther(async (place) => {
    const { owner, other, folder } = place;
    const path = await makeFile(place, { text: "text" });
    const { mode } = await owner.stat(folder);
    try {
      await owner.chmod(folder, 0o711);
      assert.equal(await content(other, path), "text");
      await fails(other.open(folder, O_RDONLY), "EACCES");
      await owner.chmod(folder, 0o744);
      await other.close(await other.open(folder, O_RDONLY));
      await fails(other.stat(path), "EACCES");
      await fails(other.open(path, O_RDONLY), "EACCES");
      await owner.chmod(folder, 0o755);
      await fails(other.unlink(path), "EACCES");
      await owner.chown(path, other.uid, other.gid);
      await fails(other.unlink(path), "EACCES");
    } finally {
      await owner.chmod(folder, mode);
    }
    assert.equal(await content(owner, path), "text");
  }),

  "it cannot be removed from inside": async ({ owner, folder }) => {
    await fails(owner.rmdir(`${folder}/.`), "EINVAL");
    await fails(owner.rmdir(`${folder}/..`), "ENOTEMPTY", "EBUSY");
  },
};
