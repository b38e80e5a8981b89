/** Cases of directories: what can be made, moved, removed and listed where, and by whom. */
import assert from "node:assert/strict";
import { assertSound, python, shows } from "./cases.ts";
import { isAlive, mkfifo } from "./helpers.ts";
import { exists, Qj, until } from "./qj.ts";

const PAUSED = { settings: { paused: true } };
const STATES = ["pending", "active", "complete", "failed"];

/** A job in each state, `waits`, `runs`, `good` and `bad`, and nothing else starts. `runs` ends with a line in `gate`. */
async function withOneOfEach(): Promise<Qj> {
  const qj = await Qj.start({
    settings: { max_attempts: 1, settle_ms: 0, kill_grace_sec: 1 },
  });
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit("good", "echo good");
  await qj.submit("bad", "echo bad; exit 1");
  await qj.submit("runs", "echo $$ > pid; echo up; read line < gate; echo down");
  await qj.in("complete", "good");
  await qj.in("failed", "bad");
  await shows(qj, "active/runs", "up\n");
  await qj.configure({ paused: true });
  await qj.submit("waits", "echo waits");
  return qj;
}

async function contents(qj: Qj): Promise<string> {
  const { code, stdout } = await qj.sh("tail -v -n +1 active/* complete/* failed/* pending/*");
  assert.equal(code, 0);
  return stdout;
}

function pidOf(qj: Qj): number {
  return Number(Deno.readTextFileSync(`${qj.folder}/pid`));
}

Deno.test("D1: nothing is made or written outside pending/, not by root either, and all can be read", async () => {
  await using qj = await withOneOfEach();
  const before = await contents(qj);
  assert.match(
    before,
    /active\/runs <==\n>>> .*\nup\n[^]*complete\/good <==\n>>> echo good\ngood\n/,
  );
  const script = `
    answer = {}
    for path in ["active/runs", "complete/good", "failed/bad"]:
        answer[path] = [
            *[opened(path, flag) for flag in [
                os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_RDONLY | os.O_TRUNC,
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC]],
            tried(os.truncate, path, 0)]
    for directory in ["active/", "complete/", "failed/", ""]:
        path = directory + "new"
        answer[path] = [
            opened(path, os.O_WRONLY | os.O_CREAT), opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL),
            tried(os.mknod, path), tried(os.rename, "pending/waits", "active/new" if directory == "failed/" else path)]
    answer["new-id"] = [opened("new-id", os.O_WRONLY), opened("new-id", os.O_RDWR), opened("new-id", os.O_RDONLY)]`;
  const expected = (errno: string) => ({
    "active/runs": Array(6).fill(errno),
    "complete/good": Array(6).fill(errno),
    "failed/bad": Array(6).fill(errno),
    "active/new": Array(4).fill("EPERM"),
    "complete/new": Array(4).fill("EPERM"),
    "failed/new": Array(4).fill("EPERM"),
    "new": Array(4).fill("EPERM"),
  });
  const root = await python(qj, script);
  assert.deepEqual(root, { ...expected("EPERM"), "new-id": ["EPERM", "EPERM", null] });
  await qj.sh("chmod 444 active/* complete/* failed/*");
  const ordinary = await python(qj, script, { privileged: false });
  assert.deepEqual(ordinary, { ...expected("EACCES"), "new-id": ["EACCES", "EACCES", null] });
  assert.equal(await contents(qj), before);
  await assertSound(qj);
});

