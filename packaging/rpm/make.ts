/** The .rpm, by rpmbuild. */
import { type Packaging, PROJECT, run } from "../packaging.ts";

export async function makeRpm({ stage, arch, version, epochSec }: Packaging): Promise<string> {
  const licenses = `${stage}/usr/share/licenses/qj`;
  await Deno.mkdir(licenses, { recursive: true });
  await Deno.copyFile(`${PROJECT}LICENSE`, `${licenses}/LICENSE`);
  await run("find", [stage, "-exec", "touch", "-h", "-d", `@${epochSec}`, "{}", "+"]);
  const top = `${stage}-rpm`;
  const defines = {
    _topdir: top,
    qj_version: version,
    qj_arch: arch,
    qj_stage: stage,
  };
  await run("rpmbuild", [
    "-bb",
    "--quiet",
    "--target",
    arch,
    ...Object.entries(defines).flatMap(([name, value]) => ["--define", `${name} ${value}`]),
    `${PROJECT}packaging/rpm/qj.spec`,
  ], { SOURCE_DATE_EPOCH: String(epochSec) });
  const name = `qj-${version}-1.${arch}.rpm`;
  const target = `${PROJECT}dist/${name}`;
  await Deno.copyFile(`${top}/RPMS/${arch}/${name}`, target);
  return target;
}
