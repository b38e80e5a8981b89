/** chown, lchown and fchown. Only root can give a file away, so most of it needs root. */
import assert from "node:assert/strict";
import {
  asOther,
  type Checks,
  fails,
  makeFile,
  moves,
  O_RDONLY,
  shows,
  withOpen,
} from "../check.ts";

const KEEP = -1;

export const chown: Checks = {
  "chown sets owner and group, each alone or both": asOther(async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    await owner.chown(path, 123, 456);
    await shows(owner, path, { uid: 123, gid: 456 });
    await owner.chown(path, KEEP, 457);
    await shows(owner, path, { uid: 123, gid: 457 });
    await owner.chown(path, 124, KEEP);
    await shows(owner, path, { uid: 124, gid: 457 });
    await owner.chown(path, 0xfffffffe, 0xfffffffe);
    await shows(owner, path, { uid: 0xfffffffe, gid: 0xfffffffe });
  }),

  "chown to the same ids works for the file's owner": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    const { uid, gid } = await owner.stat(path);
    await owner.chown(path, uid, gid);
    await owner.chown(path, KEEP, KEEP);
    await shows(owner, path, { uid, gid });
  },

  "chown moves ctime, and not mtime": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    await moves(owner, path, ["ctime"], () => owner.chown(path, owner.uid, owner.gid));
  },

  "fchown works through a descriptor that only reads, and of a file without a name": async (
    place,
  ) => {
    const { owner } = place;
    const path = await makeFile(place);
    await withOpen(owner, path, O_RDONLY, async (fd) => {
      await owner.unlink(path);
      await owner.chown(fd, KEEP, owner.gid);
      await shows(owner, fd, { gid: owner.gid, nlink: 0 });
    });
  },

  "an owner without root's rights may choose among its groups, and nothing else": asOther(
    async (place) => {
      const { owner, other } = place;
      const path = await makeFile(place);
      await fails(other.chown(path, KEEP, other.gid), "EPERM");
      await owner.chown(path, other.uid, owner.gid);
      await other.chown(path, KEEP, other.gid);
      await other.chown(path, other.uid, other.gid);
      await shows(owner, path, { uid: other.uid, gid: other.gid });
      await moves(owner, path, [], async () => {
        await fails(other.chown(path, owner.uid, KEEP), "EPERM");
        await fails(other.chown(path, KEEP, owner.gid), "EPERM");
      });
    },
  ),

  "chown takes the set-id bits of a program away, whoever calls": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { mode: 0o6755 });
    await owner.chown(path, owner.uid, owner.gid);
    await shows(owner, path, { mode: 0o755 });
  },

  "chown by an owner without root's rights takes the set-id bits away": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place);
    await owner.chown(path, other.uid, other.gid);
    await owner.chmod(path, 0o6755);
    await other.chown(path, KEEP, other.gid);
    await shows(owner, path, { mode: 0o755 });
  }),

  "chown leaves a set-gid bit where the group cannot execute": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { mode: 0o2644 });
    await owner.chown(path, owner.uid, owner.gid);
    await shows(owner, path, { mode: 0o2644 });
  },

  "chown leaves the content and the inode": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    const { ino } = await owner.stat(path);
    await owner.chown(path, owner.uid, owner.gid);
    await shows(owner, path, { ino, size: 4, nlink: 1 });
    assert.equal(await withOpen(owner, path, O_RDONLY, (fd) => owner.read(fd, 9)), "text");
  },
};
