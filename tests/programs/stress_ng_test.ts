/**
 * The file stressors of stress-ng that need only regular files. It makes a folder for them, which pending/ does not have:
 * folder_to_pending.c has it make a link instead. How to make this take longer: see stress.ts.
 */
import assert from "node:assert/strict";
import type { Qj } from "../mount/qj.ts";
import { run, testStress } from "./stress.ts";

/**
 * With what keeps their files below max_script_bytes. Not copy-file: it copies 128 MiB at least, which is beyond that.
 */
const STRESSORS: Readonly<Record<string, string>> = {
  access: "",
  chmod: "",
  chown: "",
  dentry: "",
  dirmany: "",
  fallocate: "--fallocate-bytes 8m",
  filename: "",
  flock: "",
  fstat: "",
  getdent: "",
  hdd: "--hdd-bytes 8m",
  iomix: "--iomix-bytes 8m",
  lease: "",
  mknod: "",
  open: "",
  readahead: "--readahead-bytes 8m",
  rename: "",
  seek: "--seek-size 4m",
  "sync-file": "--sync-file-bytes 4m",
  touch: "",
  utime: "",
};
/** So many run at once, so that the whole does not take long. The messages name the one that fails. */
const GROUP = 3;
const GROUP_SECONDS = 2;
const TOGETHER_SECONDS = 5;

const SOURCE = new URL("folder_to_pending.c", import.meta.url).pathname;

async function stress(qj: Qj, stressors: readonly string[], seconds: number): Promise<void> {
  const parent = `${qj.folder}/stress`;
  const library = `${qj.folder}/folder_to_pending.so`;
  const options = stressors.map((name) => `--${name} 1 ${STRESSORS[name]}`).join(" ");
  const said = await run(
    qj,
    `set -e; mkdir -p ${parent}; [ -e ${library} ] || gcc -shared -fPIC -O2 -o ${library} ${SOURCE} -ldl
     LD_PRELOAD=${library} QJ_PARENT=${parent} QJ_TARGET=${qj.path("pending")} \\
       stress-ng ${options} --verify --temp-path ${parent} -t ${seconds}`,
  );
  assert.doesNotMatch(said, /stress-ng: (fail|error|warn)/);
  assert.deepEqual([...Deno.readDirSync(parent)], []);
  assert.deepEqual(await qj.ls("pending"), []);
}

testStress("stress-ng, a few stressors at a time", ["stress-ng", "gcc"], async (qj, t) => {
  const names = Object.keys(STRESSORS);
  for (let i = 0; i < names.length; i += GROUP) {
    const group = names.slice(i, i + GROUP);
    await t.step(group.join(", "), () => stress(qj, group, GROUP_SECONDS));
  }
});

testStress("stress-ng, all stressors together", ["stress-ng", "gcc"], async (qj) => {
  await stress(qj, Object.keys(STRESSORS), TOGETHER_SECONDS);
});
