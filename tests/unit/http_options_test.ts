/** The options of the pages: `--http` and its companions, on a command line and behind `-o`. */
import assert from "node:assert/strict";
import { Failure } from "../../cli/failure.ts";
import { USAGE } from "../../cli/option_values.ts";
import { parseOptions } from "../../cli/options.ts";
import { parseAddress } from "../../web/address.ts";

function parsed(...args: string[]) {
  return parseOptions(["m", ...args], () => assert.fail("nobody asked for the version"));
}

/** The message with which arguments are refused. */
function refused(...args: string[]): string {
  try {
    parsed(...args);
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.status, USAGE);
    return error.message;
  }
  assert.fail(`${args.join(" ")} was taken`);
}

const tcp = (hostname: string, port: number, isLoopback = true) =>
  ({ kind: "tcp", hostname, port, isLoopback }) as const;
const unix = (path: string) => ({ kind: "unix", path }) as const;

const ADDRESSES: readonly [string, ReturnType<typeof tcp | typeof unix>][] = [
  ["127.0.0.1:0", tcp("127.0.0.1", 0)],
  ["127.0.0.1:65535", tcp("127.0.0.1", 65535)],
  ["127.255.255.254:80", tcp("127.255.255.254", 80)],
  ["localhost:8080", tcp("127.0.0.1", 8080)],
  ["[::1]:80", tcp("::1", 80)],
  ["[0:0:0:0:0:0:0:1]:80", tcp("::1", 80)],
  ["0.0.0.0:80", tcp("0.0.0.0", 80, false)],
  ["192.168.1.2:80", tcp("192.168.1.2", 80, false)],
  ["[::]:80", tcp("::", 80, false)],
  ["[2001:DB8::1]:80", tcp("2001:db8::1", 80, false)],
  ["unix:/run/qj.sock", unix("/run/qj.sock")],
  ["unix:qj.sock", unix("qj.sock")],
  ["unix:/a b:80", unix("/a b:80")],
];

Deno.test("parseAddress() takes addresses and tells which ones others can reach", () => {
  for (const [text, address] of ADDRESSES) assert.deepEqual(parseAddress(text), address, text);
});

const FORMS = /it is 127\.0\.0\.1:PORT, \[::1\]:PORT or unix:PATH/;
const PORT = /the port is a number up to 65535, not "/;
const BAD_ADDRESSES: readonly [string, RegExp][] = [
  ...[
    "",
    "8080",
    ":8080",
    "127.0.0.1",
    "[::1]",
    "::1",
    "::1:80",
    "fe80::1:80",
    "http://127.0.0.1:80",
  ]
    .map((text): [string, RegExp] => [text, FORMS]),
  ...[
    "example.org:80",
    "256.1.1.1:80",
    "127.0.0.01:80",
    "127.1:80",
    "0x7f.0.0.1:80",
    " 127.0.0.1:80",
  ]
    .map((text): [string, RegExp] => [text, /is no IP address: it is 127\.0\.0\.1:PORT/]),
  ...[
    "127.0.0.1:65536",
    "127.0.0.1:",
    "127.0.0.1:-1",
    "127.0.0.1:+1",
    "127.0.0.1:8o8o",
    "[::1]:",
    "[::1]:100000",
    "localhost:1.5",
    "127.0.0.1: 80",
    "127.0.0.1:80/",
  ]
    .map((text): [string, RegExp] => [text, PORT]),
  ...["[]:80", "[127.0.0.1]:80", "[::1%lo]:80", "[:::]:80", "[g::]:80", "[::1]/[::2]:80"]
    .map((text): [string, RegExp] => [text, /is no IPv6 address$/]),
  ["unix:", /a path is missing/],
];

Deno.test("parseAddress() refuses what is no address, and says what is one", () => {
  for (const [text, message] of BAD_ADDRESSES) {
    assert.throws(
      () => parseAddress(text),
      (error) => error instanceof RangeError && message.test(error.message),
      text,
    );
  }
});

Deno.test("an address is the same behind --http and behind -o http=", () => {
  const other = ["--http-insecure-bind"];
  for (const [text, address] of ADDRESSES) {
    assert.deepEqual(parsed("--http", text, ...other).http, address);
    assert.deepEqual(parsed("-o", `http=${text}`, ...other).http, address);
  }
  for (const [text, message] of BAD_ADDRESSES) {
    for (
      const [args, begin] of [
        [["--http", text], `--http ${JSON.stringify(text)}: `],
        [["-o", `http=${text}`], `-o ${JSON.stringify(`http=${text}`)}: `],
      ] as const
    ) {
      const said = refused(...args);
      assert.ok(said.startsWith(begin), said);
      assert.match(said, message);
    }
  }
  assert.match(refused("-o", "http"), FORMS);
});

