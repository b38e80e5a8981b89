/** Charts of the last hour or day, as SVG: no script, and no style that the policy of the page would refuse. */
import { type Activity, longest, median, type Minute } from "./activity.ts";
import { clock, count, exact, shortSeconds } from "./format.ts";

/** Of the drawing: about as many as it has pixels on a page, so that the text has its size. */
const WIDTH = 360;
const HEIGHT = 120;
/** Room for the axes. */
const LEFT = 46;
const BOTTOM = 18;
const TOP = 8;

export type Range = "hour" | "day";

/** Bars, and the minutes of each. */
const RANGES: Readonly<Record<Range, { readonly bars: number; readonly width: number }>> = {
  hour: { bars: 60, width: 1 },
  day: { bars: 96, width: 15 },
};

interface Span {
  readonly startMs: number;
  readonly counts: readonly Minute[];
}

/** A round number that is not smaller, so that an axis has numbers which one can read. */
export function niceMax(value: number, isWhole: boolean): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const nice = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((n) => n >= value)!;
  return isWhole ? Math.max(1, Math.ceil(nice)) : nice;
}

interface Bar {
  readonly value: number;
  readonly kind: string;
}

interface ChartProps {
  readonly title: string;
  readonly spans: readonly Span[];
  readonly width: number;
  /** One above the other. */
  readonly bars: (span: Span) => readonly Bar[];
  readonly line?: (span: Span) => number | null;
  readonly label: (value: number) => string;
  /** What one is told who points at a span. */
  readonly tell: (span: Span) => string;
  readonly isWhole: boolean;
}

function Chart({ title, spans, width, bars, line, label, tell, isWhole }: ChartProps) {
  const sums = spans.map((span) => bars(span).reduce((sum, { value }) => sum + value, 0));
  const lines = spans.map((span) => line?.(span) ?? null);
  const most = Math.max(0, ...sums, ...lines.map((value) => value ?? 0));
  const max = niceMax(most, isWhole);
  const step = (WIDTH - LEFT) / spans.length;
  const height = HEIGHT - BOTTOM - TOP;
  const y = (value: number) => TOP + height * (1 - value / max);
  const x = (i: number) => LEFT + i * step;
  const ticks = spans.length / 4;
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}: ${most === 0 ? "nothing" : `at most ${label(most)}`}`}
      >
        {[0, 0.5, 1].filter((part) => !isWhole || Number.isInteger(max * part)).map((part) => (
          <g>
            <line class="grid" x1={LEFT} x2={WIDTH} y1={y(max * part)} y2={y(max * part)} />
            <text class="axis" x={LEFT - 4} y={y(max * part) + 4} text-anchor="end">
              {label(max * part)}
            </text>
          </g>
        ))}
        {[0, 1, 2, 3].map((i) => (
          <text class="axis" x={x(i * ticks)} y={HEIGHT - 4}>
            {clock(spans[i * ticks]!.startMs)}
          </text>
        ))}
        {spans.map((span, i) => {
          let under = 0;
          return (
            <g class="span">
              <title>
                {`${exact(span.startMs).slice(0, 16)}, ${
                  width === 1 ? "a minute" : `${width} min`
                }: ${tell(span)}`}
              </title>
              <rect class="hover" x={x(i)} y={TOP} width={step} height={height} />
              {bars(span).filter(({ value }) => value > 0).map(({ value, kind }) => {
                under += value;
                return (
                  <rect
                    class={kind}
                    x={round(x(i) + step * 0.1)}
                    y={round(y(under))}
                    width={round(step * 0.8)}
                    height={round(Math.max(1, (height * value) / max))}
                  />
                );
              })}
              {lines[i] !== null && (
                <rect
                  class="longest"
                  x={round(x(i))}
                  y={round(y(lines[i]!) - 1)}
                  width={round(step)}
                  height={2}
                />
              )}
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

function round(n: number): number {
  return Math.round(n * 100) / 100;
}

const sum = (span: Span, key: "complete" | "failed") =>
  span.counts.reduce((all, minute) => all + minute[key], 0);

function Times({ title, spans, width, of }: {
  title: string;
  spans: readonly Span[];
  width: number;
  of: "waited" | "ran";
}) {
  const told = new Map(spans.map((span) => {
    const times = span.counts.map((minute) => minute[of]);
    return [span, { middle: median(times), most: longest(times) }] as const;
  }));
  return (
    <Chart
      title={title}
      spans={spans}
      width={width}
      bars={(span) => [{ value: told.get(span)!.middle ?? 0, kind: "median" }]}
      line={(span) => told.get(span)!.most}
      label={shortSeconds}
      isWhole={false}
      tell={(span) => {
        const { middle, most } = told.get(span)!;
        return middle === null || most === null
          ? "none"
          : `half of them at most ${shortSeconds(middle)}, the longest ${shortSeconds(most)}`;
      }}
    />
  );
}

const LEGEND = {
  complete: "complete",
  failed: "failed",
  median: "half of them at most",
  longest: "the longest",
} as const;

/** The three charts, and the choice of what they show. */
export function Charts({ activity, range, href }: {
  activity: Activity;
  range: Range;
  href: (range: Range) => string;
}) {
  const { bars, width } = RANGES[range];
  const spans = activity.spans(bars, width);
  const entry = (one: Range) => (
    <a href={href(one)} {...(one === range && { "aria-current": "true" as const })}>
      {`last ${one}`}
    </a>
  );
  return (
    <section id="charts">
      <h2>Activity</h2>
      <p class="choice">
        {entry("hour")} {entry("day")}
        <span class="legend">
          {(["complete", "failed", "median", "longest"] as const).map((kind) => (
            <span>
              <span class={`key ${kind}`}></span> {`${LEGEND[kind]} `}
            </span>
          ))}
        </span>
      </p>
      <div class="charts">
        <Chart
          title={width === 1 ? "Jobs ended per minute" : `Jobs ended per ${width} minutes`}
          spans={spans}
          width={width}
          bars={(span) => [
            { value: sum(span, "complete"), kind: "complete" },
            { value: sum(span, "failed"), kind: "failed" },
          ]}
          label={count}
          isWhole
          tell={(span) =>
            `${count(sum(span, "complete"))} complete, ${count(sum(span, "failed"))} failed`}
        />
        <Times title="Waiting time" spans={spans} width={width} of="waited" />
        <Times title="Run time" spans={spans} width={width} of="ran" />
      </div>
    </section>
  );
}
