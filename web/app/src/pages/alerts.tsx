// Alerts: what fires or is about to, the rules behind it, what is silent, and how it went before.
import { useState } from "preact/hooks";
import { ask, post } from "../lib/api";
import { ago, count, NOTHING, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Badge, Card, Empty, Field, Figure, Figures, Table, Title, Trouble, type Tone } from "../ui/basic";

interface Alert {
  id: string | null;
  rule: string;
  state: string;
  severity: string;
  summary: string;
  labels: Record<string, string>;
  value: number;
  worst: number;
  threshold: number;
  comparison: string;
  since: string | null;
  fired_at: string | null;
  resolved_at: string | null;
  resolved_by: string | null;
  acknowledged: { by: string; at: string; note: string } | null;
  silenced_by: string | null;
  notified: boolean;
}
interface Live {
  items: Alert[];
  firing: number;
  pending: number;
  acknowledged: number;
  silenced: number;
  judged_at: string | null;
  interval_s: number;
}
interface Rule {
  name: string;
  kind: string;
  severity: string;
  summary: string;
  metric: string;
  comparison: string;
  threshold: number;
  for_s: number;
  state: string;
  series: number;
  value: number | null;
  firing: number;
}
interface Silence {
  id: string;
  rule: string | null;
  labels: Record<string, string>;
  from: string;
  until: string;
  by: string;
  note: string;
}

const SEVERITY: Record<string, Tone> = { critical: "bad", warning: "warn", info: "plain" };
const STATE: Record<string, Tone> = { firing: "bad", pending: "warn", resolved: "good", inactive: "plain" };
const labelsOf = (labels: Record<string, string>): string => Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(", ");
const figure = (value: number | null): string => (value === null ? NOTHING : String(Number(value.toPrecision(4))));

function columns(done: (() => void) | undefined) {
  return [
    {
      head: "Alert",
      cell: (row: Alert) => (
        <>
          <strong>{row.rule.replaceAll("_", " ")}</strong>
          <small class="why">{row.summary}</small>
          {Object.keys(row.labels).length === 0 ? null : <small class="why">{labelsOf(row.labels)}</small>}
        </>
      ),
    },
    { head: "State", cell: (row: Alert) => <Badge tone={STATE[row.state] ?? "plain"}>{row.state}</Badge> },
    { head: "Severity", cell: (row: Alert) => <Badge tone={SEVERITY[row.severity] ?? "plain"}>{row.severity}</Badge> },
    { head: "Value", number: true, cell: (row: Alert) => figure(row.value) },
    { head: "Worst", number: true, cell: (row: Alert) => figure(row.worst) },
    { head: "Threshold", number: true, cell: (row: Alert) => `${row.comparison} ${figure(row.threshold)}` },
    { head: "Since", cell: (row: Alert) => time(row.since) },
    done === undefined
      ? { head: "Ended", cell: (row: Alert) => `${time(row.resolved_at)}${row.resolved_by === null ? "" : `, ${row.resolved_by.replaceAll("_", " ")}`}` }
      : {
          head: "Actions",
          cell: (row: Alert) =>
            row.acknowledged !== null ? (
              `${row.acknowledged.by} looks into it`
            ) : row.id === null ? (
              ""
            ) : (
              <Action
                label="Acknowledge"
                question={`Say that you look into "${row.rule}"? It goes on firing until what it watches is well again.`}
                run={async () => {
                  await post(`/api/v1/alerts/${encodeURIComponent(row.id ?? "")}/acknowledge`, {});
                  done();
                  return "acknowledged";
                }}
              />
            ),
        },
  ];
}

