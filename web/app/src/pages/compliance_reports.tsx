// Reports: what the record shows for each control of a rule, with the rows that fail it and the query behind it.
import { useState } from "preact/hooks";
import { ask, post } from "../lib/api";
import { count, time } from "../lib/format";
import { Badge, Card, Code, Field, Table, Trouble, type Tone } from "../ui/basic";

interface Report {
  title: string;
  made_at: string;
  records_read: number;
  decisions: number;
  preface: string;
  notes: string[];
  summary: Record<string, number>;
  controls: Control[];
}
interface Control {
  id: string;
  reference: string;
  must: string;
  how: string;
  outcome: string;
  reason: string;
  n: number;
  failing: number;
  rows: { id?: string; time?: string; why?: string }[];
  rows_truncated: boolean;
  query: { method: string; path: string; body?: unknown } | null;
}

const REPORTS = [
  ["ai-act", "EU AI Act"],
  ["gdpr", "GDPR"],
  ["sec", "SEC"],
  ["finra", "FINRA"],
  ["mifid2", "MiFID II"],
] as const;

const OUTCOME: Record<string, Tone> = { holds: "good", fails: "bad", cannot_be_judged: "warn" };

function OneControl(props: { control: Control }) {
  const { control } = props;
  const { query } = control;
  return (
    <details class="control">
      <summary>
        <Badge tone={OUTCOME[control.outcome] ?? "plain"}>{control.outcome.replaceAll("_", " ")}</Badge> <strong>{control.reference}</strong>
        <span class="note">
          {count(control.n)} looked at, {count(control.failing)} failing
        </span>
      </summary>
      <p>{control.must}</p>
      <p class="note">{control.how}</p>
      <p>{control.reason}</p>
      {control.rows.length === 0 ? null : (
        <Table
          label={`Rows that fail ${control.id}`}
          rows={control.rows}
          rowKey={(row) => row.id ?? JSON.stringify(row)}
          {...(control.rows.every((row) => row.id !== undefined) ? { href: (row: { id?: string }) => `#/decisions/${encodeURIComponent(row.id ?? "")}` } : {})}
          columns={[
            { head: "Record", cell: (row) => row.id ?? "" },
            { head: "Time", cell: (row) => time(row.time) },
            { head: "Why", cell: (row) => <span class="wrap">{row.why ?? ""}</span> },
          ]}
        />
      )}
      {control.rows_truncated ? <p class="note">These are the first; all {count(control.failing)} are counted.</p> : null}
      {query === null ? null : <Code text={`curl -s -X ${query.method} ${window.location.origin}${query.path}${query.body === undefined ? "" : ` \\\n  -H 'Content-Type: application/json' -d '${JSON.stringify(query.body)}'`}`} />}
    </details>
  );
}

export function Reports() {
  const [found, setFound] = useState<Report | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const make = async (event: Event): Promise<void> => {
    event.preventDefault();
    const read = new FormData(event.currentTarget as HTMLFormElement);
    const subject = String(read.get("subject") ?? "").trim();
    const body = { ...(subject === "" ? {} : { subject }), from: new Date(String(read.get("from"))).toISOString(), to: new Date(String(read.get("to"))).toISOString() };
    const path = `/api/compliance/prebuilt/${String(read.get("report"))}`;
    setBusy(true);
    setError(undefined);
    try {
      if ((event as SubmitEvent).submitter?.getAttribute("value") === "html") {
        const page = await ask<string>(`${path}?format=html`, { body });
        window.open(URL.createObjectURL(new Blob([page.value], { type: "text/html" })), "_blank", "noopener");
      } else {
        setFound(await post<Report>(path, body));
      }
    } catch (reason) {
      setFound(undefined);
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
  };
  const now = new Date();
  const local = (at: Date): string => new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  return (
    <Card title="Reports" note="made from the records, each control with the query behind it" wide>
      <form class="fields" onSubmit={(event) => void make(event)}>
        <Field label="report">
          <select name="report">
            {REPORTS.map(([id, label]) => (
              <option key={id} value={id}>
                {label}
              </option>
            ))}
          </select>
        </Field>
        <Field label="from">
          <input name="from" type="datetime-local" required defaultValue={local(new Date(now.getTime() - 30 * 86_400_000))} />
        </Field>
        <Field label="to">
          <input name="to" type="datetime-local" required defaultValue={local(now)} />
        </Field>
        <Field label="subject, for GDPR">
          <input name="subject" placeholder="as actor says it" />
        </Field>
        <button class="main" type="submit" disabled={busy}>
          {busy ? "Reading the record\u2026" : "Make it"}
        </button>
        <button type="submit" name="format" value="html" disabled={busy}>
          To print
        </button>
      </form>
      <Trouble error={error} />
      {found === undefined ? null : (
        <>
          <p>
            {found.title}, made {time(found.made_at)} from {count(found.records_read)} records, {count(found.decisions)} decisions.
          </p>
          <p>
            {Object.entries(found.summary).map(([outcome, n]) => (
              <span key={outcome}>
                <Badge tone={n === 0 ? "plain" : (OUTCOME[outcome] ?? "plain")}>{`${count(n)} ${outcome.replaceAll("_", " ")}`}</Badge>{" "}
              </span>
            ))}
          </p>
          {found.controls.map((control) => (
            <OneControl key={control.id} control={control} />
          ))}
          {found.notes.map((note) => (
            <p class="note" key={note}>
              {note}
            </p>
          ))}
          <p class="note">{found.preface}</p>
        </>
      )}
    </Card>
  );
}
