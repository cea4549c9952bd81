// Drift: does what the models answer still look as it did?
import { post } from "../lib/api";
import { ago, count, NOTHING, percent, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Badge, Card, Empty, Figure, Figures, Table, Title, Trouble, type Tone } from "../ui/basic";
import { Bars } from "../ui/charts";
import { Timeline } from "./drift_timeline";
import type { PageProps } from "./pages";

interface Evidence {
  test: string;
  statistic: number;
  effect: number;
  p: number;
  threshold: number;
  n: number;
  reference_n: number;
  contribution: number;
  what_changed: Moved[];
}
/** One class of a feature: its share before and now, or its counts, as the test has them. */
interface Moved {
  cell: string;
  before: number;
  now: number;
  contribution: number;
}
export interface Alert {
  id: number;
  state: string;
  stream: string;
  service: string;
  operation: string;
  model: string;
  tenant: string;
  segment: string;
  feature: string;
  opened_at: string;
  last_seen_at: string;
  suppressed_until: string | null;
  seen: number;
  latest: Evidence;
  worst: Evidence;
  history: { at: string; from: string; to: string; actor: string; note: string }[];
}
export interface Stream {
  id: string;
  service: string;
  operation: string;
  model: string;
  tenant: string;
  segment: string;
  state: string;
  decisions: number;
  last_at: string;
  baseline_progress: { n: number; needed: number };
  window_progress: { n: number; needed: number };
  findings: number;
  last_look: { at: string; n: number; features: Look[] } | null;
  baselines: { number: number; from: string; to: string; n: number; reason: string }[];
}
interface Look {
  feature: string;
  drifted: boolean;
  p: number | null;
  p_adjusted: number | null;
  contribution: number | null;
  what_changed?: Moved[];
  tests?: { test: string; n: number; reference_n: number; statistic: number; p: number; threshold: number; effect: number; decides: boolean }[];
}
interface Report {
  summary: { streams: number; watching: number; drifted: number; alerts_open: number; alerts_acknowledged: number; alerts_suppressed: number };
  budget: { false_alarms_a_month_and_stream: number; baseline_decisions: number; window_decisions: number };
}

const TONES: Record<string, Tone> = { open: "bad", acknowledged: "warn", suppressed: "plain", resolved: "good" };
const p = (value: number | null | undefined): string => (value === null || value === undefined ? NOTHING : value < 0.0001 ? value.toExponential(1) : value.toPrecision(2));
export const nameOf = (of: { service: string; operation: string; model: string; tenant: string; segment: string }): string =>
  [of.operation || of.service, of.model, of.tenant, of.segment].filter((part) => part !== "").join(" \u00b7 ");

/** Where a class lies among the others: the cells of a number by their values, words as they come (the largest change first). */
function placeOf(cell: string): number {
  if (/^(below|up to) /.test(cell)) return Number.NEGATIVE_INFINITY;
  if (/^(above|over|from) /.test(cell)) return Number.MAX_VALUE;
  const read = Number.parseFloat(cell);
  return Number.isNaN(read) ? Number.POSITIVE_INFINITY : read;
}

function BeforeAndNow(props: { feature: string; moved: Moved[]; n: number | undefined; reference_n: number | undefined }) {
  const classes = [...props.moved].sort((a, b) => (placeOf(a.cell) === placeOf(b.cell) ? 0 : placeOf(a.cell) - placeOf(b.cell)));
  return (
    <>
      <Bars
        title={`Share of each class before and now: ${props.feature}`}
        shares
        classes={classes.map((cell) => cell.cell)}
        sets={[
          { label: "before", colour: "--line-1", counts: classes.map((cell) => cell.before), ...(props.reference_n === undefined ? {} : { n: props.reference_n }) },
          { label: "now", colour: "--line-2", counts: classes.map((cell) => cell.now), ...(props.n === undefined ? {} : { n: props.n }) },
        ]}
      />
      <details>
        <summary>Class by class</summary>
        <Table
          label={`Classes of ${props.feature}`}
          rows={classes}
          rowKey={(row) => `${row.cell} ${row.contribution}`}
          columns={[
            { head: "Class", cell: (row) => row.cell },
            { head: "Before", number: true, cell: (row) => percent(row.before) },
            { head: "Now", number: true, cell: (row) => percent(row.now) },
            { head: "Share of the change", number: true, cell: (row) => percent(row.contribution, 0) },
          ]}
        />
      </details>
    </>
  );
}