Deno.test("D2: there are only regular files, with one link each", async () => {
  await using qj = await withOneOfEach();
  await Deno.writeTextFile(`${qj.folder}/outside`, "");
  const answer = await python(
    qj,
    `
    def bound(path):
        with socket.socket(socket.AF_UNIX) as server:
            return tried(server.bind, path)

    made = {}
    for directory in ["pending/", "active/", "complete/", "failed/", ""]:
        path = directory + "new"
        made[directory] = [
            tried(os.mkdir, path), tried(os.symlink, "waits", path), tried(os.link, "pending/waits", path),
            tried(os.link, "complete/good", path), tried(os.mkfifo, path), bound(path),
            *[tried(os.mknod, path, kind | 0o600, os.makedev(1, 3)) for kind in [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK]]]
    outside = [tried(os.link, "../outside", "pending/new"), tried(os.link, "pending/waits", "../new")]
    removed = [tried(os.rmdir, name) for name in ["pending", "active", "complete", "failed"]]
    removed += [tried(os.rmdir, "pending/waits"), tried(os.rmdir, "pending/nothing"), tried(os.unlink, "pending")]
    removed += [tried(os.rename, "pending", "elsewhere"), tried(os.unlink, "new-id"), tried(os.unlink, "config.json")]
    files = ["pending/waits", "active/runs", "complete/good", "failed/bad", "new-id", "config.json"]
    links = [os.stat(path).st_nlink for path in files]
    fds = [os.open(path, os.O_RDONLY) for path in files[:4]]
    for path in files[:4]:
        os.unlink(path)
    open_links = [os.fstat(fd).st_nlink for fd in fds]
    directories = [entry for entry in os.scandir(".") if entry.is_dir()]
    root = os.stat(".").st_nlink - len(directories)
    states = [os.stat(path).st_nlink for path in ["pending", "active", "complete", "failed"]]
    answer = [made, outside, removed, links, open_links, root, states]`,
  );
  const made = Array(9).fill("EPERM");
  assert.deepEqual(answer, [
    { "pending/": made, "active/": made, "complete/": made, "failed/": made, "": made },
    ["EXDEV", "EXDEV"],
    [
      ...["EPERM", "EPERM", "EPERM", "EPERM"],
      ...["ENOTDIR", "ENOENT", "EISDIR"],
      ...["EPERM", "EPERM", "EPERM"],
    ],
    [1, 1, 1, 1, 1, 1],
    [0, 0, 0, 0],
    2,
    [2, 2, 2, 2],
  ]);
  await assertSound(qj);
});

Deno.test("D3: rename inside pending/ replaces at once, and knows the flags of renameat2", async () => {
  await using qj = await withOneOfEach();
  const answer = await python(
    qj,
    `
    NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
    def content(path):
        with open(path) as file:
            return file.read()

    put("pending/a", b"echo a"), put("pending/b", b"echo b")
    inode = os.stat("pending/a").st_ino
    flags = [renamed("pending/a", "pending/b", flag) for flag in [NOREPLACE, EXCHANGE, NOREPLACE | EXCHANGE, WHITEOUT]]
    flags += [renamed("pending/a", "pending/free", flag) for flag in [EXCHANGE, WHITEOUT, NOREPLACE]]
    flags += [renamed("pending/free", "pending/a", 0), renamed("pending/a", "pending/a", 0), renamed("pending/a", "pending/a", NOREPLACE)]
    before = [content("pending/a"), content("pending/b")]
    others = [renamed("pending/a", "pending/" + name, flag) for name in ["runs", "good", "bad"] for flag in [0, NOREPLACE]]
    others += [tried(os.rename, "pending/nothing", "pending/b")]
    os.rename("pending/a", "pending/b")
    replaced = [content("pending/b"), os.stat("pending/b").st_ino == inode, os.path.exists("pending/a")]

    # Who opens the name meanwhile always gets one text, whole.
    texts, wrong, stop = set(), [], threading.Event()
    def look():
        while not stop.is_set():
            try:
                texts.add(content("pending/b"))
            except OSError as error:
                wrong.append(errno.errorcode[error.errno])
    reader = threading.Thread(target=look)
    reader.start()
    for i in range(300):
        put("pending/.new", b"%d " % i * 2000)
        os.rename("pending/.new", "pending/b")
    stop.set()
    reader.join()
    whole = texts - {"echo a"} <= {"%d " % i * 2000 for i in range(300)}
    answer = [flags, before, others, replaced, wrong, whole, len(texts) > 2, sorted(os.listdir("pending"))]`,
  );
  assert.deepEqual(answer, [
    ["EEXIST", "EINVAL", "EINVAL", "EINVAL", "ENOENT", "EINVAL", null, null, null, "EEXIST"],
    ["echo a", "echo b"],
    [...Array(6).fill("EEXIST"), "ENOENT"],
    ["echo a", true, false],
    [],
    true,
    true,
    ["b", "waits"],
  ]);
  await assertSound(qj);
});

