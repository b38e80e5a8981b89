/** Jobs that the pages are tried with. */
import type { Qj } from "../mount/qj.ts";

/** Of a job that waits until it is moved away. */
export const CLOSED = "#QJ queue=closed\n";

export async function status(qj: Qj, name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(qj.path("jobs", name, "status.json")));
}

export async function config(qj: Qj): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(qj.path("config.json")));
}

/** Submits jobs that fail, one after the other, so that the last is the first of a list. */
export async function fail(qj: Qj, ...names: string[]): Promise<void> {
  for (const name of names) {
    await qj.submit(name, "exit 3");
    await qj.in("failed", name);
  }
}

/** A job that prints what is appended to a file, for as long as it runs. */
export async function printer(qj: Qj, name: string) {
  const file = await Deno.makeTempFile({ dir: qj.folder });
  await qj.submit(name, `exec tail -n +1 -s 0.05 -f ${file} # ${name}`);
  await qj.in("active", name);
  return (text: string) => Deno.writeTextFile(file, text, { append: true });
}
