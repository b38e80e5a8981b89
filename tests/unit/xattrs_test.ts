import assert from "node:assert/strict";
import type { Result } from "../../ffi/operations.ts";
import { Reply } from "../../ffi/reply.ts";
import {
  CONFIG_INO,
  jobIno,
  type JobNode,
  logIno,
  PENDING_INO,
  ROOT_INO,
  scriptIno,
} from "../../fs/ino.ts";
import type { JobId } from "../../store/job.ts";
import {
  Errno,
  errnoOf,
  type FileSystemFixture,
  fileSystemTest,
  STRANGER,
} from "./file_system_fixture.ts";
import { RecorderSink } from "./recorder_sink.ts";
import { bytes, FAILED, RETRY } from "./store_fixture.ts";

const NODES: readonly JobNode[] = [
  ...["directory", "script", "log", "attempts", "status", "signal", "wait"] as const,
];
const NAMES = ["state", "attempts", "exit_code", "priority", "queue"];

function get(f: FileSystemFixture, ino: number, name: string): string {
  return f.getxattr(ino, `user.qj.${name}`);
}

function ask(f: FileSystemFixture, handler: (reply: Reply) => Result): void {
  const sink = new RecorderSink();
  if (f.caller !== null) sink.caller_ = f.caller;
  try {
    handler(new Reply(sink));
  } catch (error) {
    throw new Errno(f.fs.errnoOf(error, "xattr"));
  }
  const [answer] = sink.answers;
  assert.ok(answer?.kind === "error" && sink.answers.length === 1);
  if (answer.errno !== 0) throw new Errno(answer.errno);
}

/** The errno of setxattr, or "ok". */
function set(f: FileSystemFixture, ino: number, name: string | null, value: string): string {
  return errnoOf(() => ask(f, (reply) => f.fs.setxattr(reply, ino, name, bytes(value))));
}

function remove(f: FileSystemFixture, ino: number, name: string | null): string {
  return errnoOf(() => ask(f, (reply) => f.fs.removexattr(reply, ino, name)));
}

fileSystemTest("every file of a job tells of it, in every state", (f) => {
  const { id } = f.submitted("x");
  const told = (name: string) => {
    const values = new Set(NODES.map((node) => {
      try {
        return get(f, jobIno(id, node), name);
      } catch (error) {
        return error instanceof Errno ? error.code : String(error);
      }
    }));
    assert.equal(values.size, 1, `${name}: ${[...values]}`);
    return [...values][0];
  };
  assert.deepEqual(NAMES.map(told), ["pending", "0", "ENODATA", "0", "ENODATA"]);
  const claim = f.claim();
  assert.deepEqual(NAMES.map(told), ["active", "0", "ENODATA", "0", "ENODATA"]);
  f.finish(claim, RETRY, { kind: "exited", code: 9 });
  assert.deepEqual(NAMES.map(told), ["pending", "1", "9", "0", "ENODATA"]);
  f.sql("UPDATE job SET queue = 'video', priority = -5");
  f.finish(f.claim(), { ...FAILED, attempts: 2 }, { kind: "signaled", signal: "SIGKILL" });
  assert.deepEqual(NAMES.map(told), ["failed", "2", "9", "-5", "video"]);
});

fileSystemTest("the log of an attempt tells of its job", (f) => {
  f.ended("x");
  const directory = jobIno(f.job("x").id, "attempts");
  const { ino } = f.lookup(directory, "1.log").attr;
  assert.equal(get(f, ino, "state"), "complete");
  assert.equal(get(f, ino, "exit_code"), "0");
});

fileSystemTest("listxattr() names what there is", (f) => {
  const { id } = f.submitted("x");
  const list = () => f.listxattr(scriptIno(id)).split("\0").slice(0, -1);
  assert.deepEqual(list(), ["user.qj.state", "user.qj.attempts", "user.qj.priority"]);
  f.sql("UPDATE job SET queue = 'video'");
  f.finish(f.claim(), RETRY, { kind: "exited", code: 1 });
  assert.deepEqual(list(), NAMES.map((name) => `user.qj.${name}`));
  for (const name of list()) assert.notEqual(f.getxattr(scriptIno(id), name), "");
  assert.equal(f.listxattr(ROOT_INO), "");
  assert.equal(f.listxattr(PENDING_INO), "");
});

fileSystemTest("sizes are told, and too little room is ERANGE", (f) => {
  const ino = scriptIno(f.submitted("x").id);
  assert.equal(f.xattrSize(ino, "user.qj.state"), "pending".length);
  assert.equal(f.getxattr(ino, "user.qj.state", 7), "pending");
  assert.equal(errnoOf(() => f.getxattr(ino, "user.qj.state", 6)), "ERANGE");
  assert.equal(errnoOf(() => f.listxattr(ino, 5)), "ERANGE");
});

