// Performance: which numbers are past their thresholds, how they went, which stage makes which route slow, and what can be done about it.
import { useState } from "preact/hooks";
import { ask, get } from "../lib/api";
import { count, duration, NOTHING, percent, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import type { PerformanceHealth, PerformanceReport, Point } from "../lib/performance";
import { withUnit } from "../lib/units";
import { Badge, Card, Empty, Field, Figure, Figures, Table, Title, Trouble, type Tone } from "../ui/basic";
import { Lines, type Line } from "../ui/charts";
import { Flame, type FlameProfile } from "../ui/flame";
import { Optimize } from "./performance_actions";

const STATES: Record<string, Tone> = { healthy: "good", elevated: "warn", warning: "warn", critical: "bad", unknown: "plain", off: "plain" };
const PERIODS = [
  ["1h", "an hour"],
  ["24h", "a day"],
  ["7d", "a week"],
  ["4w", "four weeks"],
] as const;
const PROFILE_SECONDS = 5;
const say = (name: string): string => name.replace(/_(ms|percent|bytes)$/, "").replaceAll("_", " ");

/** What is not judged has no threshold to show. */
function threshold(row: PerformanceHealth["metrics"][number], which: "elevated" | "warning" | "critical"): string {
  if (row.state === "off") return NOTHING;
  const side = which === "elevated" ? (row.bad_when === "low" ? "under " : "over ") : "";
  return side + withUnit(row.thresholds[which], row.unit);
}

function HealthCard() {
  const { value, error, reload } = useFetch<PerformanceHealth>("/api/v1/performance/health", 5000);
  return (
    <Card title="Health" note={value?.judged_at == null ? "over the last six samples" : `over the last six samples, judged ${time(value.judged_at)}`} wide actions={value === undefined ? null : <Badge tone={STATES[value.state] ?? "plain"}>{value.state}</Badge>}>
      <Trouble error={error} retry={reload} />
      {value === undefined ? null : (
        <Table
          label="Measures and their thresholds"
          rows={value.metrics}
          rowKey={(row) => row.name}
          columns={[
            { head: "Measure", cell: (row) => say(row.name) },
            {
              head: "State",
              cell: (row) => (
                <>
                  <Badge tone={STATES[row.state] ?? "plain"}>{row.state}</Badge>
                  {row.reason === null ? null : <small class="why">{row.reason}</small>}
                </>
              ),
            },
            { head: "Now", number: true, cell: (row) => withUnit(row.value, row.unit) },
            { head: "Elevated", number: true, cell: (row) => threshold(row, "elevated") },
            { head: "Warning", number: true, cell: (row) => threshold(row, "warning") },
            { head: "Critical", number: true, cell: (row) => threshold(row, "critical") },
            { head: "Since", cell: (row) => time(row.since) },
          ]}
        />
      )}
    </Card>
  );
}

interface Chart {
  title: string;
  lines: { name: string; label: string; colour: string; format: (value: number) => string }[];
  logarithmic?: boolean;
}
const share = (value: number): string => withUnit(value, "%");
const CHARTS: Chart[] = [
  {
    title: "Latency",
    logarithmic: true,
    lines: [
      { name: "latency_p50_ms", label: "p50", colour: "--line-1", format: duration },
      { name: "latency_p95_ms", label: "p95", colour: "--line-3", format: duration },
      { name: "latency_p99_ms", label: "p99", colour: "--line-2", format: duration },
    ],
  },
  { title: "Requests a second", lines: [{ name: "requests_per_second", label: "requests", colour: "--line-1", format: count }] },
  {
    title: "CPU and memory",
    lines: [
      { name: "cpu_percent", label: "CPU", colour: "--line-1", format: share },
      { name: "memory_percent", label: "memory", colour: "--line-3", format: share },
    ],
  },
  { title: "Errors", lines: [{ name: "error_percent", label: "errors", colour: "--line-4", format: share }] },
  { title: "Cache hits", lines: [{ name: "hit_percent", label: "hits", colour: "--line-1", format: share }] },
  {
    title: "Waiting",
    lines: [
      { name: "loop_lag_ms", label: "loop lag", colour: "--line-2", format: duration },
      { name: "queue_p95_ms", label: "queue p95", colour: "--line-3", format: duration },
      { name: "database_p95_ms", label: "database p95", colour: "--line-1", format: duration },
    ],
  },
];

/** Longest time between two samples (performance.interval_s), and a little. */
const INTERVAL_MAX_S = 61;

function Charts(props: { points: Point[]; block_s: number }) {
  const { points, block_s } = props;
  const times = points.map((point) => new Date(point.time).getTime() / 1000);
  const valuesOf = (name: string): (number | null)[] => points.map((point) => (typeof point[name] === "number" ? (point[name] as number) : null));
  return (
    <>
      {CHARTS.map((chart) => {
        const lines: Line[] = chart.lines.map((line) => ({ label: line.label, colour: line.colour, values: valuesOf(line.name), format: line.format }));
        const measured = lines.some((line) => line.values.some((value) => value !== null));
        return (
          <Card key={chart.title} title={chart.title}>
            {measured ? <Lines title={chart.title} times={times} lines={lines} dots gap={2 * block_s + INTERVAL_MAX_S} {...(chart.logarithmic === undefined ? {} : { logarithmic: chart.logarithmic })} /> : <Empty what="nothing of it was measured in this period." />}
          </Card>
        );
      })}
    </>
  );
}

function Findings(props: { report: PerformanceReport }) {
  const { report } = props;
  const trends = report.trends.items.filter((trend) => trend.direction === "rising" || trend.direction === "falling");
  const tested = report.trends.items.some((trend) => trend.direction !== "unknown");
  const compared = report.regressions.items.some((item) => item.verdict !== "unknown");
  const changed = report.regressions.items.filter((item) => item.verdict === "worse" || item.verdict === "better");
  return (
    <>
      <Card title="Trends" note={`${report.trends.test}, level ${report.trends.level}, from ${report.trends.least_change_percent} % on`}>
        {trends.length === 0 ? (
          <p class="empty">{tested ? "Nothing rises or falls in this period that the test would not call chance." : "Too few blocks of this period have samples to test for a trend."}</p>
        ) : (
          <Table
            label="Trends of the period"
            rows={trends}
            rowKey={(row) => row.name}
            columns={[
              { head: "Measure", cell: (row) => say(row.name) },
              { head: "Direction", cell: (row) => row.direction },
              { head: "Change", number: true, cell: (row) => withUnit(row.change_percent, "%") },
              { head: "An hour", number: true, cell: (row) => withUnit(row.slope_per_hour, row.unit) },
              { head: "p", number: true, cell: (row) => (row.p_adjusted === null ? NOTHING : row.p_adjusted.toPrecision(2)) },
            ]}
          />
        )}
      </Card>
      <Card title="Against the period before" note={report.regressions.test}>
        {report.regressions.reason === null ? null : <p class="note">{report.regressions.reason}</p>}
        {changed.length === 0 ? (
          <p class="empty">{compared ? "Nothing became better or worse." : "Too little is known to compare."}</p>
        ) : (
          <Table
            label="What became better or worse"
            rows={changed}
            rowKey={(row) => row.name}
            columns={[
              { head: "Measure", cell: (row) => say(row.name) },
              { head: "Verdict", cell: (row) => <Badge tone={row.verdict === "worse" ? "bad" : "good"}>{row.verdict}</Badge> },
              { head: "Before", number: true, cell: (row) => withUnit(row.before, row.unit) },
              { head: "Now", number: true, cell: (row) => withUnit(row.now, row.unit) },
              { head: "p", number: true, cell: (row) => (row.p_adjusted === null ? NOTHING : row.p_adjusted.toPrecision(2)) },
            ]}
          />
        )}
      </Card>
    </>
  );
}

function Slow(props: { report: PerformanceReport }) {
  const { report } = props;
  return (
    <>
      <Card title="Slowest routes" note="with the stage that made them slow" wide>
        {report.slowest_routes.length === 0 ? (
          <Empty what="no route was asked often enough in this period." />
        ) : (
          <Table
            label="Slowest routes"
            rows={report.slowest_routes}
            rowKey={(row) => `${row.method} ${row.route}`}
            columns={[
              { head: "Route", cell: (row) => `${row.method} ${row.route}` },
              { head: "Requests", number: true, cell: (row) => count(row.requests) },
              { head: "Errors", number: true, cell: (row) => count(row.errors) },
              { head: "p50", number: true, cell: (row) => duration(row.response_times_ms?.p50) },
              { head: "p95", number: true, cell: (row) => duration(row.response_times_ms?.p95) },
              { head: "p99", number: true, cell: (row) => duration(row.response_times_ms?.p99) },
              { head: "Slow stage", cell: (row) => (row.slow_stage === null ? "" : <strong>{row.slow_stage}</strong>) },
              { head: "Its share", number: true, cell: (row) => (row.slow_stage === null ? "" : percent(row.slow_stage_percent === null ? null : row.slow_stage_percent / 100, 0)) },
              { head: "Its mean", number: true, cell: (row) => (row.slow_stage === null ? "" : duration(row.slow_stage_mean_ms)) },
              { head: "Judged by", cell: (row) => row.basis ?? "" },
            ]}
          />
        )}
      </Card>
      <Card title="Slow statements" note="of the database" wide>
        {report.database.slow_statements.length === 0 ? (
          <p class="empty">None was slow.</p>
        ) : (
          <Table
            label="Slow statements"
            rows={report.database.slow_statements}
            rowKey={(row) => `${row.time} ${row.text}`}
            columns={[
              { head: "Time", cell: (row) => time(row.time) },
              { head: "Took", number: true, cell: (row) => duration(row.ms) },
              { head: "Statement", cell: (row) => <code class="wrap">{row.text}</code> },
            ]}
          />
        )}
      </Card>
    </>
  );
}

function Profile() {
  const [profile, setProfile] = useState<FlameProfile | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const take = async (query: string): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      setProfile(await get<FlameProfile>(`/debug/pprof/flame?${query}`));
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
  };
  return (
    <Card
      title="Where the CPU time goes"
      note="a flame graph; needs an admin key"
      wide
      actions={
        <>
          <button type="button" disabled={busy} onClick={() => void take("last=true")}>
            The last one
          </button>
          <button type="button" class="main" disabled={busy} onClick={() => void take(`seconds=${PROFILE_SECONDS}`)}>
            {busy ? "Sampling\u2026" : `Profile ${PROFILE_SECONDS} seconds`}
          </button>
        </>
      }
    >
      <Trouble error={error} />
      {profile === undefined ? (
        error === undefined ? <p class="empty">No profile has been taken from this page yet. The same in a shell: <code>go tool pprof {window.location.origin}/debug/pprof/profile</code></p> : null
      ) : profile.root.total === 0 ? (
        <Empty what="the server used no CPU time while it was watched." />
      ) : (
        <>
          <p class="note">
            {profile.type}, {duration(profile.seconds * 1000)} taken {time(profile.taken_at)}; {count(profile.dropped)} samples dropped{profile.threads_missed > 0 ? `, ${count(profile.threads_missed)} threads not watched` : ""}.
          </p>
          <Flame profile={profile} />
        </>
      )}
    </Card>
  );
}

