// Models: what lies in the folder, what serves, what it holds, and loading and unloading.
import { useEffect, useState } from "preact/hooks";
import { ask, post } from "../lib/api";
import { bytes, count, shortVersion, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Badge, Card, Empty, Figure, Figures, Table, Title, Trouble, type Tone } from "../ui/basic";

interface Indexed {
  name: string;
  version?: string;
  state: string;
  reason: string;
  sha256?: string;
}
interface Serving {
  name: string;
  version: string;
  device: string;
  memory_bytes: number;
  waiting_rows: number;
}
interface Health {
  models: {
    text_detector?: string;
    runtime?: { available: boolean; name?: string; version?: string; reason?: string };
    built_in_embedding?: string;
    serving?: Serving[];
  };
}

/** A model may lie, and serve, in several versions: each has its own numbers. */
const keyOf = (of: { name: string; version?: string }): string => `${of.name} ${of.version ?? ""}`;
const TONES: Record<string, Tone> = { READY: "good", LOADING: "warn", UNLOADING: "warn", UNAVAILABLE: "bad" };

/** The index is a POST without effect: it is asked again every few seconds while the page is shown. */
function useIndex(): { rows: Indexed[] | undefined; error: Error | undefined; reload: () => void } {
  const [rows, setRows] = useState<Indexed[] | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const again = (): void => setRound((n) => n + 1);
    window.addEventListener("tidegate-key", again);
    const timer = window.setTimeout(again, 3000);
    if (!document.hidden) {
      post<Indexed[]>("/v2/repository/index", {}).then(
        (got) => {
          setRows(got);
          setError(undefined);
        },
        (reason: unknown) => setError(reason instanceof Error ? reason : new Error(String(reason))),
      );
    }
    return () => {
      window.clearTimeout(timer);
      window.removeEventListener("tidegate-key", again);
    };
  }, [round]);
  return { rows, error, reload: () => setRound((n) => n + 1) };
}

export function Models() {
  const index = useIndex();
  const health = useFetch<Health>("/health", 3000);
  const stats = useFetch<{ model_stats: { name: string; version: string; inference_count: number; execution_count: number; last_inference: number }[] }>("/v2/models/stats", 3000);
  const serving = new Map((health.value?.models.serving ?? []).map((one) => [keyOf(one), one]));
  const counted = new Map((stats.value?.model_stats ?? []).map((one) => [keyOf(one), one]));
  const models = health.value?.models;
  const act = (name: string, what: "load" | "unload", said: string) => async (): Promise<string> => {
    await post(`/v2/repository/models/${encodeURIComponent(name)}/${what}`, {});
    index.reload();
    health.reload();
    return said;
  };
  return (
    <>
      <Title text="Models" note="What lies in the model folder, which version serves, and what it holds.">
        <a href="#/try/models">Try one</a>
      </Title>
      <Trouble error={index.error ?? health.error} />
      <div class="grid">
        {models === undefined ? null : (
          <Card title="Runtime" wide>
            <Figures>
              <Figure label="Runs models" value={models.runtime === undefined ? "not known" : models.runtime.available ? `${models.runtime.name ?? ""} ${models.runtime.version ?? ""}`.trim() : "nothing"} tone={models.runtime?.available === false ? "warn" : "plain"} {...(models.runtime?.reason === undefined ? {} : { note: models.runtime.reason })} />
              <Figure label="Serve" value={count(models.serving?.length)} note="from the folder" />
              <Figure label="Memory" value={bytes(models.serving?.reduce((all, one) => all + one.memory_bytes, 0))} note="held by them" />
              <Figure label="Waiting" value={count(models.serving?.reduce((all, one) => all + one.waiting_rows, 0))} note="rows" />
            </Figures>
            <p class="note">
              Part of the program: text detector <code>{models.text_detector ?? "none"}</code>, embedding <code>{models.built_in_embedding ?? "none"}</code>.
            </p>
          </Card>
        )}
        {index.rows === undefined ? null : (
          <Card title="The folder" note="load and unload need models.mode: explicit and a key that may" wide>
            {index.rows.length === 0 ? (
              <Empty what="no model lies in the model folder. Put one there:" command={"mkdir -p data/models/mine/1 && cp model.onnx data/models/mine/1/model.onnx"} />
            ) : (
              <Table
                label="Models of the folder"
                rows={index.rows}
                rowKey={(row) => `${row.name} ${row.version ?? ""}`}
                columns={[
                  { head: "Model", cell: (row) => (row.state === "READY" ? <a href={`#/try/models/${encodeURIComponent(row.name)}`}>{row.name}</a> : row.name) },
                  {
                    head: "Version",
                    cell: (row) => (
                      <>
                        {row.version ?? ""}
                        {row.sha256 === undefined ? null : <small class="why-hash" title={`SHA-256 ${row.sha256}`}>{shortVersion(row.sha256)}</small>}
                      </>
                    ),
                  },
                  {
                    head: "State",
                    cell: (row) => (
                      <>
                        <Badge tone={TONES[row.state] ?? "plain"}>{row.state.toLowerCase()}</Badge>
                        {row.reason === "" ? null : <small class="why">{row.reason}</small>}
                      </>
                    ),
                  },
                  { head: "Device", cell: (row) => serving.get(keyOf(row))?.device ?? "" },
                  { head: "Memory", number: true, cell: (row) => (serving.has(keyOf(row)) ? bytes(serving.get(keyOf(row))?.memory_bytes) : "") },
                  { head: "Rows", number: true, cell: (row) => (counted.has(keyOf(row)) ? count(counted.get(keyOf(row))?.inference_count) : "") },
                  { head: "Last asked", cell: (row) => ((counted.get(keyOf(row))?.last_inference ?? 0) > 0 ? time(counted.get(keyOf(row))?.last_inference) : "") },
                  {
                    head: "Actions",
                    cell: (row) => (
                      <div class="actions">
                        <Action
                          label={row.state === "READY" ? "Reload" : "Load"}
                          question={`Read ${row.name} anew from its folder? What is in work is finished; if the new one cannot be loaded, the old one stays.`}
                          run={act(row.name, "load", "loaded")}
                        />
                        {row.state === "READY" ? <Action label="Unload" danger question={`Take ${row.name} away? What is in work is finished; then it answers no more until it is loaded again.`} run={act(row.name, "unload", "unloaded")} /> : null}
                        <Action
                          label="Drop its answers"
                          question={`Drop every kept answer of the model ${row.name} from the cache?`}
                          run={async () => {
                            const got = await ask<{ dropped?: number }>(`/api/v1/models/${encodeURIComponent(row.name)}/cache`, { method: "DELETE" });
                            return got.value.dropped === undefined ? "dropped" : `${count(got.value.dropped)} dropped`;
                          }}
                        />
                      </div>
                    ),
                  },
                ]}
              />
            )}
          </Card>
        )}
      </div>
    </>
  );
}
