// Batches as they form: what /v2/models/{m}/stats counts, asked every second, and a button that sends many requests at once.
import { useEffect, useRef, useState } from "preact/hooks";
import { bytes, count, duration } from "../../lib/format";
import { useFetch } from "../../lib/hooks";
import { Card, Code, Empty, Field, Figure, Figures, Trouble } from "../../ui/basic";
import { Counts, Lines } from "../../ui/charts";
import { BURST_MAX, sendMany, type Burst } from "./burst";
import type { Sent } from "./tensors";

interface Times {
  count: number;
  ns: number;
}
export interface Stats {
  name: string;
  version: string;
  last_inference: number;
  inference_count: number;
  execution_count: number;
  inference_stats: { success: Times; fail: Times; queue: Times; compute_infer: Times };
  batch_stats: { batch_size: number; compute_infer: Times }[];
  memory_usage: { type: string; byte_size: number }[];
  cuts: Record<string, number>;
  waiting_rows: number;
}

const KEPT = 180;
const CUTS: Record<string, string> = {
  full: "as many rows as the model takes at once",
  time: "the oldest had waited as long as it may",
  idle: "the model was free and took what there was",
};

const mean = (times: Times): number | null => (times.count <= 0 || times.ns < 0 ? null : times.ns / times.count / 1e6);
/** Of what came between two looks; nothing where the counters began anew between them. */
const meanBetween = (now: Times, before: Times): number | null => mean({ count: now.count - before.count, ns: now.ns - before.ns });

/** Since `before`, size by size. */
function passes(now: Stats, before: Stats | undefined): { size: number; n: number }[] {
  const had = new Map(before?.batch_stats.map((line) => [line.batch_size, line.compute_infer.count]));
  return now.batch_stats.map((line) => ({ size: line.batch_size, n: line.compute_infer.count - (had.get(line.batch_size) ?? 0) })).filter((line) => line.n > 0);
}

function Sizes(props: { now: Stats; before: Stats | undefined; title: string }) {
  const rows = passes(props.now, props.before);
  if (rows.length === 0) return <Empty what="no pass of the model since this page was opened. Send something." />;
  return <Counts title={props.title} rows={rows.map((row) => ({ label: `${row.size} ${row.size === 1 ? "row" : "rows"}`, n: row.n }))} />;
}

function BurstResult(props: { burst: Burst }) {
  const { answers, together, milliseconds, why } = props.burst;
  const good = answers.filter((one) => one.status === 200);
  const times = answers.map((one) => one.milliseconds).sort((a, b) => a - b);
  const batched = good.flatMap((one) => (one.batch === undefined ? [] : [one.batch.rows]));
  return (
    <div aria-live="polite">
      <Figures>
        <Figure label="Answered" value={`${count(good.length)} of ${count(answers.length)}`} tone={good.length === answers.length ? "good" : "bad"} />
        <Figure label="In all" value={duration(milliseconds)} />
        <Figure label="Median" value={duration(times[Math.floor((times.length - 1) / 2)])} note="the browser's own queue included" />
        <Figure label="Under way at most" value={count(together)} note="at one moment, as the browser recorded it" />
        {batched.length === 0 ? null : <Figure label="Rows in a pass" value={`${count(Math.min(...batched))} to ${count(Math.max(...batched))}`} note="as Server-Timing of the answers says" />}
      </Figures>
      {why === undefined ? null : <p class="fault">{why}</p>}
    </div>
  );
}

