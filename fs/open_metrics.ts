/**
 * Text in the format of OpenMetrics 1.0, of which Prometheus and its relatives read every line:
 * https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
 */

export type Labels = Readonly<Record<string, string>>;

/** How many observations were at most as large as each bound; kept as counts between the bounds. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** `bounds` are in rising order; one without a bound is added. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let i = 0;
    while (i < this.#bounds.length && value > this.#bounds[i]!) i++;
    this.#counts[i]!++;
    this.#sum += value;
  }

  samples(name: string, labels: Labels): string[] {
    let count = 0;
    const buckets = this.#counts.map((more, i) => {
      count += more;
      const le = i < this.#bounds.length ? number(this.#bounds[i]!) : "+Inf";
      return sample(`${name}_bucket`, { ...labels, le }, count);
    });
    return [
      ...buckets,
      sample(`${name}_sum`, labels, this.#sum),
      sample(`${name}_count`, labels, count),
    ];
  }
}

/** A number as a float, as bounds must be: "1.0", "0.005". */
function number(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function escape(text: string): string {
  return text.replace(/[\\"\n]/g, (char) => char === "\n" ? "\\n" : `\\${char}`);
}

/** One line. `name` has the suffix that its type asks for. */
export function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escape(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
}

export interface Family {
  /** Without the suffix that a sample's name may have. */
  readonly name: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly samples: readonly string[];
}

/** The whole text. Families without samples are left out. */
export function exposition(families: readonly Family[]): string {
  const texts = families.filter(({ samples }) => samples.length > 0).map((family) => {
    const { name, type, help, samples } = family;
    return `# HELP ${name} ${escape(help)}\n# TYPE ${name} ${type}\n${samples.join("")}`;
  });
  return `${texts.join("")}# EOF\n`;
}
