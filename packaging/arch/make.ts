/** The package of Arch Linux, by makepkg, which root may not run. */
import { type Packaging, PROJECT, run } from "../packaging.ts";

const NOBODY = "65534";

export async function makeArch({ stage, arch, version, epochSec }: Packaging): Promise<string> {
  const licenses = `${stage}/usr/share/licenses/qj`;
  await Deno.mkdir(licenses, { recursive: true });
  await Deno.copyFile(`${PROJECT}LICENSE`, `${licenses}/LICENSE`);
  const work = `${stage}-work`;
  await Deno.mkdir(work);
  await Deno.copyFile(`${PROJECT}packaging/arch/PKGBUILD`, `${work}/PKGBUILD`);
  await Deno.chmod(work, 0o777);
  const isRoot = Deno.uid() === 0;
  const as = isRoot ? ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"] : [];
  const [program, ...args] = [
    ...as,
    "makepkg",
    "--nodeps",
    "--force",
    "--noconfirm",
    "--config",
    `${PROJECT}packaging/arch/makepkg.conf`,
  ];
  await run(program!, args, {
    CARCH: arch,
    HOME: work,
    PKGDEST: work,
    SRCDEST: work,
    BUILDDIR: `${work}/build`,
    QJ_STAGE: stage,
    QJ_VERSION: version,
    SOURCE_DATE_EPOCH: String(epochSec),
  }, work);
  const name = `qj-${version}-1-${arch}.pkg.tar.zst`;
  const target = `${PROJECT}dist/${name}`;
  await Deno.copyFile(`${work}/${name}`, target);
  return target;
}
