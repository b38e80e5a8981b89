/** Who is not let in, forms from elsewhere, and what may only be seen. */
import assert from "node:assert/strict";
import { Qj } from "../mount/qj.ts";
import { asRoot, assertSound, assertStrange, FORM, handleOf, HTTP, seen } from "./attacks.ts";
import { Client, type Fields, formBody, type HeaderFields, readPage } from "./client.ts";

const ROUTES: readonly (readonly ["GET" | "POST" | "HEAD", string])[] = [
  ...["/", "/?range=day", "/jobs", "/jobs?state=failed&q=a", "/named/a", "/jobs/1", "/jobs/1/log"]
    .map((path) => ["GET", path] as const),
  ...["/jobs/1/script", "/jobs/1/attempts/1.log", "/live", "/jobs/1/log/live", "/submit"]
    .map((path) => ["GET", path] as const),
  ...["/settings", "/nothing", "/jobs/999", "/sign-in", "/sign-out", "/actions"]
    .map((path) => ["GET", path] as const),
  ...["/", "/jobs/1", "/live", "/jobs/1/log/live"].map((path) => ["HEAD", path] as const),
  ...["/actions", "/submit", "/settings", "/sign-out", "/sign-in", "/", "/jobs/1", "/nothing"]
    .map((path) => ["POST", path] as const),
];

Deno.test("attacks: without the token nothing is shown and nothing is done", async () => {
  await using qj = await Qj.start({ args: HTTP, settings: { paused: true } });
  await using other = await Qj.start({ args: HTTP });
  await qj.submit("a-secret", "echo a-secret");
  const before = await seen(qj);
  const client = await Client.signedIn(qj);
  const stranger = new Client(client.place, "");
  const [name, value] = client.cookie!.split("=") as [string, string];
  const otherCookie = (await Client.signedIn(other)).cookie!;
  const otherValue = otherCookie.slice(otherCookie.indexOf("=") + 1);
  const cookies = [
    null,
    "",
    `${name}=`,
    `${name}=${client.token}`,
    `${name}=${client.formToken}`,
    `${name}=${value.slice(0, -1)}`,
    `${name}=${value}x`,
    `${name.toUpperCase()}=${value}`,
    otherCookie,
    `${name}=${otherValue}`,
  ];
  const form: Fields = { form_token: client.formToken, command: "resume", name: "x", script: "a" };
  for (const cookie of cookies) {
    // All routes once; with the other cookies those that would tell most.
    const routes = cookie === null
      ? ROUTES
      : ROUTES.filter(([, path]) => /^\/(jobs\/1|live|actions)?$/.test(path));
    for (const [method, path] of routes) {
      const answer = method === "POST"
        ? await stranger.post(path, form, { cookie })
        : await stranger.ask(method, path, { headers: { cookie } });
      assert.equal(answer.status, 401, `${method} ${path} ${cookie}`);
      assert.doesNotMatch(answer.text, /a-secret|name="form_token"/, path);
      assert.equal(answer.headers.get("set-cookie"), null);
    }
  }
  const tokens = ["", "x", client.token.slice(1), `${client.token}x`, "<script>", client.formToken];
  for (const token of tokens) {
    const sent = encodeURIComponent(token);
    for (
      const answer of [
        await stranger.get(`/?token=${sent}`),
        await stranger.get(`/jobs?token=${client.token}`),
        await stranger.post("/sign-in", { token }),
      ]
    ) {
      assert.equal(answer.status, 401);
      assert.equal(answer.headers.get("set-cookie"), null);
      readPage(answer.text);
      if (token.length > 1) assert(!answer.text.includes(token));
    }
  }
  for (const [path, type] of [["style.css", "text/css"], ["icon.svg", "image/svg+xml"]]) {
    const { status, headers } = await stranger.get(`/${path}`);
    assert.deepEqual([status, headers.get("content-type")!.split(";")[0]], [200, type]);
  }
  assert.equal((await stranger.get("/script.js")).status, 200);
  assert.equal(await seen(qj), before);
  assertSound(qj);
});

