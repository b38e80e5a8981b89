/** Processes that make system calls for a test, see tests/posix/client.ts: as any user, with descriptors of their own. */
import assert from "node:assert/strict";
import { Client } from "../posix/client.ts";

const SOURCE = new URL("../posix/client.c", import.meta.url).pathname;

/** Compiles the client; gives the path of the program, in a folder that other users may enter. */
export async function compileClient(folder: string): Promise<string> {
  const program = `${folder}/client`;
  const { success, stderr } = await new Deno.Command("gcc", {
    args: ["-Wall", "-Wextra", "-Werror", "-O1", "-o", program, SOURCE],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return program;
}

/** A client as the user who runs the test. */
export function ownClient(program: string): Client {
  return new Client(program, Deno.uid()!, Deno.gid()!);
}
