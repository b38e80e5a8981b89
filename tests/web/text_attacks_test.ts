/** Hostile names, scripts and output; paths, methods and requests that mean something else. */
import assert from "node:assert/strict";
import { Qj, until } from "../mount/qj.ts";
import { assertHarmless, assertSound, FORM, handleOf, HTTP, RAW, seen } from "./attacks.ts";
import { type Answer, Client, formBody, Wire } from "./client.ts";

/** Characters of HTML, of URLs, of terminals, and what turns text around. */
const EVIL = `"><img src=x onerror=alert(1)>'\`&lt;<script>alert(1)<${"\u202e\u2066"}gpj.{{1}}`;
/** What a name cannot have: a slash and controls. */
const WORSE =
  `</textarea></title></pre></script>${EVIL}\x1b]8;;javascript:alert(1)\x07x\x1b[2J\x9b1m\b`;

Deno.test("attacks: names, scripts, errors, settings and searches are only text", async () => {
  const top = await Deno.makeTempDir({ prefix: "qj-test-" });
  const folder = `${top}/<b onclick="x">${"\u202e"}&amp;'`;
  await Deno.mkdir(folder);
  try {
    await using qj = await Qj.start({
      args: HTTP,
      cwd: "/",
      folder,
      settings: { max_attempts: 1, backoff_base: 3600 },
    });
    const client = await Client.signedIn(qj);
    await qj.submit(`c${EVIL}`, `printf '%s\\n' '${WORSE.replaceAll("'", "")}'; : ${WORSE}\n`);
    await qj.submit("javascript:alert(1)", `#QJ queue=<script>${"\u202e"}\n:`);
    await qj.submit("unknown", `#QJ <script>${"\u202e"}=1\n:`);
    await qj.submit("interpreter", `#!/bin/<b>${"\u202e"}\n:`);
    await qj.in("failed", "javascript:alert(1)");
    await qj.in("failed", "unknown");
    await qj.in("failed", "interpreter");
    await until(
      "the job has ended",
      async () => (await qj.ls("complete")).length + (await qj.ls("failed")).length === 4,
    );
    await qj.configure({ max_attempts: 3, wrapper: [`/no${EVIL}`] });
    await qj.submit("wrapped", ":");
    await until(
      "an attempt has failed",
      async () =>
        JSON.parse(await Deno.readTextFile(qj.path("jobs/wrapped/status.json"))).attempts.length >
          0,
    );
    await qj.configure({
      paused: true,
      on_failed: `</textarea>${EVIL}`,
      wrapper: [],
    });
    await qj.submit(`p${EVIL}`, ":");
    await qj.submit("after", `#QJ after='p${EVIL.replaceAll("'", "'\\''")}'\n:`);
    const said = await client.post("/submit", { name: `s${EVIL}`, script: WORSE });
    assert.equal(said.status, 303);
    const refused = [
      await client.post("/submit", { name: WORSE, script: WORSE }),
      await client.post("/submit", { name: `p${EVIL}`, script: WORSE }),
      await client.post("/settings", { was_max_attempts: "3", max_attempts: WORSE }),
      await client.post("/settings", { was_queues: "{}", queues: JSON.stringify({ [WORSE]: 1 }) }),
      await client.post("/settings", { was_queues: "{}", queues: WORSE }),
    ];
    for (const answer of refused) {
      assert.equal(answer.status, 422);
      assertHarmless(answer, "a form that was refused");
    }
    const payload = encodeURIComponent(WORSE);
    const ids = Array.from({ length: 8 }, (_, i) => `/jobs/${i + 1}`);
    const paths = [
      ...["/", "/jobs", "/jobs?state=pending", "/jobs?state=failed", "/jobs?state=complete"],
      ...[
        "/settings",
        "/submit",
        `/jobs?q=${encodeURIComponent(EVIL)}`,
        said.headers.get("location")!,
      ],
      ...["/?range=", "/?said=", "/jobs?q=", "/jobs?queue=", "/jobs?state=", "/jobs?after=", "/?x="]
        .map((path) => `${path}${payload}`),
      ...[
        `/named/${payload}`,
        `/jobs/${payload}`,
        `/${payload}`,
        "/submit?error=%3Cscript%3E",
        ...ids,
      ],
    ];
    for (const path of paths) assertHarmless(await client.get(path), path);
    for (const value of [WORSE, "1e9", ""]) {
      for (const command of ["priority", "signal", "retry", "cancel", "park"]) {
        for (const name of [`p${EVIL}`, "wrapped", "unknown"]) {
          const job = await handleOf(client, name);
          const { headers } = await client.post("/actions", { command, job, value });
          assertHarmless(await client.get(headers.get("location")!), `${command} ${name}`);
        }
      }
    }
    assert.equal((await client.post("/actions", { command: WORSE, job: WORSE })).status, 400);
    const page = assertHarmless(await client.get(ids[0]!), "the job");
    const shown = (text: string) =>
      text.replaceAll(/[\u202e\u2066]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
    assert(page.includes(shown(`c${EVIL}`)), page);
    const stranger = new Client(client.place, "");
    assertHarmless(await stranger.get(`/?token=${payload}`), "the sign-in");
    assert.doesNotMatch(qj.log.replaceAll("\n", ""), RAW);
    assertSound(qj);
  } finally {
    await Deno.remove(top, { recursive: true });
  }
});

/** What a program can print at a terminal, and what a stream of events is made of. */
const OUTPUT = [
  "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>",
  "\n\nevent: version\ndata: evil\n\nid: 999999\r\rdata: evil\r\n\r\n: x\nretry: 1\n\n",
  "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07\x1b]0;title\x1b\\\x1b]52;c;AAAA\x07",
  "\x1b[2J\x1b[H\x1b[31;1mred\x1b[0m\x1bPq#0\x1b\\\x1b[5n\x1bc\x9b31m\x07\b\x7f\0",
  '\x1b[38;5;" onclick="x"m \x1b[1" onclick="xm \u202eright to left\u2066\u2028\u2029',
  "\x1b[38;2;1;2;3mcolour\x1b[48;5;201mback\x1b[999999999999m\x1b[-1m\xff\x1b[",
].join("\n");

Deno.test("attacks: a log is only text, on the page, in the stream and as a download", async () => {
  await using qj = await Qj.start({ args: HTTP });
  const client = await Client.signedIn(qj);
  await Deno.writeFile(`${qj.folder}/output`, new TextEncoder().encode(OUTPUT));
  await qj.submit(
    "a",
    `cat ${qj.folder}/output; read -r go < ${qj.folder}/go; cat ${qj.folder}/output`,
  );
  await qj.sh(`mkfifo ${qj.folder}/go`);
  await qj.in("active", "a");
  using events = await client.events("/jobs/1/log/live?from=0");
  let all = "";
  const more = async (until: () => boolean) => {
    while (!until()) {
      const event = await events.next();
      assert(event !== null);
      if (event.event === "version" && /^[0-9a-f]{8}\.\d+$/.test(event.data)) continue;
      assert.equal(event.event, "log");
      assert.match(event.id, /^\d{1,6}$/);
      assert.doesNotMatch(event.data, RAW);
      const { pieces, end } = JSON.parse(event.data);
      assert.equal(String(end), event.id);
      for (const [text, classes] of pieces) {
        assert.doesNotMatch(text, RAW);
        assert.match(
          classes,
          /^((bold|dim|italic|underline|inverse|strike|[fb]\d\d?)( (?!$)|$))*$|^control$/,
        );
        all += text;
      }
    }
  };
  await more(() => all.includes("colour"));
  assertHarmless(await client.get("/jobs/1"), "while it runs");
  await qj.sh("echo > ../go");
  await qj.in("complete", "a");
  await more(() => all.split("colour").length > 2);
  assert(all.includes("event: version\ndata: evil"), all);
  assert(!all.includes("title"), "what a terminal would take is left out");
  const page = assertHarmless(await client.get("/jobs/1"), "when it has ended");
  assert(page.includes("<img src=x onerror=alert(1)>"));
  assertHarmless(await client.get("/jobs?state=complete"), "its last line");
  for (const path of ["log", "attempts/1.log", "script"]) {
    const { headers, text } = await client.get(`/jobs/1/${path}`);
    assert.equal(headers.get("content-type"), "text/plain; charset=utf-8");
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert(path === "script" || text.includes(OUTPUT.slice(0, 600)), "a download is what it was");
  }
  assertSound(qj);
});

Deno.test("attacks: paths that mean something else", async () => {
  await using qj = await Qj.start({ args: HTTP });
  const client = await Client.signedIn(qj);
  await qj.submit("a", "echo a");
  await qj.in("complete", "a");
  const missing = [
    ...["/jobs/0", "/jobs/2", "/jobs/-1", "/jobs/1e3", "/jobs/0x1", "/jobs/1.0", "/jobs/1%00"],
    ...[
      "/jobs/%31%00",
      "/jobs/99999999999999999999",
      "/jobs/999999999999999",
      "/jobs/٣",
      "/jobs/1/",
    ],
    ...[
      "/jobs/1/attempts/0.log",
      "/jobs/1/attempts/-1.log",
      "/jobs/1/attempts/1",
      "/jobs/1/attempts/2.log",
    ],
    ...[
      "/jobs/1/attempts/999999999.log",
      "/jobs/1/attempts/9999999999.log",
      "/jobs/1//log",
      "//jobs",
    ],
    ...["/named/", "/named/%", "/named/%ff", "/named/%00", "/named/..%2f..%2fetc%2fpasswd"],
    ...["/%2e%2e%2f%2e%2e%2fetc/passwd", "/..%5c..%5cetc%5cpasswd", "/jobs/..%2f..%2fetc%2fpasswd"],
    ...["/etc/passwd", "/web/app.tsx", "/.git/config", "/state.db", "/style.css/x", "/STYLE.CSS"],
    ...["/jobs/constructor", "/named/__proto__", "/live/", "/jobs/1/log/live/x", "/%0d%0aa:%20b"],
  ];
  for (const path of missing) {
    const answer = await client.get(encodeURI(path).replaceAll("%25", "%"));
    assert.equal(answer.status, 404, path);
    assertHarmless(answer, path);
  }
  // What leads upwards ends at the top, as in any URL, and needs the cookie as well.
  const stranger = new Client(client.place, "");
  for (
    const path of ["/jobs/../", "/jobs/%2e%2e/settings", "/../../../etc/passwd", "/./style.css/.."]
  ) {
    assert.notEqual((await client.get(path)).status, 500);
    assert.doesNotMatch((await client.get(path)).text, /root:/);
    assert.equal((await stranger.get(path)).status, 401, path);
  }
  for (
    const query of [
      "q=%ff%00",
      "after=r.-9999999999999999.9999999999999999",
      "after=w.1",
      "after=9.9",
    ]
  ) {
    for (const state of ["", "pending", "active", "failed", "complete", "removed", "__proto__"]) {
      assertHarmless(await client.get(`/jobs?state=${state}&queue=%00&${query}`), query);
    }
  }
  for (const from of ["-1", "1e9", "999999999999999", "x", "0&from=1"]) {
    using events = await client.events(`/jobs/1/log/live?from=${from}`, { "last-event-id": from });
    assert.equal(events.status, 200, from);
  }
  assertSound(qj);
});

Deno.test("attacks: other methods than GET and POST", async () => {
  await using qj = await Qj.start({ args: HTTP });
  const client = await Client.signedIn(qj);
  for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "SEARCH"]) {
    for (const path of ["/", "/actions", "/style.css", "/live", "/nothing"]) {
      const { status, text, headers } = await client.ask(method, path, {
        headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
      });
      assert.equal(status, 405, `${method} ${path}`);
      assert(!text.includes(client.cookie!));
      assert.equal(headers.get("access-control-allow-methods"), null);
    }
  }
  assertSound(qj);
});

