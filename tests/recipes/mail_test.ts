/** docs/mail.md: what the four programs queue arrives byte for byte, whatever it is, and is never run. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { until } from "../mount/qj.ts";
import { lacks } from "../programs/tools.ts";
import { Home } from "./home.ts";
import { Page } from "./page.ts";

/** How a program of the page is started, or prepared before that. */
interface Program {
  readonly file: string;
  readonly needs: string;
  readonly build?: string;
  readonly command: string;
}

const PROGRAMS: readonly Program[] = [
  { file: "queue_mail.py", needs: "python3", command: "python3 queue_mail.py" },
  { file: "queue_mail.mjs", needs: "node", command: "node queue_mail.mjs" },
  { file: "queue_mail.php", needs: "php", command: "php queue_mail.php" },
  {
    file: "queue_mail.go",
    needs: "gccgo",
    build: "gccgo -o queue_mail queue_mail.go",
    command: "./queue_mail",
  },
];

const HEAD = "From: shop@example.com\nTo: joe@example.org\nSubject: x\n\n";
const everyByte = new Uint8Array(256).map((_, i) => i);
const text = (body: string) => new TextEncoder().encode(HEAD + body);

/** Mails that would show a fault, by what they try. */
const MAILS: Readonly<Record<string, Uint8Array>> = {
  plain: text("It is on its way.\n"),
  nothing: new Uint8Array(),
  quotes: text(`"'\`\\ ' "" '' $'x' \\" \\' !! \\\n`),
  expansions: text("$(touch ~/owned) `touch ~/owned` ${HOME} $HOME $((1/0)) ~ * \\$\n"),
  delimiters: text("END_OF_MAIL\n'END_OF_MAIL'\n\nEND_OF_MAIL; touch ~/owned\nEND\nEOF\n"),
  "#QJ lines": text("#QJ timeout=1 attempts=1\n#!/bin/false\n"),
  "leading dots": text(".\n..\n.hidden\n\r\n.\r\n"),
  "no newline at the end": text("the end"),
  "a long line": text("x".repeat(1_000_000)),
  "every byte": new Uint8Array([...everyByte, ...everyByte.toReversed()]),
  "not UTF-8": new Uint8Array([0xff, 0xfe, 0x0a, 0xc3, 0x28, 0x0a]),
  "as long as a line of base64": text("y".repeat(57 * 4 - HEAD.length)),
};

/** No job that waits or has failed, and nothing that a mail has made. */
const NOTHING = "jobs/failed:\n\njobs/pending:\n";

/** Takes a mail into ~/sent, whole, with its arguments beside. */
const SENDMAIL = `#!/bin/sh
set -e
[ ! -e ~/down ] || exit 75
echo "$@" > ~/sent/"$QJ_JOB".args
cat > ~/sent/".$QJ_JOB"
mv ~/sent/".$QJ_JOB" ~/sent/"$QJ_JOB"
`;

/** Where calls of a child cannot be traced, their order is not looked at. */
const canTrace = await new Deno.Command("strace", { args: ["-o", "/dev/null", "true"] }).output()
  .then(({ success }) => success, () => false);

function startHome(): Promise<Home> {
  return Home.start({
    programs: { sendmail: SENDMAIL, logger: `#!/bin/sh\necho "$*" >> ~/syslog\n` },
    before: (folder) => Deno.mkdir(`${folder}/sent`),
  });
}

async function delivered(home: Home, name: string): Promise<Uint8Array> {
  await home.qj.in("complete", name);
  assert.equal(await home.read(`sent/${name}.args`), "-i -t\n");
  return await Deno.readFile(home.path("sent", name));
}

