/** utimensat and futimens. */
import assert from "node:assert/strict";
import { type Time, UTIME_NOW, UTIME_OMIT } from "../client.ts";
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

const time = (sec: number, nsec = 0): Time => ({ sec: BigInt(sec), nsec });
const nanoseconds = ({ sec, nsec }: Time) => sec * 1_000_000_000n + BigInt(nsec);
const [EARLY, LATE] = [time(1_000_000_000, 111_222_333), time(1_500_000_000, 999_999_999)];

export const times: Checks = {
  "times are set to the nanosecond": async (place) => {
    const path = await makeFile(place);
    await place.owner.utimens(path, EARLY, LATE);
    await shows(place.owner, path, { atime: nanoseconds(EARLY), mtime: nanoseconds(LATE) });
  },

  "futimens works through a descriptor that only reads": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    await withOpen(owner, path, O_RDONLY, (fd) => owner.utimens(fd, LATE, EARLY));
    await shows(owner, path, { atime: nanoseconds(LATE), mtime: nanoseconds(EARLY) });
  },

  "times may lie before 1970, and far behind 2038": async (place) => {
    const path = await makeFile(place);
    for (
      const [atime, mtime] of [[time(-1, 1), time(-86_400 * 365, 5)], [
        time(0),
        time(2 ** 33, 7),
      ]] as const
    ) {
      await place.owner.utimens(path, atime, mtime);
      await shows(place.owner, path, { atime: nanoseconds(atime), mtime: nanoseconds(mtime) });
    }
  },

  "setting the times moves ctime": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    await moves(owner, path, ["ctime"], () => owner.utimens(path, LATE, UTIME_OMIT));
  },

  "UTIME_NOW is the time of the call, for one of them or both": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    const made = (await owner.stat(path)).ctime;
    await owner.utimens(path, UTIME_NOW, EARLY);
    await shows(owner, path, { mtime: nanoseconds(EARLY) });
    assert((await owner.stat(path)).atime >= made);
    await owner.utimens(path, EARLY, UTIME_NOW);
    await shows(owner, path, { atime: nanoseconds(EARLY) });
    assert((await owner.stat(path)).mtime >= made);
    await owner.utimens(path, EARLY, EARLY);
    await owner.utimens(path, UTIME_NOW, UTIME_NOW);
    const { atime, mtime } = await owner.stat(path);
    assert(atime >= made && mtime >= made);
  },

  "UTIME_OMIT leaves a time, and both leave ctime too": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    await owner.utimens(path, EARLY, EARLY);
    await owner.utimens(path, UTIME_OMIT, LATE);
    await shows(owner, path, { atime: nanoseconds(EARLY), mtime: nanoseconds(LATE) });
    await owner.utimens(path, LATE, UTIME_OMIT);
    await shows(owner, path, { atime: nanoseconds(LATE), mtime: nanoseconds(LATE) });
    await moves(owner, path, [], () => owner.utimens(path, UTIME_OMIT, UTIME_OMIT));
  },

  "a write does not bring back a time from before": async (place) => {
    const { owner } = place;
    const path = await makeFile(place, { text: "text" });
    await owner.utimens(path, EARLY, LATE);
    await withOpen(owner, path, 1, async (fd) => {
      await owner.write(fd, "x");
      const written = (await owner.stat(path)).mtime;
      assert(written > nanoseconds(LATE));
      await owner.utimens(fd, UTIME_OMIT, EARLY);
      await shows(owner, fd, { mtime: nanoseconds(EARLY) });
    });
    await shows(owner, path, { atime: nanoseconds(EARLY), mtime: nanoseconds(EARLY) });
  },

  "more nanoseconds than a second has are EINVAL": async (place) => {
    const { owner } = place;
    const path = await makeFile(place);
    for (const nsec of [1_000_000_000, -1]) {
      await fails(owner.utimens(path, time(1, nsec), UTIME_OMIT), "EINVAL");
      await fails(owner.utimens(path, UTIME_OMIT, time(1, nsec)), "EINVAL");
    }
  },

  "who may write may set the present time, and nothing else": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place, { mode: 0o644 });
    await moves(owner, path, [], async () => {
      await fails(other.utimens(path, UTIME_NOW, UTIME_NOW), "EACCES");
      await fails(other.utimens(path, EARLY, LATE), "EPERM");
    });
    await owner.chmod(path, 0o666);
    await moves(owner, path, ["mtime", "ctime"], () => other.utimens(path, UTIME_NOW, UTIME_NOW));
    await fails(other.utimens(path, EARLY, LATE), "EPERM");
    await fails(other.utimens(path, UTIME_OMIT, UTIME_NOW), "EPERM");
    await fails(other.utimens(path, UTIME_NOW, UTIME_OMIT), "EPERM");
  }),

  "the owner of a file may set any time, whatever its mode": asOther(async (place) => {
    const { owner, other } = place;
    const path = await makeFile(place, { mode: 0o444 });
    await owner.chown(path, other.uid, other.gid);
    await other.utimens(path, EARLY, LATE);
    await shows(owner, path, { atime: nanoseconds(EARLY), mtime: nanoseconds(LATE) });
  }),
};