Deno.test("attacks: what is no request, or more than one", async () => {
  await using qj = await Qj.start({ args: HTTP, settings: { paused: true } });
  const client = await Client.signedIn(qj);
  const before = await seen(qj);
  const own = `Host: ${client.host}\r\nCookie: ${client.cookie}\r\n`;
  const form = `Content-Type: ${FORM}\r\n`;
  const body = formBody({ form_token: client.formToken, command: "resume" });
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const size = `Content-Length: ${body.length}\r\n`;
  const smuggled = `POST /actions HTTP/1.1\r\n${own}${form}${size}\r\n${body}`;
  const requests: readonly (string | Uint8Array)[] = [
    "\r\n\r\n",
    "\0\0\0\0\r\n\r\n",
    "GET /\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"\0\0\0\x04\0\0\0\0\0".repeat(20)}`,
    Uint8Array.fromHex("16030100a5010000a10303" + "00".repeat(64)),
    Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256),
    `get / HTTP/1.1\r\n${own}\r\n`,
    `CONNECT evil.example:443 HTTP/1.1\r\n${own}\r\n`,
    `OPTIONS * HTTP/1.1\r\n${own}\r\n`,
    `GET settings HTTP/1.1\r\n${own}\r\n`,
    `GET //evil.example/ HTTP/1.1\r\n${own}\r\n`,
    `GET http://[/ HTTP/1.1\r\n${own}\r\n`,
    `GET javascript:alert(1) HTTP/1.1\r\n${own}\r\n`,
    `GET /\xff\xfe HTTP/1.1\r\n${own}\r\n`,
    `GET / HTTP/1.1\r\n${own}X: a\0b\r\n\r\n`,
    `GET / HTTP/1.1\r\n${own}X : a\r\n\r\n`,
    `GET / HTTP/1.1\r\n${own}X: a\r\n folded\r\n\r\n`,
    `GET / HTTP/1.1\r\n${own}${"X: a\r\n".repeat(5000)}\r\n`,
    `GET /live HTTP/1.1\r\n${own}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n`,
    `GET / HTTP/1.1\r\n${own}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n`,
    `POST /actions HTTP/1.1\r\n${own}${form}Expect: a\r\n${size}\r\n`,
    // Where one request ends and the next begins is not up to who looks.
    `POST /nothing HTTP/1.1\r\n${own}${size}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    `POST /nothing HTTP/1.1\r\n${own}Content-Length: 1\r\nContent-Length: 9\r\n\r\n${smuggled}`,
    `POST /nothing HTTP/1.1\r\n${own}Transfer-Encoding: x, chunked\r\n\r\n${chunk}`,
    `POST /nothing HTTP/1.1\r\n${own}Transfer-Encoding: chunked, x\r\n\r\n${chunk}`,
    `POST /nothing HTTP/1.1\r\n${own}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n${chunk}`,
    `POST /nothing HTTP/1.1\r\n${own}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n`,
  ];
  for (const request of requests) {
    using wire = await Wire.open(client.place);
    await wire.write(request).catch(() => {});
    // It may also be cut off; some of these wait for more.
    const answer = wire.answer().catch(() => null);
    const status = await Promise.race([answer, client.get("/").then(() => null)]);
    assert(status === null || status.status < 500, `${status?.status}: ${request}`);
    assert.equal((await client.get("/")).status, 200, `after ${request}`);
    wire.close();
    await answer;
  }
  assert.equal(await seen(qj), before);
  assertSound(qj);
});

Deno.test("attacks: every answer has the headers that protect browsers", async () => {
  await using qj = await Qj.start({ args: HTTP });
  const client = await Client.signedIn(qj);
  await qj.submit("a", "echo a");
  await qj.in("complete", "a");
  // The client looks at the headers of all that it gets.
  const answers: readonly (readonly [number, Promise<Answer>])[] = [
    ...["/", "/style.css", "/script.js", "/icon.svg", "/jobs/1/log", "/jobs/1/script"]
      .map((path) => [200, client.get(path)] as const),
    [200, client.ask("HEAD", "/")],
    [303, client.get("/named/a")],
    [303, client.post("/actions", { command: "pause" })],
    [400, client.post("/actions", { command: "x" })],
    [401, client.get("/", { cookie: null })],
    [403, client.post("/actions", { form_token: "x" })],
    [404, client.get("/x")],
    [405, client.ask("PUT", "/")],
    [413, client.post("/actions", { command: "a".repeat(300_000) })],
    [421, client.get("/", { host: "evil.example" })],
    [422, client.post("/submit", { script: "" })],
  ];
  for (const [status, answer] of answers) assert.equal((await answer).status, status);
  using events = await client.events("/live");
  assert.equal(events.headers.get("content-type"), "text/event-stream");
});
