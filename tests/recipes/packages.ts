/**
 * Single programs out of packages of Debian that are not installed: those of Prometheus bring servers that would be
 * started, and 300 MB besides. In CI the package is downloaded; elsewhere only what is installed is used.
 */
import { lacks } from "../programs/tools.ts";

async function output(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const command = new Deno.Command(program, { args: [...args], stdin: "null", ...cwd && { cwd } });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** The path of a program of a package, null if it is not installed and this is not CI. It may be put into the folder. */
export async function programOfPackage(
  name: string,
  from: string,
  folder: string,
): Promise<string | null> {
  const installed = await output("sh", ["-c", `command -v ${name}`]).catch(() => "");
  if (installed !== "") return installed.trim();
  if (!Deno.env.has("CI")) {
    lacks([name]); // says so
    return null;
  }
  await Deno.mkdir(`${folder}/${from}`, { recursive: true });
  const download = () => output("apt-get", ["-qq", "download", from], `${folder}/${from}`);
  // The lists of packages may be missing or old.
  await download().catch(async () => {
    await output("apt-get", ["-qq", "update"]);
    await download();
  });
  const unpack = `dpkg-deb --fsys-tarfile ${from}_*.deb | tar -x ./usr/bin/${name}`;
  await output("sh", ["-c", unpack], `${folder}/${from}`);
  return `${folder}/${from}/usr/bin/${name}`;
}
