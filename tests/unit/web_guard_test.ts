/** Who may see the pages and act on them. */
import assert from "node:assert/strict";
import { type Address, parseAddress } from "../../web/address.ts";
import { Guard, SECURITY_HEADERS } from "../../web/guard.ts";

const TOKEN = "0123456789abcdef";

function at(address: string, ...hosts: string[]): Guard {
  return new Guard(TOKEN, parseAddress(address), hosts);
}

const HOSTS:
  readonly (readonly [guard: Guard, known: readonly string[], not: readonly string[]])[] = [
    [
      at("127.0.0.1:8080"),
      ["127.0.0.1:8080", "localhost:8080", "LocalHost:8080"],
      [
        ...["", "127.0.0.1", "localhost", "127.0.0.1:80", "127.0.0.1:18080", "127.0.0.1:8080:8080"],
        ...["127.0.0.2:8080", "[::1]:8080", "0.0.0.0:8080", "evil.example:8080", ":8080"],
        ...["localhost.evil.example:8080", "127.0.0.1.evil.example:8080", "localhost.:8080"],
        ...["127.0.0.1:8080.evil.example", "evil.example#127.0.0.1:8080", "x@127.0.0.1:8080"],
      ],
    ],
    [
      at("127.0.0.1:80"),
      ["127.0.0.1", "localhost", "127.0.0.1:80", "localhost:80"],
      ["evil.example", "evil.example:80", "127.0.0.1:8080", ""],
    ],
    [
      at("[::1]:8080"),
      ["[::1]:8080", "localhost:8080"],
      ["::1:8080", "[::1]", "[::2]:8080", "127.0.0.1:8080", "evil.example:8080"],
    ],
    [
      at("127.0.0.1:8080", "QJ.example.org", "qj.example.org:8443"),
      ["qj.example.org", "Qj.Example.Org", "qj.example.org:8443", "localhost:8080"],
      [
        "qj.example.org:8080",
        "a.qj.example.org",
        "example.org",
        "qj.example.org.",
        "xqj.example.org",
      ],
    ],
    [
      at("unix:/run/qj.sock", "qj.example.org"),
      ["localhost", "qj.example.org"],
      ["localhost:80", "127.0.0.1", "evil.example", "", "/run/qj.sock"],
    ],
    [
      at("192.168.1.2:8080"),
      ["192.168.1.2:8080"],
      ["localhost:8080", "127.0.0.1:8080", "192.168.1.3:8080", "evil.example:8080"],
    ],
    ...["0.0.0.0:8080", "[::]:8080"].map((address) =>
      [
        at(address, "qj.example.org"),
        ["10.1.2.3:8080", "127.0.0.1:8080", "[2001:db8::1]:8080", "[::1]:8080", "qj.example.org"],
        [
          ...["evil.example:8080", "10.1.2.3", "10.1.2.3:80", "10.1.2.3.evil.example:8080"],
          ...["1e1.2.3.4:8080", "[::1]/@[evil.example]:8080", "[::1]@evil.example/[]:8080", ""],
        ],
      ] as const
    ),
    [at("0.0.0.0:80"), ["10.1.2.3", "[2001:db8::1]"], ["evil.example", "evil.example:80"]],
  ];

Deno.test("knowsHost() knows addresses and names of ours, and none that others make point here", () => {
  for (const [guard, known, unknown] of HOSTS) {
    for (const host of known) assert.equal(guard.knowsHost(host), true, host);
    for (const host of unknown) assert.equal(guard.knowsHost(host), false, host);
    assert.equal(guard.knowsHost(undefined), false);
  }
});

Deno.test("knowsHost() goes by the port that the system has chosen", () => {
  const address: Address = { kind: "tcp", hostname: "127.0.0.1", port: 40123, isLoopback: true };
  const guard = new Guard(TOKEN, address, []);
  assert.deepEqual(["localhost:40123", "localhost:0"].map((host) => guard.knowsHost(host)), [
    true,
    false,
  ]);
});

