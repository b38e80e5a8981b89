/** The .deb, by dpkg-deb. */
import { type Packaging, PROJECT, run } from "../packaging.ts";

const ARCH: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };
const SCRIPTS = ["postinst", "prerm", "postrm"];
const HERE = `${PROJECT}packaging/debian/`;

export async function makeDeb({ stage, arch, version, epochSec }: Packaging): Promise<string> {
  const debian = ARCH[arch]!;
  const doc = `${stage}/usr/share/doc/qj`;
  await Deno.mkdir(`${stage}/usr/share/zsh/vendor-completions`, { recursive: true });
  await Deno.rename(
    `${stage}/usr/share/zsh/site-functions/_qj`,
    `${stage}/usr/share/zsh/vendor-completions/_qj`,
  );
  await Deno.remove(`${stage}/usr/share/zsh/site-functions`);
  await Deno.copyFile(`${HERE}copyright`, `${doc}/copyright`);
  await writeGzip(`${doc}/changelog.gz`, changelog(version, epochSec));
  await Deno.mkdir(`${stage}/usr/share/lintian/overrides`, { recursive: true });
  await Deno.copyFile(`${HERE}lintian-overrides`, `${stage}/usr/share/lintian/overrides/qj`);
  const size = (await run("du", ["-k", "-s", "--apparent-size", stage])).split("\t")[0]!;
  await Deno.mkdir(`${stage}/DEBIAN`);
  const control = (await Deno.readTextFile(`${HERE}control.in`))
    .replace("@VERSION@", version).replace("@ARCH@", debian).replace("@SIZE@", size);
  await Deno.writeTextFile(`${stage}/DEBIAN/control`, control);
  for (const script of SCRIPTS) {
    await Deno.copyFile(`${HERE}${script}`, `${stage}/DEBIAN/${script}`);
  }
  const sums = await run(
    "sh",
    ["-c", "find usr -type f | LC_ALL=C sort | xargs -d '\\n' md5sum"],
    {},
    stage,
  );
  await Deno.writeTextFile(`${stage}/DEBIAN/md5sums`, sums);
  await run("chmod", ["-R", "u=rwX,go=rX", stage]);
  for (const script of SCRIPTS) await Deno.chmod(`${stage}/DEBIAN/${script}`, 0o755);
  await run("find", [stage, "-exec", "touch", "-h", "-d", `@${epochSec}`, "{}", "+"]);
  const target = `${PROJECT}dist/qj_${version}_${debian}.deb`;
  // A higher level takes four times as long and saves a twentieth.
  await run("dpkg-deb", ["-Zxz", "-z1", "--root-owner-group", "--build", stage, target], {
    SOURCE_DATE_EPOCH: String(epochSec),
  });
  return target;
}

/** In the form of deb-changelog(5); what has changed is in the changelog of qj. */
function changelog(version: string, epochSec: number): string {
  const date = new Date(epochSec * 1000).toUTCString().replace("GMT", "+0000");
  return `qj (${version}) unstable; urgency=medium\n\n  * What has changed is in CHANGELOG.md of the sources.\n\n` +
    ` -- The qj authors <qj@localhost>  ${date}\n`;
}

async function writeGzip(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path.replace(/\.gz$/, ""), text);
  await run("gzip", ["-9", "-n", path.replace(/\.gz$/, "")]);
}
