/** Cases of writing: in small and in huge pieces, odd bytes, odd system calls, ordinary programs. */
import assert from "node:assert/strict";
import { constants } from "node:fs";
import { assertSound, peakMb, python, shows } from "./cases.ts";
import { mkfifo } from "./helpers.ts";
import { exists, Qj } from "./qj.ts";

const PAUSED = { settings: { paused: true } };
const AT_ONCE = { settings: { settle_ms: 0, max_attempts: 1 } };
const encode = (text: string) => new TextEncoder().encode(text);
/** Memory that the daemon may take for a script of 16 MiB, in MB: some copies of it, not the gigabyte that was asked for. */
const ROOM_MB = 250;

/** Editors without a terminal and start files; their swap and backup files are beside the file, even where that is in /tmp. */
const EDITORS = `
    vim() {
      command vim -Nu NONE -i NONE -T dumb --not-a-term -c 'set swapfile backup dir=. bdir=. bsk=' "$@" > ../vim-log 2>&1
    }
    emacs() {
      command emacs -Q --batch "$2" --eval "(progn (setq backup-inhibited nil backup-enable-predicate (lambda (_) t))
        $1 (save-buffer))" > ../emacs-log 2>&1
    }`;

/** Waits until a job that is submitted now has run: had anything else been ready, it would have run before. */
async function othersHaveRun(qj: Qj): Promise<void> {
  await qj.submit("other", "true");
  await qj.in("complete", "other");
  await qj.sh("rm complete/other");
}

function quoted(script: string): string {
  return script.split("\n").map((line) => `>>> ${line}\n`).join("");
}

Deno.test("W1: a job runs when its last writer has closed it, and never while it is empty", async () => {
  await using qj = await Qj.start(AT_ONCE);
  const script = `echo ${"x".repeat(300)}; echo end`;
  using first = await Deno.open(qj.path("pending", "a"), { write: true, createNew: true });
  using second = await Deno.open(qj.path("pending", "a"), { append: true });
  for (const byte of encode(script)) await first.write(new Uint8Array([byte]));
  await first.sync();
  await othersHaveRun(qj);
  assert.deepEqual(await qj.ls("pending"), ["a"]);
  first.close();
  await othersHaveRun(qj);
  assert.deepEqual(await qj.ls("pending"), ["a"]);
  await second.write(encode("\necho of the "));
  await othersHaveRun(qj);
  await second.write(encode("second"));
  second.close();
  assert.equal(
    await qj.in("complete", "a"),
    `${quoted(`${script}\necho of the second`)}${"x".repeat(300)}\nend\nof the second\n`,
  );

  await qj.sh("touch pending/touched; : > pending/opened; printf '' >> pending/appended");
  await qj.sh("exec 3> pending/reopened; echo false >&3; exec 4> pending/reopened; exec 3>&-");
  await othersHaveRun(qj);
  assert.deepEqual(await qj.ls("pending"), ["appended", "opened", "reopened", "touched"]);
  assert.equal((await qj.sh("cat pending/*")).stdout, "");
  await assertSound(qj);
});

Deno.test("W2: O_APPEND counts as it is at each write, not as it was at the open", async () => {
  await using qj = await Qj.start(AT_ONCE);
  const { stdout } = await qj.sh(`python3 -c '
import fcntl, os
fd = os.open("pending/.draft", os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.write(fd, b"0123456789")
flags = fcntl.fcntl(fd, fcntl.F_GETFL)
fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~os.O_APPEND)
os.pwrite(fd, b"AB", 0)
fcntl.fcntl(fd, fcntl.F_SETFL, flags)
os.write(fd, b"CD")
print(os.pread(fd, 100, 0).decode())'`);
  assert.equal(stdout, "AB23456789CD\n");
});