Deno.test("D4: a rename between the directories is a verb or EPERM, and EXDEV out of the mount", async () => {
  await using qj = await withOneOfEach();
  const answer = await python(
    qj,
    `
    names = {"pending": "waits", "active": "runs", "complete": "good", "failed": "bad"}
    refused = [
        ("pending", "active"), ("pending", "complete"), ("active", "complete"), ("complete", "active"),
        ("complete", "failed"), ("failed", "active"), ("failed", "complete")]
    answer = [tried(os.rename, a + "/" + names[a], b + "/x") for a, b in refused]
    answer += [tried(os.rename, "active/runs", "active/x")]
    answer += [tried(os.rename, d + "/" + n, "x") for d, n in names.items()]
    answer += [tried(os.rename, name, "pending/x") for name in ["config.json", "new-id", "complete"]]
    answer += [tried(os.rename, d + "/" + n, "../x") for d, n in names.items()]
    open("../script", "w").write("echo outside")
    answer += [tried(os.rename, "../script", "pending/script"), tried(os.rename, "config.json", "../x")]
    # A name that another job has, in any directory.
    answer += [tried(os.rename, a, b) for a, b in [
        ("failed/bad", "pending/waits"), ("complete/good", "pending/runs"), ("active/runs", "failed/bad"),
        ("active/runs", "pending/good"), ("pending/waits", "failed/good")]]`,
  );
  assert.deepEqual(answer, [
    ...Array(7 + 1 + 4 + 3).fill("EPERM"),
    ...Array(6).fill("EXDEV"),
    ...Array(5).fill("EEXIST"),
  ]);
  // The verbs: park, stop and keep, queue again, run again, and back.
  const pid = pidOf(qj);
  assert.deepEqual(await qj.sh("mv pending/waits failed/parked && mv active/runs pending/again"), {
    code: 0,
    stdout: "",
    stderr: "",
  });
  await until("the end of the job", () => !isAlive(pid));
  await qj.configure({ paused: false });
  assert.match(await shows(qj, "active/again", "cancelled\n>>> "), /^>>> .*\nup\n/);
  await shows(qj, "active/again", "up\n\n[System Error]: cancelled\n>>> ");
  await until("the new process", () => isAlive(pidOf(qj)));
  await qj.sh("mv active/again failed/stopped");
  await until("the end of the second", async () => {
    return (await qj.in("failed", "stopped")).split("cancelled\n").length === 3;
  });
  assert.equal((await qj.in("failed", "parked")).trim(), "");
  await qj.sh(
    "mv failed/parked pending/ && mv failed/bad pending/retried && mv complete/good pending/",
  );
  assert.equal(await qj.in("complete", "parked"), ">>> echo waits\nwaits\n");
  assert.equal(
    (await qj.in("failed", "retried")).match(/^\[System Error\]: exit status 1$/gm)?.length,
    2,
  );
  await until(
    "two runs",
    async () => (await qj.in("complete", "good")).split("\ngood\n").length === 3,
  );
  await assertSound(qj);
});

Deno.test("D5: unlink cancels, stops or forgets; open descriptors read on; rm -rf of the mount is survived", async () => {
  await using qj = await withOneOfEach();
  const answer = await python(
    qj,
    `
    paths = ["pending/waits", "active/runs", "complete/good", "failed/bad"]
    fds = [os.open(path, os.O_RDONLY) for path in paths]
    before = [os.pread(fd, 9999, 0).decode() for fd in fds]
    unlinked = [tried(os.unlink, path) for path in paths]
    gone = [tried(os.lstat, path) for path in paths] + [tried(os.unlink, path) for path in paths]
    after = [os.pread(fd, 9999, 0).decode() for fd in fds]
    begins = [new.startswith(old) for old, new in zip(before, after)]
    writer = os.open("pending/open", os.O_RDWR | os.O_CREAT)
    os.write(writer, b"touch ran")
    os.unlink("pending/open")
    os.write(writer, b" twice")
    answer = [unlinked, gone, begins, before[0], before[2], os.pread(writer, 99, 0).decode(), tried(os.close, writer)]`,
  );
  assert.deepEqual(answer, [
    Array(4).fill(null),
    Array(8).fill("ENOENT"),
    Array(4).fill(true),
    "echo waits",
    ">>> echo good\ngood\n",
    "touch ran twice",
    null,
  ]);
  await until("the end of the removed job", () => !isAlive(pidOf(qj)));
  for (const state of STATES) assert.deepEqual(await qj.ls(state), []);

  await qj.configure({ paused: false });
  await qj.sh(`
    for i in $(seq 20); do echo true > pending/good$i; echo false > pending/bad$i; done
    echo 'echo $$ > pid; echo up; read line < gate' > pending/runs`);
  for (let i = 1; i <= 20; i++) {
    await qj.in("complete", `good${i}`);
    await qj.in("failed", `bad${i}`);
  }
  await shows(qj, "active/runs", "up\n");
  await qj.configure({ paused: true });
  await qj.sh("for i in $(seq 300); do echo 'touch ran' > pending/job$i; done");
  const { code, stderr } = await qj.sh(`rm -rf ${qj.mountpoint}`, "/");
  assert.equal(code, 1);
  assert.match(stderr, /cannot remove .*: (Operation not permitted|Device or resource busy)/);
  for (const state of STATES) assert.deepEqual(await qj.ls(state), []);
  await until("the end of the running job", () => !isAlive(pidOf(qj)));
  await assertSound(qj);
  assert.equal(await exists(`${qj.folder}/ran`), false);
  const names = ["active", "complete", "config.json", "failed", "new-id", "pending"];
  assert.deepEqual((await qj.ls(".")).filter((name) => names.includes(name)), names);
});