/** `sent`: what one request would be now; undefined while the form holds none. */
export function Batches(props: { model: string; sent: Sent | undefined }) {
  const { value, error, reload } = useFetch<{ model_stats: Stats[] }>(`/v2/models/${encodeURIComponent(props.model)}/stats`, 1000);
  const now = value?.model_stats[0];
  const first = useRef<Stats | undefined>(undefined);
  const [seen, setSeen] = useState<{ at: number; stats: Stats }[]>([]);
  const [times, setTimes] = useState(32);
  const [burst, setBurst] = useState<Burst | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (now === undefined) return;
    // Loaded again in the meantime: its counters began anew.
    if (first.current === undefined || now.version !== first.current.version || now.execution_count < first.current.execution_count) first.current = now;
    setSeen((old) => [...old, { at: Date.now() / 1000, stats: now }].slice(-KEPT));
  }, [now]);
  const send = async (): Promise<void> => {
    if (props.sent === undefined) return;
    setBusy(true);
    setBurst(await sendMany(props.sent.path, props.sent.body, times));
    setBusy(false);
    reload();
  };
  const between = seen.slice(1).map((one, at) => ({ at: one.at, now: one.stats, before: (seen[at] as { stats: Stats }).stats }));
  const shell = props.sent === undefined ? undefined : `seq 256 | xargs -P 64 -I{} curl -s -o /dev/null ${window.location.origin}${props.sent.path} \\\n  -H 'Content-Type: application/json' -d '${props.sent.body.length > 400 ? "@request.json" : props.sent.body.replaceAll("'", "'\\''")}'`;
  return (
    <>
      <Card title="Batches" note="requests that arrive while the model is busy go through it together" wide>
        <div class="fields">
          <Field label={`requests at once, 1 to ${BURST_MAX}`}>
            <input type="number" class="narrow" min="1" max={BURST_MAX} value={times} onInput={(event) => setTimes(Math.min(BURST_MAX, Math.max(1, Math.round(Number((event.target as HTMLInputElement).value)) || 1)))} />
          </Field>
          <button type="button" class="main" disabled={busy || props.sent === undefined} onClick={() => void send()}>
            {busy ? "Sending\u2026" : `Send ${times} at once`}
          </button>
          <span class="note">Each is a real request: recorded, and charged where it has a price.</span>
        </div>
        {burst === undefined ? null : <BurstResult burst={burst} />}
        <details>
          <summary>More at once than a browser sends</summary>
          <p class="note">A browser keeps only a few requests to one server under way. From a shell:</p>
          {shell === undefined ? null : <Code text={shell} />}
        </details>
      </Card>
      <Trouble error={error} />
      {now === undefined ? null : (
        <>
          <Card title="Batch sizes" note="passes of the model since this page was opened">
            <Sizes now={now} before={first.current} title="Passes by rows since this page was opened" />
          </Card>
          <Card title="Why batches were cut" note="since it was loaded">
            {Object.values(now.cuts).every((n) => n === 0) ? (
              <Empty what="no batch has been cut." />
            ) : (
              <Counts title="Batches by the reason of their cut" rows={Object.entries(now.cuts).map(([cut, n]) => ({ label: cut, n, ...(CUTS[cut] === undefined ? {} : { note: CUTS[cut] }), colour: cut === "full" ? "--line-2" : cut === "time" ? "--line-3" : "--line-1" }))} />
            )}
          </Card>
          <Card title="Rows a pass" note="mean of each second in which it ran">
            <Lines
              title="Rows a pass"
              times={between.map((one) => one.at)}
              lines={[
                {
                  label: "rows",
                  colour: "--line-2",
                  values: between.map(({ now: a, before: b }) => (a.execution_count > b.execution_count ? (a.inference_count - b.inference_count) / (a.execution_count - b.execution_count) : null)),
                  format: count,
                },
              ]}
              dots
            />
          </Card>
          <Card title="Queue and compute" note="mean of each second's requests">
            <Lines
              title="Mean time of a request in the queue and in the model"
              times={between.map((one) => one.at)}
              lines={[
                { label: "queue", colour: "--line-3", values: between.map(({ now: a, before: b }) => meanBetween(a.inference_stats.queue, b.inference_stats.queue)), format: duration },
                { label: "compute", colour: "--line-1", values: between.map(({ now: a, before: b }) => meanBetween(a.inference_stats.compute_infer, b.inference_stats.compute_infer)), format: duration },
              ]}
              dots
            />
          </Card>
          <Card title="Since it was loaded" note={`version ${now.version}`} wide>
            <Figures>
              <Figure label="Rows" value={count(now.inference_count)} />
              <Figure label="Passes" value={count(now.execution_count)} />
              <Figure label="Rows a pass" value={count(now.execution_count === 0 ? null : now.inference_count / now.execution_count)} />
              <Figure label="Failed" value={count(now.inference_stats.fail.count)} tone={now.inference_stats.fail.count > 0 ? "bad" : "plain"} />
              <Figure label="Waiting now" value={count(now.waiting_rows)} note="rows" />
              <Figure label="In the queue" value={duration(mean(now.inference_stats.queue))} note="mean" />
              <Figure label="Computing" value={duration(mean(now.inference_stats.compute_infer))} note="mean, its pass whole" />
              <Figure label="Memory" value={bytes(now.memory_usage.reduce((all, one) => all + one.byte_size, 0))} note="of its arena" />
            </Figures>
            {now.execution_count === 0 ? null : (
              <details>
                <summary>All batch sizes since it was loaded</summary>
                <Sizes now={now} before={undefined} title="Passes by rows since it was loaded" />
              </details>
            )}
          </Card>
        </>
      )}
    </>
  );
}
