/**
 * The fenced code blocks of a page in docs/, by what their first line says: ```LANGUAGE [title=PATH] [on=MACHINE].
 *
 * A block with a title is a file, with its path from the home directory, which the line before names for readers. Other
 * `sh` blocks are commands, `text` blocks what the commands before them print. A test takes blocks by title, or by the
 * heading they stand under; what it has not taken at its end has not been executed, and `assertAllTaken()` says so.
 *
 * Blocks are executed as they stand, in a home directory of their own (home.ts). Three tests replace something, and say what:
 * the waits before retries of backups.md, the directory of node_exporter in prometheus.md, and in browser.md the ports, the
 * user, the group, and the beginnings of absolute paths, for which the home directory is the root directory.
 */
import assert from "node:assert/strict";

const FOLDER = new URL("../../docs/", import.meta.url);

interface Block {
  readonly heading: string;
  readonly language: string;
  readonly title: string | null;
  /** The machine that commands are for, on pages with more than one. */
  readonly on: string | null;
  readonly text: string;
}

function attribute(info: string, name: string): string | null {
  return new RegExp(`(?:^| )${name}=(\\S+)`).exec(info)?.[1] ?? null;
}

function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let heading = "";
  let before = "";
  let open: { readonly info: string; readonly lines: string[] } | null = null;
  for (const line of page.split("\n")) {
    if (open === null) {
      heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
      const info = /^```(.*)$/.exec(line)?.[1];
      if (info !== undefined) open = { info, lines: [] };
      else if (line !== "") before = line;
    } else if (line === "```") {
      const { info, lines } = open;
      const title = attribute(info, "title");
      assert(
        title === null || before.includes(`${title}\``),
        `the line before does not name ${title}`,
      );
      blocks.push({
        heading,
        language: info.split(" ")[0]!,
        title,
        on: attribute(info, "on"),
        text: lines.map((text) => `${text}\n`).join(""),
      });
      open = null;
    } else open.lines.push(line);
  }
  assert.equal(open, null, "a code block that is not closed");
  return blocks;
}

export class Page {
  readonly #blocks: readonly Block[];
  readonly #left: Set<Block>;

  constructor(text: string) {
    this.#blocks = blocksOf(text);
    this.#left = new Set(this.#blocks);
  }

  /** Reads docs/NAME.md. */
  static async read(name: string): Promise<Page> {
    return new Page(await Deno.readTextFile(new URL(`${name}.md`, FOLDER)));
  }

  /** The titles of all files of the page. */
  get titles(): string[] {
    return this.#blocks.flatMap(({ title }) => title ?? []);
  }

  /** The text of a file. */
  file(title: string): string {
    const block = this.#blocks.find((block) => block.title === title);
    assert(block !== undefined, `the page has no file ${title}`);
    this.#left.delete(block);
    return block.text;
  }

  /** The commands under a heading, those for one machine if it is named. */
  commands(heading: string, on: string | null = null): string {
    return this.#take(heading, "sh", on);
  }

  /** What the commands under a heading print. */
  output(heading: string): string {
    return this.#take(heading, "text", null);
  }

  /** The blocks of any other language under a heading. */
  blocks(heading: string, language: string): string {
    return this.#take(heading, language, null);
  }

  #take(heading: string, language: string, on: string | null): string {
    const found = this.#blocks.filter((block) =>
      block.heading === heading && block.language === language && block.title === null &&
      block.on === on
    );
    assert(found.length > 0, `the page has no ${language} block under "${heading}"`);
    for (const block of found) this.#left.delete(block);
    return found.map(({ text }) => text).join("");
  }

  /** Fails if there is a block that nobody has asked for. */
  assertAllTaken(): void {
    assert.deepEqual([...this.#left], [], "blocks that were not executed");
  }
}
