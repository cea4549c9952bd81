// Charts of measured series: lines over time, bars of a distribution, a heat map that moves. Each has a text of what it shows.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { count, percent } from "../lib/format";

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Steps of the time axis, in seconds: whole ones, as its labels have no parts. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800];
/** The least that a chart spans, so that its first points stand where the next will follow. */
const WINDOW_MIN_S = 30;
/** More points than this are a line already. */
const DOTTED_MAX = 40;
/** While nobody points at a moment, the legend shows the newest. */
const newest = (plot: uPlot): void => {
  if ((plot.cursor.left ?? -1) < 0 && plot.data[0].length > 0) plot.setLegend({ idx: plot.data[0].length - 1 }, false);
};
/** A chart that spans more than this names its days. */
const CLOCK_MAX_S = 129_600;
const clock = (seconds: number, plot: uPlot): string => {
  const { min, max } = plot.scales["x"] ?? {};
  const spans = (max ?? 0) - (min ?? 0);
  const at = new Date(seconds * 1000);
  return spans > CLOCK_MAX_S ? at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }) : at.toLocaleTimeString("en-GB");
};

export interface Line {
  label: string;
  /** The name of a colour variable of style.css: `--line-1`. */
  colour: string;
  values: (number | null)[];
  format: (value: number) => string;
}

/** What is drawn: between two moments that are farther apart than `gap` seconds nothing was measured, and no line joins them. */
function drawn(props: { times: number[]; lines: Line[]; gap?: number }): uPlot.AlignedData {
  const { times, lines, gap } = props;
  if (gap === undefined) return [times, ...lines.map((line) => line.values)];
  const at: number[] = [];
  const values: (number | null)[][] = lines.map(() => []);
  times.forEach((time, which) => {
    const before = times[which - 1];
    if (before !== undefined && time - before > gap) {
      at.push((time + before) / 2);
      values.forEach((line) => line.push(null));
    }
    at.push(time);
    values.forEach((line, one) => line.push(lines[one]?.values[which] ?? null));
  });
  return [at, ...values];
}