Deno.test("W2: far offsets and sizes are EFBIG at the call that asks for them, and take no memory", async () => {
  await using qj = await Qj.start(PAUSED);
  const before = peakMb(qj);
  const answer = await python(
    qj,
    `
    GIB, LIMIT = 1 << 30, 16 * 1024 * 1024
    fd = os.open("pending/far", os.O_RDWR | os.O_CREAT)
    calls = [tried(os.write, fd, b"echo x")]
    calls += [tried(os.pwrite, fd, b"x", offset) for offset in [GIB, 10 * GIB, 1 << 40, (1 << 62), LIMIT]]
    calls += [tried(os.ftruncate, fd, size) for size in [GIB, 10 * GIB, 1 << 62, LIMIT + 1]]
    calls += [os.lseek(fd, GIB, os.SEEK_SET) == GIB, tried(os.write, fd, b"x")]
    calls += [os.fstat(fd).st_size, os.pread(fd, 99, 0).decode(), tried(os.close, fd)]
    put("pending/.small", b"echo small")
    calls += [tried(os.truncate, "pending/.small", size) for size in [GIB, 10 * GIB]]
    calls += [os.stat("pending/.small").st_size]
    # What is within the limit is an ordinary sparse file.
    fd = os.open("pending/.sparse", os.O_RDWR | os.O_CREAT)
    sparse = [tried(os.pwrite, fd, b"end", LIMIT - 3), tried(os.pwrite, fd, b"x", LIMIT), os.fstat(fd).st_size]
    sparse += [os.pread(fd, 100, LIMIT - 53) == bytes(50) + b"end", tried(os.ftruncate, fd, 5), os.pread(fd, 9, 0) == bytes(5)]
    sparse += [tried(os.close, fd)]
    answer = [calls, sparse]`,
  );
  assert.deepEqual(answer, [
    [
      6,
      ...Array(5 + 4).fill("EFBIG"),
      ...[true, "EFBIG"],
      ...[6, "echo x", null],
      ...["EFBIG", "EFBIG", 10],
    ],
    [3, "EFBIG", 16_777_216, true, null, true, null],
  ]);
  const { code, stderr } = await qj.sh("truncate -s 10G pending/.ten");
  assert.equal(code, 1);
  assert.match(stderr, /File too large/);
  assert((await Deno.stat(qj.stateFile)).size < 64 * 1024 * 1024);
  assert(peakMb(qj) - before < ROOM_MB, `${before} MB became ${peakMb(qj)} MB`);
  await qj.sh(
    "mv pending/.sparse pending/sparse; mv pending/.small pending/small; rm pending/.ten",
  );
  await qj.configure({ paused: false });
  for (const name of ["far", "sparse", "small"]) {
    assert.match(
      await qj.in("failed", name),
      /^\[System Error\]: not run: writing the script failed: .*max_script_bytes \(16777216\)\n$/,
    );
  }
  await assertSound(qj);
});

Deno.test("W3: scripts around the size of an argument and of 1 MB run, 100 MB are EFBIG at the limit", async () => {
  await using qj = await Qj.start(AT_ONCE);
  // 131,072 is MAX_ARG_STRLEN, NUL included; the others are where qj's own words before the script reach it.
  for (const size of [131_064, 131_065, 131_066, 131_071, 131_072, 131_073]) {
    const head = `echo "$# $0 is whole"; exit 0 #`;
    const script = head + "x".repeat(size - head.length);
    await qj.submit(`of-${size}`, script);
    const log = await qj.in("complete", `of-${size}`);
    assert(log.startsWith(`>>> ${script}\n0 `), `${size}: ${log.slice(-100)}`);
    assert(log.endsWith(" is whole\n"), `${size}: ${log.slice(-100)}`);
  }
  const lines = [...Array(20_000).keys()].map((i) => `x=${i} # ${"-".repeat(40)}`);
  const script = [...lines, "echo $x; echo end"].join("\n");
  assert(script.length > 1_000_000);
  await qj.submit("large", script);
  assert.equal(await qj.in("complete", "large"), `${quoted(script)}19999\nend\n`);

  const before = peakMb(qj);
  const answer = await python(
    qj,
    `
    fd, written, block = os.open("pending/huge", os.O_WRONLY | os.O_CREAT), 0, b"#" * 99_999 + b"\\n"
    while written < 100_000_000:
        count = tried(os.write, fd, block)
        if isinstance(count, str):
            break
        written += count
    answer = [count, written, tried(os.close, fd)]`,
  );
  const [error, written, closed] = answer;
  assert.equal(error, "EFBIG");
  // The kernel cuts a write into pieces: those before the limit may have been taken.
  assert(written >= 16_777_216 - 100_000 && written <= 16_777_216, `${written}`);
  assert.equal(closed, null);
  assert.match(
    await qj.in("failed", "huge"),
    /^\[System Error\]: not run: .*max_script_bytes \(16777216\)\n$/,
  );
  assert(peakMb(qj) - before < ROOM_MB, `${before} MB became ${peakMb(qj)} MB`);
  await assertSound(qj);
});

