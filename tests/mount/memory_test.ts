/** Clients that open a great deal, or write a great deal: the daemon's memory stays bounded. */
import assert from "node:assert/strict";
import { assertSound, peakMb, python } from "./cases.ts";
import { heavyTest } from "./heavy.ts";
import { Qj } from "./qj.ts";

/** What the daemon may take more than when it was idle, in MB. */
const ROOM_MB = 200;

heavyTest(
  "memory: 16 MB in each of fifty drafts at the same time are all kept, and mostly not in memory",
  async () => {
    await using qj = await Qj.start({ settings: { paused: true } });
    const idle = peakMb(qj);
    const answer = await python(
      qj,
      `
    DRAFTS, PIECE, PIECES = 50, 128 * 1024, 128
    def piece(draft, number):
        return (b"%08d %08d\\n" % (draft, number)) * (PIECE // 18) + b"#" * (PIECE % 18)
    files = [os.open(f"pending/.d{i}", os.O_RDWR | os.O_CREAT) for i in range(DRAFTS)]
    for number in range(PIECES):
        for draft, fd in enumerate(files):
            assert os.write(fd, piece(draft, number)) == PIECE
    sizes = {os.fstat(fd).st_size for fd in files}
    right = all(os.pread(fd, PIECE, PIECE * number) == piece(draft, number)
                for draft, fd in enumerate(files) for number in (0, 64, PIECES - 1))
    for fd in files[25:]:
        os.close(fd)
    for draft in range(25, DRAFTS):
        with open(f"pending/.d{draft}", "rb") as file:
            right = right and file.read(PIECE * 2) == piece(draft, 0) + piece(draft, 1)
    answer = [list(sizes), right]`,
    );
    assert.deepEqual(answer, [[16 * 1_048_576], true]);
    assert(peakMb(qj) - idle < ROOM_MB, `${peakMb(qj)} MB, ${idle} MB before`);
    await assertSound(qj);
  },
);

heavyTest(
  "memory: ten thousand files that are open at once, and the limit of open files",
  async () => {
    await using qj = await Qj.start({ settings: { paused: true } });
    await qj.submit("a", "echo a");
    const idle = peakMb(qj);
    const answer = await python(
      qj,
      `
    import resource, signal
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    COUNT = min(10000, hard - 100)
    made = [os.open(f"pending/.f{i}", os.O_WRONLY | os.O_CREAT) for i in range(COUNT)]
    for i, fd in enumerate(made):
        os.write(fd, b"echo %d" % i)
    sizes = sum(os.fstat(fd).st_size for fd in made)
    for fd in made:
        os.close(fd)
    right = all(open(f"pending/.f{i}").read() == f"echo {i}" for i in range(0, COUNT, 97))
    # Beyond the limit of the daemon: processes that each have as many as they may.
    children, full = [], None
    while full is None and len(children) < 100:
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            error, held = None, []
            while error is None and len(held) < COUNT:
                fd = tried(os.open, "pending/a", os.O_RDONLY)
                if isinstance(fd, str):
                    error = fd
                else:
                    held.append(fd)
            os.write(w, (error or "-").encode())
            signal.pause()
        children.append(pid)
        text = os.read(r, 100).decode()
        full = None if text == "-" else text
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    answer = [COUNT, sizes == sum(len(b"echo %d" % i) for i in range(COUNT)), right, full]`,
    );
    const [count, ...rest] = answer;
    assert(count >= 500, `${count} files`);
    assert.deepEqual(rest, [true, true, "ENFILE"]);
    assert(peakMb(qj) - idle < ROOM_MB, `${peakMb(qj)} MB, ${idle} MB before`);
    await qj.sh("find pending -name '.f*' -delete");
    await assertSound(qj);
  },
);