/** Lines over time; a null is a gap, never a zero, and so are more than `gap` seconds without a point. `times` are seconds since 1970. */
export function Lines(props: { title: string; times: number[]; lines: Line[]; height?: number; logarithmic?: boolean; dots?: boolean; gap?: number }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef(props);
  shown.current = props;
  useEffect(() => {
    const box = place.current;
    if (box === null) return undefined;
    const make = (): void => {
      plot.current?.destroy();
      const text = css("--text-2");
      const grid = { stroke: css("--grid"), width: 1 };
      plot.current = new uPlot(
        {
          width: box.clientWidth,
          height: shown.current.height ?? 180,
          legend: { live: true },
          cursor: { y: false },
          hooks: { ready: [newest] },
          scales: { x: { time: true, range: (_u, min, max) => (min === null || max === null ? [null, null] : [Math.min(min, max - WINDOW_MIN_S), max]) }, y: { distr: shown.current.logarithmic ? 3 : 1, range: shown.current.logarithmic ? undefined as never : (_u, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
          axes: [
            { stroke: text, grid, ticks: grid, space: 80, incrs: SECONDS, values: (u, ticks) => ticks.map((tick) => clock(tick, u)) },
            { stroke: text, grid, ticks: grid, size: 70, values: (_u, ticks) => ticks.map((tick) => (tick === null ? "" : (shown.current.lines[0]?.format(tick) ?? String(tick)))) },
          ],
          series: [
            { label: "time", value: (u: uPlot, at: number | null) => (at === null ? "\u2013" : clock(at, u)) },
            ...shown.current.lines.map((line, at) => ({
              label: line.label,
              stroke: css(line.colour),
              width: 1.75,
              spanGaps: false,
              // A lone second between two gaps is no line: it needs a dot.
              points: { show: (_u: uPlot, _series: number, from: number, to: number) => shown.current.dots === true && to - from < DOTTED_MAX, size: 5 },
              value: (_u: uPlot, value: number | null) => (value === null ? "\u2013" : (shown.current.lines[at]?.format(value) ?? String(value))),
            })),
          ],
        },
        drawn(shown.current),
        box,
      );
    };
    make();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: box.clientWidth, height: shown.current.height ?? 180 }));
    resized.observe(box);
    window.addEventListener("tidegate-theme", make);
    return () => {
      resized.disconnect();
      window.removeEventListener("tidegate-theme", make);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [props.lines.map((line) => line.label).join("|")]);
  useEffect(() => {
    const made = plot.current;
    made?.setData(drawn(props));
    if (made) newest(made);
  }, [props.times, props.lines]);
  return (
    <figure class="chart" aria-label={`${props.title}. ${lastOf(props.lines)}`}>
      <div ref={place} />
    </figure>
  );
}

function lastOf(lines: Line[]): string {
  return lines
    .map((line) => {
      const last = line.values[line.values.length - 1];
      return `${line.label}: ${last === null || last === undefined ? "no data" : line.format(last)}`;
    })
    .join(", ");
}

/** So many classes have room for their names. */
const NAMED_MAX = 6;

/** Counts by class. Two sets stand side by side, drawn as shares of their own sum; `n` where that is not the sum. */
export function Bars(props: { title: string; classes: string[]; /** The counts are shares already, of more than what is shown. */ shares?: boolean; sets: { label: string; colour: string; counts: number[]; n?: number }[] }) {
  const shares = props.sets.map((set) => {
    const sum = props.shares === true ? 1 : set.counts.reduce((a, b) => a + b, 0);
    return set.counts.map((n) => (sum === 0 ? 0 : n / sum));
  });
  const most = Math.max(...shares.flat(), 1e-9);
  return (
    <figure class="bars" aria-label={props.title}>
      <div class="plot" aria-hidden="true">
        {props.classes.map((name, at) => (
          <div class="class" key={at} title={`${name}: ${props.sets.map((set) => `${set.label} ${props.shares === true ? percent(set.counts[at] ?? 0) : (set.counts[at] ?? 0)}`).join(", ")}`}>
            {shares.map((share, which) => (
              <i key={which} style={{ height: `${((share[at] ?? 0) / most) * 100}%`, background: `var(${props.sets[which]?.colour ?? "--line-1"})` }} />
            ))}
          </div>
        ))}
      </div>
      {props.classes.length <= NAMED_MAX ? (
        <div class="names" aria-hidden="true">
          {props.classes.map((name, at) => (
            <span key={at}>{name}</span>
          ))}
        </div>
      ) : null}
      <figcaption>
        {props.sets.map((set) => (
          <span key={set.label}>
            <i style={{ background: `var(${set.colour})` }} /> {set.label}{props.shares === true && set.n === undefined ? "" : `, n = ${count(set.n ?? set.counts.reduce((a, b) => a + b, 0))}`}
          </span>
        ))}
        {props.classes.length <= NAMED_MAX ? null : (
          <span class="ends">
            {props.classes[0]} &hellip; {props.classes[props.classes.length - 1]}
          </span>
        )}
      </figcaption>
      <table class="for-readers">
        <caption>{props.title}</caption>
        <tbody>
          {props.classes.map((name, at) => (
            <tr key={at}>
              <th scope="row">{name}</th>
              {props.sets.map((set) => (
                <td key={set.label}>{props.shares === true ? percent(set.counts[at] ?? 0) : (set.counts[at] ?? 0)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

/** Columns of counts that move from right to left: time by latency. `columns[i][j]` is the count of class j. */
export function Heat(props: { title: string; columns: number[][]; classes: string[]; width: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const draw = (): void => {
      const at = canvas.current;
      const pen = at?.getContext("2d");
      if (!at || !pen) return;
      const ratio = window.devicePixelRatio || 1;
      const [width, height] = [at.clientWidth, at.clientHeight];
      at.width = width * ratio;
      at.height = height * ratio;
      pen.scale(ratio, ratio);
      pen.clearRect(0, 0, width, height);
      const most = Math.max(1, ...props.columns.flat());
      const [w, h] = [width / props.width, height / Math.max(1, props.classes.length)];
      pen.fillStyle = css("--heat");
      props.columns.forEach((column, i) => {
        const x = width - (props.columns.length - i) * w;
        column.forEach((n, j) => {
          if (n === 0) return;
          // By the logarithm: one slow request among ten thousand is what a person looks for.
          pen.globalAlpha = 0.18 + 0.82 * (Math.log1p(n) / Math.log1p(most));
          pen.fillRect(x, height - (j + 1) * h, Math.max(1, w - 0.5), Math.max(1, h - 0.5));
        });
      });
      pen.globalAlpha = 1;
    };
    draw();
    window.addEventListener("tidegate-theme", draw);
    return () => window.removeEventListener("tidegate-theme", draw);
  }, [props.columns, props.classes, props.width]);
  return (
    <figure class="heat" aria-label={props.title}>
      <div class="axis" aria-hidden="true">
        {[...props.classes].reverse().map((name) => (
          <span key={name}>{name}</span>
        ))}
      </div>
      <canvas ref={canvas} role="img" aria-label={props.title} />
    </figure>
  );
}

export interface Counted {
  label: string;
  n: number;
  note?: string;
  colour?: string;
}

/** Counts as lines from the left, each with its number. */
export function Counts(props: { title: string; rows: Counted[] }) {
  const most = Math.max(1, ...props.rows.map((row) => row.n));
  const sum = props.rows.reduce((all, row) => all + row.n, 0);
  return (
    <table class="counts" aria-label={props.title}>
      <tbody>
        {props.rows.map((row) => (
          <tr key={row.label}>
            <th scope="row">
              {row.label}
              {row.note === undefined ? null : <small>{row.note}</small>}
            </th>
            <td>
              <i style={{ width: `${(row.n / most) * 100}%`, background: `var(${row.colour ?? "--line-1"})` }} hidden={row.n === 0} />
            </td>
            <td class="number">{count(row.n)}</td>
            <td class="number share">{percent(sum === 0 ? null : row.n / sum, 0)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