Deno.test("recipes: mail", async (t) => {
  const page = await Page.read("mail");
  await using home = await startHome();
  const { qj } = home;
  await home.install(page);
  await home.sh(page.commands("Mail from a web application"));

  for (const { file, needs, build, command } of PROGRAMS) {
    await t.step({
      name: `${file}: ${Object.keys(MAILS).join(", ")}`,
      ignore: lacks([needs]),
      fn: async () => {
        if (build !== undefined) await home.sh(build);
        const names = new Map<string, string>();
        for (const [kind, mail] of Object.entries(MAILS)) {
          names.set(kind, (await home.sh(command, mail)).trim());
        }
        assert.equal(new Set(names.values()).size, names.size);
        for (const [kind, name] of names) {
          assert.match(name, /^mail-\w{4,}$/);
          assert(Buffer.compare(await delivered(home, name), MAILS[kind]!) === 0, kind);
        }
        const job = await Deno.readTextFile(qj.path("jobs", names.get("plain")!, "script"));
        const sample = page.file("example-job").split("\n");
        assert.deepEqual(job.split("\n").slice(0, 2), sample.slice(0, 2));
        assert(job.split("\n").every((line) => line.length <= 76));
        assert.equal((await home.run("ls -A jobs/pending jobs/failed owned")).stdout, NOTHING);
      },
    });

    await t.step({
      name: `${file}: fails if the draft cannot be written`,
      ignore: lacks([needs]),
      fn: async () => {
        await qj.configure({ max_script_bytes: 100 });
        assert.notEqual((await home.run(command, MAILS["plain"]!)).code, 0);
        assert.deepEqual((await qj.ls("pending")).filter((name) => !name.startsWith(".")), []);
        await home.sh("rm -f jobs/pending/.mail-*");
        await qj.configure({ max_script_bytes: 16_777_216 });
      },
    });

    await t.step({
      name: `${file}: syncs the draft, renames it, and syncs the directory`,
      ignore: lacks([needs]) || !canTrace,
      fn: async () => {
        await home.sh(
          `strace -f -y -o trace -e trace=fsync,fdatasync,rename,renameat,renameat2 ${command}`,
          MAILS["plain"]!,
        );
        const calls = [...(await home.read("trace")).matchAll(/(sync|rename)\w*\((.*)\) += 0/g)]
          .map(([, call, what]) => `${call} ${/\.mail/.test(what!) ? "draft" : "directory"}`);
        assert.deepEqual(calls, ["sync draft", "rename draft", "sync directory"]);
      },
    });
  }

  await t.step("the job of the page", async () => {
    await home.sh("cp example-job jobs/pending/example");
    assert.match(
      new TextDecoder().decode(await delivered(home, "example")),
      /\nSubject: Your order\n\nIt is on its way\.\n$/,
    );
  });

  await t.step(
    "a server that is down: the mail waits, is given up, and is sent after all",
    async () => {
      await home.write("down", "");
      const name = (await home.sh(PROGRAMS[0]!.command, MAILS["plain"]!)).trim();
      await qj.in("failed", name);
      assert.equal(
        JSON.parse(await home.read(`jobs/jobs/${name}/status.json`)).attempts.length,
        20,
      );
      await until("the hook", async () => (await home.read("syslog").catch(() => "")) !== "");
      assert.equal(await home.read("syslog"), `-p mail.err ${name} could not be delivered\n`);
      await Deno.remove(home.path("down"));
      await home.sh("mv jobs/failed/mail-* jobs/pending/");
      assert(Buffer.compare(await delivered(home, name), MAILS["plain"]!) === 0);
    },
  );

  await t.step("a readable job", async () => {
    const commands = page.commands("Readable jobs");
    for (const kind of ["quotes", "expansions", "delimiters", "leading dots", "a long line"]) {
      await home.write("message.eml", MAILS[kind]!);
      const before = new Set(await qj.ls("complete"));
      await home.sh(commands);
      const added = async () => (await qj.ls("complete")).filter((name) => !before.has(name));
      await until("it is sent", async () => (await added()).length === 1);
      const [name] = await added();
      const got = new TextDecoder().decode(await delivered(home, name!));
      assert.equal(got, `${new TextDecoder().decode(MAILS[kind])}\n`);
    }
    assert.equal((await home.run("ls -d ~/owned")).stdout, "");
  });

  page.assertAllTaken();
});
