// Keys and limits: who may call, how often, for how much, and what has been spent today.
import { useState } from "preact/hooks";
import { ask, post } from "../lib/api";
import { ago, count, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Badge, Card, Code, Empty, Field, Figure, Figures, Table, Title, Trouble } from "../ui/basic";

interface Key {
  id: string;
  name: string;
  state: string;
  tenant: string | null;
  scopes: string[];
  rate: string | null;
  daily_cap: number | null;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}

interface Balance {
  spent: number;
  reserved: number;
  cap: number | null;
  remaining: number | null;
}
interface Usage {
  day: { began: string; resets_at: string; time_zone: string };
  own: Balance;
  tenant: Balance | null;
  degraded: boolean;
}

function BalanceFigures(props: { balance: Balance }) {
  const { balance } = props;
  const full = balance.cap !== null && balance.remaining !== null && balance.cap > 0 ? balance.remaining / balance.cap : null;
  return (
    <Figures>
      <Figure label="Spent" value={count(balance.spent)} note="points" />
      <Figure label="Reserved" value={count(balance.reserved)} note="by what is under way" />
      <Figure label="Cap" value={balance.cap === null ? "none" : count(balance.cap)} />
      <Figure label="Left" value={balance.cap === null ? "no cap" : count(balance.remaining)} tone={full === null ? "plain" : full <= 0 ? "bad" : full < 0.1 ? "warn" : "good"} />
    </Figures>
  );
}

/** What one tenant's decisions of the day have cost, as the record says. */
function TenantSpend(props: { tenants: string[]; day: Usage["day"] }) {
  const [tenant, setTenant] = useState(props.tenants[0] ?? "");
  const { value, error } = useFetch<{ total_requests: number; spend_points: number; by_status: Record<string, number> }>(
    tenant === "" ? null : `/api/compliance/statistics?tenant=${encodeURIComponent(tenant)}&from=${encodeURIComponent(props.day.began)}`,
    10_000,
  );
  return (
    <Card title="A tenant today" note="from the record">
      <Field label="tenant">
        <select value={tenant} onChange={(event) => setTenant((event.target as HTMLSelectElement).value)}>
          {props.tenants.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </Field>
      <Trouble error={error} />
      {value === undefined ? null : (
        <Figures>
          <Figure label="Spent" value={count(value.spend_points)} note="points of recorded decisions" />
          <Figure label="Decisions" value={count(value.total_requests)} />
          <Figure label="Refused" value={count(value.by_status["refused"] ?? 0)} />
        </Figures>
      )}
    </Card>
  );
}

function NewKey(props: { done: () => void }) {
  const [made, setMade] = useState("");
  const [failed, setFailed] = useState<Error | undefined>(undefined);
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    const read = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string): string => String(read.get(name) ?? "").trim();
    try {
      const got = await post<{ key: string }>("/api/keys", {
        name: text("name"),
        scopes: text("scopes").split(/[\s,]+/).filter((scope) => scope !== ""),
        ...(text("tenant") === "" ? {} : { tenant: text("tenant") }),
        ...(text("rate") === "" ? {} : { rate: text("rate") }),
        ...(text("cap") === "" ? {} : { daily_cap: Number(text("cap")) }),
      });
      setMade(got.key);
      setFailed(undefined);
      props.done();
    } catch (reason) {
      setMade("");
      setFailed(reason instanceof Error ? reason : new Error(String(reason)));
    }
  };
  return (
    <Card title="New key" wide>
      <form onSubmit={(event) => void create(event)}>
        <div class="fields top-aligned">
          <Field label="name">
            <input name="name" required />
          </Field>
          <Field label="scopes" note="such as: provenance compliance:read">
            <input name="scopes" required />
          </Field>
          <Field label="tenant">
            <input name="tenant" />
          </Field>
          <Field label="rate" note="such as: 600/1m burst 60">
            <input name="rate" />
          </Field>
          <Field label="daily cap" note="points">
            <input name="cap" type="number" min="0" step="any" />
          </Field>
        </div>
        <button class="main" type="submit">
          Make it
        </button>
      </form>
      <Trouble error={failed} />
      {made === "" ? null : (
        <>
          <p>It is shown this once:</p>
          <Code text={made} />
        </>
      )}
    </Card>
  );
}

