/**
 * The mount helper: mount(8) starts qj with `-o` and waits for its end. So qj starts itself again in a session of its own,
 * waits until that one is ready, and ends; or passes on why it is not. What the daemon says before it is ready comes
 * through a pipe, so that nothing of the caller's stays open; what it says later goes to the system's log.
 */
import { openLibc, withholdDescriptors } from "../ffi/libfuse.ts";
import { hasSetsid } from "../scheduler/spawner.ts";
import { sendLogTo } from "./log.ts";

/** What the daemon writes to stdout. */
const READY = "ready\n";
const LOGGER = "/usr/bin/logger";

/** The command that starts this program: itself when it is compiled, else Deno with the same rights. */
function ownCommand(args: readonly string[]): string[] {
  if (Deno.build.standalone) return [Deno.execPath(), ...args];
  return [
    Deno.execPath(),
    "run",
    "--no-prompt",
    "--quiet",
    "--allow-all",
    Deno.mainModule,
    ...args,
  ];
}

/** Starts the daemon with the same arguments. Returns the exit status: 0 when it is ready. */
export async function mountInBackground(args: readonly string[]): Promise<number> {
  withholdDescriptors(openLibc());
  const own = ownCommand(["--tell-ready", "-f", ...args]);
  const [program, ...rest] = hasSetsid() ? ["/usr/bin/setsid", ...own] : own;
  const child = new Deno.Command(program!, {
    args: rest,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  child.unref();
  const said = child.stderr.getReader();
  const passedOn = passOn(said);
  const isReady = await new Response(untilReady(child.stdout)).text() === READY;
  if (isReady) {
    await said.cancel();
    return 0;
  }
  const { code } = await child.status;
  await passedOn;
  return code === 0 ? 1 : code;
}

/** Ends with the line that says so, or when the daemon does. */
function untilReady(stdout: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  let length = 0;
  return stdout.pipeThrough(
    new TransformStream({
      transform(part, controller) {
        controller.enqueue(part);
        length += part.length;
        if (length >= READY.length) controller.terminate();
      },
    }),
  );
}

async function passOn(said: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  for (;;) {
    const { value, done } = await said.read();
    if (done) return;
    for (let at = 0; at < value.length;) at += Deno.stderr.writeSync(value.subarray(at));
  }
}

/** In the daemon, when it is mounted: nobody listens to its stderr from here on. */
export async function tellReady(): Promise<void> {
  await logToSystem();
  await Deno.stdout.write(new TextEncoder().encode(READY));
}

/** To syslog or the journal, by logger(1). Where there is none, what is said from here on is lost. */
async function logToSystem(): Promise<void> {
  try {
    const logger = new Deno.Command(LOGGER, {
      args: ["--tag", "qj", `--id=${Deno.pid}`],
      cwd: "/",
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    logger.unref();
    const writer = logger.stdin.getWriter();
    await sendLogTo((bytes) => writer.write(bytes));
  } catch {
    await sendLogTo(() => Promise.resolve());
  }
}
