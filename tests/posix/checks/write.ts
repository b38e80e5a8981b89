/** read, write, seek and what they do to the attributes. */
import assert from "node:assert/strict";
import type { Client } from "../client.ts";
import {
  type Checks,
  content,
  makeFile,
  moves,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  shows,
  withOpen,
} from "../check.ts";

const [SEEK_SET, SEEK_CUR, SEEK_END] = [0, 1, 2];

/** What is left of mode 06777 when this user has changed the content. */
export function setIdAfterChangeBy(client: Client): number {
  return client.uid === 0 ? 0o6777 : 0o777;
}

export const write: Checks = {
  "write and read go on where they were, pwrite and pread do not move": async (place) => {
    const { owner } = place;
    const fd = await owner.open(place.path(), O_RDWR | O_CREAT);
    assert.equal(await owner.write(fd, "hello "), 6);
    assert.equal(await owner.write(fd, "world"), 5);
    assert.equal(await owner.write(fd, "J", 0), 1);
    assert.equal(await owner.read(fd, 99), "");
    assert.equal(await owner.read(fd, 3, 1), "ell");
    assert.equal(await owner.seek(fd, 0, SEEK_CUR), 11);
    assert.equal(await owner.seek(fd, 0, SEEK_SET), 0);
    assert.equal(await owner.read(fd, 99), "Jello world");
    await owner.close(fd);
  },

  "a gap that was jumped over reads as zeros": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "a" });
    await withOpen(owner, path, O_RDWR, async (fd) => {
      assert.equal(await owner.seek(fd, 3, SEEK_END), 4);
      await shows(owner, fd, { size: 1 });
      await owner.write(fd, "b");
    });
    assert.equal(await content(owner, path), "a\0\0\0b");
  },

  "reading at the end and beyond it gives nothing": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await withOpen(owner, path, O_RDONLY, async (fd) => {
      assert.equal(await owner.read(fd, 9, 4), "");
      assert.equal(await owner.read(fd, 9, 5000), "");
      assert.equal(await owner.read(fd, 9, 3), "t");
    });
  },

  "what one descriptor writes the others read, before any close": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "one" });
    await withOpen(owner, path, O_RDONLY, async (reader) => {
      await withOpen(owner, path, O_WRONLY, async (first) => {
        await withOpen(owner, path, O_WRONLY, async (second) => {
          await owner.write(first, "ONE");
          await owner.write(second, "!", 3);
          assert.equal(await owner.read(reader, 9, 0), "ONE!");
          await shows(owner, reader, { size: 4 });
        });
      });
    });
  },

  "write moves mtime and ctime, read moves neither": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await withOpen(owner, path, O_RDWR, async (fd) => {
      await moves(owner, path, [], () => owner.read(fd, 9));
      await moves(owner, path, ["mtime", "ctime"], () => owner.write(fd, "x", 0));
    });
  },

  "write of nothing changes nothing": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await withOpen(owner, path, O_WRONLY, async (fd) => {
      await moves(owner, path, [], async () => assert.equal(await owner.write(fd, ""), 0));
    });
    await shows(owner, path, { size: 4 });
  },

  "the times that a write set stay after the close": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    const written = await withOpen(owner, path, O_WRONLY, async (fd) => {
      await owner.write(fd, "text");
      return await owner.stat(fd);
    });
    await moves(owner, path, [], () => content(owner, path));
    await shows(owner, path, { mtime: written.mtime, ctime: written.ctime, size: 4 });
  },

  "write takes the set-id bits away unless root calls": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { mode: 0o6777 });
    await withOpen(owner, path, O_WRONLY, (fd) => owner.write(fd, "x"));
    await shows(owner, path, { mode: setIdAfterChangeBy(owner) });
  },

  "fsync works through any descriptor": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await withOpen(owner, path, O_WRONLY, async (fd) => {
      await owner.write(fd, "x");
      assert.equal(await owner.fsync(fd), 0);
      await withOpen(owner, path, O_RDONLY, (reader) => owner.fsync(reader));
    });
  },
};
