/**
 * The mount tests on the libfuse3.so.4 of Debian 13, in a root made by `tests/on_debian.sh`.
 *
 * That takes minutes and root rights, so it is done where QJ_DEBIAN13=1 asks for it, as .ci/run does; where no root
 * can be made it is skipped with the script's reason.
 */
import assert from "node:assert/strict";

const SCRIPT = new URL("../on_debian.sh", import.meta.url).pathname;
const SUITE = "trixie";
/** The script's exit status for "no root can be made here". */
const NO_ROOT = 77;

const wanted = Deno.env.get("QJ_DEBIAN13") === "1";

Deno.test({
  name: `Debian 13: the mount tests pass on libfuse3.so.4${
    wanted ? "" : " (not run: only with QJ_DEBIAN13=1)"
  }`,
  ignore: !wanted,
  fn: async (t) => {
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: [SCRIPT, SUITE],
      // The deno that runs this test is the one to take along.
      env: {
        PATH: `${Deno.execPath().replace(/\/[^/]*$/, "")}:${Deno.env.get("PATH") ?? ""}`,
        NO_COLOR: "1",
      },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    const [text, errors] = [decoder.decode(stdout), decoder.decode(stderr)];
    if (code === NO_ROOT) {
      // Only now it is known: a step that is ignored makes the report count it as skipped, with the reason as its name.
      await t.step({ name: `skipped: ${errors.trim()}`, ignore: true, fn: () => {} });
      return;
    }
    assert.equal(code, 0, `${errors}\n${text}`);
    assert.match(text, /\(libfuse3\.so\.4\)/);
    const last = text.trim().split("\n").at(-1)!;
    await t.step(`there: ${last}`, () => assert.match(last, /^[1-9]\d* passed, 0 failed/));
  },
});
