/** The composition root: options, wiring, signals, exit codes. */
import process from "node:process";
import { check } from "./cli/check.ts";
import { Failure } from "./cli/failure.ts";
import { configureLog, fileSystemLog, flushLog, log, logHealth, schedulerLog } from "./cli/log.ts";
import { mountInBackground, tellReady } from "./cli/mount_helper.ts";
import { mountAt, mountById } from "./cli/mounts.ts";
import type { Options } from "./cli/option_values.ts";
import { Exit, parseOptions } from "./cli/options.ts";
import { checkMountpoint, checkSystem, detach } from "./cli/preflight.ts";
import { openPages, tokenPath } from "./cli/pages.ts";
import { openRunFolder } from "./cli/run_folder.ts";
import { startSandbox } from "./cli/sandbox.ts";
import { openState, statePath, unreadable } from "./cli/state_file.ts";
import { Supervisor } from "./cli/supervisor.ts";
import denoJson from "./deno.json" with { type: "json" };
import {
  type LibcSymbols,
  LibfuseMissing,
  openLibc,
  openLibfuse,
  withholdDescriptors,
} from "./ffi/libfuse.ts";
import { NotifySocket } from "./ffi/notify_socket.ts";
import { Reaper } from "./ffi/reaper.ts";
import { MountFailed, Session } from "./ffi/session.ts";
import { userByUid } from "./ffi/users.ts";
import { FileSystem } from "./fs/file_system.ts";
import type { JobEnvironment } from "./scheduler/command.ts";
import { maxConnections, maxJobsByDescriptors, readEnvironment } from "./scheduler/environment.ts";
import { Owners } from "./scheduler/owners.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { printable } from "./store/printable.ts";
import type { Store } from "./store/store.ts";

function versionText(): string {
  let libfuse: string;
  try {
    const { soname, version } = openLibfuse();
    libfuse = `libfuse ${version} (${soname})`;
  } catch {
    libfuse = "no libfuse3 found";
  }
  const sqlite = process.versions.sqlite ?? "unknown";
  return `qj ${denoJson.version} (Deno ${Deno.version.deno}, SQLite ${sqlite}, ${libfuse})`;
}

