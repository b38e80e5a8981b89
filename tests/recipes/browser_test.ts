/**
 * docs/browser.md: the pages are seen where the page says, by those whom it lets in, and by nobody else. nginx, openssl
 * and qj are real, curl is the browser, and the home directory is the root directory of the files.
 *
 * There is no second machine: a stand-in for ssh forwards the port, which has to be the same on both, between two
 * addresses of this one. sudo and systemctl are stand-ins too.
 */
import assert from "node:assert/strict";
import { exists, until } from "../mount/qj.ts";
import { lacks } from "../programs/tools.ts";
import { runCommand } from "./command.ts";
import { Browser } from "./curl.ts";
import { Home } from "./home.ts";
import { Page } from "./page.ts";

/** Where the stand-in for ssh listens: 127.0.0.1 of the other machine. */
const LAPTOP = "127.0.0.2";
const PASSWORD = "correct horse";

/** What the unit does with the options of qj.conf. */
const SERVICE = `#!/bin/sh
[ ! -e ~/.config/qj.conf ] || . ~/.config/qj.conf
exec ~/bin/.qj $QJ_OPTIONS "$@"
`;

const SSH = `#!/usr/bin/env python3
import re, socket, sys, threading
options, forward, target = sys.argv[1:3], sys.argv[3], sys.argv[4:]
assert options == ["-N", "-L"] and len(target) == 1, sys.argv
port, host, to = re.fullmatch(r"(\\d+):([\\d.]+):(\\d+)", forward).groups()

def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass

listener = socket.create_server(("${LAPTOP}", int(port)))
while True:
    near, _ = listener.accept()
    far = socket.create_connection((host, int(to)))
    for ends in (near, far), (far, near):
        threading.Thread(target=pump, args=ends, daemon=True).start()
`;

const NGINX = `#!/bin/sh
PATH=/usr/local/sbin:/usr/sbin:/sbin:$PATH_BEFORE
exec nginx -q -e stderr -p ~/ -c ~/etc/nginx/nginx.conf "$@"
`;

const SYSTEMCTL = `#!/bin/sh
[ "$*" = "reload nginx" ] && kill -HUP "$(cat ~/run/nginx.pid)"
`;

/** For the kind of line that the page has. */
const TMPFILES = `#!/bin/sh
set -eu
[ "$1" = --create ]
read -r type path mode user group < "$2"
[ "$type" = d ]
install -d -m "$mode" -o "$user" -g "$group" "$path"
`;

