/** truncate and ftruncate. */
import assert from "node:assert/strict";
import { setIdAfterChangeBy } from "./write.ts";
import {
  asOther,
  type Checks,
  content,
  fails,
  makeFile,
  moves,
  O_RDONLY,
  O_RDWR,
  shows,
  withOpen,
} from "../check.ts";

export const truncate: Checks = {
  "truncate makes a file shorter, longer and empty": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "hello world" });
    for (
      const [size, text] of [[5, "hello"], [8, "hello\0\0\0"], [0, ""], [3, "\0\0\0"]] as const
    ) {
      await owner.truncate(path, size);
      await shows(owner, path, { size });
      assert.equal(await content(owner, path), text);
    }
  },

  "ftruncate does so for all who have the file open": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "hello world" });
    await withOpen(owner, path, O_RDONLY, async (reader) => {
      await withOpen(owner, path, O_RDWR, async (writer) => {
        for (const [size, text] of [[5, "hello"], [7, "hello\0\0"], [0, ""]] as const) {
          await owner.truncate(writer, size);
          await shows(owner, path, { size });
          assert.equal(await owner.read(reader, 99, 0), text);
        }
      });
    });
  },

  "truncate by path acts on the file that others have open": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    await withOpen(owner, path, O_RDWR, async (fd) => {
      await owner.write(fd, "not flushed");
      await owner.truncate(path, 3);
      assert.equal(await owner.read(fd, 99, 0), "not");
      // The descriptor stays where it was: what is between is a hole.
      await owner.write(fd, "!");
    });
    assert.equal(await content(owner, path), `not${"\0".repeat(8)}!`);
  },

  "truncate moves mtime and ctime": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "hello world" });
    await moves(owner, path, ["mtime", "ctime"], () => owner.truncate(path, 20));
    await moves(owner, path, ["mtime", "ctime"], () => owner.truncate(path, 5));
    await withOpen(owner, path, O_RDWR, async (fd) => {
      await moves(owner, path, ["mtime", "ctime"], () => owner.truncate(fd, 0));
    });
  },

  "truncate takes the set-id bits away unless root calls": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text", mode: 0o6777 });
    await owner.truncate(path, 2);
    await shows(owner, path, { mode: setIdAfterChangeBy(owner) });
    await owner.chmod(path, 0o6777);
    await withOpen(owner, path, O_RDWR, (fd) => owner.truncate(fd, 1));
    await shows(owner, path, { mode: setIdAfterChangeBy(owner) });
  },

  "a size below zero is EINVAL, and so is ftruncate of a descriptor that only reads": async (
    place,
  ) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await fails(owner.truncate(path, -1), "EINVAL");
    await withOpen(owner, path, O_RDONLY, (fd) => fails(owner.truncate(fd, 0), "EINVAL"));
    await withOpen(owner, path, O_RDWR, (fd) => fails(owner.truncate(fd, -1), "EINVAL"));
    await shows(owner, path, { size: 4 });
  },

  "truncate needs the right to write, and a file": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place, { text: "text" });
    await moves(owner, path, [], () => fails(other.truncate(path, 0), "EACCES"));
    await fails(owner.truncate(place.folder, 0), "EISDIR");
    await shows(owner, path, { size: 4 });
  }),
};
