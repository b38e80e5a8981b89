/**
 * For the cases of bad input: what each of them ends with, and the system calls that neither Deno nor a shell makes.
 *
 * Such calls are made by Python, in a process of its own that is killed at a deadline, since a call into a mount that
 * hangs cannot be taken back.
 */
import assert from "node:assert/strict";
import { isAlive } from "./helpers.ts";
import { type Qj, until } from "./qj.ts";

const DEADLINE_SEC = 60;

/** Before each script. What it leaves in `answer` is printed. */
const PRELUDE = `
import ctypes, errno, fcntl, itertools, json, mmap, os, socket, stat, struct, sys, textwrap, threading
libc = ctypes.CDLL(None, use_errno=True)

def tried(call, *args, **named):
    "What a system call returns, or the name of its errno."
    try:
        return call(*args, **named)
    except OSError as error:
        return errno.errorcode[error.errno]

def opened(path, flags, mode=0o644):
    "Opens and closes: None, or the name of the errno."
    fd = tried(os.open, path, flags, mode)
    return fd if isinstance(fd, str) else tried(os.close, fd)

def renamed(old, new, flags):
    "renameat2(2): None, or the name of the errno."
    failed = libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags)
    return errno.errorcode[ctypes.get_errno()] if failed else None

def put(path, data, flags=os.O_CREAT | os.O_TRUNC):
    "Writes a file in one call: None, or the call that failed and the name of its errno."
    fd = tried(os.open, path, os.O_WRONLY | flags, 0o644)
    if isinstance(fd, str):
        return ["open", fd]
    written = tried(os.write, fd, data)
    closed = tried(os.close, fd)
    if isinstance(written, str):
        return ["write", written]
    return None if closed is None else ["close", closed]

args = json.load(sys.stdin)
exec(textwrap.dedent(sys.argv[1]))
print(json.dumps(answer))
`;

export interface PythonOptions {
  /** What the script finds in `args`. */
  readonly args?: unknown;
  /** False: the process has no capabilities, so that root too is held to modes and owners. */
  readonly privileged?: boolean;
}

/** Runs a Python script in the mountpoint and returns what it left in `answer`. */
export async function python(qj: Qj, script: string, options: PythonOptions = {}) {
  const { args = null, privileged = true } = options;
  const drop = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];
  const child = new Deno.Command("timeout", {
    args: [
      ...["-s", "KILL", String(DEADLINE_SEC), ...privileged ? [] : drop],
      ...["python3", "-c", PRELUDE, script],
    ],
    cwd: qj.mountpoint,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(args)));
  await writer.close();
  const { code, stdout, stderr } = await output;
  const decoder = new TextDecoder();
  if (code !== 0) throw new Error(`python3 ended with ${code}: ${decoder.decode(stderr)}`);
  return JSON.parse(decoder.decode(stdout));
}

/** The end of each case: the daemon lives, all directories can be listed, and a new job runs. Removes what waits. */
export async function assertSound(qj: Qj): Promise<void> {
  assert(isAlive(qj.pid) && qj.isMounted, qj.log);
  assert.doesNotMatch(qj.log, /bug in qj|the state file cannot be/);
  const listing = await qj.sh("ls -a . */");
  assert.deepEqual({ code: listing.code, stderr: listing.stderr }, { code: 0, stderr: "" });
  assert.match(listing.stdout, /^active\/:$[^]*^complete\/:$[^]*^failed\/:$[^]*^pending\/:$/m);
  const after = await qj.sh(`
    find pending -mindepth 1 ! -name '.*' -delete && echo '{"paused": false}' > config.json &&
    echo true > pending/after`);
  assert.deepEqual(after, { code: 0, stdout: "", stderr: "" });
  assert.equal(await qj.in("complete", "after"), ">>> true\n");
}

/** Waits until a file shows a part of a text, and returns all of it. */
export async function shows(qj: Qj, path: string, part: string): Promise<string> {
  let text = "";
  await until(`${part} in ${path}`, async () => {
    text = await Deno.readTextFile(qj.path(path)).catch(() => "");
    return text.includes(part);
  });
  return text;
}

/** The most memory that the daemon has had, in MB. */
export function peakMb(qj: Qj): number {
  const status = Deno.readTextFileSync(`/proc/${qj.pid}/status`);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