Deno.test("D6: a listing of 10,000 jobs has each that stays once while four writers come and go", async () => {
  await using qj = await Qj.start(PAUSED);
  // Drafts, so that they need not be removed before other jobs run.
  const made = await python(
    qj,
    `answer = [put("pending/.stays%d" % i, b"true") for i in range(10_000)].count(None)`,
  );
  assert.equal(made, 10_000);
  const answer = await python(
    qj,
    `
    COUNT = 10_000
    names = [".stays%d" % i for i in range(COUNT)]

    libc.getdents64.restype = ctypes.c_ssize_t
    def entries(fd, size, offset=None):
        "(name, offset behind it) of each entry, read in pieces of this many bytes"
        if offset is not None:
            os.lseek(fd, offset, os.SEEK_SET)
        buffer = ctypes.create_string_buffer(size)
        while (length := libc.getdents64(fd, buffer, ctypes.c_size_t(size))) > 0:
            at = 0
            while at < length:
                following, step = struct.unpack_from("qH", buffer, at + 8)
                yield buffer.raw[at + 19:at + step].split(b"\\0")[0].decode(), following
                at += step
        if length < 0:
            raise OSError(ctypes.get_errno(), "getdents64")

    writers = []
    for w in range(4):
        writers.append(os.fork())
        if writers[-1] == 0:
            for i in itertools.count():
                put("pending/comes%d-%d" % (w, i), b"true")
                if i >= 3:
                    os.unlink("pending/comes%d-%d" % (w, i - 3))
    fd = os.open("pending", os.O_RDONLY)
    listings, others = [], set()
    try:
        # Pieces of the least size, of the usual one, and a large one.
        for size in [600, 4096, 32768, 1 << 20]:
            listed = [name for name, _ in entries(fd, size, 0)]
            stays = [name for name in listed if name.startswith(".stays")]
            listings.append([len(stays), len(set(stays)), set(stays) == set(names), len(listed) == len(set(listed))])
            others |= {name for name in listed if name.startswith("comes")}
        alive = [os.waitpid(pid, os.WNOHANG) == (0, 0) for pid in writers]
    finally:
        for pid in writers:
            os.kill(pid, 9)
            os.waitpid(pid, 0)

    # Offsets mean the same after deletions: behind entry i comes the next one that is left.
    offsets = [entry for entry in entries(fd, 32768, 0) if entry[0].startswith(".stays")]
    for name, _ in offsets[1::10]:
        os.unlink("pending/" + name)
    wrong = []
    for i in [*range(0, COUNT - 2, 97), *range(0, COUNT - 2, 90)]:
        following = offsets[i + 2 if i % 10 == 0 else i + 1][0]
        found = next(entries(fd, 4096, offsets[i][1]))[0]
        if found != following:
            wrong.append([i, following, found])
    left = sum(name.startswith(".stays") for name, _ in entries(fd, 32768, 0))
    answer = [listings, alive, len(others) > 0, len(offsets), wrong, left]`,
  );
  assert.deepEqual(answer, [
    Array(4).fill([10_000, 10_000, true, true]),
    Array(4).fill(true),
    true,
    10_000,
    [],
    9_000,
  ]);
  await assertSound(qj);
});