fileSystemTest("other names: ENODATA, before any look at the job", (f) => {
  const { id } = f.submitted("x");
  const gone = logIno(99 as JobId);
  for (const name of ["user.qj.", "user.qj.State", "user.qj.error", "qj.state", "user.state"]) {
    assert.equal(errnoOf(() => f.getxattr(scriptIno(id), name)), "ENODATA", name);
    assert.equal(errnoOf(() => f.getxattr(gone, name)), "ENODATA", name);
  }
  for (const name of ["user.qj.toString", "user.qj.__proto__", "system.posix_acl_access"]) {
    assert.equal(errnoOf(() => f.getxattr(scriptIno(id), name)), "ENODATA", name);
  }
  assert.equal(errnoOf(() => f.getxattr(ROOT_INO, "user.qj.state")), "ENODATA");
  assert.equal(errnoOf(() => f.getxattr(gone, "user.qj.state")), "ESTALE");
});

fileSystemTest("the priority of a pending job moves it in the order, and is kept", (f) => {
  for (const name of ["a", "b", "c"]) f.submitted(name);
  f.heard.length = 0;
  f.nowMs += 2000;
  const ino = scriptIno(f.job("c").id);
  assert.equal(set(f, ino, "user.qj.priority", "10"), "ok");
  assert.deepEqual(f.heard, [{ kind: "queued" }]);
  assert.equal(f.getattr(ino).ctime.sec, f.nowMs / 1000);
  assert.equal(set(f, jobIno(f.job("b").id, "directory"), "user.qj.priority", "-1"), "ok");
  f.reopen();
  assert.equal(get(f, ino, "priority"), "10");
  assert.deepEqual([1, 2, 3].map(() => f.claim().job.name), ["c", "a", "b"]);
});

fileSystemTest("the priority of a job that waits for its retry, and of a draft, is kept", (f) => {
  const claim = f.running("x");
  f.finish(claim, { ...RETRY, retryAtMs: f.nowMs + 1000 });
  assert.equal(set(f, scriptIno(claim.job.id), "user.qj.priority", "7"), "ok");
  assert.equal(f.job("x").phase, "waiting");
  const draft = f.written(".y");
  assert.equal(set(f, scriptIno(draft.id), "user.qj.priority", "8"), "ok");
  f.rename("pending", ".y", "pending", "y");
  assert.equal(f.claim().job.priority, 8);
});

for (const value of ["1000", "-1000", "+5", "0", "-0", "0007"]) {
  fileSystemTest(`${value} is a priority`, (f) => {
    const ino = scriptIno(f.submitted("x").id);
    assert.equal(set(f, ino, "user.qj.priority", value), "ok");
    assert.equal(Number(get(f, ino, "priority")), Number(value) + 0);
    assert.match(get(f, ino, "priority"), /^-?[0-9]+$/);
  });
}

for (
  const value of ["", "1001", "-1001", "1.5", "1e2", " 1", "1\n", "ten", "0x10", "99999", "1\0"]
) {
  fileSystemTest(`${JSON.stringify(value)} is no priority`, (f) => {
    const ino = scriptIno(f.submitted("x").id);
    assert.equal(set(f, ino, "user.qj.priority", value), "EINVAL");
    assert.equal(get(f, ino, "priority"), "0");
  });
}

fileSystemTest("the priority of a job in another state: EPERM", (f) => {
  f.running("runs");
  f.ended("done");
  for (const name of ["runs", "done"]) {
    assert.equal(set(f, logIno(f.job(name).id), "user.qj.priority", "1"), "EPERM");
    assert.equal(set(f, logIno(f.job(name).id), "user.qj.priority", "x"), "EINVAL");
  }
});

fileSystemTest("the priority by another user: EACCES, whatever the modes say", (f) => {
  const ino = scriptIno(f.submitted("x").id);
  f.caller = STRANGER;
  assert.equal(set(f, ino, "user.qj.priority", "1"), "EACCES");
  f.caller = { ...STRANGER, uid: 0 };
  assert.equal(set(f, ino, "user.qj.priority", "1"), "ok");
});

fileSystemTest("nothing else can be set: ENOTSUP", (f) => {
  const ino = scriptIno(f.submitted("x").id);
  for (const name of ["user.qj.state", "user.qj.queue", "user.x", "security.selinux", null]) {
    assert.equal(set(f, ino, name, "1"), "ENOTSUP", String(name));
  }
  for (const fixed of [ROOT_INO, PENDING_INO, CONFIG_INO]) {
    assert.equal(set(f, fixed, "user.qj.priority", "1"), "ENOTSUP");
  }
});

fileSystemTest("nothing can be removed: EPERM for what is there, else ENODATA", (f) => {
  const ino = scriptIno(f.submitted("x").id);
  assert.equal(remove(f, ino, "user.qj.priority"), "EPERM");
  for (const name of ["user.qj.exit_code", "user.x", null]) {
    assert.equal(remove(f, ino, name), "ENODATA");
  }
  assert.equal(remove(f, ROOT_INO, "user.qj.state"), "ENODATA");
  assert.equal(remove(f, logIno(99 as JobId), "user.qj.state"), "ESTALE");
});
