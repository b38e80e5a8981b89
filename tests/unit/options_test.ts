import assert from "node:assert/strict";
import { Failure } from "../../cli/failure.ts";
import { LOG_FORMATS, LOG_LEVELS, USAGE } from "../../cli/option_values.ts";
import { Exit, parseOptions } from "../../cli/options.ts";

interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Parses arguments that end the program, and gives what was printed. */
function ended(...args: string[]): Run {
  const printed = { stdout: "", stderr: "" };
  const original = { stdout: Deno.stdout.writeSync, stderr: Deno.stderr.writeSync };
  const names = ["stdout", "stderr"] as const;
  try {
    for (const name of names) {
      Deno[name].writeSync = (bytes) => {
        printed[name] += new TextDecoder().decode(bytes);
        return bytes.length;
      };
    }
    parseOptions(args, () => "qj 1.2.3");
  } catch (error) {
    if (error instanceof Failure) {
      return { status: error.status, stdout: "", stderr: `qj: ${error.message}` };
    }
    if (!(error instanceof Exit)) throw error;
    return { status: error.status, ...printed };
  } finally {
    for (const name of names) Deno[name].writeSync = original[name];
  }
  assert.fail(`${args.join(" ")} was taken`);
}

function parsed(...args: string[]) {
  return parseOptions(args, () => assert.fail("nobody asked for the version"));
}

const NO_SANDBOX = {
  ...{ readFolders: [], readFiles: [], writeFolders: [], writeFiles: [] },
  ...{ connect: [], bind: [] },
};

const NO_PAGES = {
  http: undefined,
  httpTokenFile: undefined,
  httpReadOnly: false,
  httpInsecureBind: false,
  httpHosts: [],
};
const NO_HELPER = { source: undefined, background: false, check: false, tellReady: false };

Deno.test("parseOptions() takes a source, which names the state file", () => {
  const { stateFile, source, mountpoint } = parsed("/q.db", "m");
  assert.deepEqual([stateFile, source, mountpoint], ["/q.db", "/q.db", "m"]);
  for (const name of ["qj", "none"]) {
    const named = parsed(name, "m", "--state-file", "/q.db");
    assert.deepEqual([named.stateFile, named.source], ["/q.db", name]);
    assert.equal(parsed(name, "m").stateFile, undefined);
  }
});

Deno.test("parseOptions() takes what mount(8) says behind -o", () => {
  const plain =
    "rw,dev,suid,exec,auto,noauto,user,nofail,_netdev,defaults,x-systemd.automount,x-a=b";
  const without = parsed("none", "m", "-o", plain);
  assert.deepEqual({ ...without, background: false }, parsed("none", "m"));
  assert.equal(without.background, true);
  assert.equal(parsed("none", "m", "-o", plain, "-f").background, false);
  const own =
    "allow_other,log_level=debug,log_format=json,drain_timeout=1.5,state_file=/a\\,b\\\\c";
  assert.deepEqual(
    { ...parsed("m", "-o", own), background: false },
    {
      ...parsed(...["--allow-other", "--log-level", "debug", "--log-format", "json"], "m"),
      ...{ drainTimeoutSec: 1.5, stateFile: "/a,b\\c", stateFileKnob: "-o state_file" },
    },
  );
  const { runAs, runAsRoot, allowOther } = parsed("m", "-o", "run_as=owner,run_as_root");
  assert.deepEqual([runAs, runAsRoot, allowOther], ["owner", true, true]);
});

Deno.test("parseOptions() needs no mountpoint for a check", () => {
  assert.deepEqual([parsed("--check").check, parsed("--check").mountpoint], [true, undefined]);
});

Deno.test("parseOptions() has defaults", () => {
  assert.deepEqual(parsed("/mnt"), {
    ...NO_SANDBOX,
    ...NO_PAGES,
    runAs: undefined,
    runAsRoot: false,
    stateFile: undefined,
    allowOther: false,
    drainTimeoutSec: 0,
    logLevel: "info",
    logFormat: "text",
    ...NO_HELPER,
    mountpoint: "/mnt",
  });
});