function Silences(props: { rules: Rule[] }) {
  const { value, error, reload } = useFetch<{ items: Silence[] }>("/api/v1/alerts/silences", 10_000);
  const [rule, setRule] = useState("");
  const [hours, setHours] = useState("1");
  const [note, setNote] = useState("");
  return (
    <Card title="Silences" note="judged and recorded all the same; nobody is told">
      <Trouble error={error} />
      {value === undefined ? null : value.items.length === 0 ? (
        <p class="empty">Nothing is silent.</p>
      ) : (
        <Table
          label="Silences"
          rows={value.items}
          rowKey={(row) => row.id}
          columns={[
            { head: "Rule", cell: (row) => row.rule?.replaceAll("_", " ") ?? "every rule" },
            { head: "Of", cell: (row) => labelsOf(row.labels) },
            { head: "Until", cell: (row) => time(row.until) },
            { head: "By", cell: (row) => `${row.by}${row.note === "" ? "" : `: ${row.note}`}` },
            {
              head: "Actions",
              cell: (row) => (
                <Action
                  label="End it"
                  question="End this silence? What fires is told again."
                  run={async () => {
                    await ask(`/api/v1/alerts/silences/${encodeURIComponent(row.id)}`, { method: "DELETE" });
                    reload();
                    return "ended";
                  }}
                />
              ),
            },
          ]}
        />
      )}
      <div class="fields">
        <Field label="rule">
          <select value={rule} onChange={(event) => setRule((event.target as HTMLSelectElement).value)}>
            <option value="">every rule</option>
            {props.rules.map((one) => (
              <option key={one.name} value={one.name}>
                {one.name.replaceAll("_", " ")}
              </option>
            ))}
          </select>
        </Field>
        <Field label="hours">
          <input type="number" class="narrow" min="1" max="168" value={hours} onInput={(event) => setHours((event.target as HTMLInputElement).value)} />
        </Field>
        <Field label="why">
          <input value={note} onInput={(event) => setNote((event.target as HTMLInputElement).value)} />
        </Field>
        <Action
          label="Silence"
          disabled={note.trim() === "" || !(Number(hours) > 0)}
          question={`Tell nobody of ${rule === "" ? "any alert" : `"${rule.replaceAll("_", " ")}"`} for ${hours} hours?`}
          run={async () => {
            await post("/api/v1/alerts/silences", { ...(rule === "" ? {} : { rule }), until: new Date(Date.now() + Number(hours) * 3_600_000).toISOString(), note: note.trim() });
            setNote("");
            reload();
            return "silent";
          }}
        />
      </div>
    </Card>
  );
}

export function Alerts() {
  const live = useFetch<Live>("/api/v1/alerts", 5000);
  const rules = useFetch<{ items: Rule[] }>("/api/v1/alerts/rules", 10_000);
  const history = useFetch<{ items: Alert[] }>("/api/v1/alerts/history?limit=50", 15_000);
  return (
    <>
      <Title text="Alerts" note="What the server finds wrong with itself, by rules of the settings." />
      <Trouble error={live.error ?? rules.error ?? history.error} retry={live.reload} />
      <div class="grid">
        {live.value === undefined ? null : (
          <>
            <Card wide>
              <Figures>
                <Figure label="Firing" value={count(live.value.firing)} tone={live.value.firing > 0 ? "bad" : live.value.judged_at === null ? "plain" : "good"} />
                <Figure label="Pending" value={count(live.value.pending)} tone={live.value.pending > 0 ? "warn" : "plain"} />
                <Figure label="Acknowledged" value={count(live.value.acknowledged)} />
                <Figure label="Silent" value={count(live.value.silenced)} />
                <Figure label="Judged" value={ago(live.value.judged_at)} note={`each ${count(live.value.interval_s)} s`} />
              </Figures>
            </Card>
            <Card title="Now" wide>
              {live.value.items.length === 0 ? <p class="empty">{live.value.judged_at === null ? "No rule has been judged: nothing is known." : "Nothing fires."}</p> : <Table label="Alerts now" rows={live.value.items} rowKey={(row) => `${row.rule} ${labelsOf(row.labels)}`} columns={columns(live.reload)} />}
            </Card>
          </>
        )}
        {rules.value === undefined ? null : (
          <Card title="Rules" note="changed in the settings: alerts.rules" wide>
            {rules.value.items.length === 0 ? (
              <Empty what="no rule is judged." command={"tidegate config show | grep alerts"} />
            ) : (
              <Table
                label="Rules"
                rows={rules.value.items}
                rowKey={(row) => row.name}
                columns={[
                  {
                    head: "Rule",
                    cell: (row) => (
                      <>
                        {row.name.replaceAll("_", " ")}
                        <small class="why">{row.summary}</small>
                      </>
                    ),
                  },
                  { head: "State", cell: (row) => <Badge tone={STATE[row.state] ?? "plain"}>{row.state}</Badge> },
                  { head: "Severity", cell: (row) => row.severity },
                  { head: "Reads", cell: (row) => <code>{row.metric}</code> },
                  { head: "Bad when", number: true, cell: (row) => `${row.comparison} ${figure(row.threshold)}` },
                  { head: "Now", number: true, cell: (row) => figure(row.value) },
                  { head: "Series", number: true, cell: (row) => count(row.series) },
                ]}
              />
            )}
          </Card>
        )}
        {live.value === undefined ? null : <Silences rules={rules.value?.items ?? []} />}
        {history.value === undefined ? null : (
          <Card title="Before" wide>
            {history.value.items.length === 0 ? <p class="empty">No alert has fired yet.</p> : <Table label="Alerts that are over" rows={history.value.items} rowKey={(row) => `${row.id} ${row.state}`} columns={columns(undefined)} />}
          </Card>
        )}
      </div>
    </>
  );
}
