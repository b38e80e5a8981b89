/** config.json. */
import assert from "node:assert/strict";
import { Qj } from "./qj.ts";

Deno.test("config: what cannot be valid is refused at write, and named in user.qj.error", async () => {
  await using qj = await Qj.start();
  const before = await Deno.readTextFile(qj.path("config.json"));
  const bad: readonly (readonly [string, RegExp])[] = [
    ['{"max_attempts": 0}', /max_attempts must be at least 1/],
    ['{"max_attempts": "4"}', /max_attempts must be a number/],
    ['{"max_attempts": 1.5}', /max_attempts must be a whole number/],
    ['{"backoff_jitter": 1e309}', /backoff_jitter/],
    ['{"colour": 1}', /unknown key \\"colour\\"/],
    ['{"paused": true, "paused": false}', /\\"paused\\" is given twice/],
    ["{]", /not valid JSON/],
    ["[1]", /not a JSON object/],
    [`{"paused": ${"[".repeat(100)}`, /nested too deeply/],
    ["hello", /not a JSON object/],
    ['{"paused": true} x', /EndOfFileExpected|InvalidSymbol/],
  ];
  for (const [text, reason] of bad) {
    const from = qj.logLength;
    const { code, stderr } = await qj.sh(`echo '${text}' > config.json`);
    assert.equal(code, 1, text);
    assert.match(stderr, /write error: Invalid argument/);
    assert.match(JSON.stringify(await qj.logged(/was not changed/, from)), reason);
  }
  assert.equal(await Deno.readTextFile(qj.path("config.json")), before);
});

Deno.test("config: a document may come in pieces; one that stays incomplete is refused at close", async () => {
  await using qj = await Qj.start();
  using file = await Deno.open(qj.path("config.json"), { write: true, truncate: true });
  for (const byte of new TextEncoder().encode('{"max_attempts": 7}\n')) {
    await file.write(new Uint8Array([byte]));
  }
  assert.equal((await qj.sh("jq .max_attempts config.json")).stdout, "7\n");
  await qj.sh(`printf '{"max_attempts":' > config.json`);
  await qj.logged(/was not changed: the text is not complete/);
  assert.equal((await qj.sh("jq .max_attempts config.json")).stdout, "7\n");
});

Deno.test("config: keys left out keep their value, nothing written changes nothing", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 7, timeout_sec: 9 } });
  assert.equal((await qj.sh(`echo '{"timeout_sec": 8}' > config.json; : > config.json`)).code, 0);
  assert.equal(
    (await qj.sh("jq -c '[.max_attempts, .timeout_sec]' config.json")).stdout,
    "[7,8]\n",
  );
  assert.equal(
    (await qj.sh("truncate -s 0 config.json; jq .timeout_sec config.json")).stdout,
    "8\n",
  );
});

Deno.test("config: settings outlive the daemon, and its mode is 0600", async () => {
  await using qj = await Qj.start({ settings: { max_attempts: 7 } });
  assert.equal((await qj.sh("stat -c %a config.json")).stdout, "600\n");
  await qj.sh("chmod 640 config.json");
  await qj.end("SIGKILL");
  await qj.restart();
  assert.equal(
    (await qj.sh("stat -c %a config.json; jq .max_attempts config.json")).stdout,
    "640\n7\n",
  );
});

Deno.test("config: paused and max_job_count 0 start nothing, and going on starts what waits", async () => {
  await using qj = await Qj.start({ settings: { settle_ms: 0 } });
  for (
    const [stop, go] of [['{"paused": true}', '{"paused": false}'], [
      '{"max_job_count": 0}',
      '{"max_job_count": 1}',
    ]]
  ) {
    const name = stop!.length.toString();
    await qj.sh(`echo '${stop}' > config.json`);
    await qj.submit(name, "echo went");
    await qj.sh("ls pending active complete; sync pending/*");
    assert.deepEqual(await qj.ls("pending"), [name]);
    await qj.sh(`echo '${go}' > config.json`);
    await qj.in("complete", name);
  }
});
