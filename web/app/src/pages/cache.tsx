// Cache: what is kept, what it saved, and the safe actions on it, each asked once and recorded.
import { useState } from "preact/hooks";
import { post } from "../lib/api";
import { bytes, count, percent } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Badge, Card, Empty, Field, Figure, Figures, Table, Title, Trouble } from "../ui/basic";

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

interface HotKey {
  requests: number;
  error: number;
  route: string;
  method: string;
  target: string;
}

function Hot() {
  const { value, error } = useFetch<{ keys: HotKey[] }>("/api/v1/cache/hot", 10_000);
  return (
    <Card title="Most requested" note="of the last one to two hours, estimated from one request in sixteen" wide>
      <Trouble error={error} />
      {value === undefined ? null : value.keys.length === 0 ? (
        <Empty what="no answer that may be kept was asked for often enough to be counted." />
      ) : (
        <Table
          label="Most requested keys"
          rows={value.keys}
          rowKey={(row) => `${row.method} ${row.target}`}
          columns={[
            { head: "Request", cell: (row) => <code>{`${row.method} ${row.target}`}</code> },
            { head: "Route", cell: (row) => row.route },
            { head: "About", number: true, cell: (row) => count(row.requests) },
            { head: "At most too high by", number: true, cell: (row) => count(row.error) },
          ]}
        />
      )}
    </Card>
  );
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
            </div>
            <div class="fields">
              <Action
                label="Free what has expired"
                question="Give back the memory of answers that have expired or were dropped?"
                run={async () => {
                  const { dropped } = await post<{ dropped: number }>("/health/cache/cleanup", {});
                  reload();
                  return `${count(dropped)} freed`;
                }}
              />
              <Action
                label="Ask for the most wanted again"
                question="Ask the upstreams again for what was requested most and is not fresh? That makes up to a hundred requests."
                run={async () => {
                  const got = await post<{ stored: number; keys: number; failed: number }>("/api/v1/cache/warmup", { top: 100 });
                  reload();
                  return `${count(got.keys)} looked at, ${count(got.stored)} stored, ${count(got.failed)} failed`;
                }}
              />
              <Action label="Drop everything" danger question="Drop every kept answer? The next questions are computed anew." run={drop({ all: true })} />
            </div>
          </Card>
          <Hot />
        </div>
      )}
    </>
  );
}
