/** The benchmark still works: every row once, with hardly any work. What it measures then means nothing. */
import assert from "node:assert/strict";

const PROJECT = new URL("../../", import.meta.url).pathname;
/** All but those that mount every other file system again. */
const GROUPS = ["files", "durable", "throughput", "start", "output", "memory", "idle"];

Deno.test({
  name: "bench: every row of most groups, in a smoke test",
  ignore: Deno.uid() !== 0,
  async fn() {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "bench", "--smoke", ...GROUPS],
      cwd: PROJECT,
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.equal(code, 0, `${text}\n${new TextDecoder().decode(stderr)}`);
    const rows = JSON.parse(await Deno.readTextFile(`${PROJECT}dist/bench.json`));
    assert(rows.length > 15, text);
    for (const { row, values } of rows) {
      assert(text.includes(row), row);
      for (const [side, value] of Object.entries(values)) {
        assert(Number.isFinite(value), `${row}: ${side} is ${value}`);
      }
    }
  },
});
