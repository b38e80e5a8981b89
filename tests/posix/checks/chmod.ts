/** chmod and fchmod. */
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

export const chmod: Checks = {
  "chmod sets every permission bit": async (place) => {
    const path = await makeFile(place);
    for (const mode of [0o000, 0o111, 0o222, 0o444, 0o777, 0o640, 0o1755, 0o2755, 0o4755, 0o7777]) {
      await place.owner.chmod(path, mode);
      await shows(place.owner, path, { mode });
    }
  },

  "chmod moves ctime, and not mtime": async (place) => {
    const path = await makeFile(place);
    await moves(place.owner, path, ["ctime"], () => place.owner.chmod(path, 0o600));
  },

  "fchmod works through a descriptor that only reads, and of a file without a name": async (
    place,
  ) => {
    const { owner } = place;
    const path = await makeFile(place);
    await withOpen(owner, path, O_RDONLY, async (fd) => {
      await owner.chmod(fd, 0o711);
      await shows(owner, path, { mode: 0o711 });
      await owner.unlink(path);
      await owner.chmod(fd, 0o700);
      await shows(owner, fd, { mode: 0o700, nlink: 0 });
    });
  },

  "chmod of another user's file is EPERM and moves nothing": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place, { mode: 0o666 });
    await moves(owner, path, [], () => fails(other.chmod(path, 0o777), "EPERM"));
    await shows(owner, path, { mode: 0o666 });
  }),

  "chmod of a user's own file works": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place);
    await owner.chown(path, other.uid, other.gid);
    await other.chmod(path, 0o4711);
    await shows(owner, path, { mode: 0o4711, uid: other.uid });
  }),

  "chmod by who is not in the file's group takes the set-gid bit away": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place);
    await owner.chown(path, other.uid, owner.gid);
    await other.chmod(path, 0o2755);
    await shows(owner, path, { mode: 0o755 });
    await owner.chown(path, other.uid, other.gid);
    await other.chmod(path, 0o2755);
    await shows(owner, path, { mode: 0o2755 });
  }),

  "chmod of a file that is open does not touch what is open": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place, { text: "text" });
    await withOpen(other, path, O_RDONLY, async (fd) => {
      await owner.chmod(path, 0o600);
      assert.equal(await other.read(fd, 9), "text");
      await fails(other.open(path, O_RDONLY), "EACCES");
    });
  }),
};