function AlertActions(props: { alert: Alert; done: () => void }) {
  const act = (what: string, body: object, said: string) => async (): Promise<string> => {
    await post(`/api/drift/alert/${props.alert.id}/${what}`, body);
    props.done();
    return said;
  };
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  return (
    <div class="fields">
      {props.alert.state === "open" ? <Action label="Acknowledge" question="Say that somebody looks into this alert? It stays until it is resolved." run={act("acknowledge", {}, "acknowledged")} /> : null}
      {props.alert.state === "resolved" ? null : <Action label="Resolve" question="Say that this alert is dealt with? The next finding opens a new one." run={act("resolve", {}, "resolved")} />}
      {props.alert.state === "resolved" || props.alert.state === "suppressed" ? null : (
        <Action label="Quiet for a day" question="Tell nobody of this feature for a day? It is still tested and recorded." run={act("suppress", { until: tomorrow }, "quiet until tomorrow")} />
      )}
    </div>
  );
}

function OneAlert(props: { id: string }) {
  const { value, error, reload } = useFetch<{ items: Alert[] }>("/api/drift/alerts?limit=500", 10_000);
  const alert = value?.items.find((one) => String(one.id) === props.id);
  return (
    <>
      <Title text={`Drift alert ${props.id}`}>
        <a href="#/drift">All streams</a>
      </Title>
      <Trouble error={error} />
      {value !== undefined && alert === undefined ? <Empty what="no alert has this number." /> : null}
      {alert === undefined ? null : (
        <div class="grid">
          <Card title={`${alert.feature.replaceAll("_", " ")} of ${nameOf(alert)}`} actions={<Badge tone={TONES[alert.state] ?? "plain"}>{alert.state}</Badge>}>
            <Figures>
              <Figure label="Test" value={alert.latest.test} />
              <Figure label="Statistic" value={alert.latest.statistic.toPrecision(3)} note={`threshold ${alert.latest.threshold.toPrecision(3)}`} />
              <Figure label="p" value={p(alert.latest.p)} note="corrected over the features" />
              <Figure label="Effect" value={alert.latest.effect.toPrecision(3)} />
              <Figure label="Decisions" value={count(alert.latest.n)} note={`against ${count(alert.latest.reference_n)}`} />
              <Figure label="Seen" value={count(alert.seen)} note={`last ${ago(alert.last_seen_at)}`} />
            </Figures>
            <AlertActions alert={alert} done={reload} />
          </Card>
          <Card title="What changed">
            {alert.latest.what_changed.length === 0 ? (
              <Empty what="this test names no cells." />
            ) : (
              <BeforeAndNow feature={alert.feature} moved={alert.latest.what_changed} n={alert.latest.n} reference_n={alert.latest.reference_n} />
            )}
          </Card>
          <Card title="Its life" wide>
            <Table
              label="Changes of state"
              rows={alert.history}
              rowKey={(row) => row.at + row.to}
              columns={[
                { head: "When", cell: (row) => time(row.at) },
                { head: "From", cell: (row) => row.from },
                { head: "To", cell: (row) => row.to },
                { head: "By", cell: (row) => row.actor },
                { head: "Note", cell: (row) => row.note },
              ]}
            />
          </Card>
        </div>
      )}
    </>
  );
}

