// Live: what the server does now, second by second.
import { useState } from "preact/hooks";
import { KEEP, type RouteSample, type Sample } from "../lib/live";
import { bytes, count, duration, NOTHING, percent, short } from "../lib/format";
import { useEvents } from "../lib/hooks";
import { Badge, Card, Empty, Figure, Figures, Table, Title, Trouble } from "../ui/basic";
import { Heat, Lines } from "../ui/charts";
import { LastDay } from "./live_day";

const SUMMED = 10;
/** A second comes each second; where some are missing nobody listened. */
const GAP_S = 3;

/** Requests, errors and so on of the newest samples together; null without any. */
function together(samples: Sample[]) {
  const newest = samples.slice(-SUMMED);
  if (newest.length === 0) return null;
  const sum = (of: (sample: Sample) => number): number => newest.reduce((all, sample) => all + of(sample), 0);
  const seconds = sum((sample) => sample.interval_s);
  const requests = sum((sample) => sample.requests);
  const looks = sum((sample) => sample.cache.hits + sample.cache.misses);
  return {
    rate: seconds > 0 ? requests / seconds : null,
    errors: requests > 0 ? sum((sample) => sample.errors) / requests : null,
    hits: looks > 0 ? sum((sample) => sample.cache.hits) / looks : null,
    spend: sum((sample) => sample.spend_points),
    last: newest[newest.length - 1] as Sample,
    latency: [...newest].reverse().find((sample) => sample.latency_ms !== null)?.latency_ms ?? null,
  };
}

/** By route over the newest samples, the busiest first. */
function byRoute(samples: Sample[]): (RouteSample & { rate: number })[] {
  const newest = samples.slice(-SUMMED);
  const seconds = newest.reduce((all, sample) => all + sample.interval_s, 0);
  const found = new Map<string, RouteSample & { rate: number }>();
  for (const sample of newest) {
    for (const route of sample.routes) {
      const known = found.get(`${route.method} ${route.route}`);
      const requests = (known?.requests ?? 0) + route.requests;
      found.set(`${route.method} ${route.route}`, {
        ...route,
        requests,
        errors: (known?.errors ?? 0) + route.errors,
        latency_ms: route.latency_ms ?? known?.latency_ms ?? null,
        rate: seconds > 0 ? requests / seconds : 0,
      });
    }
  }
  return [...found.values()].filter((route) => route.requests > 0).sort((a, b) => b.requests - a.requests);
}

/** Routes of one service together. Percentiles of different routes cannot be added: the slowest route's stand for it. */
function byService(routes: (RouteSample & { rate: number })[]): { family: string; rate: number; requests: number; errors: number; slowest: number | null; route: string }[] {
  const families = [...new Set(routes.map((route) => route.family))];
  return families
    .map((family) => {
      const of = routes.filter((route) => route.family === family);
      const slowest = of.reduce<(typeof of)[number] | undefined>((worst, route) => ((route.latency_ms?.p99 ?? -1) > (worst?.latency_ms?.p99 ?? -1) ? route : worst), undefined);
      return {
        family,
        rate: of.reduce((all, route) => all + route.rate, 0),
        requests: of.reduce((all, route) => all + route.requests, 0),
        errors: of.reduce((all, route) => all + route.errors, 0),
        slowest: slowest?.latency_ms?.p99 ?? null,
        route: slowest === undefined ? "" : `${slowest.method} ${slowest.route}`,
      };
    })
    .sort((a, b) => b.requests - a.requests);
}