/** Around the files of sites-enabled, as small as it can be. */
function nginxConf(user: string): string {
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path var/${name};\n`).join("");
  return `daemon off;
${user}
pid run/nginx.pid;
error_log stderr;
events {}
http {
${temp}  access_log off;
  include sites-enabled/*;
}
`;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(program, { args }, "");
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

Deno.test({
  name: "recipes: in a browser",
  ignore: lacks(["curl"]),
  fn: async (t) => {
    const page = await Page.read("browser");
    const isRoot = Deno.uid() === 0;
    const group = isRoot ? "www-data" : await output("id", "-gn");
    const programs = {
      ssh: SSH,
      nginx: NGINX.replace("$PATH_BEFORE", Deno.env.get("PATH")!),
      sudo: '#!/bin/sh\nexec "$@"\n',
      systemctl: SYSTEMCTL,
      ...lacks(["systemd-tmpfiles"], true) && { "systemd-tmpfiles": TMPFILES },
    };
    await using home = await Home.start({
      programs,
      before: async (folder) => {
        await Deno.rename(`${folder}/bin/qj`, `${folder}/bin/.qj`);
        await Deno.writeTextFile(`${folder}/bin/qj`, SERVICE, { mode: 0o755 });
        // nginx's own user has to get to its files.
        await Deno.chmod(folder, 0o711);
      },
    });
    const { qj } = home;
    const port = freePort();
    const tlsPort = freePort();
    const own = (text: string) => text.replaceAll("7667", String(port));
    /** As the page has it, but for this machine. */
    const here = (text: string) =>
      text.replace(/(?<![\w.~])\/(etc|run|var)\//g, `${home.folder}/$1/`)
        .replace("listen 443", `listen 127.0.0.1:${tlsPort}`)
        .replaceAll("www-data", group);
    const tmpfiles = page.file("etc/tmpfiles.d/qj-http.conf");
    const site = page.file("etc/nginx/sites-available/qj");
    const proxiedOptions = here(page.blocks("Switch it on", "conf"));
    const proxiedCommands = here(page.commands("Switch it on"));
    const certificate = here(page.commands("A certificate"));
    const passwords = here(page.commands("Passwords"));
    const signOut = page.commands("Sign everybody out");
    const tunnel = own(page.commands("From another machine", "laptop"));
    let link = "";

    await t.step("the link lets a browser in, and nothing else does", async () => {
      await home.write(".config/qj.conf", own(page.file(".config/qj.conf")));
      link = (await home.sh(own(page.commands("On this machine")))).trim();
      const line = await qj.logged(/ pages: /);
      assert(line.endsWith(` pages: ${link}`), line);
      const browser = new Browser(home, `http://127.0.0.1:${port}`);
      const stranger = await browser.ask("/");
      assert.equal(stranger.status, 401);
      assert.match(stranger.body, /Sign in/);
      const { status, head } = await browser.ask(link);
      assert.equal(status, 200);
      assert.match(head, /^set-cookie: .*; Max-Age=2592000; HttpOnly; SameSite=Strict\r?$/im);
      assert.match((await browser.ask("/")).body, /Overview/);
    });

    await t.step({
      name: "ssh understands the command",
      ignore: lacks(["ssh"], true),
      fn: async () => {
        const real = (await output("sh", "-c", "command -v ssh")).trim();
        const parsed = await home.sh(tunnel.replace(/^ssh /, `${real} -F none -G `));
        assert.match(
          parsed,
          new RegExp(`^localforward ${port} \\[127\\.0\\.0\\.1\\]:${port}$`, "m"),
        );
      },
    });

    await t.step("through ssh the same link opens on another machine", async () => {
      const ssh = new Deno.Command("bash", {
        args: ["-c", `exec ${tunnel}`],
        env: home.env,
        stdin: "null",
      }).spawn();
      try {
        const laptop = `::${LAPTOP}:${port}`;
        const browser = new Browser(home, `http://localhost:${port}`, ["--connect-to", laptop]);
        const isOpen = () =>
          Deno.connect({ hostname: LAPTOP, port }).then((c) => (c.close(), true), () => false);
        await until("ssh listens", isOpen);
        assert.equal((await browser.ask(link.replace("127.0.0.1", "localhost"))).status, 200);
        assert.match((await browser.ask("/")).body, /Overview/);
        const named = new Browser(home, `http://127.0.0.1:${port}`, ["--connect-to", laptop]);
        assert.equal((await named.ask(link)).status, 200);
        const handed = await named.send("/submit", "/submit", { name: "far", script: "echo far" });
        assert.equal(handed.status, 303, handed.body);
        assert.match(await qj.in("complete", "far"), /^far$/m);
        for (const host of ["127.0.0.1:1", "127.0.0.1", `evil.example:${port}`]) {
          assert.equal((await named.ask("/", "-H", `Host: ${host}`)).status, 421, host);
        }
      } finally {
        ssh.kill("SIGTERM");
        await ssh.status;
      }
    });

    await t.step({
      name: "behind nginx",
      ignore: lacks(["nginx", "openssl"]),
      fn: async (t) => {
        const user = isRoot ? "user www-data;" : "";
        await home.write("etc/nginx/nginx.conf", nginxConf(user));
        await home.write("etc/nginx/sites-available/qj", here(site));
        const owner = await output("id", "-un");
        await home.write("etc/tmpfiles.d/qj-http.conf", here(tmpfiles).replace("alice", owner));
        for (
          const folder of ["run", "var", "var/log", "var/log/nginx", "etc/nginx/sites-enabled"]
        ) {
          await Deno.mkdir(home.path(folder));
        }
        const nginx = new Deno.Command(home.path("bin/nginx"), {
          env: home.env,
          stdin: "null",
          stderr: "null",
        }).spawn();
        try {
          await until("nginx runs", () => exists(home.path("run/nginx.pid")));
          await behindNginx(t);
        } finally {
          nginx.kill("SIGTERM");
          await nginx.status;
        }
      },
    });

    async function behindNginx(t: Deno.TestContext): Promise<void> {
      const origin = "https://qj.example.org";
      const network = [
        ...["--cacert", home.path("etc/nginx/qj.crt")],
        ...["--connect-to", `qj.example.org:443:127.0.0.1:${tlsPort}`],
      ];
      const alice = [...network, "-u", `alice:${PASSWORD}`];
      const browser = new Browser(home, origin, alice);

      await t.step("the commands switch it on", async () => {
        const made = await home.run(`set -e\n${certificate}`);
        assert.equal(made.code, 0, made.stderr);
        // Without a terminal openssl asks its standard input, twice.
        await home.write("passwords.sh", passwords);
        const asked = await home.run(
          "setsid -w bash -e passwords.sh",
          `${PASSWORD}\n${PASSWORD}\n`,
        );
        assert.equal(asked.code, 0, asked.stderr);
        assert.match(await home.read("etc/nginx/qj.htpasswd"), /^alice:\$apr1\$\S+\n$/);
        await home.write(".config/qj.conf", proxiedOptions);
        link = (await home.sh(proxiedCommands)).trim();
        assert(link.startsWith(`${origin}/?token=`), link);
        await until(
          "nginx has the site",
          () =>
            Deno.connect({ hostname: "127.0.0.1", port: tlsPort })
              .then((c) => (c.close(), true), () => false),
        );
      });

      await t.step("only qj's user and the group of nginx can open the socket", async () => {
        const gid = Number((await output("getent", "group", group)).split(":")[2]);
        const folder = await Deno.stat(home.path("run/qj-http"));
        assert.deepEqual([folder.mode! & 0o7777, folder.gid], [0o2750, gid]);
        const socket = await Deno.stat(home.path("run/qj-http/jobs.sock"));
        assert.deepEqual([socket.mode! & 0o777, socket.gid], [0o660, gid]);
        const { mode } = await Deno.stat(home.path("etc/nginx/qj.htpasswd"));
        assert.equal(mode! & 0o777, 0o640);
      });

      await t.step("both the password and the link are needed", async () => {
        for (const args of [network, [...network, "-u", "alice:wrong"]]) {
          const refused = await new Browser(home, origin, args).ask(link);
          assert.equal(refused.status, 401);
          assert.match(refused.head, /^WWW-Authenticate: Basic realm="qj"\r?$/im);
          assert.doesNotMatch(refused.head, /^set-cookie/im);
        }
        const stranger = await browser.ask("/");
        assert.equal(stranger.status, 401);
        assert.doesNotMatch(stranger.head, /^www-authenticate/im);
        assert.match(stranger.body, /Sign in/);
        const { status, head } = await browser.ask(link);
        assert.equal(status, 200);
        assert.match(head, /^set-cookie: .*; HttpOnly; SameSite=Strict; Secure\r?$/im);
        assert.match((await browser.ask("/")).body, /Overview/);
      });

      await t.step("the token can be typed too", async () => {
        const other = new Browser(home, origin, alice);
        const token = new URL(link).searchParams.get("token")!;
        assert.equal((await other.send("/", "/sign-in", { token })).status, 200);
        assert.equal((await other.ask("/")).status, 200);
      });

      await t.step("jobs are handed in, also large ones", async () => {
        // More than nginx takes by itself.
        const long = `#${"é".repeat(1_000_000)}\n`;
        for (const [name, more] of [["small", ""], ["large", long]] as const) {
          const script = `${more}echo "by $QJ_JOB"`;
          const { status, head } = await browser.send("/submit", "/submit", { name, script });
          assert.equal(status, 303, head);
          const path = /^location: (\/jobs\/\d+)\?/im.exec(head)![1]!;
          assert.match(await qj.in("complete", name), new RegExp(`^by ${name}$`, "m"));
          assert.match((await browser.ask(`${path}/log`)).body, new RegExp(`^by ${name}$`, "m"));
        }
        assert.match(qj.log, /by a page: .*small/);
      });

      await t.step("forms of other sites, and other names, are refused", async () => {
        const fields = { name: "bad", script: "true" };
        for (const from of ["https://evil.example", "https://qj.example.org:8443", "null"]) {
          const { status } = await browser.send("/submit", "/submit", fields, from);
          assert.equal(status, 403, from);
        }
        assert.equal((await browser.ask("/", "-H", "Host: evil.example")).status, 421);
        assert.equal(await exists(qj.path("jobs/bad")), false);
      });

      await t.step("changes and logs come at once", async () => {
        await browser.stream("/live", async (next) => {
          await next(/./);
          await qj.submit("live", "echo begun; until [ -e ~/go ]; do sleep 0.05; done; echo over");
          await next(/./);
        });
        await qj.in("active", "live");
        const { head } = await browser.ask("/named/live");
        const path = /^location: (\S+)/im.exec(head)![1]!;
        await browser.stream(`${path}/log/live`, async (next) => {
          await next(/begun/);
          await home.write("go", "");
          await next(/over/);
        });
      });

      await t.step("the log of nginx has the user and no token", async () => {
        const log = await home.read("var/log/nginx/qj.log");
        assert.match(log, / alice \[.*\] "GET \/" 200$/m);
        assert.match(log, / alice \[.*\] "POST \/submit" 303$/m);
        assert(!log.includes("token"), log);
      });

      await t.step("with --http-readonly nobody can do anything", async () => {
        await home.write(".config/qj.conf", proxiedOptions.replace(/"\n$/, ' --http-readonly"\n'));
        await home.sh("systemctl --user restart qj\n");
        assert.match((await browser.ask("/")).body, /read only/);
        const { status } = await browser.send("/", "/actions", { command: "pause" });
        assert.equal(status, 403);
        const handed = await browser.send("/", "/submit", { name: "late", script: "true" });
        assert.equal(handed.status, 403);
        assert.equal(JSON.parse(await home.read("jobs/config.json")).paused, false);
        await home.write(".config/qj.conf", proxiedOptions);
      });

      await t.step("pages that are open see that qj is gone, and that it is back", async () => {
        await qj.end();
        assert.equal((await browser.ask("/")).status, 502);
        await qj.restart();
        assert.equal((await browser.ask("/")).status, 200);
      });

      await t.step("a new token signs everybody out", async () => {
        await home.sh(signOut);
        assert.equal((await browser.ask("/")).status, 401);
        assert.equal((await browser.ask(link)).status, 401);
        const again = (await home.sh(proxiedCommands.split("\n").at(-2)!)).trim();
        assert.notEqual(again, link);
        assert.equal((await browser.ask(again)).status, 200);
        assert.equal((await browser.ask("/")).status, 200);
      });
    }

    page.assertAllTaken();
  },
});
