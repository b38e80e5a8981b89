/** The secret that opens the pages of `--http`: in a file that nobody else can read, made when it is not there. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Failure, reasonOf } from "./failure.ts";
import type { Need } from "./preflight.ts";

/** Bytes of a new token. */
const TOKEN_BYTES = 32;
const OTHERS = 0o077;
/** Of a file: a token, and perhaps some blanks around it. */
const MAX_BYTES = 1024;
/** What stands in a link as it is; less than 16 characters can be guessed. */
const TOKEN = /^[A-Za-z0-9._~-]{16,512}$/;

/**
 * The token in a file, which is made with a new one if it does not exist. `knob` is what named the file, for messages.
 * Throws {@linkcode Failure}.
 */
export async function openToken(path: string, knob: string): Promise<string> {
  const quoted = JSON.stringify(path);
  try {
    return await readToken(path, knob) ?? await makeToken(path) ??
      await readToken(path, knob) ?? fail(`${quoted} (${knob}) comes and goes`);
  } catch (error) {
    if (error instanceof Failure) throw error;
    // Of its own name: the one that the system tells of may be that of a part.
    const reason = error instanceof Deno.errors.NotFound
      ? "its folder does not exist"
      : reasonOf(error).replace(/^E[A-Z]+: /, "").split(/, \w+ '|: /)[0];
    throw new Failure(`cannot use the token file ${quoted} (${knob}): ${reason}`);
  }
}

/** Whether the token of a file can be used, or one can be made there. Makes nothing. */
export async function tokenNeed(path: string, knob: string): Promise<Need> {
  const name = `token file ${JSON.stringify(path)} (${knob})`;
  try {
    const token = await readToken(path, knob);
    const found = token === null ? "not there yet, and will be made" : "there, closed to others";
    return { name, found, problem: null };
  } catch (error) {
    return { name, found: "cannot be used", problem: reasonOf(error) };
  }
}

function fail(message: string): never {
  throw new Failure(message);
}

/** Null: there is no such file. */
async function readToken(path: string, knob: string): Promise<string | null> {
  const quoted = JSON.stringify(path);
  let file: FileHandle;
  try {
    // Without waiting for the writer of a FIFO.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
    const isLink = await Deno.lstat(path).then(({ isSymlink }) => isSymlink, () => false);
    if (isLink) fail(`the token file ${quoted} (${knob}) is a link that leads nowhere`);
    return null;
  }
  try {
    // Of the open file, so that nobody can exchange it in between.
    const stat = await file.stat();
    if (!stat.isFile()) fail(`the token file ${quoted} (${knob}) is not a file`);
    if (stat.uid !== Deno.uid() && stat.uid !== 0) {
      fail(`the token file ${quoted} (${knob}) belongs to another user (${stat.uid})`);
    }
    if ((stat.mode & OTHERS) !== 0) {
      fail(`others may read or write the token file ${quoted} (${knob}): chmod 600 ${quoted}`);
    }
    const bytes = new Uint8Array(MAX_BYTES);
    const { bytesRead } = await file.read(bytes, 0, MAX_BYTES, 0);
    const token = new TextDecoder().decode(bytes.subarray(0, bytesRead)).trim();
    if (stat.size <= MAX_BYTES && TOKEN.test(token)) return token;
    fail(
      `the token file ${quoted} (${knob}) must have 16 to 512 letters, digits, dots, dashes, ` +
        `underscores and tildes, and nothing else. Remove it, and a new one is made`,
    );
  } finally {
    await file.close();
  }
}

/** Null: somebody else has made it meanwhile. Whole or not at all: a crash must not leave an empty one. */
async function makeToken(path: string): Promise<string | null> {
  const token = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))
    .toBase64({ alphabet: "base64url", omitPadding: true });
  const part = `${path}.${crypto.randomUUID()}`;
  try {
    await Deno.writeTextFile(part, `${token}\n`, { mode: 0o600, createNew: true });
    await Deno.link(part, path);
    return token;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return null;
    throw error;
  } finally {
    await Deno.remove(part).catch(() => {});
  }
}
