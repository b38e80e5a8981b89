/**
 * Text of a log for a page: the colours and weights that programs ask for by ANSI sequences (SGR, ECMA-48 8.3.117), as class
 * names. Every other sequence is left out, and other control characters are shown as what they are, so that no log can do
 * anything to the page or look like something else.
 */
import { printable } from "../store/printable.ts";

/** A piece of text with the classes that it has, divided by blanks, or none. */
export type Piece = readonly [text: string, classes: string];

/** A longer sequence is none: what follows the beginning of one that has no end must not stay hidden. */
const MAX_SEQUENCE = 65_536;

/**
 * What has come of a sequence: ESC alone; ESC and intermediates; a control sequence (CSI) with parameters, or with
 * intermediates behind them; a string (OSC, DCS, SOS, PM, APC), or one that ESC has perhaps ended.
 */
type Part = "escape" | "intermediate" | "parameters" | "last" | "string" | "string end";

/** What a character makes of a part: another one; an end; or no sequence at all. */
function next(part: Part, char: string): Part | "end" | "none" {
  switch (part) {
    case "escape":
      if (char === "[") return "parameters";
      if (/[\]PX^_]/.test(char)) return "string";
      if (/[ -/]/.test(char)) return "intermediate";
      return /[0-~]/.test(char) ? "end" : "none";
    case "intermediate":
      if (/[ -/]/.test(char)) return part;
      return /[0-~]/.test(char) ? "end" : "none";
    case "parameters":
      if (/[0-?]/.test(char)) return part;
      if (/[ -/]/.test(char)) return "last";
      return /[@-~]/.test(char) ? "end" : "none";
    case "last":
      if (/[ -/]/.test(char)) return part;
      return /[@-~]/.test(char) ? "end" : "none";
    case "string":
      return char === "\x07" ? "end" : char === "\x1b" ? "string end" : part;
    case "string end":
      return char === "\\" ? "end" : "none";
  }
}

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
  /** The sequence that has begun, and what has come of it; null: none. */
  #part: Part | null = null;
  #sequence = "";
  /** A carriage return has come, which may belong to a line feed. */
  #isReturned = false;
  /** Text that has one look. */
  #text = "";
  #pieces: Piece[] = [];

  /** The pieces of the text that follows. `isLast`: no more comes. */
  read(text: string, isLast = false): Piece[] {
    this.#addAll(text);
    while (isLast && this.#part !== null) this.#giveUp();
    if (isLast && this.#isReturned) this.#endLine();
    this.#flush();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** Whole runs of what is only text, or only the content of a string, at once. */
  #addAll(text: string): void {
    const places = new Places(text);
    for (let at = 0; at < text.length;) {
      const end = this.#runEnd(places, at);
      if (end > at) {
        if (this.#part === null) this.#text += text.slice(at, end);
        else this.#sequence += text.slice(at, end);
        at = end;
      } else {
        this.#add(text[at]!);
        at++;
      }
    }
  }

  /** Up to where a text goes on as it is: `at`, if the next character has to be looked at. */
  #runEnd(places: Places, at: number): number {
    if (this.#part === null && !this.#isReturned) {
      return Math.min(places.next("\x1b", at), places.next("\r", at));
    }
    if (this.#part !== "string") return at;
    const most = at + MAX_SEQUENCE - this.#sequence.length;
    const end = Math.min(places.next("\x07", at), places.next("\x1b", at));
    return Math.max(at, Math.min(most, end));
  }

  #add(char: string): void {
    if (this.#part === null) return this.#addText(char);
    const part = next(this.#part, char);
    if (part === "none" || this.#sequence.length >= MAX_SEQUENCE) {
      this.#giveUp();
      return this.#add(char);
    }
    this.#sequence += char;
    if (part !== "end") {
      this.#part = part;
      return;
    }
    const sequence = this.#sequence;
    this.#part = null;
    this.#sequence = "";
    this.#take(sequence);
  }

  #addText(char: string): void {
    if (this.#isReturned) {
      this.#endLine();
      if (char === "\n") return;
    }
    if (char === "\r") {
      this.#isReturned = true;
    } else if (char === "\x1b") {
      this.#part = "escape";
      this.#sequence = char;
    } else {
      this.#text += char;
    }
  }

  #endLine(): void {
    this.#isReturned = false;
    this.#text += "\n";
  }

  /** It is no sequence but text. */
  #giveUp(): void {
    const rest = this.#sequence.slice(1);
    this.#part = null;
    this.#sequence = "";
    this.#text += "␛";
    this.#addAll(rest);
  }

  #flush(): void {
    if (this.#text !== "") this.#pieces.push([shown(this.#text), this.#classes()]);
    this.#text = "";
  }

  #take(sequence: string): void {
    // deno-lint-ignore no-control-regex
    const codes = /^\x1b\[([0-9;:]*)m$/.exec(sequence)?.[1];
    if (codes === undefined) return;
    this.#flush();
    const parameters = codes.split(";");
    for (let i = 0; i < parameters.length;) i += this.#set(parameters, i);
  }

  /** Takes the parameter at `i`; returns how many belong to it. Its own parts are divided by colons. */
  #set(parameters: readonly string[], i: number): number {
    const look = this.#look;
    const [code = 0, ...parts] = parameters[i]!.split(":").map(Number);
    if (code === 38 || code === 48 || code === 58) {
      const isOne = parts.length > 0;
      // 38:2 may name a colour space before its three numbers.
      const numbers = isOne && parts[0] === 2 && parts.length > 4
        ? [2, ...parts.slice(2)]
        : isOne
        ? parts
        : parameters.slice(i + 1, i + 5).map(Number);
      const [colour, length] = colourOf(numbers);
      if (code === 38) look.front = colour;
      else if (code === 48) look.back = colour;
      return isOne ? 1 : 1 + length;
    }
    if (code === 4 && parts[0] === 0) look.underline = false;
    else this.#setPlain(code);
    return 1;
  }

  #setPlain(code: number): void {
    const look = this.#look;
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

/** Where characters are in a text. Each is looked for once, however often it is asked for. */
class Places {
  readonly #text: string;
  readonly #found = new Map<string, number>();

  constructor(text: string) {
    this.#text = text;
  }

  /** The next one from `at` on, else the end. `at` only grows. */
  next(character: string, at: number): number {
    const found = this.#found.get(character) ?? -1;
    if (found >= at) return found;
    const place = this.#text.indexOf(character, at);
    const next = place === -1 ? this.#text.length : place;
    this.#found.set(character, next);
    return next;
  }
}

/** One of 16 colours, and how many numbers name it: `5;N`, or `2;R;G;B`. */
function colourOf([kind, ...numbers]: readonly number[]): [number | null, number] {
  const [first = 0, second = 0, third = 0] = numbers;
  if (kind === 5) return [ofPalette(first), 2];
  return kind === 2 ? [nearest(first, second, third), 4] : [null, 1];
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

/** Line feeds and tabs stay; what else could act is shown. */
function shown(text: string): string {
  return text.split(/([\n\t])/).map((part, i) => i % 2 === 1 ? part : visible(part)).join("");
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
