// Cache, keys and limits: their state, and the safe actions on them, each asked once and recorded.
import { useState } from "preact/hooks";
import { ask, post } from "../lib/api";
import { ago, bytes, count, percent, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Badge, Card, Code, Empty, Field, Figure, Figures, Table, Title, Trouble } from "../ui/basic";

interface CacheStats {
  total_entries: number;
  active_entries: number;
  hit_rate: number | null;
  memory_usage_bytes: number;
  memory_bytes_max: number;
  hits: number;
  stale_hits: number;
  misses: number;
  inserts: number;
  expired: number;
  evicted: { room: number; variants: number };
  flights: { led: number; waited: number; under_way: number; waiting: number };
  l2: { configured: boolean; shared: boolean; reason?: string; hits?: number; misses?: number };
}

export function Cache() {
  const { value, error, reload } = useFetch<CacheStats>("/api/v1/cache/stats", 3000);
  const [path, setPath] = useState("");
  const drop = (body: object) => async (): Promise<string> => {
    const { dropped } = await post<{ dropped: number }>("/api/v1/cache/invalidate", body);
    reload();
    return `${count(dropped)} dropped`;
  };
  return (
    <>
      <Title text="Cache" note="Answers that are kept and given again." />
      <Trouble error={error} />
      {value === undefined ? null : (
        <div class="grid">
          <Card wide>
            <Figures>
              <Figure label="Answers" value={count(value.total_entries)} />
              <Figure label="Memory" value={bytes(value.memory_usage_bytes)} note={`of ${bytes(value.memory_bytes_max)}`} />
              <Figure label="Hit ratio" value={percent(value.hits + value.misses + value.stale_hits === 0 ? null : value.hit_rate)} note="since the start" />
              <Figure label="Hits" value={count(value.hits)} />
              <Figure label="Misses" value={count(value.misses)} />
              <Figure label="Stored" value={count(value.inserts)} />
              <Figure label="Left for room" value={count(value.evicted.room)} />
              <Figure label="Expired" value={count(value.expired)} />
              <Figure label="Waited for one" value={count(value.flights.waited)} note="equal questions that shared an execution" />
            </Figures>
          </Card>
          <Card title="Shared cache" note="Redis" actions={<Badge tone={value.l2.shared ? "good" : value.l2.configured ? "bad" : "plain"}>{value.l2.shared ? "shared" : value.l2.configured ? "away" : "not configured"}</Badge>}>
            {value.l2.configured ? (
              <Figures>
                <Figure label="Hits" value={count(value.l2.hits)} />
                <Figure label="Misses" value={count(value.l2.misses)} />
              </Figures>
            ) : (
              <p class="empty">Each process keeps its own.</p>
            )}
            {value.l2.reason === undefined ? null : <p class="note">{value.l2.reason}</p>}
          </Card>
          <Card title="Actions" note="need an admin key">
            <div class="fields">
              <Field label="path">
                <input value={path} placeholder="/api/v1/..." onInput={(event) => setPath((event.target as HTMLInputElement).value)} />
              </Field>
              <Action label="Drop this path" disabled={path === ""} question={`Drop every kept answer of ${path}?`} run={drop({ path })} />
              <Action label="Drop everything" danger question="Drop every kept answer? The next questions are computed anew." run={drop({ all: true })} />
            </div>
          </Card>
        </div>
      )}
    </>
  );
}

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

