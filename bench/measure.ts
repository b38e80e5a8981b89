/** Figures of a benchmark: medians of rounds in which all sides take turns, and what they say. */

/** One figure of one side. Rates: more is better; times and sizes: less is. */
export interface Row {
  readonly row: string;
  readonly unit: string;
  readonly isBetter: "more" | "less";
  /** By side; `qj` is one of them. */
  readonly values: Readonly<Record<string, number>>;
  /** What qj should reach, by side: its value over the other's (of times: the other's over its own). */
  readonly targets?: Readonly<Record<string, number>>;
  /** What qj should reach by itself. */
  readonly limit?: number;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** Collects figures by row and side. */
export class Figures {
  readonly #values = new Map<string, Map<string, number[]>>();

  add(row: string, side: string, value: number): void {
    const sides = this.#values.get(row) ?? new Map<string, number[]>();
    sides.set(side, [...sides.get(side) ?? [], value]);
    this.#values.set(row, sides);
  }

  medians(row: string): Record<string, number> {
    const sides = this.#values.get(row) ?? new Map<string, number[]>();
    return Object.fromEntries([...sides].map(([side, values]) => [side, median(values)]));
  }

  get rows(): string[] {
    return [...this.#values.keys()];
  }
}

/** The sides in another order in each round, so that noise that comes and goes meets all of them. */
export function inTurns<T>(sides: readonly T[], round: number): T[] {
  const from = round % sides.length;
  return [...sides.slice(from), ...sides.slice(0, from)];
}

/** How qj compares with a side: above 1 it is better. */
export function ratio({ isBetter, values }: Row, side: string): number {
  const [own, other] = [values["qj"] ?? NaN, values[side] ?? NaN];
  return isBetter === "more" ? own / other : other / own;
}

const shown = (value: number) =>
  value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);

/** The table, a line for each row and one for each side below it. */
export function table(rows: readonly Row[]): string {
  const lines = rows.flatMap((row) => {
    const { values, targets = {}, limit } = row;
    const own = limit === undefined
      ? ""
      : `   at most ${limit}: ${(values["qj"] ?? NaN) <= limit ? "met" : "missed"}`;
    const others = Object.keys(values).filter((side) => side !== "qj").map((side) => {
      const of = ratio(row, side);
      const target = targets[side];
      const judged = target === undefined
        ? ""
        : `   at least ${target}: ${of >= target ? "met" : "missed"}`;
      return `  ${side.padEnd(36)}${shown(values[side]!).padStart(10)} ${
        of.toFixed(2).padStart(16)
      }${judged}`;
    });
    return [
      `${row.row.padEnd(38)}${shown(values["qj"] ?? NaN).padStart(10)} ${
        row.unit.padEnd(10)
      }${own}`,
      ...others,
    ];
  });
  return `${lines.join("\n")}\n`;
}