Deno.test("W4: odd bytes are run as they are, or the log says why not", async () => {
  await using qj = await Qj.start(AT_ONCE);
  const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  const nul = "\n?\\[System Error\\]: not run: the script contains a NUL byte\n";
  // Each byte as one character; a pattern for all of the log.
  const cases: readonly (readonly [string, string, string, string])[] = [
    ["nul", "failed", "echo a\0b\n", nul],
    ["only-nul", "failed", "\0", nul],
    ["utf-16", "failed", "\xff\xfee\0c\0h\0o\0 \0x\0\n\0", nul],
    [
      "garbage",
      "failed",
      "\xff\xfe\x80\xc0\xaf\n",
      ">>> \xff\xfe\x80\xc0\xaf\n.*not found.*\n\n\\[System Error\\]: exit status 127\n",
    ],
    ["latin-1", "complete", "echo '\xe9\xff'\n", ">>> echo '\xe9\xff'\n\xe9\xff\n"],
    [
      "bom",
      "failed",
      "\xef\xbb\xbfecho x\n",
      ">>> \xef\xbb\xbfecho x\n.*\xef\xbb\xbfecho.*not found.*\n\n\\[System Error\\]: exit status 127\n",
    ],
    ["crlf", "complete", "echo a\r\necho b\r\n", ">>> echo a\r\n>>> echo b\r\na\r\nb\r\n"],
    ["no-newline", "complete", "echo a", ">>> echo a\na\n"],
    ["newlines", "complete", "\n\n", ">>> \n>>> \n"],
    [
      "control",
      "complete",
      "echo '\x01\x1b[31m\x7f'\n",
      ">>> echo '\x01\x1b\\[31m\x7f'\n\x01\x1b\\[31m\x7f\n",
    ],
    [
      "unfinished",
      "failed",
      "echo 'a\n",
      ">>> echo 'a\n[^]*[Uu]nterminated[^]*\n\n\\[System Error\\]: exit status \\d+\n",
    ],
    [
      "interpreter",
      "complete",
      "#!/bin/cat\n\xff\0x",
      ">>> #!/bin/cat\n>>> \xff\0x\n#!/bin/cat\n\xff\0x",
    ],
    [
      "interpreter-argument",
      "complete",
      "#!/bin/sh -e\necho $-",
      ">>> #!/bin/sh -e\n>>> echo \\$-\ne\n",
    ],
    [
      "no-interpreter",
      "failed",
      "#!/nonexistent/program\nx\n",
      ">>> #!/nonexistent/program\n>>> x\n[^]*not found[^]*\n\\[System Error\\]: exit status 12[67]\n",
    ],
    [
      "empty-interpreter",
      "failed",
      "#!\0\n",
      ">>> #!\0\n[^]*\n\\[System Error\\]: exit status \\d+\n",
    ],
  ];
  for (const [name, , script] of cases) await qj.submit(name, latin1(script));
  for (const [name, directory, , log] of cases) {
    await qj.in(directory, name);
    const bytes = await Deno.readFile(qj.path(directory, name));
    const shown = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    assert.match(shown, new RegExp(`^${log}$`), name);
  }
  await assertSound(qj);
});

