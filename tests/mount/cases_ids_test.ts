/** The case of new-id. */
import assert from "node:assert/strict";
import { idOf } from "../../store/ids.ts";
import { assertSound, python } from "./cases.ts";
import { Qj } from "./qj.ts";

const READERS = 20;
const EACH = 50;

Deno.test("I1: new-id gives each of twenty readers its own ids, however they read them", async () => {
  await using qj = await Qj.start({ settings: { paused: true } });
  const { stdout, stderr, code } = await qj.sh(
    `read_ids() {
       for i in $(seq ${EACH - 10}); do read id < new-id; echo "$id"; done
       for i in $(seq 5); do cat new-id; id=$(dd if=new-id bs=1 status=none); echo "$id"; done
     }
     for i in $(seq ${READERS}); do read_ids & readers="$readers $!"; done
     for reader in $readers; do wait $reader || exit; done`,
  );
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  const ids = stdout.trimEnd().split("\n");
  assert.equal(ids.length, READERS * EACH);
  assert.equal(new Set(ids).size, READERS * EACH);
  for (const id of ids) assert.match(id, /^[a-z0-9]{4}$/);

  const answer = await python(
    qj,
    `
    def read(fd, *sizes):
        return "".join(os.read(fd, size).decode() for size in sizes)
    pieces, fd = [], os.open("new-id", os.O_RDONLY)
    pieces.append(read(fd, 1, 1, 1, 1, 1))
    pieces += [read(fd, 1), os.pread(fd, 99, 0).decode(), os.pread(fd, 99, 2).decode(), os.pread(fd, 99, 5).decode()]
    os.lseek(fd, 0, os.SEEK_SET)
    pieces += [read(fd, 2), read(os.dup(fd), 99), os.pread(fd, 1, 1 << 40).decode()]
    # Two descriptors in turn, and one that is open in two processes.
    a, b = os.open("new-id", os.O_RDONLY), os.open("new-id", os.O_RDONLY)
    turns = ["", ""]
    for i in range(5):
        turns[0] += read(a, 1)
        turns[1] += read(b, 1)
    shared = os.open("new-id", os.O_RDONLY)
    first = read(shared, 2)
    pipe, end = os.pipe()
    if os.fork() == 0:
        os.write(end, os.read(shared, 2))
        os._exit(0)
    os.wait()
    shared = first + read(pipe, 2) + read(shared, 99)
    answer = [pieces, turns, shared]`,
  );
  const [pieces, turns, shared] = answer as [string[], [string, string], string];
  const id = pieces[0]!;
  assert.match(id, /^[a-z0-9]{4}\n$/);
  assert.deepEqual(pieces, [id, "", id, id.slice(2), "", id.slice(0, 2), id.slice(2), ""]);
  const { stdout: skipped } = await qj.sh(
    "dd if=new-id bs=1 skip=2 count=2 status=none; cat new-id",
  );
  const last = skipped.slice(2);
  for (const other of [...turns, shared, last]) assert.match(other, /^[a-z0-9]{4}\n$/);

  // No id was burnt: those given are the first of the sequence, and dd had the last but one.
  const given = [...ids, ...[id, ...turns, shared, last].map((line) => line.trimEnd())];
  const dd = idOf(given.length - 1);
  assert.equal(skipped.slice(0, 2), dd.slice(2));
  assert.deepEqual(
    [...given, dd].sort(),
    Array.from({ length: given.length + 1 }, (_, n) => idOf(n)).sort(),
  );
  assert.equal(last, `${idOf(given.length)}\n`);

  // A name in use is left out.
  const next = idOf(given.length + 1);
  await qj.submit(next, "true");
  assert.equal((await qj.sh("cat new-id")).stdout, `${idOf(given.length + 2)}\n`);
  await assertSound(qj);
});