Deno.test("an address that others can reach has to be meant", () => {
  for (const address of ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[2001:db8::1]:80"]) {
    const { hostname } = parseAddress(address) as ReturnType<typeof tcp>;
    const said = refused("--http", address);
    assert.match(said, /^--http\b.*not encrypted.*--http-insecure-bind$/);
    assert.ok(said.includes(hostname), said);
    assert.match(
      refused("-o", `http=${address}`),
      /^-o "?http\b.*not encrypted.*http_insecure_bind/,
    );
    assert.equal(parsed("--http", address, "--http-insecure-bind").httpInsecureBind, true);
    assert.equal(parsed("-o", `http=${address},http_insecure_bind`).httpInsecureBind, true);
  }
  for (const address of ["127.0.0.1:80", "[::1]:80", "localhost:0", "unix:/s"]) {
    assert.equal(parsed("--http", address).httpInsecureBind, false);
  }
});

Deno.test("the other options mean something only with an address, and say so in the words of who gave them", () => {
  const alone: readonly (readonly [long: readonly string[], mount: string])[] = [
    [["--http-token-file", "/t"], "http_token_file=/t"],
    [["--http-readonly"], "http_readonly"],
    [["--http-insecure-bind"], "http_insecure_bind"],
    [["--http-host", "a.example"], "http_host=a.example"],
  ];
  for (const [long, mount] of alone) {
    assert.equal(refused(...long), `${long[0]} means something only with --http`);
    assert.match(
      refused("-o", mount),
      new RegExp(`^-o "?${mount.split("=")[0]}"? means something only with -o "?http`),
    );
    parsed("--http", "127.0.0.1:1", ...long);
    parsed("-o", `http=127.0.0.1:1,${mount}`);
    parsed("--http", "127.0.0.1:1", "-o", mount);
  }
});

Deno.test("--http and its companions are the same behind -o", () => {
  const long = parsed(
    ...["--http", "127.0.0.1:1", "--http-token-file", "/t,1", "--http-readonly"],
    ...["--http-host", "a.example", "--http-host", "b.example:8443"],
  );
  const { http, httpTokenFile, httpReadOnly, httpInsecureBind, httpHosts } = long;
  assert.deepEqual(http, tcp("127.0.0.1", 1));
  assert.deepEqual([httpTokenFile, httpReadOnly, httpInsecureBind], ["/t,1", true, false]);
  assert.deepEqual(httpHosts, ["a.example", "b.example:8443"]);
  const one = parsed(
    "-o",
    "http=127.0.0.1:1,http_token_file=/t\\,1,http_readonly,http_host=a.example,http_host=b.example:8443",
  );
  assert.deepEqual({ ...one, background: false }, long);
  const two = parsed(...[
    "-o",
    "http=127.0.0.1:1,http_host=a.example",
    "-o",
    "http_host=b.example:8443",
  ]);
  assert.deepEqual(two.httpHosts, httpHosts, "in two -o");
  const both = parsed(
    ..."--http 127.0.0.1:1 --http-host a.example -o http_host=b.example:8443".split(" "),
  );
  assert.deepEqual(both.httpHosts, httpHosts, "in both ways");
});

Deno.test("a token file has a path", () => {
  assert.match(
    refused("-o", "http=127.0.0.1:1,http_token_file="),
    /^-o "http_token_file=": a path is/,
  );
  assert.match(
    refused("-o", "http=127.0.0.1:1,http_token_file"),
    /^-o "http_token_file": a path is/,
  );
});

Deno.test("a host is a name, with or without a port", () => {
  for (
    const host of [
      "a",
      "qj.example.org",
      "QJ.Example.Org:8443",
      "a-b.c:1",
      "10.0.0.1",
      "a".repeat(253),
    ]
  ) {
    assert.deepEqual(parsed("--http", "unix:/s", "--http-host", host).httpHosts, [host]);
    assert.deepEqual(parsed("-o", `http=unix:/s,http_host=${host}`).httpHosts, [host]);
  }
  for (
    const host of [
      ...[
        "",
        ":80",
        "a:",
        "a:b",
        "a:100000",
        "a:65536",
        "a b",
        "a/b",
        "-a",
        "a-",
        "a_b",
        "é.example",
      ],
      ...["http://a.example", "a.example/", "a@b", "[::1]", "*.example.org", "a".repeat(254)],
    ]
  ) {
    const said = refused("--http", "unix:/s", "--http-host", host);
    assert.match(said, /^--http-host must be a name as in qj\.example\.org/);
    assert.ok(said.endsWith(`not ${JSON.stringify(host)}`), said);
    const option = `http_host=${host}`;
    assert.ok(
      refused("-o", `http=unix:/s,${option}`).startsWith(`-o ${JSON.stringify(option)}: `),
      host,
    );
  }
});

Deno.test("flags take no value", () => {
  for (const flag of ["http_readonly=1", "http_insecure_bind=yes", "http_reads"]) {
    assert.match(refused("-o", `http=unix:/s,${flag}`), /there is no such option/);
  }
});