function OneStream(props: { id: string }) {
  const { value, error, reload } = useFetch<{ streams: Stream[] }>(`/api/drift/statistics?stream=${encodeURIComponent(props.id)}`, 10_000);
  const stream = value?.streams[0];
  return (
    <>
      <Title text="Drift stream" note={stream === undefined ? props.id : nameOf(stream)}>
        <a href="#/drift">All streams</a>
        {stream === undefined ? null : (
          <Action
            label="New reference"
            danger
            question="Forget the reference of this stream and learn a new one from the decisions to come? Until it is whole the stream is not watched."
            run={async () => {
              await post("/api/drift/reset-baseline", { stream: stream.id });
              reload();
              return "a new reference is being learnt";
            }}
          />
        )}
      </Title>
      <Trouble error={error} />
      {value !== undefined && stream === undefined ? <Empty what="no stream has this id." /> : null}
      {stream === undefined ? null : (
        <div class="grid">
          <Card wide>
            <Figures>
              <Figure label="State" value={stream.state} />
              <Figure label="Decisions" value={count(stream.decisions)} note={`last ${ago(stream.last_at)}`} />
              <Figure label="Reference" value={`${count(stream.baseline_progress.n)} of ${count(stream.baseline_progress.needed)}`} />
              <Figure label="Next look" value={`${count(stream.window_progress.n)} of ${count(stream.window_progress.needed)}`} />
              <Figure label="Findings" value={count(stream.findings)} />
            </Figures>
          </Card>
          <Card title="The last look" note={stream.last_look === null ? "" : `${time(stream.last_look.at)}, n = ${count(stream.last_look.n)}`} wide>
            {stream.last_look === null ? (
              <Empty what={stream.state === "watching" ? "the first window is not full." : "the reference is being learnt."} />
            ) : (
              <Table
                label="Features of the last look"
                rows={stream.last_look.features}
                rowKey={(row) => row.feature}
                columns={[
                  { head: "Feature", cell: (row) => row.feature.replaceAll("_", " ") },
                  { head: "Found", cell: (row) => <Badge tone={row.drifted ? "bad" : "good"}>{row.drifted ? "changed" : "as before"}</Badge> },
                  { head: "Test", cell: (row) => row.tests?.find((test) => test.decides)?.test ?? "" },
                  { head: "Statistic", number: true, cell: (row) => row.tests?.find((test) => test.decides)?.statistic.toPrecision(3) ?? NOTHING },
                  { head: "Threshold", number: true, cell: (row) => row.tests?.find((test) => test.decides)?.threshold.toPrecision(3) ?? NOTHING },
                  { head: "p", number: true, cell: (row) => p(row.p) },
                  { head: "p, corrected", number: true, cell: (row) => p(row.p_adjusted) },
                  { head: "Share of the change", number: true, cell: (row) => percent(row.contribution, 0) },
                  { head: "n", number: true, cell: (row) => count(row.tests?.find((test) => test.decides)?.n) },
                ]}
              />
            )}
          </Card>
          {(stream.last_look?.features ?? []).flatMap((look) =>
            look.what_changed === undefined || look.what_changed.length === 0
              ? []
              : [
                  <Card key={look.feature} title={look.feature.replaceAll("_", " ")} note="the reference and the last window">
                    <BeforeAndNow feature={look.feature} moved={look.what_changed} n={look.tests?.find((test) => test.decides)?.n} reference_n={look.tests?.find((test) => test.decides)?.reference_n} />
                  </Card>,
                ],
          )}
          <Card title="References" wide>
            {stream.baselines.length === 0 ? (
              <Empty what="none is whole." />
            ) : (
              <Table
                label="References of this stream"
                rows={stream.baselines}
                rowKey={(row) => String(row.number)}
                columns={[
                  { head: "Number", number: true, cell: (row) => count(row.number) },
                  { head: "From", cell: (row) => time(row.from) },
                  { head: "To", cell: (row) => time(row.to) },
                  { head: "Decisions", number: true, cell: (row) => count(row.n) },
                  { head: "Why", cell: (row) => row.reason },
                ]}
              />
            )}
          </Card>
        </div>
      )}
    </>
  );
}