Deno.test("attacks: the token gives a cookie, which ends with it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  try {
    await using qj = await Qj.start({ args: HTTP, folder });
    const client = await Client.of(qj);
    const answer = await client.post("/sign-in", { token: client.token }, {
      origin: `https://${client.host}`,
      "x-forwarded-proto": "https",
    });
    assert.match(
      answer.headers.get("set-cookie")!,
      /^qj-[\w-]{12}=[\w-]{43}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict; Secure$/,
    );
    readPage(answer.text);
    const foreign = await client.post("/sign-in", { token: client.token }, {
      origin: "https://evil.example",
    });
    assert.deepEqual([foreign.status, foreign.headers.get("set-cookie")], [403, null]);
    await client.signIn();
    const out = await client.post("/sign-out");
    assert.match(out.headers.get("set-cookie")!, /^qj-[\w-]{12}=; .*Max-Age=0/);
    assert.doesNotMatch(qj.log.replace(/pages: \S+/, ""), new RegExp(client.token));
    await qj.end();
    await qj.restart();
    const again = await Client.of(qj);
    again.cookie = client.cookie;
    assert.equal((await again.get("/")).status, 200, "a cookie outlives the daemon");
    await qj.end();
    await Deno.remove(`${qj.stateFile}.token`);
    await qj.restart();
    const anew = await Client.of(qj);
    anew.cookie = client.cookie;
    assert.equal((await anew.get("/")).status, 401, "and not the token");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("attacks: a Host that is not ours (DNS rebinding)", async () => {
  await using qj = await Qj.start({
    args: [...HTTP, "--http-host", "qj.example.org", "--http-host", "qj.example.org:8443"],
  });
  const client = await Client.signedIn(qj);
  const { port } = client.place as Deno.NetAddr;
  const own = [
    ...[`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`],
    ...["qj.example.org", "QJ.example.org", "qj.example.org:8443"],
  ];
  for (const host of own) assert.equal((await client.get("/", { host })).status, 200, host);
  const others = [
    ...["evil.example", `evil.example:${port}`, `127.0.0.1:${port + 1}`, "127.0.0.1", "localhost"],
    ...["", `127.0.0.2:${port}`, `[::1]:${port}`, `127.1:${port}`, `2130706433:${port}`],
    ...[`localhost.:${port}`, `127.0.0.1.:${port}`, `127.0.0.1:0${port}`],
    ...[`evil.example@127.0.0.1:${port}`, `127.0.0.1:${port}@evil.example`],
    ...["qj.example.org:80", "qj.example.org.", "xqj.example.org", "qj.example.org:8443:8443"],
    ...[`localhost:${port}, evil.example`, `evil.example, localhost:${port}`],
    ...[`127.0.0.1:${port}/`, `127.0.0.1:${port}.evil.example`, `evil.example/127.0.0.1:${port}`],
  ];
  for (const host of others) {
    for (const path of ["/", "/live", "/style.css", "/jobs/1/log"]) {
      const { status, text } = await client.get(path, { host });
      assertStrange(status, host);
      assert(!text.includes("form_token"));
    }
  }
  const raw = [
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    `GET / HTTP/1.1\r\nHost: evil.example\r\nHost: ${client.host}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${client.host}\r\nHost: evil.example\r\n\r\n`,
    `GET http://${client.host}/ HTTP/1.1\r\nHost: evil.example\r\n\r\n`,
    "PUT / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
  ];
  for (const request of raw) {
    const { status } = await client.raw(
      request.replace("\r\n", `\r\nCookie: ${client.cookie}\r\n`),
    );
    assertStrange(status, request);
  }
  assertSound(qj);
});

/** Forms that do something, and what is seen of it. `victim` stands for a job. */
function actingForms(victim: string): readonly (readonly [string, Fields])[] {
  return [
    ["/actions", { command: "resume" }],
    ["/actions", { command: "delete", job: victim }],
    ["/actions", { command: "priority", value: "7", job: victim }],
    ["/submit", { name: "evil", script: "touch evil" }],
    ["/settings", { was_max_attempts: "3", max_attempts: "7" }],
  ];
}

Deno.test("attacks: a form from elsewhere does nothing", async () => {
  await using qj = await Qj.start({ args: HTTP, settings: { paused: true } });
  await qj.submit("victim", "echo victim");
  const client = await Client.signedIn(qj);
  const { port } = client.place as Deno.NetAddr;
  const forms = actingForms(await handleOf(client, "victim"));
  const before = await seen(qj);
  const places: readonly HeaderFields[] = [
    ...[
      "https://evil.example",
      "null",
      `http://127.0.0.1:${port + 1}`,
      "http://127.0.0.1",
      "http://localhost:1",
      `http://evil.example:${port}`,
      `http://${client.host}.evil.example`,
      "",
      "file://",
      client.host,
      `http://${client.host} https://evil.example`,
    ].map((origin) => ({ origin })),
    ...["cross-site", "same-site", "CROSS-SITE", "", "x"].flatMap((site) => [
      { "sec-fetch-site": site },
      { "sec-fetch-site": site, origin: null },
    ]),
    { origin: "null", "sec-fetch-site": null },
    { "x-forwarded-proto": "https" },
  ];
  for (const [path, fields] of forms) {
    for (const headers of places) {
      const { status } = await client.post(path, fields, headers);
      assert.equal(status, 403, `${path} ${JSON.stringify(headers)}`);
    }
    const tokens = ["", "x", client.token, client.cookie!.split("=")[1]!, client.formToken + "x"];
    for (const form_token of tokens) {
      const { status } = await client.post(path, { ...fields, form_token });
      assert.equal(status, 403, `${path} with the form token ${form_token}`);
    }
    const all = { form_token: client.formToken, ...fields };
    assert.equal((await client.post(path, { ...all, form_token: [] })).status, 403);
    assert.equal(
      (await client.post(`${path}?${formBody(all)}`, { form_token: [] })).status,
      403,
      "fields in the address",
    );
    const part = ([name, value]: [string, unknown]) =>
      `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const multipart = `${Object.entries(all).map(part).join("")}--x--\r\n`;
    for (
      const [type, body] of [
        ["application/json", JSON.stringify(all)],
        ["text/plain", formBody(all)],
        ["text/plain", JSON.stringify(all)],
        ["multipart/form-data; boundary=x", multipart],
        [`text/plain; a=${FORM}`, formBody(all)],
        [`${FORM}x`, formBody(all)],
        ["", formBody(all)],
      ] as const
    ) {
      const headers = { "content-type": type, origin: `http://${client.host}` };
      assert.equal((await client.ask("POST", path, { headers, body })).status, 403, type);
    }
    assert.equal(
      (await client.get(`${path}?${formBody(all)}`)).headers.get("location"),
      null,
      "GET does nothing",
    );
  }
  assert.equal(await seen(qj), before);
  // The same forms, sent as a page of ours does, all work: what was refused above was refused for its origin.
  const [resume, remove, priority, submit, settings] = forms;
  for (const [path, fields] of [priority!, remove!, submit!, settings!, resume!]) {
    const same = { origin: null, "sec-fetch-site": path === "/submit" ? "none" : "same-origin" };
    assert.equal((await client.post(path, fields, same)).status, 303);
  }
  assert.match(await qj.in("complete", "evil"), />>> touch evil/);
  assert.match(await seen(qj), /"max_attempts": 7[^]*"paused": false|"paused": false[^]*s": 7/);
  assert.deepEqual(await qj.ls("pending"), []);
  assertSound(qj);
});

Deno.test("attacks: a form leads on to a page of this queue, whatever it says", async () => {
  await using qj = await Qj.start({ args: HTTP });
  const client = await Client.signedIn(qj);
  const own = `http://${client.host}`;
  for (
    const back of [
      ...[
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
      ],
      ...["https://evil.example", "HTTPS:evil.example", "javascript:alert(1)", "data:text/html,x"],
      ...["/.//evil.example", "/..//evil.example", "/x/..//evil.example", "/%2e//evil.example"],
      ...["/\r\nSet-Cookie: a=b", "/\nLocation: //evil.example", "/%0d%0aSet-Cookie:%20a=b", ""],
      ...[
        "evil.example",
        "@evil.example",
        ".evil.example",
        "/\u202e",
        "/\0",
        "/é",
        " //evil.example",
      ],
    ]
  ) {
    const { status, headers } = await client.post("/actions", { command: "pause", back });
    const told = JSON.stringify(back);
    assert.equal(status, 303, told);
    const location = headers.get("location")!;
    assert.match(location, /^\/(?!\/)[\x21-\x7e]*$/, told);
    assert.equal(new URL(location, own).origin, own, told);
    assert.equal(headers.get("set-cookie"), null, told);
  }
  const good = await client.post("/actions", { command: "resume", back: "/jobs?state=failed&q=a" });
  assert.match(good.headers.get("location")!, /^\/jobs\?state=failed&q=a&said=/);
});

Deno.test("attacks: --http-readonly shows all and does nothing", async () => {
  await using qj = await Qj.start({
    args: [...HTTP, "--http-readonly"],
    settings: { paused: true, max_attempts: 1 },
  });
  await qj.submit("victim", "echo victim");
  const client = await Client.signedIn(qj);
  const id = (await client.get("/named/victim")).headers.get("location")!.split("/").at(-1);
  const before = await seen(qj);
  for (const path of ["/", "/jobs", "/jobs?state=pending", `/jobs/${id}`, "/settings"]) {
    const { status, text } = await client.get(path);
    assert.equal(status, 200, path);
    for (const { name, attributes } of readPage(text).elements) {
      if (name !== "form" || attributes.get("method") === "get") continue;
      assert.equal(attributes.get("action"), "/sign-out", path);
    }
    assert.doesNotMatch(text, /name="command"|name="job"|href="\/submit"/, path);
  }
  assert.equal((await client.get("/submit")).status, 403);
  for (const [path, fields] of actingForms(`${id}.0`)) {
    assert.equal((await client.post(path, fields)).status, 403, path);
  }
  assert.equal(await seen(qj), before);
});

Deno.test({
  name: "attacks: with --run-as owner nobody hands in root's jobs from a page, but --run-as-root",
  ...asRoot,
  async fn() {
    for (const isAllowed of [false, true]) {
      await using qj = await Qj.start({
        args: [...HTTP, "--run-as", "owner", ...isAllowed ? ["--run-as-root"] : []],
        cwd: "/",
      });
      await Deno.chmod(qj.folder, 0o755);
      const client = await Client.signedIn(qj);
      const { status } = await client.post("/submit", { name: "a", script: "id -u" });
      assert.equal(status, isAllowed ? 303 : 403);
      assert.equal((await client.get("/submit")).status, isAllowed ? 200 : 403);
      assert.equal((await client.get("/")).text.includes('href="/submit"'), isAllowed);
      if (!isAllowed) {
        assert.equal(
          (await qj.sh("ls pending active complete failed | grep -c '^a$'")).stdout,
          "0\n",
        );
        assert.equal((await client.post("/actions", { command: "pause" })).status, 303);
        continue;
      }
      assert.match(await qj.in("complete", "a"), /\n0\n$/);
      assert.equal((await qj.sh("stat -c '%u %a' complete/a")).stdout, "0 600\n");
    }
  },
});
