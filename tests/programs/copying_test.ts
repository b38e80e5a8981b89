/** Programs that make and copy files: shells, coreutils, rsync, tar. */
import assert from "node:assert/strict";
import { Qj } from "../mount/qj.ts";
import { type Program, RIGHT, testPrograms, WRONG } from "./program.ts";
import { lacks } from "./tools.ts";

/** Unpacks ../right as `name`; the format keeps nanoseconds. */
function untar(name: string): string {
  return `tar -C .. --format=posix --transform s/right/${name}/ -cf - right | tar -C pending -xpf -`;
}

const PROGRAMS: readonly Program[] = [
  { name: "echo", command: 'echo "$(< ../right)" > pending/echo', lastCall: "close" },
  {
    name: "echo-append",
    before: "# \n",
    command: "cat ../right >> pending/echo-append",
    after: `# \n${RIGHT}`,
  },
  { name: "tee", command: "tee pending/tee < ../right > /dev/null", lastCall: "close" },
  {
    name: "tee-a",
    before: RIGHT.slice(0, 10),
    command: "tail -c +11 ../right | tee -a pending/tee-a > /dev/null",
  },
  { name: "cp", command: "cp ../right pending/cp", lastCall: "close" },
  { name: "cp-over", before: WRONG.repeat(2), command: "cp ../right pending/cp-over" },
  { name: "cp-p", command: "cp -p ../right pending/cp-p", keeps: true, lastCall: "close" },
  { name: "cp-a", command: "cp -a ../right pending/cp-a", keeps: true, lastCall: "close" },
  { name: "cp-p-over", before: WRONG, command: "cp -p ../right pending/cp-p-over", keeps: true },
  {
    name: "cp-instead",
    before: WRONG,
    command: "cp --remove-destination ../right pending/cp-instead",
  },
  {
    name: "cp-draft",
    command: "cp ../right pending/.cp; mv pending/.cp pending/cp-draft",
    lastCall: "rename",
  },
  { name: "install", command: "install ../right pending/install" },
  {
    name: "install-mode",
    command: "install -m 640 -p ../right pending/install-mode",
    keeps: true,
  },
  { name: "install-over", before: WRONG, command: "install ../right pending/install-over" },
  {
    name: "mv",
    command: "cp -p ../right ../moved; mv ../moved pending/mv; [ ! -e ../moved ]",
    keeps: true,
    lastCall: "close",
  },
  {
    name: "mv-over",
    before: WRONG,
    command: "cp -p ../right ../moved; mv -f ../moved pending/mv-over; [ ! -e ../moved ]",
    keeps: true,
  },
  {
    name: "rsync",
    needs: ["rsync"],
    command: "rsync -a ../right pending/rsync",
    keeps: true,
    lastCall: "rename",
  },
  {
    name: "rsync-over",
    needs: ["rsync"],
    before: WRONG,
    command: "rsync -a ../right pending/rsync-over",
    keeps: true,
    lastCall: "rename",
  },
  {
    name: "rsync-folder",
    needs: ["rsync"],
    command: "mkdir ../folder; cp -p ../right ../folder/rsync-folder; " +
      "rsync -a ../folder/ pending/; rm -r ../folder",
    keeps: true,
    lastCall: "rename",
  },
  {
    name: "rsync-inplace",
    needs: ["rsync"],
    command: "rsync -a --inplace ../right pending/rsync-inplace",
    keeps: true,
  },
  {
    name: "rsync-inplace-over",
    needs: ["rsync"],
    before: WRONG.repeat(3),
    command: "rsync -a --inplace ../right pending/rsync-inplace-over",
    keeps: true,
  },
  { name: "tar", command: untar("tar"), keeps: true, lastCall: "close" },
  { name: "tar-over", before: WRONG, command: untar("tar-over"), keeps: true },
  {
    name: "dd",
    command: "dd if=../right of=pending/dd bs=7 status=none",
    lastCall: "close",
  },
  {
    name: "dd-notrunc",
    before: WRONG,
    command: `printf right | dd of=pending/dd-notrunc bs=1 seek=${
      WRONG.indexOf("wrong")
    } conv=notrunc,fsync status=none`,
  },
  {
    name: "dd-sparse",
    before: "",
    command: "dd if=../right of=pending/dd-sparse bs=1 skip=4 seek=4 status=none; " +
      "printf echo | dd of=pending/dd-sparse conv=notrunc status=none",
  },
  {
    name: "truncate",
    before: `${RIGHT}not to be run`,
    command: `truncate -s ${RIGHT.length} pending/truncate`,
  },
  {
    name: "truncate-new",
    command: "truncate -s 0 pending/truncate-new; cat ../right >> pending/truncate-new",
  },
  {
    name: "touch",
    command: "touch pending/touch; touch -d yesterday pending/touch; cat ../right > pending/touch",
  },
  {
    name: "split",
    command: "split -b 1M --filter 'cat > pending/split' ../right",
    lastCall: "close",
  },
  { name: "sort", before: RIGHT, command: "sort -o pending/sort pending/sort" },
];

testPrograms("copying", PROGRAMS);

Deno.test("copying: an empty file of touch or cp is never run", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 0 } });
  const { stderr } = await qj.sh(
    "touch pending/touch; cp /dev/null pending/cp; : > ../none; mv ../none pending/mv",
  );
  assert.equal(stderr, "");
  await qj.submit("last", "true");
  await qj.in("complete", "last");
  assert.deepEqual(await qj.ls("pending"), ["cp", "mv", "touch"]);
});

Deno.test("copying: what is copied out of the mount is what is in it", async (t) => {
  await using qj = await Qj.start({ settings: { max_attempts: 1 } });
  await qj.submit("good", "seq 100000");
  await qj.submit("bad", "seq 10; exit 1");
  await qj.in("complete", "good");
  await qj.in("failed", "bad");
  await qj.configure({ paused: true });
  await qj.submit("waits", "true");
  await qj.sh("for i in $(seq 200); do echo true > pending/$i; done; chmod 600 pending/7");
  const copies = {
    "cp -a": "cp -a pending complete failed ../copy/",
    "rsync -a": "rsync -a pending complete failed ../copy/",
    "rsync -a --inplace": "rsync -a --inplace pending complete failed ../copy/",
    "tar c": "tar --format=posix -cf - pending complete failed | tar -C ../copy -xpf -",
  };
  for (const [title, command] of Object.entries(copies)) {
    await t.step({
      name: title,
      ignore: lacks([title.split(" ")[0]!]),
      async fn() {
        const { code, stdout, stderr } = await qj.sh(`set -e; mkdir ../copy; ${command}
          diff -r --no-dereference pending ../copy/pending
          diff -r complete ../copy/complete; diff -r failed ../copy/failed
          list() { (cd $1; stat -c '%n %a %s %.9Y' pending/* complete/* failed/*); }
          diff <(list .) <(list ../copy); rm -r ../copy`);
        assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
      },
    });
  }
});