Deno.test("D7: modes, owners, times and attributes of a job change what is shown, never who runs it", async () => {
  await using qj = await Qj.start(PAUSED);
  await qj.sh("for name in a b c d e later; do echo 'id -u' > pending/$name; done");
  const answer = await python(
    qj,
    `
    def mode(path):
        return oct(os.stat(path).st_mode)
    modes = []
    for bits in [0o777, 0o000, 0o4755, 0o6711, 0o1644]:
        modes += [tried(os.chmod, "pending/a", bits), mode("pending/a")]
    os.chmod("pending/b", 0o6755), os.chown("pending/b", 65534, 65533)
    owner = os.stat("pending/b")
    owners = [mode("pending/b"), owner.st_uid, owner.st_gid]
    os.chmod("pending/c", 0o000), os.chmod("pending/d", 0o4777)
    os.truncate("pending/d", 5)
    truncated = mode("pending/d")
    put("pending/d", b"id -u")

    # From before the epoch to beyond what 32 bits hold.
    times = []
    for seconds in [-1, 0, 2 ** 31, 2 ** 33, 8 * 10 ** 9]:
        os.utime("pending/later", ns=(seconds * 10 ** 9 + 123456789, seconds * 10 ** 9 + 987654321))
        now = os.stat("pending/later")
        times += [now.st_atime_ns == seconds * 10 ** 9 + 123456789, now.st_mtime_ns == seconds * 10 ** 9 + 987654321]
    acl = b"\\2\\0\\0\\0" + b"".join(struct.pack("<HHI", *entry) for entry in [
        (1, 6, 0xffffffff), (2, 7, 65534), (4, 4, 0xffffffff), (16, 7, 0xffffffff), (32, 4, 0xffffffff)])
    attributes = [
        tried(os.setxattr, "pending/a", "user.other", b"x"), tried(os.getxattr, "pending/a", "user.other"),
        tried(os.removexattr, "pending/a", "user.other"), tried(os.setxattr, "pending/a", "security.other", b"x"),
        tried(os.getxattr, "pending/a", "security.capability"), tried(os.setxattr, "pending/a", "trusted.x", b"x"),
        tried(os.setxattr, "pending/a", "system.posix_acl_access", acl),
        tried(os.getxattr, "pending/a", "system.posix_acl_access")]
    listed = [name for name in os.listxattr("pending/a") if not name.startswith("user.qj.")]
    # The same again: an ENOSYS would have been remembered by the kernel.
    attributes += [tried(os.setxattr, "pending/b", "user.other", b"x"), tried(os.getxattr, "pending/b", "user.other")]
    answer = [modes, owners, truncated, times, attributes, listed]`,
  );
  const modes = ["0o100777", "0o100000", "0o104755", "0o106711", "0o101644"];
  assert.deepEqual(answer, [
    modes.flatMap((mode) => [null, mode]),
    ["0o100755", 65534, 65533],
    "0o104777",
    Array(10).fill(true),
    [
      ...["ENOTSUP", "ENODATA", "ENODATA", "ENOTSUP", "ENODATA", "ENOTSUP", "ENOTSUP", "ENODATA"],
      ...["ENOTSUP", "ENODATA"],
    ],
    [],
  ]);
  const ordinary = await python(
    qj,
    `
    answer = [
        tried(os.chown, "pending/a", 65534, -1), tried(os.chown, "pending/b", 0, 0), tried(os.chmod, "pending/b", 0o777),
        tried(os.utime, "pending/b", (1, 1)), opened("pending/c", os.O_RDONLY), opened("pending/c", os.O_WRONLY)]`,
    { privileged: false },
  );
  assert.deepEqual(ordinary, ["EPERM", "EPERM", "EPERM", "EPERM", "EACCES", "EACCES"]);

  await qj.configure({ paused: false, settle_ms: 0 });
  const uid = (await qj.sh("id -u")).stdout;
  for (const name of ["a", "b", "c", "d", "e"]) {
    assert.equal(await qj.in("complete", name), `>>> id -u\n${uid}`, name);
  }
  assert.deepEqual(await qj.ls("pending"), ["later"]);
  const mount = Deno.readTextFileSync("/proc/self/mounts").split("\n")
    .find((line) => line.includes(` ${qj.mountpoint} `));
  assert.match(mount!, / rw,nosuid,nodev,/);
  await qj.sh("touch pending/later");
  await qj.in("complete", "later");
  await assertSound(qj);

  await qj.configure({ paused: true });
  await qj.submit("last", "true");
  const own = await python(
    qj,
    `
    def of(path):
        return str([tried(os.getxattr, path, "user.qj." + name) for name in ["state", "nothing"]])
    answer = [
        of("pending/last"), of("complete/after"), tried(os.setxattr, "pending/last", "user.qj.priority", b"7"),
        str(tried(os.getxattr, "pending/last", "user.qj.priority"))]`,
  );
  assert.deepEqual(own, [
    "[b'pending', 'ENODATA']",
    "[b'complete', 'ENODATA']",
    null,
    "b'7'",
  ]);
});
