/** File system testers, directly in pending/. How to make them take longer: see stress.ts. */
import assert from "node:assert/strict";
import { run, testStress } from "./stress.ts";

/** A generator of numbers below 2^32, so that a failure can be had again (Numerical Recipes, "quick and dirty"). */
function* numbers(seed: number): Generator<number, never> {
  for (let x = seed >>> 0;;) yield x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
}

testStress("fio verifies what it has written", ["fio"], async (qj) => {
  const jobs = {
    random: "--rw=randwrite --bs=4k --size=1m --verify_backlog=16",
    small: "--rw=randrw --bsrange=100-9000 --bs_unaligned=1 --size=300k --norandommap=0",
    appending: "--rw=write --bs=700 --size=700k --fsync=50",
  };
  for (const [name, options] of Object.entries(jobs)) {
    await run(
      qj,
      `fio --directory=pending --name=${name} --numjobs=2 --ioengine=psync --fallocate=none ${options} \
         --verify=crc32c --verify_fatal=1 --do_verify=1 --loops=2 --unlink=1 --output=../fio`,
    );
  }
});

/** Files of one thread in one loop of fs_mark. */
const FILES = 50;
const ALL_FILES = 2 * 2 * FILES;

testStress("fs_mark makes files with fsync in two threads", ["fs_mark"], async (qj) => {
  for (const method of ["0", "1", "5"]) {
    let made = 0;
    // It seeds its random names by the clock: once in a hundred runs two threads draw the same names, on any file system.
    for (let i = 0; i < 3 && made < ALL_FILES; i++) {
      await run(
        qj,
        `fs_mark -k -d pending -S ${method} -n ${FILES} -s 3000 -w 700 -t 2 -L 2 -l ../fs_mark`,
      );
      made = Number(
        await run(
          qj,
          "find pending -type f -size 3000c | wc -l; find pending -type f -delete",
        ),
      );
      assert.equal(made % FILES, 0, `${made} files`);
    }
    assert.equal(made, ALL_FILES);
  }
});

/** A line of xfs_io: one step on a file of at most `limit` bytes. */
function step(random: Iterator<number, never>, limit: number): string {
  const below = (n: number) => random.next().value % n;
  const range = () => {
    const at = below(limit);
    return `${at} ${1 + below(Math.min(9000, limit - at))}`;
  };
  const steps = [
    () => `pwrite -q -S ${below(256)} ${range()}`,
    () => `pwrite -q -b 512 -S ${below(256)} ${range()}`,
    () => `pwrite -q -V 3 -b 200 -S ${below(256)} ${range()}`,
    () => `truncate ${below(limit)}`,
    () => "fsync",
    () => "fdatasync",
    () => `pread -q ${range()}`,
    () => `pread -q -B ${range()}`,
    () => "close\nopen pending",
  ];
  return steps[below(steps.length)]!();
}

testStress("an xfs_io script leaves what it leaves on a local file", ["xfs_io"], async (qj) => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = numbers(seed);
    const lines = Array.from({ length: 60 }, () => step(random, 50_000));
    const script = ["open FILE", ...lines, "stat", "quit", ""].join("\n").replaceAll(
      "open pending",
      "open FILE",
    );
    const ends = await Promise.all(["pending/x", "../x"].map(async (file) => {
      const path = `${qj.folder}/script${seed}${file.startsWith("..") ? "local" : ""}`;
      await Deno.writeTextFile(path, script.replaceAll("FILE", file));
      const said = await run(qj, `: > ${file}; PATH=$PATH:/usr/sbin:/sbin xfs_io < ${path}`);
      // Its exit status says nothing.
      assert.doesNotMatch(said.trim(), /^(?!fd\.|stat\.)/m);
      return /stat\.size = \d+/.exec(said)?.[0];
    }));
    assert.equal(ends[0], ends[1], `seed ${seed}`);
    await run(qj, `cmp pending/x ../x && rm pending/x # seed ${seed}`);
  }
});