function ReportLinks(props: { period: string }) {
  const [error, setError] = useState<Error | undefined>(undefined);
  const open = async (): Promise<void> => {
    try {
      const page = await ask<string>(`/api/v1/performance/report?period=${props.period}&format=html`, { text: true });
      setError(undefined);
      window.open(URL.createObjectURL(new Blob([page.value], { type: "text/html" })), "_blank", "noopener");
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
  };
  return (
    <>
      <button type="button" onClick={() => void open()}>
        Report to print
      </button>
      <Trouble error={error} />
    </>
  );
}

export function Performance() {
  const [period, setPeriod] = useState("1h");
  const { value, error, reload } = useFetch<PerformanceReport>(`/api/v1/performance/report?period=${period}&format=json`, 30_000);
  const enough = value !== undefined && value.points.length > 0;
  return (
    <>
      <Title text="Performance" note="From samples that this server keeps of itself." />
      <div class="grid">
        <HealthCard />
        <Card wide>
          <div class="fields">
            <Field label="period">
              <select value={period} onChange={(event) => setPeriod((event.target as HTMLSelectElement).value)}>
                {PERIODS.map(([id, label]) => (
                  <option key={id} value={id}>
                    {label}
                  </option>
                ))}
              </select>
            </Field>
            <ReportLinks period={period} />
            {value === undefined ? null : (
              <span class="note">
                {count(value.span.samples)} samples of {duration(value.span.covered_s * 1000)} in {count(value.span.blocks)} blocks
              </span>
            )}
          </div>
          <Trouble error={error} retry={reload} />
          {value === undefined ? null : !enough ? (
            <Empty what="the first sample comes performance.interval_s after the start." />
          ) : (
            <Figures>
              <Figure label="Requests" value={count(value.requests.total)} />
              <Figure label="Errors" value={withUnit(value.requests.error_percent, "%")} note="answers 5xx" />
              <Figure label="p50" value={duration(value.response_times_ms?.p50)} />
              <Figure label="p95" value={duration(value.response_times_ms?.p95)} />
              <Figure label="p99" value={duration(value.response_times_ms?.p99)} />
              <Figure label="Capacity" value={value.capacity.requests_per_second === null ? NOTHING : `${count(value.capacity.requests_per_second)}/s`} note={value.capacity.reason ?? `between ${count(value.capacity.low)} and ${count(value.capacity.high)}, of this mix`} />
            </Figures>
          )}
        </Card>
        {enough ? (
          <>
            <Charts points={value.points} block_s={value.span.block_s} />
            <Slow report={value} />
            <Findings report={value} />
          </>
        ) : null}
        <Optimize />
        <Profile />
      </div>
    </>
  );
}
