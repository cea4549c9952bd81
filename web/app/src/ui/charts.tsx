// Charts of measured series: lines over time, bars of a distribution, a heat map that moves. Each has a text of what it shows.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export interface Line {
  label: string;
  /** The name of a colour variable of style.css: `--line-1`. */
  colour: string;
  values: (number | null)[];
  format: (value: number) => string;
}

/** Lines over time; a null is a gap, never a zero. `times` are seconds since 1970. */
export function Lines(props: { title: string; times: number[]; lines: Line[]; height?: number; logarithmic?: boolean }) {
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
          scales: { x: { time: true }, y: { distr: shown.current.logarithmic ? 3 : 1, range: shown.current.logarithmic ? undefined as never : (_u, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
          axes: [
            { stroke: text, grid, ticks: grid },
            { stroke: text, grid, ticks: grid, size: 70, values: (_u, ticks) => ticks.map((tick) => (tick === null ? "" : (shown.current.lines[0]?.format(tick) ?? String(tick)))) },
          ],
          series: [
            { label: "time" },
            ...shown.current.lines.map((line, at) => ({
              label: line.label,
              stroke: css(line.colour),
              width: 1.75,
              spanGaps: false,
              value: (_u: uPlot, value: number | null) => (value === null ? "\u2013" : (shown.current.lines[at]?.format(value) ?? String(value))),
            })),
          ],
        },
        [shown.current.times, ...shown.current.lines.map((line) => line.values)] as uPlot.AlignedData,
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
    plot.current?.setData([props.times, ...props.lines.map((line) => line.values)] as uPlot.AlignedData);
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

/** Counts by class. Two sets stand side by side, drawn as shares of their own sum. */
export function Bars(props: { title: string; classes: string[]; sets: { label: string; colour: string; counts: number[] }[] }) {
  const shares = props.sets.map((set) => {
    const sum = set.counts.reduce((a, b) => a + b, 0);
    return set.counts.map((n) => (sum === 0 ? 0 : n / sum));
  });
  const most = Math.max(...shares.flat(), 1e-9);
  return (
    <figure class="bars" aria-label={props.title}>
      <div class="plot" aria-hidden="true">
        {props.classes.map((name, at) => (
          <div class="class" key={name} title={`${name}: ${props.sets.map((set) => `${set.label} ${set.counts[at] ?? 0}`).join(", ")}`}>
            {shares.map((share, which) => (
              <i key={which} style={{ height: `${((share[at] ?? 0) / most) * 100}%`, background: `var(${props.sets[which]?.colour ?? "--line-1"})` }} />
            ))}
          </div>
        ))}
      </div>
      <figcaption>
        {props.sets.map((set) => (
          <span key={set.label}>
            <i style={{ background: `var(${set.colour})` }} /> {set.label}, n = {set.counts.reduce((a, b) => a + b, 0)}
          </span>
        ))}
        <span class="ends">
          {props.classes[0]} to {props.classes[props.classes.length - 1]}
        </span>
      </figcaption>
      <table class="for-readers">
        <caption>{props.title}</caption>
        <tbody>
          {props.classes.map((name, at) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {props.sets.map((set) => (
                <td key={set.label}>{set.counts[at] ?? 0}</td>
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
