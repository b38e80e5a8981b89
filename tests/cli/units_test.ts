/** The units for systemd: valid, as tight as their comments say, and with rights that suffice. */
import assert from "node:assert/strict";
import { A, ownersTest } from "../mount/owners.ts";

const FOLDER = new URL("../../packaging/systemd/", import.meta.url).pathname;
const UNITS = ["qj@.service", "qj.service"] as const;

async function output(program: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

const hasSystemd = await output("systemd-analyze", "--version").then(() => true, () => false);
if (!hasSystemd) {
  const text = "Units: not analysed, since there is no systemd-analyze\n";
  await Deno.stderr.write(new TextEncoder().encode(text));
}

for (const unit of UNITS) {
  Deno.test({
    name: `units: ${unit} has no directive that systemd does not know, and the score that it names`,
    ignore: !hasSystemd,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
      try {
        const text = await Deno.readTextFile(`${FOLDER}${unit}`);
        // As an instance, with programs that exist and no manual pages, which are not installed here.
        const path = `${folder}/${unit.replace("@", "@batch")}`;
        const here = text.replaceAll("/usr/bin/qj", "/bin/true").replace(
          /^Documentation=.*\n/m,
          "",
        );
        await Deno.writeTextFile(path, here);
        const verified = await output("systemd-analyze", "verify", path);
        assert.doesNotMatch(verified, /batch|qj\.service/);
        const security = await output(
          "systemd-analyze",
          "security",
          "--offline=true",
          "--no-pager",
          path,
        );
        const score = Number(/exposure level for \S+: ([\d.]+)/.exec(security)?.[1]);
        const named = Number(/security` rates it ([\d.]+)/.exec(text)?.[1]);
        // Versions of systemd differ a little in what they look at.
        assert(Math.abs(score - named) <= 0.4, `${score} is not ${named}\n${security}`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

const system = await Deno.readTextFile(`${FOLDER}qj@.service`);
const capabilities = [...system.matchAll(/^CapabilityBoundingSet=(.*)$/gm)]
  .flatMap(([, list]) => list!.toLowerCase().replaceAll("cap_", "").split(" "));

ownersTest(
  "units: the capabilities of qj@.service suffice to mount, to run jobs as their owners and to stop them",
  async ({ qj, as }) => {
    const status = await Deno.readTextFile(`/proc/${qj.pid}/status`);
    const bounding = BigInt(`0x${/^CapBnd:\t(\w+)$/m.exec(status)![1]}`);
    // A container may have less to begin with.
    assert(bounding.toString(2).replaceAll("0", "").length <= capabilities.length);
    await qj.configure({ kill_grace_sec: 0.2 });
    await as(A, "echo 'id -un' > pending/x; echo 'setsid sleep 1000 & sleep 1000; :' > pending/y");
    assert.match(await qj.in("complete", "x"), /\ndaemon\n$/);
    await qj.in("active", "y");
    await qj.logged(/"y" started/);
    await qj.end("SIGKILL");
    await qj.restart();
    await qj.sh("mv active/y failed/ || mv pending/y failed/");
    assert.equal(await qj.end(), 0);
    assert.equal(qj.isMounted, false);
    const left = await qj.sh("ps -u daemon -o stat=,comm= | grep -v ^Z | grep sleep", "/");
    assert.equal(left.stdout, "");
  },
  {
    under: [
      "setpriv",
      "--bounding-set",
      `-all,${capabilities.map((name) => `+${name}`).join(",")}`,
    ],
  },
);
