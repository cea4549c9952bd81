// Decisions: the record. Search it, look at one, prove it, export it.
import { useEffect, useState } from "preact/hooks";
import { ApiError, ask, get, post, save } from "../lib/api";
import { bytes, count, duration, percent, shortVersion, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Badge, Card, Code, Empty, Field, Figure, Figures, Table, Title, Trouble, type Tone } from "../ui/basic";
import { Stages } from "../ui/stages";
import type { PageProps } from "./pages";

export interface Decision {
  id: string;
  request_id: string;
  time: string;
  tenant: string | null;
  actor: string | null;
  service: string;
  operation: string;
  input_hash: string;
  input_size: number | null;
  model: string;
  model_version: string;
  output: unknown;
  band: string | null;
  confidence: number | null;
  status: string;
  error: string | null;
  latency_ms: number | null;
  stages_ms: Record<string, number>;
  cache: string;
  spend_points: number;
  tokens: number | null;
  trace_id: string;
  tags: Record<string, string>;
}
interface Page {
  results: Decision[];
  next_cursor: string | null;
  total?: number;
}

const tone = (status: string): Tone => (status === "success" ? "good" : status === "error" ? "bad" : "warn");
const FILTERS = ["service", "operation", "model", "model_version", "band", "actor", "tenant"] as const;
const STATUSES = ["success", "error", "refused", "timeout", "cancelled"];
type Filter = Partial<Record<(typeof FILTERS)[number] | "status" | "kind" | "from" | "to", string>>;

function columns() {
  return [
    { head: "Time", cell: (row: Decision) => time(row.time) },
    { head: "Service", cell: (row: Decision) => row.service },
    { head: "Operation", cell: (row: Decision) => row.operation },
    { head: "Status", cell: (row: Decision) => <Badge tone={tone(row.status)}>{row.status}</Badge> },
    { head: "Band", cell: (row: Decision) => row.band ?? "" },
    { head: "Confidence", number: true, cell: (row: Decision) => percent(row.confidence) },
    { head: "Latency", number: true, cell: (row: Decision) => duration(row.latency_ms) },
    { head: "Model", cell: (row: Decision) => <span title={row.model_version}>{[row.model, shortVersion(row.model_version)].filter((part) => part !== "" && part !== null).join(" ")}</span> },
    { head: "Tenant", cell: (row: Decision) => row.tenant ?? "" },
  ];
}

