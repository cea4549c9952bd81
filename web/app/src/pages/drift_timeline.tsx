// Streams by time: when each learnt its reference, since when it is compared, and each alert from its opening to its end.
import { useState } from "preact/hooks";
import { count, time } from "../lib/format";
import { Card } from "../ui/basic";
import { nameOf, type Alert, type Stream } from "./drift";

const WINDOWS = [
  ["0.04166666666666666", "an hour"],
  ["1", "a day"],
  ["7", "a week"],
  ["30", "a month"],
] as const;
const LINES = 6;

interface Span {
  kind: "reference" | "compared" | "open" | "acknowledged" | "suppressed" | "resolved";
  from: number;
  to: number;
  title: string;
  href?: string;
}

const at = (text: string): number => new Date(text).getTime();

/** An alert that nobody resolved reaches to now. */
function alertSpan(alert: Alert, now: number): Span {
  const end = alert.history.find((change) => change.to === "resolved");
  return {
    kind: alert.state as Span["kind"],
    from: at(alert.opened_at),
    to: end === undefined ? now : at(end.at),
    title: `${alert.feature.replaceAll("_", " ")}: ${alert.state}, opened ${time(alert.opened_at)}, ${alert.latest.test} ${alert.latest.statistic.toPrecision(3)} over ${alert.latest.threshold.toPrecision(3)}, n = ${alert.latest.n}`,
    href: `#/drift/alert-${alert.id}`,
  };
}

function spansOf(stream: Stream, alerts: Alert[], now: number): Span[] {
  const newest = stream.baselines[stream.baselines.length - 1];
  const spans: Span[] = stream.baselines.map((one) => ({ kind: "reference", from: at(one.from), to: at(one.to), title: `reference ${one.number}: ${time(one.from)} to ${time(one.to)}` }));
  if (newest !== undefined && stream.last_look !== null && at(stream.last_look.at) > at(newest.to)) {
    spans.push({ kind: "compared", from: at(newest.to), to: at(stream.last_look.at), title: `compared with its reference until ${time(stream.last_look.at)}` });
  }
  return [...spans, ...alerts.filter((alert) => alert.stream === stream.id).map((alert) => alertSpan(alert, now))];
}

/** Alerts of one time stand under each other: for each its line. */
function linesOf(spans: Span[], least: number): number[] {
  const ends: number[] = [];
  return spans.map((span) => {
    if (span.href === undefined) return 0;
    const free = ends.findIndex((end) => end < span.from);
    const line = free < 0 ? ends.length : free;
    ends[line] = Math.max(span.to, span.from + least);
    return line;
  });
}

export function Timeline(props: { streams: Stream[]; alerts: Alert[] }) {
  // What began within the hour is not to be seen on a day's line.
  const [days, setDays] = useState<string>(() => {
    const first = Math.min(...props.streams.flatMap((stream) => stream.baselines.map((one) => at(one.from))), Date.now() - 1);
    return WINDOWS.find(([length]) => Date.now() - first < Number(length) * 86_400_000)?.[0] ?? "30";
  });
  const now = Date.now();
  const begin = now - Number(days) * 86_400_000;
  const x = (moment: number): number => Math.min(100, Math.max(0, ((moment - begin) / (now - begin)) * 100));
  const tick = (which: number): string => {
    const date = new Date(begin + ((now - begin) * which) / LINES);
    return Number(days) <= 1 ? date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }) : date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  };
  return (
    <Card
      title="Streams by time"
      note="choose an alert to see what changed"
      wide
      actions={
        <label class="inline">
          the last{" "}
          <select value={days} onChange={(event) => setDays((event.target as HTMLSelectElement).value)}>
            {WINDOWS.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
      }
    >
      <div class="timeline" role="list">
        {props.streams.map((stream) => {
          const spans = spansOf(stream, props.alerts, now)
            .filter((span) => span.to >= begin)
            .sort((a, b) => a.from - b.from);
          const lines = linesOf(spans, (now - begin) / 60);
          const height = Math.max(1.5, 0.35 + 0.85 * (Math.max(0, ...lines) + 1));
          return (
            <div class="lane" role="listitem" key={stream.id}>
              <a href={`#/drift/${encodeURIComponent(stream.id)}`}>{nameOf(stream)}</a>
              <div class="track" style={{ height: `${height}rem` }}>
                {spans.map((span, which) => {
                  const place = {
                    // What has just begun stands at the right edge, wide enough to be chosen.
                    left: `min(${x(span.from)}%, 100% - 10px)`,
                    width: `max(10px, ${x(span.to) - x(span.from)}%)`,
                    ...(span.href === undefined ? {} : { top: `${0.25 + 0.85 * (lines[which] ?? 0)}rem` }),
                  };
                  return span.href === undefined ? (
                    <span key={which} class={`span ${span.kind}`} style={place} title={span.title} />
                  ) : (
                    <a key={which} class={`span ${span.kind}`} style={place} href={span.href} title={span.title} aria-label={span.title} />
                  );
                })}
                {stream.baseline_progress.n < stream.baseline_progress.needed ? (
                  <span class="learning">
                    learning its reference: {count(stream.baseline_progress.n)} of {count(stream.baseline_progress.needed)} decisions
                  </span>
                ) : null}
                <span class="for-readers">{spans.length === 0 ? "nothing in this time" : spans.map((span) => span.title).join("; ")}</span>
              </div>
            </div>
          );
        })}
        <div class="lane ticks" aria-hidden="true">
          <span />
          <div class="track">
            {Array.from({ length: LINES + 1 }, (_, which) => (
              <span key={which} style={{ left: `${(which / LINES) * 100}%` }}>
                {tick(which)}
              </span>
            ))}
          </div>
        </div>
      </div>
      <p class="note legend">
        <i class="reference" /> reference learnt <i class="compared" /> compared, nothing open <i class="open" /> alert open <i class="acknowledged" /> acknowledged <i class="suppressed" /> quiet <i class="resolved" /> resolved
      </p>
    </Card>
  );
}
