/**
 * A strict reader of OpenMetrics 1.0 text, as far as qj has a use for it: no timestamps, no exemplars. Throws at the
 * first line that is not as the specification has it:
 * https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
 */

export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const METADATA = new RegExp(`^# (HELP|TYPE|UNIT) (${NAME}) (.+)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;
const NUMBER = /^[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)$/i;
/** What a sample's name has behind that of its family. */
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  gauge: [""],
  unknown: [""],
  counter: ["_total", "_created"],
  histogram: ["_bucket", "_sum", "_count", "_created"],
  info: ["_info"],
};

function check(condition: unknown, fault: string, line: string): asserts condition {
  if (!condition) throw new Error(`${fault}: ${JSON.stringify(line)}`);
}

function parseNumber(text: string, line: string): number {
  check(NUMBER.test(text), "not a number", line);
  if (/nan/i.test(text)) return NaN;
  if (/inf/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return Number(text);
}

function unescape(text: string): string {
  return text.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
}

function parseLabels(text: string, line: string): Map<string, string> {
  const labels = new Map<string, string>();
  let rest = text;
  while (rest !== "") {
    const [whole, name, value, comma] = LABEL.exec(rest) ?? [];
    check(whole !== undefined, "not a label", line);
    check(!labels.has(name!), "the same label twice", line);
    check(!name!.startsWith("__"), "a reserved label", line);
    labels.set(name!, unescape(value!));
    rest = rest.slice(whole.length);
    check(comma === "" || rest !== "", "a comma at the end", line);
  }
  return labels;
}

function parseSample(line: string): Sample {
  const [whole, name, labels, value] = SAMPLE.exec(line) ?? [];
  check(whole !== undefined, "neither a sample nor metadata", line);
  return { name: name!, labels: parseLabels(labels ?? "", line), value: parseNumber(value!, line) };
}

/** Labels in one order, as a text. */
function key(labels: ReadonlyMap<string, string>, without = ""): string {
  const pairs = [...labels].filter(([name]) => name !== without);
  return JSON.stringify(pairs.sort(([a], [b]) => a < b ? -1 : 1));
}

function checkHistogram({ name, samples }: Family): void {
  const metrics = new Map<string, Sample[]>();
  let last = "";
  for (const sample of samples) {
    const metric = key(sample.labels, "le");
    check(metric === last || !metrics.has(metric), "a metric in two places", `${name}${metric}`);
    last = metric;
    metrics.set(metric, [...metrics.get(metric) ?? [], sample]);
  }
  for (const [labels, own] of metrics) {
    const where = `${name}${labels}`;
    const part = (suffix: string) => own.filter((sample) => sample.name === name + suffix);
    const [count, sum, buckets] = [part("_count"), part("_sum"), part("_bucket")];
    check(count.length === 1 && sum.length === 1, "not one count and one sum", where);
    const bounds = buckets.map(({ labels }) => labels.get("le") ?? "");
    for (const bound of bounds) check(/[.e]|^\+Inf$/.test(bound), "le is no float", where);
    const numbers = bounds.map((bound) => parseNumber(bound, where));
    check(numbers.every((n, i) => i === 0 || n > numbers[i - 1]!), "bounds do not rise", where);
    check(bounds.at(-1) === "+Inf", "no bucket +Inf", where);
    const counts = buckets.map(({ value }) => value);
    check(counts.every((n, i) => i === 0 || n >= counts[i - 1]!), "buckets fall", where);
    check(counts.at(-1) === count[0]!.value, "+Inf is not the count", where);
    for (const n of counts) check(Number.isInteger(n) && n >= 0, "a count that is none", where);
    check(sum[0]!.value >= 0, "a negative sum", where);
  }
}

function checkFamily(family: Family): void {
  const { name, type, samples } = family;
  const suffixes = SUFFIXES[type];
  check(suffixes !== undefined, "an unknown type", `${name} ${type}`);
  check(!/_(total|created|bucket|sum|count)$/.test(name), "a name that ends like a sample's", name);
  const seen = new Set<string>();
  for (const sample of samples) {
    const own = suffixes.some((suffix) => sample.name === name + suffix);
    check(own, `not a sample of the ${type} ${name}`, sample.name);
    const identity = sample.name + key(sample.labels);
    check(!seen.has(identity), "a sample twice", identity);
    seen.add(identity);
    if (type === "counter") check(sample.value >= 0, "a counter below 0", sample.name);
    if (type === "histogram") {
      check(sample.labels.has("le") === sample.name.endsWith("_bucket"), "le", sample.name);
    } else check(!sample.labels.has("le"), "le", sample.name);
  }
  if (type === "histogram") checkHistogram(family);
}

/** Parses and checks a whole text; gives the families by name. */
export function parseOpenMetrics(text: string): Map<string, Family> {
  check(text.endsWith("\n# EOF\n") || text === "# EOF\n", "no # EOF at the end", text.slice(-20));
  const families = new Map<string, Family & { samples: Sample[] }>();
  let metadata = new Map<string, string>();
  let name = "";
  for (const line of text.split("\n").slice(0, -2)) {
    check(!line.includes("\r"), "a carriage return", line);
    const [, kind, owner, value] = METADATA.exec(line) ?? [];
    if (kind === undefined) {
      const family = families.get(name);
      check(family !== undefined && metadata.has("TYPE"), "a sample before its type", line);
      family.samples.push(parseSample(line));
      continue;
    }
    if (owner !== name) {
      check(!families.has(owner!), "a family in two places", line);
      name = owner!;
      metadata = new Map();
      families.set(name, { name, type: "unknown", help: "", samples: [] });
    }
    check(!metadata.has(kind), "the same metadata twice", line);
    check(families.get(name)!.samples.length === 0, "metadata behind a sample", line);
    metadata.set(kind, value!);
    if (kind === "HELP") check(/^(?:[^\\]|\\[\\n"])*$/.test(value!), "a bad escape", line);
    families.set(name, {
      name,
      type: metadata.get("TYPE") ?? "unknown",
      help: unescape(metadata.get("HELP") ?? ""),
      samples: [],
    });
  }
  for (const family of families.values()) checkFamily(family);
  return families;
}
