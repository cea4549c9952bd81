// Compliance: is the record whole, who may have it how long, and what do the rules say of it?
import { useEffect, useState } from "preact/hooks";
import { ask, post } from "../lib/api";
import { ago, count, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Card, Empty, Field, Figure, Figures, Table, Title, Trouble } from "../ui/basic";
import { Reports } from "./compliance_reports";
import { Verify, VerifyReceipt } from "./compliance_verify";

interface Checkpoint {
  origin: string;
  verifier_key: string;
  size: number;
  root: string;
  time: string;
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
  released_by: string | null;
  released_at: string | null;
}
interface GapEvent {
  id: string;
  time: string;
  output: { records_lost?: number; from?: string; to?: string; reason?: string } | null;
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
              head: "Actions",
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
                  `released ${time(row.released_at)}${row.released_by === null ? "" : ` by ${row.released_by}`}`
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

/** Asked once, as each reading of the record is itself recorded. */
function Gaps(props: { lost: number | undefined }) {
  const [rows, setRows] = useState<GapEvent[] | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  useEffect(() => {
    post<{ results: GapEvent[] }>("/api/compliance/query", { kind: "event", service: "audit", operation: "gap", limit: 50 }).then(
      (got) => setRows(got.results),
      (reason: unknown) => setError(reason instanceof Error ? reason : new Error(String(reason))),
    );
  }, [props.lost]);
  return (
    <Card title="Gaps" note="where the record says itself that something is missing">
      <Trouble error={error} />
      {rows === undefined ? null : rows.length === 0 ? (
        <p class="empty">The log holds no gap.</p>
      ) : (
        <Table
          label="Gaps of the log"
          rows={rows}
          rowKey={(row) => row.id}
          href={(row) => `#/decisions/${row.id}`}
          columns={[
            { head: "Noted", cell: (row) => time(row.time) },
            { head: "Lost", number: true, cell: (row) => count(row.output?.records_lost) },
            { head: "From", cell: (row) => time(row.output?.from) },
            { head: "To", cell: (row) => time(row.output?.to) },
            { head: "Why", cell: (row) => <span class="wrap">{row.output?.reason ?? ""}</span> },
          ]}
        />
      )}
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
                <Figure label="Lost" value={count(health.value?.decisions.gap_records)} tone={health.value === undefined ? "plain" : health.value.decisions.gap_records > 0 ? "bad" : "good"} note="since the start; each gap is an event" />
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
              {retention.value.plan.records === 0 ? null : (
                <Action
                  label="Remove them now"
                  danger
                  question={`Remove ${count(retention.value.plan.records)} records that are older than the retention? They cannot be brought back; that they went is recorded.`}
                  run={async () => {
                    const got = await post<{ records_dropped: number }>("/api/compliance/retention", { run: true });
                    retention.reload();
                    return `${count(got.records_dropped)} removed since the start`;
                  }}
                />
              )}
              {retention.value.plan.held_by === null ? null : <p class="note">Stopped by hold {retention.value.plan.held_by}.</p>}
              {retention.value.last_failure === null ? null : <p class="trouble">{retention.value.last_failure}</p>}
            </>
          )}
        </Card>
        <Holds />
        <VerifyReceipt />
        <Gaps lost={health.value?.decisions.gap_records} />
        <Reports />
      </div>
    </>
  );
}