const OWN = "127.0.0.1:8080";
/** Headers of a form, and whether it may come from there. */
const ORIGINS: readonly (readonly [headers: Readonly<Record<string, string>>, isOwn: boolean])[] = [
  [{ host: OWN }, true],
  [{ host: OWN, origin: `http://${OWN}` }, true],
  [{ host: OWN, origin: `http://${OWN}`, "sec-fetch-site": "same-origin" }, true],
  [{ host: OWN, "sec-fetch-site": "none" }, true],
  [{ host: "LOCALHOST:8080", origin: "http://localhost:8080" }, true],
  [{ host: "[::1]:8080", origin: "http://[::1]:8080" }, true],
  [{ host: "127.0.0.1", origin: "http://127.0.0.1" }, true],
  [{ host: "127.0.0.1:80", origin: "http://127.0.0.1" }, true],
  [{ host: "qj.example.org", origin: "https://qj.example.org" }, true],
  [{ host: "qj.example.org:443", origin: "https://qj.example.org" }, true],
  [{ host: "qj.example.org:8443", origin: "https://qj.example.org:8443" }, true],
  [{ host: "a.example", origin: "https://a.example", "x-forwarded-proto": "https" }, true],
  [{ host: "a.example", origin: "http://a.example", "x-forwarded-proto": "http" }, true],
  [{ host: "a.example", origin: "http://a.example", "x-forwarded-proto": "https" }, false],
  [{ host: "a.example", origin: "https://a.example", "x-forwarded-proto": "http" }, false],
  ...["same-site", "cross-site", "", "other"].map((site) =>
    [{ host: OWN, origin: `http://${OWN}`, "sec-fetch-site": site }, false] as const
  ),
  ...[
    ...["null", "", "evil", "http://evil.example", "http://evil.example:8080", "http://127.0.0.1"],
    ...[
      "http://127.0.0.1:8081",
      "http://localhost:8080",
      "file://",
      "data:",
      "http://",
      "chrome-extension://abc",
    ],
    ...[`http://${OWN}.evil.example`, `http://evil.example/${OWN}`, `http://${OWN}@evil.example`],
  ].map((origin) => [{ host: OWN, origin }, false] as const),
  [{ host: "qj.example.org:80", origin: "https://qj.example.org" }, false],
  [{ host: "127.0.0.1:443", origin: "http://127.0.0.1" }, false],
  [{ origin: `http://${OWN}` }, false],
  [{ host: "", origin: "null" }, false],
];

Deno.test("isOwnOrigin() takes forms from pages of ours and from programs", () => {
  const guard = at(OWN);
  for (const [headers, isOwn] of ORIGINS) {
    assert.equal(guard.isOwnOrigin(new Headers(headers)), isOwn, JSON.stringify(headers));
  }
});

Deno.test("token, cookie and form token do not stand for each other, and end with the token", () => {
  const guard = at(OWN);
  const other = new Guard(`${TOKEN}x`, parseAddress(OWN), []);
  const [, name, value] = /^([^=]+)=([^;]+);/.exec(guard.cookie(false))!;
  assert.equal(name, guard.cookieName);
  assert.match(guard.cookieName, /^qj-[A-Za-z0-9_-]{12}$/);
  assert.notEqual(other.cookieName, guard.cookieName, "cookies do not tell ports apart");
  const secrets = [TOKEN, value!, guard.formToken];
  const checks = [
    (text?: string) => guard.knowsToken(text ?? ""),
    (text?: string) => guard.knowsCookie(text),
    (text?: string) => guard.isOwnForm(text),
  ];
  checks.forEach((check, i) => {
    secrets.forEach((secret, j) => {
      assert.equal(check(secret), i === j);
      for (const wrong of [`${secret} `, secret.slice(1), secret.toUpperCase(), ""]) {
        assert.equal(check(wrong), false, wrong);
      }
    });
    assert.equal(check(undefined), false);
  });
  assert.equal(
    other.knowsToken(TOKEN) || other.knowsCookie(value) || other.isOwnForm(guard.formToken),
    false,
  );
  const again = at("unix:/s");
  assert.ok(again.knowsCookie(value) && again.isOwnForm(guard.formToken), "over a restart");
  assert.equal(
    [guard.cookie(true), guard.formToken, guard.cookieName].join().includes(TOKEN),
    false,
  );
});

Deno.test("cookie() lets a browser in for a month, and noCookie out at once", () => {
  const guard = at(OWN);
  const [, ...plain] = guard.cookie(false).split("; ");
  assert.deepEqual(plain, ["Path=/", "Max-Age=2592000", "HttpOnly", "SameSite=Strict"]);
  assert.deepEqual(guard.cookie(true).split("; ").slice(1), [...plain, "Secure"]);
  const [gone, ...rest] = guard.noCookie.split("; ");
  assert.equal(gone, `${guard.cookieName}=`);
  assert.deepEqual(rest, plain.with(1, "Max-Age=0"));
});

Deno.test("the headers allow nothing from elsewhere, nothing inline and no frame", () => {
  const policy = new Map(
    SECURITY_HEADERS["Content-Security-Policy"]!.split("; ").map((rule) => {
      const [name, ...sources] = rule.split(" ");
      return [name, sources.join(" ")] as const;
    }),
  );
  for (const name of ["default-src", "base-uri", "frame-ancestors"]) {
    assert.equal(policy.get(name), "'none'", name);
  }
  for (const [name, sources] of policy) assert.match(sources, /^'(self|none)'$/, name);
  assert.equal(policy.get("form-action"), "'self'", "default-src does not hold for it");
  assert.equal(SECURITY_HEADERS["X-Content-Type-Options"], "nosniff");
  assert.equal(SECURITY_HEADERS["Cache-Control"], "no-store");
  assert.equal(
    SECURITY_HEADERS["Referrer-Policy"],
    "same-origin",
    "others must not be told the address, which has the token once; forms need an Origin",
  );
});