Deno.test("W5: a job that is rewritten as it starts runs its old or its new text, whole", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 4, max_attempts: 1, paused: true } });
  await mkfifo(`${qj.folder}/gate`);
  await qj.submit("early", "echo old; touch ran-old");
  await qj.submit("runs", "echo up; read line < gate; echo down");
  // Who opens the job before it starts keeps it from starting.
  using early = await Deno.open(qj.path("pending", "early"), { write: true, truncate: true });
  await qj.configure({ paused: false });
  await early.write(encode("echo n"));
  await othersHaveRun(qj);
  await early.write(encode("ew"));
  early.close();
  assert.equal(await qj.in("complete", "early"), ">>> echo new\nnew\n");
  // Who comes later gets EEXIST, or ENOENT when not asking for a new file.
  await shows(qj, "active/runs", "up\n");
  const late = await python(
    qj,
    `
    answer = [
        opened("pending/runs", os.O_WRONLY | flag)
        for flag in [os.O_CREAT, os.O_CREAT | os.O_TRUNC, os.O_CREAT | os.O_APPEND, os.O_TRUNC, os.O_APPEND]]
    answer += [tried(os.truncate, "pending/runs", 0)]`,
  );
  assert.deepEqual(late, ["EEXIST", "EEXIST", "EEXIST", "ENOENT", "ENOENT", "ENOENT"]);
  await Deno.writeTextFile(`${qj.folder}/gate`, "go\n");
  assert.match(
    await qj.in("complete", "runs"),
    /^>>> echo up; read line < gate; echo down\nup\ndown\n$/,
  );

  const results: Readonly<Record<string, string | null>> = await python(
    qj,
    `
    import time
    answer = {}
    for i in range(60):
        name, flag = "pending/race%d" % i, os.O_APPEND if i % 2 else os.O_TRUNC
        put(name, b"echo old\\n")
        time.sleep(i % 30 * 0.0005)
        fd = tried(os.open, name, os.O_WRONLY | os.O_CREAT | flag)
        if isinstance(fd, int):
            os.write(fd, b"echo n")
            os.write(fd, b"ew")
            os.close(fd)
        answer["race%d" % i] = fd if isinstance(fd, str) else None`,
  );
  for (const [name, error] of Object.entries(results)) {
    const appends = Number(name.slice(4)) % 2 === 1;
    const log = error !== null
      ? ">>> echo old\nold\n"
      : appends
      ? ">>> echo old\n>>> echo new\nold\nnew\n"
      : ">>> echo new\nnew\n";
    assert(error === null || error === "EEXIST", `${name}: ${error}`);
    assert.equal(await qj.in("complete", name), log, `${name}: ${error}`);
  }
  assert.equal(await exists(`${qj.folder}/ran-old`), false);
  await assertSound(qj);
});

