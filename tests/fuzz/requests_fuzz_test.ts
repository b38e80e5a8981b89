/**
 * Any requests in any order: each has one answer, which is none that says that qj is at fault; those that may wait are
 * answered in the end; and afterwards a job can be made, listed and read as ever.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Reply } from "../../ffi/reply.ts";
import { E } from "../../fs/errno.ts";
import { PENDING_INO } from "../../fs/ino.ts";
import { FileSystemFixture } from "../unit/file_system_fixture.ts";
import { type Answer, RecorderSink } from "../unit/recorder_sink.ts";
import { withStore } from "../unit/store_fixture.ts";
import { anyRequest, type Request, type Targets } from "./requests.ts";
import { cases } from "./settings.ts";

/** Errnos that say something about the request. EIO would say that qj is broken. */
const EXPECTED: ReadonlySet<number> = new Set([
  0,
  ...[E.ENOENT, E.EEXIST, E.EPERM, E.EACCES, E.EINVAL, E.EILSEQ, E.ENAMETOOLONG, E.EBADF, E.EFBIG],
  ...[E.ESTALE, E.EISDIR, E.ENOTDIR, E.ENODATA, E.ENOTSUP, E.ERANGE, E.ESRCH, E.EINTR, E.ENOSPC],
  E.ENOTCONN, // for who waits for a job at the end
]);

/** Jobs in all states, and inode numbers of these, of what is fixed, and of nothing. */
function targetsOf(f: FileSystemFixture): Targets {
  f.ended("y");
  f.running("z");
  f.submitted("x");
  f.written(".draft");
  const gone = f.written("gone");
  f.store.moves.remove(gone);
  const inos = Array.from({ length: 16 }, (_, i) => i);
  const jobs = [1, 2, 3, 4, 5, 6].flatMap((id) => Array.from({ length: 9 }, (_, i) => id * 16 + i));
  const attempts = [0, 1, 2, 3, 99].map((id) => 2 ** 52 + id);
  return { inos: [...inos, ...jobs, ...attempts, 2 ** 53 - 1, 123_456_789], handles: [] };
}

function note({ handles }: Targets, answers: readonly Answer[]): void {
  for (const answer of answers) {
    if (answer.kind === "open" || answer.kind === "create") handles.push(answer.fh);
  }
}

interface Waiting {
  readonly request: Request;
  readonly sink: RecorderSink;
  isDone: boolean;
}

function assertAnswer({ text }: Request, answers: readonly Answer[]): void {
  assert.equal(answers.length, 1, text);
  const [answer] = answers;
  if (answer!.kind !== "error") return;
  const name = Object.entries(E).find(([, value]) => value === answer.errno)?.[0];
  assert(EXPECTED.has(answer.errno), `${text}: ${name}`);
}

/** Asks as dispatch.ts does. */
function ask(f: FileSystemFixture, request: Request, targets: Targets, waiting: Waiting[]): void {
  const sink = new RecorderSink();
  const failed = (error: unknown) => {
    assert.equal(sink.answers.length, 0, `${request.text}: an answer, and an error`);
    sink.error(f.fs.errnoOf(error, request.operation));
  };
  let result: void | Promise<void> = undefined;
  try {
    result = request.ask(f.fs, new Reply(sink), targets);
  } catch (error) {
    failed(error);
  }
  if (result instanceof Promise) {
    assert(request.mayWait, `${request.text} does not answer at once`);
    const one: Waiting = { request, sink, isDone: false };
    waiting.push(one);
    void result.catch(failed).then(() => one.isDone = true);
    return;
  }
  note(targets, sink.answers);
  assertAnswer(request, sink.answers);
}

async function settled(waiting: readonly Waiting[]): Promise<void> {
  // Answers of the disk and of readers that were told of the end.
  const deadline = performance.now() + 30_000;
  while (waiting.some(({ isDone }) => !isDone)) {
    assert(performance.now() < deadline, waiting.find(({ isDone }) => !isDone)!.request.text);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test("fuzz: requests", async () => {
  const counts = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRequest, { minLength: 40, maxLength: 60 }),
      (requests) =>
        withStore<FileSystemFixture>(async (f) => {
          const targets = targetsOf(f);
          const waiting: Waiting[] = [];
          for (const request of requests) {
            counts.set(request.operation, (counts.get(request.operation) ?? 0) + 1);
            ask(f, request, targets, waiting);
          }
          f.fs.endWaiting();
          await settled(waiting);
          for (const { request, sink } of waiting) assertAnswer(request, sink.answers);
          assert.deepEqual(
            f.logged.filter((line) => /^(unexpected|forgotten|storeFailed)/.test(line)),
            [],
          );
          f.put("fresh", "echo fresh\n");
          assert(f.names(PENDING_INO).includes("fresh"));
          const fh = f.open(f.lookup(PENDING_INO, "fresh").attr.ino);
          assert.equal(f.read(fh), "echo fresh\n");
          f.release(fh);
        }, (folder) => new FileSystemFixture(folder)),
    ),
    // Some fifty requests are one case of this one.
    { ...cases(0.35 / 50), endOnFailure: false, reporter: report },
  );
  assert.equal(counts.size, 24, [...counts.keys()].join());
});

function report(details: fc.RunDetails<[Request[]]>): void {
  if (!details.failed) return;
  const steps = (details.counterexample?.[0] ?? []).map(({ text }) => `  ${text}`);
  throw new Error(
    `QJ_FUZZ_SEED=${details.seed}\n${steps.join("\n")}\n${(details.errorInstance as Error)?.stack}`,
  );
}
