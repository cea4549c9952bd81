// Compliance: is the record whole, who may have it how long, and what do the rules say of it?
import { useState } from "preact/hooks";
import { ask, post } from "../lib/api";
import { ago, bytes, count, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Badge, Card, Empty, Field, Figure, Figures, Table, Title, Trouble } from "../ui/basic";

interface Checkpoint {
  origin: string;
  verifier_key: string;
  size: number;
  root: string;
  time: string;
}
interface Verified {
  integrity: string;
  completeness: string;
  completeness_not_judged_because: string | null;
  records: number;
  segments: number;
  bytes: number;
  checkpoints: number;
  checkpoints_proven: number;
  findings_total: number;
  findings: { what?: string; message?: string }[];
  notes: string[];
}
interface Retention {
  retention_days: number | null;
  plan: { before: string | null; segments: number; records: number; held_by: number | null };
  runs: number;
  records_dropped: number;
  last_run: string | null;
  last_failure: string | null;
}
interface Hold {
  id: number;
  reason: string;
  tenant: string | null;
  from: string | null;
  to: string | null;
  placed_by: string;
  placed_at: string;
  active: boolean;
}
interface Report {
  title: string;
  made_at: string;
  records_read: number;
  decisions: number;
  controls: { id: string; reference: string; must: string; outcome: string; reason: string; n: number; failing: number }[];
}

const REPORTS = [
  ["ai-act", "EU AI Act"],
  ["gdpr", "GDPR"],
  ["sec", "SEC"],
  ["finra", "FINRA"],
  ["mifid2", "MiFID II"],
] as const;

function Verify() {
  const [found, setFound] = useState<Verified | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      setFound(await post<Verified>("/api/compliance/verify", { log: true }));
    } catch (reason) {
      setFound(undefined);
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
  };
  return (
    <Card
      title="Verify"
      note="reads every file of the record with the independent verifier"
      actions={
        <button type="button" class="main" disabled={busy} onClick={() => void run()}>
          {busy ? "Verifying\u2026" : "Verify now"}
        </button>
      }
    >
      <Trouble error={error} />
      {found === undefined ? (
        error === undefined ? <p class="empty">Not verified from this page yet. The same without the server: <code>tidegate audit verify data/audit --key checkpoint.key.pub</code></p> : null
      ) : (
        <>
          <Figures>
            <Figure label="Integrity" value={found.integrity} tone={found.integrity === "sound" ? "good" : "bad"} />
            <Figure label="Completeness" value={found.completeness} tone={found.completeness === "complete" ? "good" : "warn"} />
            <Figure label="Records" value={count(found.records)} note={`${count(found.segments)} segments, ${bytes(found.bytes)}`} />
            <Figure label="Checkpoints" value={`${count(found.checkpoints_proven)} of ${count(found.checkpoints)}`} note="proven by the records" />
            <Figure label="Findings" value={count(found.findings_total)} tone={found.findings_total > 0 ? "bad" : "good"} />
          </Figures>
          {found.completeness_not_judged_because === null ? null : <p class="note">{found.completeness_not_judged_because}</p>}
          {found.findings.map((finding, at) => (
            <p class="trouble" key={at}>
              {finding.message ?? finding.what ?? JSON.stringify(finding)}
            </p>
          ))}
          {found.notes.map((note) => (
            <p class="note" key={note}>
              {note}
            </p>
          ))}
        </>
      )}
    </Card>
  );
}

function Reports() {
  const [found, setFound] = useState<Report | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const make = async (event: Event): Promise<void> => {
    event.preventDefault();
    const read = new FormData(event.currentTarget as HTMLFormElement);
    const body = { from: new Date(String(read.get("from"))).toISOString(), to: new Date(String(read.get("to"))).toISOString() };
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
          <Table
            label="Controls"
            rows={found.controls}
            rowKey={(row) => row.id}
            columns={[
              { head: "Control", cell: (row) => row.reference },
              { head: "Outcome", cell: (row) => <Badge tone={row.outcome === "holds" ? "good" : row.outcome === "fails" ? "bad" : "warn"}>{row.outcome.replaceAll("_", " ")}</Badge> },
              { head: "Rows", number: true, cell: (row) => count(row.n) },
              { head: "Failing", number: true, cell: (row) => count(row.failing) },
              { head: "Why", cell: (row) => <span class="wrap">{row.reason}</span> },
            ]}
          />
        </>
      )}
    </Card>
  );
}