Deno.test("parseOptions() takes options before and after the mountpoint", () => {
  const expected = {
    ...{ stateFile: "/q.db", allowOther: true, logLevel: "debug", logFormat: "json" },
    ...{ mountpoint: "mnt", drainTimeoutSec: 2.5, runAs: undefined, runAsRoot: false },
    ...NO_SANDBOX,
    ...NO_PAGES,
    ...NO_HELPER,
  };
  const options = ["--state-file", "/q.db", "--allow-other", "--drain-timeout", "2.5"];
  const rest = ["--log-level=debug", "--log-format=json"];
  assert.deepEqual(parsed(...options, ...rest, "mnt"), expected);
  assert.deepEqual(parsed("mnt", ...options, ...rest), expected);
  assert.deepEqual(parsed(...options, "mnt", ...rest), expected);
});

Deno.test("parseOptions() takes the options of the sandbox as often as they are given", () => {
  const options = ["-ro", "/a", "-ro=/b", "-rof", "c", "-rw", "/d", "-rwf", "/e", "-rwf", "/f"];
  const ports = ["--connect", "80", "--connect", "443", "--bind", "0"];
  const { readFolders, readFiles, writeFolders, writeFiles, connect, bind } = parsed(
    ...options,
    ...ports,
    "m",
  );
  assert.deepEqual(
    { readFolders, readFiles, writeFolders, writeFiles, connect, bind },
    {
      readFolders: ["/a", "/b"],
      readFiles: ["c"],
      writeFolders: ["/d"],
      writeFiles: ["/e", "/f"],
      connect: [80, 443],
      bind: [0],
    },
  );
});

Deno.test("parseOptions() lets other users enter where jobs run as their owners", () => {
  const { runAs, allowOther, runAsRoot } = parsed("--run-as", "owner", "--run-as-root", "m");
  assert.deepEqual([runAs, allowOther, runAsRoot], ["owner", true, true]);
  assert.throws(() => parsed("--run-as-root", "m"), /only with --run-as owner/);
});

Deno.test("parseOptions() takes a mountpoint that looks like an option behind --", () => {
  assert.equal(parsed("--", "-mnt").mountpoint, "-mnt");
});

Deno.test("parseOptions() knows all levels and formats", () => {
  for (const level of LOG_LEVELS) assert.equal(parsed("--log-level", level, "m").logLevel, level);
  for (const format of LOG_FORMATS) {
    assert.equal(parsed("--log-format", format, "m").logFormat, format);
  }
});

const BAD: readonly string[][] = [
  [],
  ["/a", "/b", "/c"],
  ["/a", "/b", "--state-file", "/q.db"],
  ["/mnt", "-o"],
  ...["ro", "bogus", "state_file=", "run_as=me", "log_level=loud", "drain_timeout=x", "__proto__"]
    .map((option) => ["/mnt", "-o", option]),
  ["--nonsense", "/mnt"],
  ["--state-file"],
  ["--state-file", "/q.db"],
  ["--log-level", "loud", "/mnt"],
  ["--allow-other=yes", "/mnt"],
  ["--drain-timeout", "-1", "/mnt"],
  ["--drain-timeout", "soon", "/mnt"],
  ["--drain-timeout", "Infinity", "/mnt"],
];

for (const args of BAD) {
  Deno.test(`parseOptions() refuses ${JSON.stringify(args)} as bad usage`, () => {
    const { status, stdout, stderr } = ended(...args);
    assert.equal(status, USAGE);
    assert.equal(stdout, "");
    assert.match(stderr, /^qj: /);
  });
}

Deno.test("parseOptions() says that the mountpoint is missing", () => {
  assert.match(ended().stderr, /MOUNTPOINT is missing/);
});

Deno.test("parseOptions() prints help and version to stdout", () => {
  const help = ended("--help");
  assert.deepEqual([help.status, help.stderr], [0, ""]);
  for (
    const word of [
      ...["MOUNTPOINT", "--state-file", "--allow-other", "--drain-timeout", "--log-level"],
      "--log-format",
    ]
  ) {
    assert.ok(help.stdout.includes(word), word);
  }
  const version = ended("--version");
  assert.deepEqual([version.status, version.stderr], [0, ""]);
  assert.match(version.stdout, /qj 1\.2\.3/);
});
