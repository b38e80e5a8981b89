/**
 * Text of a log for a page: the colours and weights that programs ask for by ANSI sequences (SGR, ECMA-48 8.3.117), as class
 * names. Every other sequence is left out, and other control characters are shown as what they are, so that no log can do
 * anything to the page or look like something else.
 */
import { printable } from "../store/printable.ts";

/** A piece of text with the classes that it has, divided by blanks, or none. */
export type Piece = readonly [text: string, classes: string];

/** A sequence, whole; or the beginning of one that the text ends with. */
const SEQUENCE =
  // deno-lint-ignore no-control-regex
  /\x1b(?:\[[0-9:;<=>?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])/y;
// deno-lint-ignore no-control-regex
const BEGUN = /\x1b(?:\[[0-9:;<=>?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?$/;
/** Of a sequence that has begun: longer ones are none. */
const MAX_BEGUN = 4096;

interface Look {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  strike: boolean;
  /** 0 to 15, or none. */
  front: number | null;
  back: number | null;
}

const PLAIN: Look = {
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
  strike: false,
  front: null,
  back: null,
};

/** Reads a log piece by piece, and remembers what was asked for before. */
export class AnsiReader {
  #look: Look = { ...PLAIN };
  /** The beginning of a sequence, or of a line end, that the text so far has ended with. */
  #begun = "";

  /** The pieces of the text that follows. `isLast`: no more comes. */
  read(text: string, isLast = false): Piece[] {
    let all = this.#begun + text;
    this.#begun = "";
    if (!isLast) {
      const begun = /\r$/.exec(all) ?? BEGUN.exec(all.slice(-MAX_BEGUN));
      if (begun !== null) {
        this.#begun = begun[0];
        all = all.slice(0, all.length - begun[0].length);
      }
    }
    const pieces: Piece[] = [];
    for (let at = 0; at < all.length;) {
      const escape = all.indexOf("\x1b", at);
      const end = escape === -1 ? all.length : escape;
      if (end > at) pieces.push([shown(all.slice(at, end)), this.#classes()]);
      if (escape === -1) break;
      SEQUENCE.lastIndex = escape;
      const sequence = SEQUENCE.exec(all)?.[0];
      if (sequence !== undefined) this.#take(sequence);
      else pieces.push(["␛", "control"]);
      at = escape + (sequence?.length ?? 1);
    }
    return pieces;
  }

  #take(sequence: string): void {
    // deno-lint-ignore no-control-regex
    const codes = /^\x1b\[([0-9;:]*)m$/.exec(sequence)?.[1];
    if (codes === undefined) return;
    const numbers = codes.replaceAll(":", ";").split(";").map(Number);
    for (let i = 0; i < numbers.length;) i += this.#set(numbers, i);
  }

  /** Takes the code at `i`; returns how many numbers it has. */
  #set(numbers: readonly number[], i: number): number {
    const look = this.#look;
    const code = numbers[i]!;
    if (code === 38 || code === 48) {
      const [colour, length] = colourAt(numbers, i + 1);
      if (code === 38) look.front = colour;
      else look.back = colour;
      return 1 + length;
    }
    if (code === 0) Object.assign(look, PLAIN);
    else if (code === 1) look.bold = true;
    else if (code === 2) look.dim = true;
    else if (code === 3) look.italic = true;
    else if (code === 4) look.underline = true;
    else if (code === 7) look.inverse = true;
    else if (code === 9) look.strike = true;
    else if (code === 22) look.bold = look.dim = false;
    else if (code === 23) look.italic = false;
    else if (code === 24) look.underline = false;
    else if (code === 27) look.inverse = false;
    else if (code === 29) look.strike = false;
    else if (code >= 30 && code <= 37) look.front = code - 30;
    else if (code >= 90 && code <= 97) look.front = code - 82;
    else if (code === 39) look.front = null;
    else if (code >= 40 && code <= 47) look.back = code - 40;
    else if (code >= 100 && code <= 107) look.back = code - 92;
    else if (code === 49) look.back = null;
    return 1;
  }

  #classes(): string {
    const { bold, dim, italic, underline, inverse, strike, front, back } = this.#look;
    const classes = { bold, dim, italic, underline, inverse, strike };
    const names = Object.entries(classes).flatMap(([name, is]) => is ? [name] : []);
    if (front !== null) names.push(`f${front}`);
    if (back !== null) names.push(`b${back}`);
    return names.join(" ");
  }
}

/** One of 16 colours behind 38 or 48, and how many numbers name it: `5;N`, or `2;R;G;B`. */
function colourAt(numbers: readonly number[], i: number): [number | null, number] {
  if (numbers[i] === 5) return [ofPalette(numbers[i + 1] ?? 0), 2];
  if (numbers[i] === 2) {
    return [nearest(numbers[i + 1] ?? 0, numbers[i + 2] ?? 0, numbers[i + 3] ?? 0), 4];
  }
  return [null, 1];
}

/** The 256 colours of xterm: 16, a cube of six by six by six, and a row of greys. */
function ofPalette(n: number): number | null {
  if (n < 16) return n;
  if (n > 255) return null;
  if (n >= 232) return nearest((n - 232) * 10 + 8, (n - 232) * 10 + 8, (n - 232) * 10 + 8);
  const level = (step: number) => step === 0 ? 0 : 55 + step * 40;
  const cube = n - 16;
  return nearest(
    level(Math.floor(cube / 36)),
    level(Math.floor(cube / 6) % 6),
    level(cube % 6),
  );
}

function nearest(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  if (most < 48) return 0;
  if (most - least < 32) return most > 208 ? 15 : most > 128 ? 7 : 8;
  const bit = (value: number, weight: number) => value > (most + least) / 2 ? weight : 0;
  const hue = bit(red, 1) | bit(green, 2) | bit(blue, 4);
  return most > 208 ? hue + 8 : hue;
}

/** Lines end with a line feed, whatever they ended with; tabs stay; the rest is shown. */
function shown(text: string): string {
  return text.replace(/\r\n?/g, "\n").split(/([\n\t])/)
    .map((part, i) => i % 2 === 1 ? part : visible(part)).join("");
}

/** One line of text with nothing in it that could act or hide; tabs stay. */
export function visibleText(line: string): string {
  return line.split("\t").map(visible).join("\t");
}

/** C0 controls as their pictures in Unicode; what is left is written as in a log of the daemon. */
function visible(text: string): string {
  // deno-lint-ignore no-control-regex
  const pictured = text.replace(/[\0-\x1f\x7f]/g, (character) => {
    const code = character.charCodeAt(0);
    return String.fromCharCode(code === 0x7f ? 0x2421 : 0x2400 + code);
  });
  return printable(pictured);
}

/** All pieces of a text that is complete. */
export function ansiPieces(text: string): Piece[] {
  return new AnsiReader().read(text, true);
}