Deno.test("W6: other ways to write work or say that they do not, and what fsync has taken stays", async () => {
  await using qj = await Qj.start(PAUSED);
  const answer = await python(
    qj,
    `
    PUNCH_HOLE, KEEP_SIZE = 2, 1
    def fallocate(fd, mode, offset, length):
        failed = libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length))
        return errno.errorcode[ctypes.get_errno()] if failed else None
    def mapped(fd, flags, protection):
        with mmap.mmap(fd, 0, flags, protection) as area:
            return bytes(area).decode()

    put("pending/.text", b"echo text")
    fd = os.open("pending/.text", os.O_RDWR)
    maps = [tried(mapped, fd, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)]
    maps += [tried(mapped, fd, mmap.MAP_SHARED, mmap.PROT_READ), tried(mapped, fd, mmap.MAP_PRIVATE, mmap.PROT_READ)]
    allocated = [fallocate(fd, mode, 0, 1 << 30) for mode in [0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE]]
    seeks = [os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 0, os.SEEK_HOLE), os.lseek(fd, -4, os.SEEK_END)]
    seeks += [tried(os.lseek, fd, 9, os.SEEK_DATA), tried(os.lseek, fd, -1, os.SEEK_SET)]

    direct = os.open("pending/.direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    page = mmap.mmap(-1, 4096)
    page.write(b"echo d\\n" * 500)
    direct = [os.write(direct, page), os.write(direct, b"tail"), os.pread(direct, 9999, 4090) == bytes(6) + b"tail", tried(os.close, direct)]

    # Inside the mount, out of it and into it: EXDEV and EOPNOTSUPP make programs copy by hand.
    os.close(os.open("../outside", os.O_WRONLY | os.O_CREAT))
    copies = []
    for source, target in [("pending/.text", "pending/.copy"), ("pending/.text", "../outside"), ("../outside", "pending/.copy2")]:
        a, b = os.open(source, os.O_RDONLY), os.open(target, os.O_RDWR | os.O_CREAT)
        count = tried(os.copy_file_range, a, b, 9999)
        good = count in ["EXDEV", "ENOTSUP", "EINVAL"] if isinstance(count, str) else os.pread(b, 9999, 0) == os.pread(a, 9999, 0)[:count]
        copies.append(good or str(count))
        os.close(a), os.close(b)
    FICLONE = 0x40049409
    clone = os.open("pending/.clone", os.O_WRONLY | os.O_CREAT)
    copies.append(tried(fcntl.ioctl, clone, FICLONE, fd) in ["ENOTSUP", "EXDEV", "ENOTTY", "EINVAL"])
    vectors = [os.writev(clone, [b"echo ", b"v"]), os.pwritev(clone, [b"E", b"C"], 0), open("pending/.clone").read()]
    vectors += [tried(os.posix_fadvise, fd, 0, 0, os.POSIX_FADV_DONTNEED), tried(os.sendfile, clone, fd, 0, 4)]
    answer = [maps, allocated, seeks, direct, copies, vectors]`,
  );
  assert.deepEqual(answer, [
    ["ENODEV", "ENODEV", "echo text"],
    ["ENOTSUP", "ENOTSUP", "ENOTSUP"],
    [0, 9, 5, "ENXIO", "EINVAL"],
    [4096, 4, true, null],
    [true, true, true, true],
    [6, 2, "ECho v", null, 4],
  ]);

  // Synced by the descriptor that wrote, by one that did not, or by each write (O_SYNC); kept open until the daemon is dead.
  const synced = await python(
    qj,
    `
    fds = [os.open("pending/." + name, os.O_RDWR | os.O_CREAT) for name in ["own", "data", "reader"]]
    reader = os.open("pending/.reader", os.O_RDONLY)
    for fd in fds:
        os.write(fd, b"echo written")
    answer = [tried(os.fsync, fds[0]), tried(os.fdatasync, fds[1]), tried(os.fsync, reader)]
    fds.append(os.open("pending/.emptied", os.O_RDWR | os.O_CREAT))
    os.write(fds[3], b"echo old"), os.fsync(fds[3]), os.ftruncate(fds[3], 0)
    answer += [tried(os.fsync, fds[3])]
    for flag in [os.O_SYNC, os.O_DSYNC]:
        fds.append(os.open("pending/.flag%d" % flag, os.O_WRONLY | os.O_CREAT | flag))
        os.write(fds[-1], b"echo "), os.write(fds[-1], b"written")
    answer += [tried(os.kill, args, 9)]`,
    { args: qj.pid },
  );
  assert.deepEqual(synced, Array(5).fill(null));
  await qj.exited();
  await qj.restart();
  for (
    const [name, text] of [[".own", "echo written"], [".data", "echo written"], [
      ".reader",
      "echo written",
    ], [".emptied", ""]] as const
  ) {
    assert.equal(await Deno.readTextFile(qj.path("pending", name)), text, name);
  }
  for (const flag of [constants.O_SYNC, constants.O_DSYNC]) {
    assert.equal(await Deno.readTextFile(qj.path("pending", `.flag${flag}`)), "echo written");
  }
  await assertSound(qj);
});