export function Live() {
  const [samples, setSamples] = useState<Sample[]>([]);
  const { state, error } = useEvents("/api/v1/performance/live", (event) => {
    if (event.event !== "sample") return;
    const sample = JSON.parse(event.data) as Sample;
    setSamples((old) => [...old, sample].slice(-KEEP));
  });
  const now = together(samples);
  const times = samples.map((sample) => new Date(sample.time).getTime() / 1000);
  const routes = byRoute(samples);
  const upper = samples[samples.length - 1]?.latency_histogram.upper_ms ?? [];
  return (
    <>
      <Title text="Live" note={`Counts are of the last ${SUMMED} seconds, percentiles of the newest second with requests, charts of the last five minutes. All of it counted by this server.`}>
        <Badge tone={state === "open" ? "good" : state === "lost" ? "bad" : "plain"}>
          {state === "open" ? "live" : state === "lost" ? "connection lost, trying again" : "connecting"}
        </Badge>
      </Title>
      <Trouble error={error} />
      {now === null ? (
        state === "open" ? <Empty what="the first sample comes within a second." /> : null
      ) : (
        <div class="grid">
          <Card wide>
            <Figures>
              <Figure label="Requests a second" value={count(now.rate)} />
              <Figure label="Errors" value={percent(now.errors, 2)} tone={(now.errors ?? 0) > 0.01 ? "bad" : "plain"} />
              <Figure label="p50" value={duration(now.latency?.p50)} />
              <Figure label="p90" value={duration(now.latency?.p90)} />
              <Figure label="p99" value={duration(now.latency?.p99)} />
              <Figure label="p99.9" value={duration(now.latency?.p999)} />
              <Figure label="In flight" value={count(now.last.in_flight)} />
              <Figure label="Cache hits" value={percent(now.hits)} note="of looks" />
              <Figure label="Spend" value={count(now.spend)} note={`points in ${SUMMED} s`} />
              <Figure label="CPU" value={now.last.process.cpu_cores === null ? NOTHING : `${now.last.process.cpu_cores.toFixed(2)} cores`} />
              <Figure label="Memory" value={bytes(now.last.process.resident_bytes)} note="resident" />
              <Figure label="Loop lag" value={duration(now.last.process.loop_lag_ms)} note="worst of this second" />
            </Figures>
          </Card>
          <Card title="Requests a second">
            <Lines
              title="Requests and errors a second"
              times={times} gap={GAP_S}
              lines={[
                { label: "requests", colour: "--line-1", values: samples.map((s) => s.requests / s.interval_s), format: short },
                { label: "errors", colour: "--line-4", values: samples.map((s) => s.errors / s.interval_s), format: short },
              ]}
            />
          </Card>
          <Card title="Latency">
            <Lines
              title="Latency percentiles"
              times={times} gap={GAP_S}
              logarithmic
              lines={[
                { label: "p50", colour: "--line-1", values: samples.map((s) => s.latency_ms?.p50 ?? null), format: duration },
                { label: "p90", colour: "--line-3", values: samples.map((s) => s.latency_ms?.p90 ?? null), format: duration },
                { label: "p99", colour: "--line-2", values: samples.map((s) => s.latency_ms?.p99 ?? null), format: duration },
                { label: "p99.9", colour: "--line-4", values: samples.map((s) => s.latency_ms?.p999 ?? null), format: duration },
              ]}
            />
          </Card>
          <Card title="Cache and spend" note="of each second">
            <Lines
              title="Share of cache looks that hit"
              height={140}
              times={times} gap={GAP_S}
              lines={[{ label: "cache hits", colour: "--line-1", values: samples.map((s) => (s.cache.hits + s.cache.misses > 0 ? s.cache.hits / (s.cache.hits + s.cache.misses) : null)), format: (share) => percent(share, 0) }]}
              dots
            />
            <Lines title="Points charged" height={140} times={times} gap={GAP_S} lines={[{ label: "points", colour: "--line-2", values: samples.map((s) => s.spend_points), format: count }]} />
          </Card>
          <Card title="In flight and memory" note="at the end of each second">
            <Lines title="Requests in flight" height={140} times={times} gap={GAP_S} lines={[{ label: "in flight", colour: "--line-3", values: samples.map((s) => s.in_flight), format: count }]} />
            <Lines title="Resident memory" height={140} times={times} gap={GAP_S} lines={[{ label: "resident", colour: "--line-1", values: samples.map((s) => s.process.resident_bytes), format: bytes }]} />
          </Card>
          <Card title="Latency heat map" note="each column a second, each row a class, darker is more" wide>
            <Heat
              title="How many requests took how long, second by second"
              columns={samples.map((s) => s.latency_histogram.counts)}
              classes={upper.map((ms) => `\u2264 ${duration(ms)}`).concat("more")}
              width={Math.max(60, samples.length)}
            />
          </Card>
          {routes.length === 0 ? null : (
            <Card title="Services" note={`counts of the last ${SUMMED} seconds`} wide>
              <Table
                label="Services"
                rows={byService(routes)}
                rowKey={(row) => row.family}
                columns={[
                  { head: "Service", cell: (row) => row.family },
                  { head: "Requests/s", number: true, cell: (row) => count(row.rate) },
                  { head: "Errors", number: true, cell: (row) => count(row.errors) },
                  { head: "Share failed", number: true, cell: (row) => percent(row.requests > 0 ? row.errors / row.requests : null, 2) },
                  { head: "Slowest route's p99", number: true, cell: (row) => duration(row.slowest) },
                  { head: "Slowest route", cell: (row) => row.route },
                ]}
              />
            </Card>
          )}
          <Card title="Routes" note={`counts of the last ${SUMMED} seconds, percentiles of the newest second with requests`} wide>
            {routes.length === 0 ? (
              <Empty what="nobody has asked anything in the last ten seconds." command={'curl -s localhost:8000/api/v1/detect/text -H "Content-Type: application/json" -d \'{"text":"Write a text of a hundred words here."}\''} />
            ) : (
              <Table
                label="Routes"
                rows={routes}
                rowKey={(row) => `${row.method} ${row.route}`}
                columns={[
                  { head: "Route", cell: (row) => `${row.method} ${row.route}` },
                  { head: "Service", cell: (row) => row.family },
                  { head: "Requests/s", number: true, cell: (row) => count(row.rate) },
                  { head: "Errors", number: true, cell: (row) => count(row.errors) },
                  { head: "p50", number: true, cell: (row) => duration(row.latency_ms?.p50) },
                  { head: "p90", number: true, cell: (row) => duration(row.latency_ms?.p90) },
                  { head: "p99", number: true, cell: (row) => duration(row.latency_ms?.p99) },
                  { head: "p99.9", number: true, cell: (row) => duration(row.latency_ms?.p999) },
                ]}
              />
            )}
          </Card>
          <LastDay />
        </div>
      )}
    </>
  );
}