/** Mounts and serves until a signal or an unmount. Returns the exit status. */
async function serve(options: Options & { readonly mountpoint: string }): Promise<number> {
  const libc = openLibc();
  withholdDescriptors(libc);
  const libfuse = openLibfuse();
  await checkSystem(options);
  const mountpoint = await checkMountpoint(options.mountpoint, libc);
  const state = statePath(
    options.stateFile,
    (name) => Deno.env.get(name),
    Deno.cwd(),
    options.stateFileKnob,
  );
  const environment = readEnvironment(mountpoint);
  const { store, lock, runFolder: ownRunFolder } = await openState(state, mountpoint);
  store.db.health.onChange(logHealth);
  const runFolder = options.runAs === undefined
    ? ownRunFolder
    : await openRunFolder(store.db.path, (name) => Deno.env.get(name));
  const cwd = Deno.cwd();
  const tokenFile = await tokenPath(options, store.db.path, cwd);
  const around = { mountpoint, stateFile: store.db.path, tokenFile, runFolder };
  const sandbox = await startSandbox(options, around, libc, (text) => log.warning(text));
  // A working directory inside the mountpoint would keep it busy.
  Deno.chdir("/");
  const fileSystem = new FileSystem(store, fileSystemLog, {
    version: denoJson.version,
    spillFolder: ownRunFolder,
    runsAsOwner: options.runAs !== undefined,
    hasPages: options.http !== undefined && !options.httpReadOnly,
  });
  const fsname = (options.source ?? "qj").replace(/[\\,]/g, "\\$&");
  const mountOptions = [`fsname=${fsname}`, "subtype=qj", "default_permissions", "nosuid", "nodev"];
  if (options.allowOther) mountOptions.push("allow_other");
  const scheduler = new Scheduler({
    store,
    environment,
    owners: options.runAs && await ownersOf(options, mountpoint, environment, libc),
    spawner: sandbox,
    reaper: new Reaper(libc),
    runFolder,
    log: schedulerLog,
    maxByDescriptors: maxJobsByDescriptors(options.http === undefined ? 0 : maxConnections()),
  });
  try {
    scheduler.recover();
  } catch (error) {
    throw unreadable(state, error);
  }
  const pages = await openPages(options, { store, slots: scheduler.slots, mountpoint, cwd });
  const env = (name: string) => Deno.env.get(name);
  const supervisor = new Supervisor({
    socket: NotifySocket.open(libc, env("NOTIFY_SOCKET") ?? ""),
    env,
    pid: Deno.pid,
    status: () => statusLine(store, scheduler.runningCount),
  });
  store.changes.listen(() => supervisor.changed());
  let stopping: Promise<void> | undefined;
  const stop = (drainSec: number) => {
    if (stopping === undefined) supervisor.stopping();
    return stopping ??= scheduler.stop(drainSec).then(() => session.stop());
  };
  const onSignal = () => {
    if (stopping !== undefined) scheduler.kill();
    else log.info(`${stoppingText(options, scheduler)}; a second signal kills what still runs`);
    void stop(options.drainTimeoutSec);
  };
  // Before the mount: who sees it may send one at once.
  for (const name of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(name, onSignal);
  // Under nohup, and as a service, a hangup means nothing. The runtime has replaced the disposition that nohup sets, so
  // what tells is whether there is a terminal to hang up.
  const hasTerminal = Deno.stdin.isTerminal() || Deno.stderr.isTerminal();
  Deno.addSignalListener("SIGHUP", () => hasTerminal && onSignal());

  // A state file that reaches the limit of file sizes (ulimit -f) is an error of that write, not the end of the daemon.
  Deno.addSignalListener("SIGXFSZ", () => {});

  const session = new Session(libfuse, libc, fileSystem, { mountpoint, mountOptions });
  const mountId = mountAt(mountpoint)?.id;
  const isMounted = () => mountId !== undefined && mountAt(mountpoint)?.id === mountId;
  if (mountId === undefined) {
    // Somebody has changed what the path leads to since it was looked at.
    await session.close();
    throw new MountFailed(`the mount is not on ${JSON.stringify(mountpoint)}, and was taken away`);
  }
  // Whatever goes wrong from here on must not leave a dead mount behind.
  onUnexpected((reason) => {
    log.error(`stopped by a bug in qj: ${JSON.stringify(reason)}`);
    const detached = isMounted() ? detach(mountpoint, libc) : Promise.resolve();
    void detached.then(flushLog).finally(() => Deno.exit(1));
  });

  scheduler.start();
  pages?.tell();
  log.info(`mounted on ${JSON.stringify(mountpoint)}, jobs in ${JSON.stringify(store.db.path)}`);
  if (options.runAs !== undefined) {
    log.info("other users may enter; each job runs as the owner of its file");
  } else if (options.allowOther) {
    log.info("other users may enter; only jobs of this user and of root are accepted");
  }
  supervisor.ready();
  let end: "unmounted" | "stopped";
  // The order of the end: jobs, then open files, then the mount, then the state file.
  try {
    if (options.tellReady) await tellReady();
    end = await session.run();
    await stop(0);
    fileSystem.close();
  } finally {
    await pages?.close();
    await session.close(isMounted);
  }
  // libfuse leaves the mount of a connection that was aborted; it may also fail to unmount, and does not tell. And the
  // mount may have been moved, with a folder above it.
  const left = mountById(mountId)?.mountpoint;
  const isLeft = left !== undefined;
  if (isLeft) await detach(left, libc);
  store.close();
  lock.close();
  sandbox?.close();
  supervisor.close();
  if (isLeft && end === "unmounted") log.error("the connection to the kernel was aborted");
  const isStuck = mountById(mountId) !== undefined;
  if (isStuck) log.error(`cannot unmount ${JSON.stringify(left)}: use umount -l as root`);
  await flushLog();
  return isStuck || (isLeft && end === "unmounted") ? 1 : 0;
}

/** How jobs run as their owners. */
async function ownersOf(
  { runAsRoot }: Options,
  mountpoint: string,
  { openFiles }: JobEnvironment,
  libc: LibcSymbols,
): Promise<Owners> {
  const loginDefs = await Deno.readTextFile("/etc/login.defs").catch(() => "");
  const byUid = (uid: number) => userByUid(libc, uid);
  return new Owners({ userByUid: byUid, runAsRoot, mountpoint, openFiles, loginDefs });
}

/** What the daemon does, for a service manager. */
function statusLine({ directories, queue, settings }: Store, running: number): string {
  const waiting = directories.countOf("pending") - queue.openCount;
  const paused = settings.current.paused ? ", paused" : "";
  return `${running} running, ${waiting} waiting, ${directories.countOf("failed")} failed${paused}`;
}

function stoppingText({ drainTimeoutSec }: Options, { runningCount }: Scheduler): string {
  if (drainTimeoutSec === 0 || runningCount === 0) return "stopping";
  return `stopping, waiting at most ${drainTimeoutSec} s for running jobs (${runningCount})`;
}

function onUnexpected(handle: (reason: string) => void): void {
  const report = (error: unknown) =>
    handle(error instanceof Error ? error.stack ?? error.message : String(error));
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report(event.error);
  });
}

/** Runs the program; returns its exit status. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args, versionText);
    configureLog(options);
    if (options.check) return await check(options);
    if (options.background) return await mountInBackground(args);
    return await serve({ ...options, mountpoint: options.mountpoint! });
  } catch (error) {
    if (error instanceof Exit) return error.status;
    if (
      error instanceof Failure || error instanceof LibfuseMissing || error instanceof MountFailed
    ) {
      Deno.stderr.writeSync(new TextEncoder().encode(`qj: ${printable(error.message)}\n`));
      return error instanceof Failure ? error.status : 1;
    }
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    Deno.stderr.writeSync(new TextEncoder().encode(`qj: a bug in qj: ${printable(text)}\n`));
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