Deno.test("W7: ordinary programs exit with 0, leave the bytes they should, and their jobs run once", async () => {
  // Some change a file again after they have closed it.
  await using qj = await Qj.start({ settings: { settle_ms: 1500 } });
  await Deno.writeTextFile(`${qj.folder}/job`, 'echo "$QJ_JOB" >> runs\n');
  const made = await qj.sh(`${EDITORS}
    set -e
    touch pending/touched
    install -m 700 ../job pending/install
    cp -p ../job pending/cp
    dd if=../job of=pending/dd bs=1 conv=fsync status=none
    tee pending/tee < ../job > /dev/null
    tar -C .. -cf - job | tar -C pending -xf - --transform s/job/tar/
    tar -C .. -cf - job | tar -C pending -xpf - --overwrite --transform s/job/tar-p/
    rsync -a ../job pending/rsync
    rsync --inplace ../job pending/rsync-inplace
    vim '+0read ../job' '+$delete' +wq pending/vim
    emacs '(insert-file-contents "../../job")' pending/emacs
    perl -e 'open F, ">", "pending/perl" or die; print F "exit 9\\n"; close F or die'
    perl -pi -e 's/.*/echo "\\$QJ_JOB" >> runs/' pending/perl
    echo 'exit 9' > pending/sed
    sed -i 's/.*/echo "$QJ_JOB" >> runs/' pending/sed
    cp ../job pending/.mv; mv pending/.mv pending/mv`);
  assert.deepEqual(made, { code: 0, stdout: "", stderr: "" });
  const names = [
    "install",
    "cp",
    "dd",
    "tee",
    "tar",
    "tar-p",
    "rsync",
    "rsync-inplace",
    "vim",
    "emacs",
  ]
    .concat(["perl", "sed", "mv"]);
  for (const name of names) {
    assert.equal(await qj.in("complete", name), '>>> echo "$QJ_JOB" >> runs\n', name);
  }
  const runs = (await Deno.readTextFile(`${qj.folder}/runs`)).trim().split("\n");
  assert.deepEqual(runs.sort(), names.sort());
  assert.deepEqual(await qj.ls("pending"), ["touched"]);
  assert.deepEqual(await qj.ls("failed"), []);

  // The same programs on jobs that wait already.
  await qj.configure({ paused: true });
  await qj.sh(
    "rm complete/*; for name in install rsync rsync-inplace vim emacs sed; do echo old > pending/$name; done",
  );
  const edited = await qj.sh(`${EDITORS}
    set -e
    install ../job pending/install
    rsync ../job pending/rsync
    rsync --inplace ../job pending/rsync-inplace
    vim '+%delete' '+0read ../job' '+$delete' +wq pending/vim
    emacs '(progn (erase-buffer) (insert-file-contents "../../job"))' pending/emacs
    sed -i 's/.*/echo "$QJ_JOB" >> runs/' pending/sed
    for name in install rsync rsync-inplace vim emacs sed; do cmp ../job pending/$name; done
    touch pending/*; chmod 700 pending/*; ls -A pending`);
  assert.deepEqual({ ...edited, stdout: "" }, { code: 0, stdout: "", stderr: "" });
  // Backups, and nothing else that programs make for a while.
  assert.deepEqual(edited.stdout.trim().split("\n").sort(), [
    ...["emacs", "emacs~", "install", "rsync", "rsync-inplace", "sed", "touched", "vim", "vim~"],
  ]);
  await assertSound(qj);
});
