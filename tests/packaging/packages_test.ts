/**
 * The packages, made by the tools that are installed here, and looked at by those tools; and the .deb on a fresh Debian.
 *
 * Without a tool a test is skipped with the reason; in CI ./bootstrap has installed the tools, and one that is missing is a
 * failure. Only Nix is asked for nowhere: its package of Debian does not work without a daemon and users of its own.
 */
import assert from "node:assert/strict";

const PROJECT = new URL("../../", import.meta.url).pathname;
/** The exit status of on_debian.sh for "no root can be made here": not as root, without debootstrap or namespaces. */
const NO_ROOT = 77;
/** Not among what ./bootstrap installs. */
const OPTIONAL: ReadonlySet<string> = new Set(["nix-instantiate"]);

interface Output {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

async function run(program: string, args: readonly string[], cwd = PROJECT): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, error: error! };
}

async function ran(program: string, args: readonly string[], cwd = PROJECT): Promise<string> {
  const { code, out, error } = await run(program, args, cwd);
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${out}${error}`);
  return out;
}

const has = async (program: string) =>
  (await run("sh", ["-c", `command -v ${program}`])).code === 0;

const deno = Deno.execPath();
const compiled = await run(deno, ["task", "--quiet", "compile"]);
const skip = compiled.code !== 0 && !Deno.env.get("CI") && !Deno.env.get("DENORT_BIN");
if (skip) {
  const reason = "packages: skipped, since there is no denort to compile with (see DENORT_BIN)\n";
  Deno.stderr.writeSync(new TextEncoder().encode(reason));
}
const version = JSON.parse(await Deno.readTextFile(`${PROJECT}deno.json`)).version as string;
const isX86 = Deno.build.arch === "x86_64";
const DEB = `${PROJECT}dist/qj_${version}_${isX86 ? "amd64" : "arm64"}.deb`;
const RPM = `${PROJECT}dist/qj-${version}-1.${Deno.build.arch}.rpm`;
const ARCH = `${PROJECT}dist/qj-${version}-1-${Deno.build.arch}.pkg.tar.zst`;

/** What every package has, with the folder of zsh's completions. */
const files = (zsh: string) => [
  "/usr/bin/qj",
  "/usr/share/man/man1/qj.1.gz",
  "/usr/share/man/man5/qj.5.gz",
  "/usr/share/bash-completion/completions/qj",
  `/usr/share/zsh/${zsh}/_qj`,
  "/usr/share/fish/vendor_completions.d/qj.fish",
  "/usr/lib/systemd/system/qj@.service",
  "/usr/lib/systemd/user/qj.service",
  "/usr/share/doc/qj/examples/config.json",
];

function packageTest(tools: readonly string[], name: string, fn: () => Promise<void>): void {
  Deno.test({
    name,
    ignore: skip,
    fn: async (t) => {
      assert.equal(compiled.code, 0, compiled.error);
      for (const tool of tools) {
        if (await has(tool)) continue;
        assert.ok(!Deno.env.get("CI") || OPTIONAL.has(tool), `there is no ${tool}`);
        await t.step({ name: `skipped: there is no ${tool}`, ignore: true, fn: () => {} });
        return;
      }
      await fn();
    },
  });
}

async function hash(path: string): Promise<string> {
  return (await ran("sha256sum", [path])).split(" ")[0]!;
}

packageTest(
  [],
  "the same sources make the same executable, in another folder and later",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
    try {
      await ran("cp", [
        "-R",
        ...["cli", "ffi", "fs", "packaging", "scheduler", "store", "web", "main.ts", "deno.json"],
        "deno.lock",
        folder,
      ]);
      await ran("find", [folder, "-exec", "touch", "-d", "2001-02-03", "{}", "+"]);
      await ran(deno, ["task", "--quiet", "compile"], folder);
      assert.equal(await hash(`${folder}/dist/qj`), await hash(`${PROJECT}dist/qj`));
      const text = await Deno.readFile(`${folder}/dist/qj`);
      // Neither where it was made nor where packages are kept.
      for (const path of [folder, PROJECT]) {
        assert.equal((await run("grep", ["-c", "-a", "-F", path, `${folder}/dist/qj`])).out, "0\n");
      }
      assert.ok(text.length > 50_000_000);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

Deno.test("compile says what a target is, and which denort is missing", async () => {
  const other = isX86 ? "aarch64" : "x86_64";
  const env = { [`DENORT_BIN_${other.toUpperCase()}`]: "/nonexistent/denort" };
  const start = async (args: string[]) => {
    const { code, stderr } = await new Deno.Command(deno, {
      args: ["run", "--quiet", "--allow-all", "packaging/compile.ts", ...args],
      cwd: PROJECT,
      env,
    }).output();
    return [code, new TextDecoder().decode(stderr)] as const;
  };
  const [code, error] = await start(["--target", other]);
  assert.equal(code, 1);
  assert.match(
    error,
    /^compile: DENORT_BIN_\w+ names "\/nonexistent\/denort", which is not a file/,
  );
  assert.match((await start(["--target", "vax"]))[1], /--target must be one of .*"vax"/);
});

packageTest([], "compile --bundle makes what an installed Deno runs", async () => {
  const folder = `${PROJECT}dist/bundle`;
  try {
    await ran(deno, ["task", "--quiet", "compile", "--bundle"]);
    const args = ["run", "--quiet", "--allow-all", "--no-config", `${folder}/main.js`];
    assert.match(await ran(deno, [...args, "--version"], "/"), /^qj \d/);
    assert.equal((await run(deno, [...args, "--check", "-ro", "/usr"], "/")).error, "");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

packageTest(
  ["dpkg-deb"],
  "the .deb has its files, and is the same each time",
  async () => {
    await ran(deno, ["task", "--quiet", "package", "deb"]);
    const first = await hash(DEB);
    const listed = await ran("dpkg-deb", ["--contents", DEB]);
    for (const file of files("vendor-completions")) {
      assert.match(listed, new RegExp(`root/root .* \\.${file.replaceAll(".", "\\.")}$`, "m"));
    }
    assert.match(listed, /^-rwxr-xr-x root\/root .*\/usr\/bin\/qj$/m);
    assert.match(
      await ran("dpkg-deb", ["--field", DEB, "Depends"]),
      /libfuse3-4 \| libfuse3-3, fuse3/,
    );
    const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
    try {
      await ran("dpkg-deb", ["--extract", DEB, folder]);
      assert.equal(await hash(`${folder}/usr/bin/qj`), await hash(`${PROJECT}dist/qj`));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    await ran(deno, ["task", "--quiet", "package", "deb"]);
    assert.equal(await hash(DEB), first);
  },
);

packageTest(["lintian", "dpkg-deb"], "lintian is content with the .deb", async () => {
  await ran(deno, ["task", "--quiet", "package", "deb"]);
  await ran("lintian", ["--fail-on", "error,warning", DEB]);
});

packageTest(
  ["rpmbuild", "rpm2cpio", "cpio"],
  "the .rpm has its files and what it depends on",
  async () => {
    await ran(deno, ["task", "--quiet", "package", "rpm"]);
    const listed = await ran("rpm", ["-qlvp", RPM]);
    for (const file of files("site-functions")) {
      assert.match(listed, new RegExp(`root +root .* ${file.replaceAll(".", "\\.")}$`, "m"));
    }
    const needs = await ran("rpm", ["-qpR", RPM]);
    for (const name of ["fuse3", "fuse3-libs", "util-linux"]) {
      assert.ok(
        needs.includes(`${name}\n`),
      );
    }
    const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
    try {
      await ran("sh", ["-c", 'rpm2cpio "$1" | cpio -id --quiet', "sh", RPM], folder);
      assert.equal(await hash(`${folder}/usr/bin/qj`), await hash(`${PROJECT}dist/qj`));
      assert.match(await ran(`${folder}/usr/bin/qj`, ["--version"]), /^qj /);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

packageTest(["makepkg", "bsdtar", "pacman"], "the package of Arch has its files", async () => {
  await ran(deno, ["task", "--quiet", "package", "arch"]);
  const listed = await ran("bsdtar", ["-tvf", ARCH]);
  for (const file of files("site-functions")) {
    assert.match(listed, new RegExp(`root +root .* ${file.slice(1).replaceAll(".", "\\.")}$`, "m"));
  }
  assert.match(await ran("bsdtar", ["-xOf", ARCH, ".PKGINFO"]), /^depend = fuse3$/m);
});

packageTest([], "install.sh installs a program that works, and takes all of it away", async () => {
  await ran(deno, ["task", "--quiet", "man"]);
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  try {
    const script = ["packaging/install.sh", "--prefix", `${folder}/usr`];
    await ran("sh", script);
    assert.match(await ran(`${folder}/usr/bin/qj`, ["--version"]), /^qj /);
    const unit = await Deno.readTextFile(`${folder}/usr/lib/systemd/system/qj@.service`);
    assert.ok(unit.includes(`ExecStart=${folder}/usr/bin/qj `));
    await ran("sh", [...script, "--uninstall"]);
    assert.equal(await ran("find", [folder, "-type", "f"]), "");
    const home = await run("sh", ["packaging/install.sh", "--prefix", "relative"]);
    assert.match(home.error, /--prefix must be an absolute path/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

packageTest(["shellcheck"], "shellcheck finds nothing in the scripts of the packages", async () => {
  const scripts = ["install.sh", "debian/postinst", "debian/prerm", "debian/postrm"];
  await ran("shellcheck", scripts.map((name) => `packaging/${name}`));
});

packageTest(["nix-instantiate"], "the Nix expression is one", async () => {
  await ran("nix-instantiate", ["--parse", "packaging/nix/package.nix"]);
});

Deno.test({
  name: "the .deb on a fresh Debian 12: installed, used as the README says, removed",
  ignore: skip || Deno.uid() !== 0,
  fn: async (t) => {
    assert.equal(compiled.code, 0, compiled.error);
    if (!await Deno.stat(DEB).then(() => true, () => false)) {
      await ran(deno, ["task", "--quiet", "package", "deb"]);
    }
    const { code, out, error } = await run("timeout", [
      ...["-k", "10", "400", "sh", "tests/on_debian.sh", "--deb", DEB, "bookworm"],
    ]);
    if (code === NO_ROOT) {
      await t.step({ name: `skipped: ${error.trim()}`, ignore: true, fn: () => {} });
      return;
    }
    assert.match(out, /\n1\d passed, 0 failed\n$|\n2\d passed, 0 failed\n$/, `${out}${error}`);
    assert.equal(code, 0);
  },
});