function KeyActions(props: { row: Key; done: () => void; onNew: (text: string) => void }) {
  const { row } = props;
  if (row.state !== "active" && row.state !== "overlap") return null;
  return (
    <div class="actions">
      {row.state === "active" ? (
        <Action
          label="Rotate"
          question={`Make the successor of the key "${row.name}"? Both work for a day; then this one ends. The new one is shown once.`}
          run={async () => {
            const got = await ask<{ key: string }>(`/api/keys/${encodeURIComponent(row.id)}/rotate`, { method: "POST" });
            props.onNew(got.value.key);
            props.done();
            return "rotated";
          }}
        />
      ) : null}
      <Action
        label="Revoke"
        danger
        question={`Revoke the key "${row.name}"? It is refused from then on, and cannot be brought back.`}
        run={async () => {
          await ask(`/api/keys/${encodeURIComponent(row.id)}/revoke`, { method: "POST" });
          props.done();
          return "revoked";
        }}
      />
    </div>
  );
}

export function Keys() {
  const { value, error, reload } = useFetch<{ items: Key[]; total: number }>("/api/keys?limit=200");
  const usage = useFetch<Usage>("/api/v1/usage", 5000);
  const [successor, setSuccessor] = useState("");
  const tenants = [...new Set((value?.items ?? []).flatMap((one) => (one.tenant === null ? [] : [one.tenant])))].sort();
  return (
    <>
      <Title text="Keys and limits" note="Who may call, how often, for how much, and what today has cost.">
        <a href="#/settings/limits">Limits in the settings</a>
      </Title>
      <div class="grid">
        <Card title="Own use today" note={usage.value === undefined ? "" : `until ${time(usage.value.day.resets_at)}, ${usage.value.day.time_zone}`}>
          <Trouble error={usage.error} />
          {usage.value === undefined ? null : (
            <>
              <BalanceFigures balance={usage.value.own} />
              {usage.value.tenant === null ? null : (
                <>
                  <h3>All keys of your tenant</h3>
                  <BalanceFigures balance={usage.value.tenant} />
                </>
              )}
              {usage.value.degraded ? <p class="notice">Redis cannot be asked: these are this server's counts alone.</p> : null}
            </>
          )}
        </Card>
        {tenants.length === 0 || usage.value === undefined ? null : <TenantSpend key={tenants.join(" ")} tenants={tenants} day={usage.value.day} />}
        <Card title="Keys" note="a key's rate and cap are its limits; without its own the settings' hold" wide>
          <Trouble error={error} retry={reload} />
          {error !== undefined ? <Code text={"tidegate keys create --name boss --admin --data-dir data"} /> : null}
          {successor === "" ? null : (
            <>
              <p>The successor is shown this once:</p>
              <Code text={successor} />
            </>
          )}
          {value === undefined ? null : value.items.length === 0 ? (
            <Empty what="no key has been made." command="tidegate keys create --name first --scope provenance" />
          ) : (
            <Table
              label="Keys"
              rows={value.items}
              rowKey={(row) => row.id}
              columns={[
                { head: "Name", cell: (row) => row.name },
                { head: "State", cell: (row) => <Badge tone={row.state === "active" ? "good" : row.state === "overlap" ? "warn" : "plain"}>{row.state}</Badge> },
                { head: "Tenant", cell: (row) => row.tenant ?? "" },
                { head: "Scopes", cell: (row) => row.scopes.join(" ") },
                { head: "Rate", cell: (row) => row.rate ?? "" },
                { head: "Daily cap", number: true, cell: (row) => (row.daily_cap === null ? "" : count(row.daily_cap)) },
                { head: "Expires", cell: (row) => (row.expires_at === null ? "" : time(row.expires_at)) },
                { head: "Last used", cell: (row) => (row.last_used_at === null ? "never" : ago(row.last_used_at)) },
                { head: "Actions", cell: (row) => <KeyActions row={row} done={reload} onNew={setSuccessor} /> },
              ]}
            />
          )}
        </Card>
        <NewKey done={reload} />
      </div>
    </>
  );
}