export function Keys() {
  const { value, error, reload } = useFetch<{ items: Key[]; total: number }>("/api/keys?limit=200");
  const usage = useFetch<{ day: { resets_at: string; time_zone: string }; own: { spent: number; reserved: number; cap: number | null; remaining: number | null } }>("/api/v1/usage", 5000);
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
      reload();
    } catch (reason) {
      setFailed(reason instanceof Error ? reason : new Error(String(reason)));
    }
  };
  return (
    <>
      <Title text="Keys and limits" note="Who may call, how often, for how much." />
      <div class="grid">
        <Card title="Own use today">
          <Trouble error={usage.error} />
          {usage.value === undefined ? null : (
            <Figures>
              <Figure label="Spent" value={count(usage.value.own.spent)} note="points" />
              <Figure label="Reserved" value={count(usage.value.own.reserved)} />
              <Figure label="Cap" value={usage.value.own.cap === null ? "none" : count(usage.value.own.cap)} />
              <Figure label="Resets" value={time(usage.value.day.resets_at)} note={usage.value.day.time_zone} />
            </Figures>
          )}
        </Card>
        <Card title="Keys" wide>
          <Trouble error={error} />
          {error !== undefined ? <Code text={"tidegate keys create --name boss --admin --data-dir data"} /> : null}
          {value === undefined ? null : value.items.length === 0 ? (
            <Empty what="no key has been made." command="tidegate keys create --name first --scope provenance" />
          ) : (
            <Table
              label="Keys"
              rows={value.items}
              rowKey={(row) => row.id}
              columns={[
                { head: "Name", cell: (row) => row.name },
                { head: "State", cell: (row) => <Badge tone={row.state === "active" ? "good" : "plain"}>{row.state}</Badge> },
                { head: "Tenant", cell: (row) => row.tenant ?? "" },
                { head: "Scopes", cell: (row) => row.scopes.join(" ") },
                { head: "Rate", cell: (row) => row.rate ?? "" },
                { head: "Daily cap", number: true, cell: (row) => (row.daily_cap === null ? "" : count(row.daily_cap)) },
                { head: "Last used", cell: (row) => ago(row.last_used_at) },
                {
                  head: "",
                  cell: (row) =>
                    row.state === "active" ? (
                      <Action
                        label="Revoke"
                        danger
                        question={`Revoke the key "${row.name}"? It is refused from then on, and cannot be brought back.`}
                        run={async () => {
                          await ask(`/api/keys/${row.id}/revoke`, { method: "POST" });
                          reload();
                          return "revoked";
                        }}
                      />
                    ) : null,
                },
              ]}
            />
          )}
        </Card>
        <Card title="New key">
          <form onSubmit={(event) => void create(event)}>
            <div class="fields">
              <Field label="name">
                <input name="name" required />
              </Field>
              <Field label="scopes" note="such as: provenance compliance:read">
                <input name="scopes" required />
              </Field>
              <Field label="tenant">
                <input name="tenant" />
              </Field>
              <Field label="rate" note="such as: 100/s">
                <input name="rate" />
              </Field>
              <Field label="daily cap" note="points">
                <input name="cap" type="number" min="0" step="any" />
              </Field>
              <button class="main" type="submit">
                Make it
              </button>
            </div>
          </form>
          <Trouble error={failed} />
          {made === "" ? null : (
            <>
              <p>It is shown this once:</p>
              <Code text={made} />
            </>
          )}
        </Card>
      </div>
    </>
  );
}

interface Upstream {
  name?: string;
  [member: string]: unknown;
}

export function Gateway() {
  const { value, error } = useFetch<{ upstreams: Upstream[]; routes?: unknown }>("/health", 3000);
  return (
    <>
      <Title text="Upstreams" note="The model services behind this server: their targets, breakers and load, as /health says." />
      <Trouble error={error} />
      {value === undefined ? null : value.upstreams.length === 0 ? (
        <Empty what="no upstream is configured. Ten lines of YAML put this server in front of a service:" command={"upstreams:\n  app: {targets: [\"http://127.0.0.1:9000\"]}\nroutes:\n  all: {path: \"/{rest...}\", upstream: app}"} />
      ) : (
        <div class="grid">
          {value.upstreams.map((upstream, at) => (
            <Card key={at} title={upstream.name ?? `upstream ${at + 1}`}>
              <pre tabIndex={0}>{JSON.stringify(upstream, null, 2)}</pre>
            </Card>
          ))}
        </div>
      )}
    </>
  );
}