function Holds() {
  const { value, error, reload } = useFetch<{ items: Hold[] }>("/api/compliance/hold?limit=100");
  const [reason, setReason] = useState("");
  return (
    <Card title="Legal holds" note="what is held is not removed">
      <Trouble error={error} />
      {value === undefined ? null : value.items.length === 0 ? (
        <p class="empty">Nothing is held.</p>
      ) : (
        <Table
          label="Legal holds"
          rows={value.items}
          rowKey={(row) => String(row.id)}
          columns={[
            { head: "Reason", cell: (row) => row.reason },
            { head: "Of", cell: (row) => `${row.tenant ?? "every tenant"}, ${row.from === null ? "from the beginning" : time(row.from)} to ${row.to === null ? "now and on" : time(row.to)}` },
            { head: "Placed", cell: (row) => `${time(row.placed_at)} by ${row.placed_by}` },
            {
              head: "",
              cell: (row) =>
                row.active ? (
                  <Action
                    label="Release"
                    danger
                    question={`Release the hold "${row.reason}"? Retention may then remove what it held. The release is recorded.`}
                    run={async () => {
                      await ask(`/api/compliance/hold/${row.id}`, { method: "DELETE" });
                      reload();
                      return "released";
                    }}
                  />
                ) : (
                  "released"
                ),
            },
          ]}
        />
      )}
      <div class="fields">
        <Field label="reason of a new hold">
          <input value={reason} onInput={(event) => setReason((event.target as HTMLInputElement).value)} />
        </Field>
        <Action
          label="Hold everything"
          disabled={reason.trim() === ""}
          question={`Keep every record from being removed until this hold is released? Reason: ${reason}`}
          run={async () => {
            await post("/api/compliance/hold", { reason: reason.trim() });
            setReason("");
            reload();
            return "held";
          }}
        />
      </div>
    </Card>
  );
}

export function Compliance() {
  const checkpoint = useFetch<Checkpoint>("/api/compliance/checkpoint?format=json", 5000);
  const retention = useFetch<Retention>("/api/compliance/retention", 30_000);
  const health = useFetch<{ decisions: { size: number; gap_records: number; degraded: boolean } }>("/health", 5000);
  return (
    <>
      <Title text="Compliance" note="What was recorded, that it is unchanged, and how long it stays." />
      <Trouble error={checkpoint.error ?? retention.error} />
      <div class="grid">
        <Card title="Checkpoint" note="what the log had come to, signed">
          {checkpoint.value === undefined ? (
            checkpoint.error === undefined ? null : <Empty what="no checkpoint is signed." />
          ) : (
            <>
              <Figures>
                <Figure label="Signed" value={ago(checkpoint.value.time)} note={time(checkpoint.value.time)} />
                <Figure label="Records under it" value={count(checkpoint.value.size)} />
                <Figure label="Records in all" value={count(health.value?.decisions.size)} />
                <Figure label="Lost" value={count(health.value?.decisions.gap_records)} tone={(health.value?.decisions.gap_records ?? 0) > 0 ? "bad" : "good"} note="since the start; each gap is an event" />
              </Figures>
              <p class="note">
                Root <code>{checkpoint.value.root}</code>
                <br />
                Key <code>{checkpoint.value.verifier_key}</code>
              </p>
            </>
          )}
        </Card>
        <Verify />
        <Card title="Retention">
          {retention.value === undefined ? null : (
            <>
              <Figures>
                <Figure label="Kept for" value={retention.value.retention_days === null ? "ever" : `${count(retention.value.retention_days)} days`} />
                <Figure label="Would go now" value={count(retention.value.plan.records)} note={`records in ${count(retention.value.plan.segments)} segments`} />
                <Figure label="Removed so far" value={count(retention.value.records_dropped)} note={retention.value.last_run === null ? "it has not run" : `last run ${ago(retention.value.last_run)}`} />
              </Figures>
              {retention.value.plan.held_by === null ? null : <p class="note">Stopped by hold {retention.value.plan.held_by}.</p>}
              {retention.value.last_failure === null ? null : <p class="trouble">{retention.value.last_failure}</p>}
            </>
          )}
        </Card>
        <Holds />
        <Reports />
      </div>
    </>
  );
}