function Overview() {
  const report = useFetch<Report>("/api/drift/report", 10_000);
  const streams = useFetch<{ streams: Stream[]; total: number }>("/api/drift/statistics?limit=200", 10_000);
  const alerts = useFetch<{ items: Alert[]; total: number }>("/api/drift/alerts?limit=200", 10_000);
  const summary = report.value?.summary;
  return (
    <>
      <Title text="Drift" note="Each stream is compared with its own reference. An alarm needs significance and size; the rate of false alarms is a budget." />
      <Trouble error={report.error ?? streams.error ?? alerts.error} />
      <div class="grid">
        {summary === undefined ? null : (
          <Card wide>
            <Figures>
              <Figure label="Streams" value={count(summary.streams)} note={`${count(summary.watching)} watched`} />
              <Figure label="Drifted" value={count(summary.drifted)} tone={summary.drifted > 0 ? "bad" : "good"} />
              <Figure label="Alerts open" value={count(summary.alerts_open)} tone={summary.alerts_open > 0 ? "bad" : "good"} />
              <Figure label="Acknowledged" value={count(summary.alerts_acknowledged)} />
              <Figure label="Suppressed" value={count(summary.alerts_suppressed)} />
              <Figure label="Budget" value={count(report.value?.budget.false_alarms_a_month_and_stream)} note="false alarms a month and stream" />
            </Figures>
          </Card>
        )}
        {streams.value === undefined || alerts.value === undefined || streams.value.streams.length === 0 ? null : <Timeline streams={streams.value.streams} alerts={alerts.value.items} />}
        {alerts.value === undefined ? null : (
          <Card title="Alerts" wide>
            {alerts.value.items.length === 0 ? (
              <p class="empty">No alert has been raised.</p>
            ) : (
              <Table
                label="Alerts"
                rows={alerts.value.items}
                rowKey={(row) => String(row.id)}
                href={(row) => `#/drift/alert-${row.id}`}
                columns={[
                  { head: "Feature", cell: (row) => row.feature.replaceAll("_", " ") },
                  { head: "Stream", cell: (row) => nameOf(row) },
                  { head: "State", cell: (row) => <Badge tone={TONES[row.state] ?? "plain"}>{row.state}</Badge> },
                  { head: "Test", cell: (row) => row.latest.test },
                  { head: "p", number: true, cell: (row) => p(row.latest.p) },
                  { head: "n", number: true, cell: (row) => count(row.latest.n) },
                  { head: "Opened", cell: (row) => time(row.opened_at) },
                ]}
              />
            )}
          </Card>
        )}
        {streams.value === undefined ? null : (
          <Card title="Streams" wide>
            {streams.value.streams.length === 0 ? (
              <Empty what="a stream begins with the first decision of a model." command={'curl -s localhost:8000/api/v1/detect/text -H "Content-Type: application/json" -d \'{"text":"Some text."}\''} />
            ) : (
              <Table
                label="Streams"
                rows={streams.value.streams}
                rowKey={(row) => row.id}
                href={(row) => `#/drift/${row.id}`}
                columns={[
                  { head: "Stream", cell: (row) => nameOf(row) },
                  { head: "Service", cell: (row) => row.service },
                  { head: "State", cell: (row) => <Badge tone={row.state === "watching" ? "good" : "plain"}>{row.state}</Badge> },
                  { head: "Decisions", number: true, cell: (row) => count(row.decisions) },
                  { head: "Reference", number: true, cell: (row) => percent(row.baseline_progress.needed > 0 ? Math.min(1, row.baseline_progress.n / row.baseline_progress.needed) : null, 0) },
                  { head: "Findings", number: true, cell: (row) => count(row.findings) },
                  { head: "Last decision", cell: (row) => ago(row.last_at) },
                ]}
              />
            )}
          </Card>
        )}
      </div>
    </>
  );
}

export function Drift(props: PageProps) {
  if (props.rest === "") return <Overview />;
  return props.rest.startsWith("alert-") ? <OneAlert id={props.rest.slice(6)} /> : <OneStream id={props.rest} />;
}
