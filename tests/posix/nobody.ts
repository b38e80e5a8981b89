/**
 * Runs a test file once more as nobody.
 *
 * In a mount namespace of its own: there /dev/fuse is open to all, and what nobody may not reach elsewhere (the project,
 * Deno and its cache may lie in root's home) is bound to where it may.
 */
import assert from "node:assert/strict";

const PROJECT = new URL("../../", import.meta.url).pathname;
const DEADLINE_SEC = 120;

const SCRIPT = `
  set -eu
  folder=$1 deno=$2 project=$3 cache=$4 file=$5 filter=$6
  shift 6
  cd "$folder"
  mknod -m 666 fuse c 10 229; mount --bind fuse /dev/fuse
  mkdir home project cache; touch deno; chown nobody home
  mount --bind "$deno" deno; mount --bind "$project" project; mount --bind "$cache" cache
  export HOME="$folder/home" TMPDIR="$folder/home" DENO_DIR="$folder/cache" NO_COLOR=1
  cd project
  exec setpriv --reuid nobody --regid nogroup --clear-groups "$folder/deno" test --allow-all --no-check \\
    --cached-only --filter "$filter" "$file" -- "$@"`;

/** Why it cannot be, or null. */
export async function whyNotAsNobody(): Promise<string | null> {
  if (Deno.uid() !== 0) return "only root can become another user";
  const hasMtab = await Deno.stat("/etc/mtab").then(() => true, () => false);
  return hasMtab ? null : "fusermount3 cannot unmount without /etc/mtab";
}

async function cacheFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** Needs root. `file` is a path in the project, `filter` chooses tests in it, `args` are for them. */
export async function testAsNobody(
  file: string,
  { filter, args }: { filter: string; args: readonly string[] },
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-nobody-" });
  await Deno.chmod(folder, 0o755);
  try {
    const { code, stdout, stderr } = await new Deno.Command("timeout", {
      args: ["-s", "KILL", String(DEADLINE_SEC), "unshare", "--mount", "--propagation", "private"]
        .concat("sh", "-c", SCRIPT, "sh", folder, Deno.execPath(), PROJECT, await cacheFolder())
        .concat(file, filter, args),
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    assert.equal(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
    assert.match(decoder.decode(stdout), /[1-9]\d* passed/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