function List() {
  const [filter, setFilter] = useState<Filter>({});
  const [rows, setRows] = useState<Page | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [round, setRound] = useState(0);
  const load = async (cursor: string | null): Promise<void> => {
    try {
      const got = await post<Page>("/api/compliance/query", { ...filter, limit: 50, ...(cursor === null ? {} : { cursor }) });
      setRows((old) => (cursor === null || old === undefined ? got : { ...got, results: [...old.results, ...got.results] }));
      setError(undefined);
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
  };
  useEffect(() => {
    void load(null);
    const again = (): void => setRound((n) => n + 1);
    window.addEventListener("tidegate-key", again);
    return () => window.removeEventListener("tidegate-key", again);
  }, [filter, round]);
  const download = async (format: string): Promise<string> => {
    const got = await ask<string>("/api/compliance/export", { body: { ...filter, format }, text: true });
    return `${bytes(save(got.value, got.headers.get("content-type") ?? "text/plain", `decisions.${format}`))} saved`;
  };
  return (
    <>
      <Title text="Decisions" note="Every answer, as it was recorded before it was sent.">
        <Action label="Export CSV" question="Save every decision that this filter finds as CSV? That you read them is recorded." run={() => download("csv")} />
        <Action label="Export NDJSON" question="Save every decision that this filter finds as NDJSON? That you read them is recorded." run={() => download("ndjson")} />
      </Title>
      <Card wide>
        <form
          class="fields"
          onSubmit={(event) => {
            event.preventDefault();
            const read = new FormData(event.currentTarget as HTMLFormElement);
            const next: Filter = {};
            for (const name of [...FILTERS, "status", "kind"] as const) {
              const value = String(read.get(name) ?? "").trim();
              if (value !== "") next[name] = value;
            }
            for (const name of ["from", "to"] as const) {
              const value = String(read.get(name) ?? "");
              if (value !== "") next[name] = new Date(value).toISOString();
            }
            setFilter(next);
          }}
        >
          {FILTERS.map((name) => (
            <Field key={name} label={name.replace("_", " ")}>
              <input name={name} size={12} />
            </Field>
          ))}
          <Field label="status">
            <select name="status">
              <option value="">any</option>
              {STATUSES.map((status) => (
                <option key={status}>{status}</option>
              ))}
            </select>
          </Field>
          <Field label="records">
            <select name="kind">
              <option value="">decisions</option>
              <option value="event">events of the record</option>
            </select>
          </Field>
          <Field label="from">
            <input name="from" type="datetime-local" />
          </Field>
          <Field label="to">
            <input name="to" type="datetime-local" />
          </Field>
          <button class="main" type="submit">
            Search
          </button>
        </form>
        <form
          class="fields"
          onSubmit={(event) => {
            event.preventDefault();
            const id = String(new FormData(event.currentTarget as HTMLFormElement).get("id") ?? "").trim();
            if (id !== "") window.location.hash = `/decisions/${encodeURIComponent(id)}`;
          }}
        >
          <Field label="decision or request id">
            <input name="id" size={40} />
          </Field>
          <button type="submit">Look up</button>
        </form>
        <Trouble error={error} retry={() => setRound(round + 1)} />
        {rows === undefined ? null : rows.results.length === 0 ? (
          <Empty
            what={Object.keys(filter).length === 0 ? "nothing has been decided." : "no decision fits this filter."}
            {...(Object.keys(filter).length === 0
              ? { command: 'curl -s localhost:8000/api/v1/detect/text -H "Content-Type: application/json" -d \'{"text":"Some text."}\'' }
              : {})}
          />
        ) : (
          <>
            <p class="note">
              {count(rows.results.length)} shown{rows.total === undefined ? "" : ` of ${count(rows.total)}`}
            </p>
            <Table label="Decisions" columns={columns()} rows={rows.results} rowKey={(row) => row.id} href={(row) => `#/decisions/${row.id}`} />
            {rows.next_cursor === null ? null : (
              <button type="button" onClick={() => void load(rows.next_cursor)}>
                More
              </button>
            )}
          </>
        )}
      </Card>
    </>
  );
}

interface Content {
  input?: string | null;
  output?: string | null;
  input_hex?: string;
  output_hex?: string;
}

/** What was asked and answered, where the settings keep it. Asked for on demand: each reading is an event of the log. */
function Evidence(props: { one: Decision }) {
  const { one } = props;
  const [content, setContent] = useState<Content | undefined>(undefined);
  const [same, setSame] = useState<Decision[] | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const read = async (act: () => Promise<void>): Promise<void> => {
    setError(undefined);
    try {
      await act();
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
  };
  return (
    <Card title="Evidence" note="reading it is recorded" wide>
      <div class="fields">
        <button type="button" onClick={() => void read(async () => setContent(await get<Content>(`/api/compliance/content/${one.id}`)))}>
          Read what was asked and answered
        </button>
        <button type="button" disabled={one.input_hash === ""} onClick={() => void read(async () => setSame((await get<{ results: Decision[] }>(`/api/compliance/duplicates/${encodeURIComponent(one.input_hash)}`)).results))}>
          Find the same input
        </button>
        <button type="button" onClick={() => void read(async () => void save((await ask<string>(`/api/compliance/receipt/${one.id}`, { text: true })).value, "text/plain", `receipt-${one.id}.txt`))}>
          Save the receipt
        </button>
      </div>
      <Trouble error={error} />
      {content === undefined ? null : (
        <>
          <h3>Asked</h3>
          <pre tabIndex={0}>{content.input ?? content.input_hex ?? "not kept"}</pre>
          <h3>Answered</h3>
          <pre tabIndex={0}>{content.output ?? content.output_hex ?? "not kept"}</pre>
        </>
      )}
      {same === undefined ? null : (
        <>
          <h3>Decisions about the same input</h3>
          <Table label="Decisions about the same input" columns={columns()} rows={same} rowKey={(row) => row.id} href={(row) => `#/decisions/${row.id}`} />
        </>
      )}
    </Card>
  );
}

interface Inclusion {
  leaf: number;
  leaf_hash: string;
  path: string[];
  size: number;
  root: string;
}

/** By its own id, else by its request's. */
async function find(id: string): Promise<Decision[]> {
  try {
    return [await get<Decision>(`/api/compliance/decision/${encodeURIComponent(id)}`)];
  } catch (reason) {
    const status = reason instanceof ApiError ? reason.problem.status : 0;
    if (status !== 404 && status !== 422) throw reason;
  }
  return (await get<{ results: Decision[] }>(`/api/compliance/request/${encodeURIComponent(id)}`)).results;
}

function One(props: { id: string }) {
  const [found, setFound] = useState<Decision[] | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  useEffect(() => {
    setFound(undefined);
    find(props.id).then(
      (decisions) => {
        setFound(decisions);
        setError(undefined);
      },
      (reason: unknown) => setError(reason instanceof Error ? reason : new Error(String(reason))),
    );
  }, [props.id]);
  const one = found?.find((decision) => decision.id === props.id) ?? (found?.length === 1 ? found[0] : undefined);
  // The newest records are under no checkpoint for a second: asked until one covers it.
  const [proven, setProven] = useState(false);
  const proof = useFetch<Inclusion>(one === undefined ? null : `/api/compliance/proof/inclusion/${one.id}`, proven ? 0 : 1500);
  useEffect(() => setProven(proof.value !== undefined), [proof.value]);
  return (
    <>
      <Title text="Decision" note={props.id}>
        <a href="#/decisions">All decisions</a>
      </Title>
      <Trouble error={error} />
      {found !== undefined && one === undefined ? (
        found.length === 0 ? (
          <Empty what="no decision has this id, and no request." />
        ) : (
          <Card title="Decisions of this request" wide>
            <Table label="Decisions" columns={columns()} rows={found} rowKey={(row) => row.id} href={(row) => `#/decisions/${row.id}`} />
          </Card>
        )
      ) : null}
      {one === undefined ? null : (
        <div class="grid">
          <Card title={`${one.service} \u00b7 ${one.operation}`} actions={<Badge tone={tone(one.status)}>{one.status}</Badge>}>
            <Figures>
              <Figure label="Confidence" value={percent(one.confidence)} />
              <Figure label="Latency" value={duration(one.latency_ms)} />
              <Figure label="Input" value={bytes(one.input_size)} />
              <Figure label="Spend" value={count(one.spend_points)} note="points" />
            </Figures>
            <table>
              <tbody>
                {(
                  [
                    ["Time", time(one.time)],
                    ["Model", one.model],
                    ["Version", one.model_version],
                    ["Tenant", one.tenant ?? "none"],
                    ["Actor", one.actor ?? "none"],
                    ["Cache", one.cache],
                    ["Request", one.request_id],
                    ["Trace", one.trace_id],
                    ["Input hash", one.input_hash],
                    ["Tokens", one.tokens === null ? "not stated" : count(one.tokens)],
                    ["Tags", Object.entries(one.tags).map(([name, value]) => `${name}=${value}`).join(", ") || "none"],
                    ["Error", one.error ?? "none"],
                  ] as const
                ).map(([name, value]) => (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td class="wrap">
                      <code>{value}</code>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Card>
          <Card title="Where the time went">
            <Stages stages={Object.entries(one.stages_ms).map(([name, ms]) => ({ name, ms }))} />
          </Card>
          <Card title="What was answered" wide>
            <pre tabIndex={0}>{JSON.stringify(one.output, null, 2)}</pre>
          </Card>
          <Evidence one={one} />
          <Card title="Proof" note="that this record is in the log, unchanged" wide>
            <Trouble error={proof.error} />
            {proof.value === undefined ? null : (
              <>
                <p>
                  Leaf {count(proof.value.leaf)} of {count(proof.value.size)}; {proof.value.path.length} hashes lead from it to the signed root <code>{proof.value.root}</code>.
                </p>
                <p>Check it without this server:</p>
                <Code text={`curl -s ${window.location.origin}/api/compliance/receipt/${one.id} > receipt.txt\ntidegate audit receipt receipt.txt --key checkpoint.key.pub`} />
              </>
            )}
          </Card>
        </div>
      )}
    </>
  );
}

export function Decisions(props: PageProps) {
  return props.rest === "" ? <List /> : <One id={decodeURIComponent(props.rest)} />;
}
